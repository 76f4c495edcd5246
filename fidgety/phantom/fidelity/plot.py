"""One joint's figures -> one SVG panel: gain by frequency in plane and depth, the .9 to 1.1 band, the noise floor.

Gains of an earlier run lie grey behind those of this one. A sheet holds the panels of all views.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from fidgety.phantom.fidelity.bench import Row

__all__ = ["draw_joint", "draw_sheet"]

_WIDTH, _HEIGHT = 390, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 56, 58
_HIGHEST_GAIN = 1.4
_BAND = (0.9, 1.1)  # the target, from .5 to 3 Hz
_BAND_HZ = (0.5, 3.0)
_PLANE_COLOURS = ("#7fb2e5", "#1f6fbf", "#0b3a6b")  # small to large movement
_BEFORE_COLOUR = "#a9b1b9"
_GAP, _TITLE, _N_ACROSS = 16, 34, 4  # of a sheet: px, px, panels
_DEPTH_COLOUR, _TOGETHER_COLOUR, _NOISE_COLOUR = "#c0622a", "#3a8f5c", "#8a6bb8"

_Curve = tuple[str, str, str, list[tuple[float, float]]]  # name, colour, dashes, (Hz, gain) in order


def draw_sheet(views: Sequence[tuple[str, Sequence[str]]]) -> str:
    """One SVG of (title of a view, its panels)."""
    parts, y = [], _GAP
    for title, panels in views:
        parts.append(_text(_GAP, y + 18, f"<tspan font-size='16' font-weight='600'>{html.escape(title)}</tspan>"))
        y += _TITLE
        for first in range(0, len(panels), _N_ACROSS):
            for column, panel in enumerate(panels[first : first + _N_ACROSS]):
                parts.append(f'<g transform="translate({_GAP + column * (_WIDTH + _GAP)},{y})">{panel}</g>')
            y += _HEIGHT + _GAP
    width = _GAP + _N_ACROSS * (_WIDTH + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" font-family="system-ui,sans-serif">'
        f'<rect width="{width}" height="{y}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def draw_joint(joint: str, rows: Sequence[Row], before: Sequence[Row] = ()) -> str:
    """An inline SVG of the rows of one joint in one view: a curve for every scene, axis and amplitude with gains.

    before: the same joint and view in an earlier run; of these, movement in the plane is drawn.
    """
    gains = [row for row in rows if row.figure == "gain" and row.frequency_hz is not None]
    highest_hz = max([4.0, *(row.frequency_hz for row in gains if row.frequency_hz is not None)]) + 0.25
    name = joint.replace("_", " ")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{html.escape(f"gain of the {name}")}" font-family="system-ui,sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff" stroke="#d5dce3"/>',
        _text(12, 20, f"<tspan font-size='14' font-weight='600'>{html.escape(name)}</tspan>"),
        _text(12, 38, html.escape(_floors(rows)), "#4b5a68"),
        *_axes(highest_hz),
    ]
    curves = _earlier_curves(before) + _curves(gains)
    for i, (label, colour, dashes, points) in enumerate(curves):
        parts.append(_curve(points, colour, dashes, highest_hz))
        x, y = 14 + 126 * (i % 3), _HEIGHT - 22 + 14 * (i // 3)
        parts.append(f'<line x1="{x}" x2="{x + 18}" y1="{y - 4}" y2="{y - 4}" {_stroke(colour, dashes)}/>')
        parts.append(_text(x + 23, y, html.escape(label)))
    return "".join([*parts, "</svg>"])


def _floors(rows: Sequence[Row]) -> str:
    """The noise floors of the motionless and the slow scene, in words."""
    words = []
    for scene in ("motionless", "slow"):
        floors = {row.axis: row.value for row in rows if row.scene == scene and row.figure == "floor"}
        if floors:
            words.append(f"{scene} " + "/".join(f"{value:.2f}" for value in floors.values()))
    return f"floor in plane/depth, mm rms: {'; '.join(words)}" if words else "floor not measured"


def _curves(gains: Sequence[Row]) -> list[_Curve]:
    """Single joints first (solid; depth dashed), then all together, then noise in the plane."""
    amplitudes = sorted({row.amplitude_mm for row in gains if row.scene == "single" and row.amplitude_mm is not None})
    colours = dict(zip(amplitudes, _PLANE_COLOURS[-len(amplitudes) :], strict=False))
    if len(amplitudes) == 1:
        colours[amplitudes[0]] = _PLANE_COLOURS[1]
    wanted = [("single", "plane", size, f"plane, {size:g} mm", colours[size], "") for size in amplitudes]
    wanted += [("single", "depth", size, f"depth, {size:g} mm", _DEPTH_COLOUR, "5 3") for size in amplitudes]
    curves = []
    for scene, axis, size, label, colour, dashes in [
        *wanted,
        ("together", "plane", None, "all together", _TOGETHER_COLOUR, "2 2"),
        ("noise", "plane", None, "noise, plane", _NOISE_COLOUR, "2 2"),
    ]:
        points = sorted(
            (row.frequency_hz, row.value)
            for row in gains
            if row.scene == scene
            and row.axis == axis
            and row.frequency_hz is not None
            and (size is None or row.amplitude_mm == size)
        )
        if points:
            curves.append((label, colour, dashes, points))
    return curves


def _earlier_curves(before: Sequence[Row]) -> list[_Curve]:
    """In the plane: of the joint alone where it was driven alone, else of all together."""
    gains = [row for row in before if row.figure == "gain" and row.axis == "plane"]
    found = {label: points for label, _, _, points in _curves(gains)}
    alone = {f"before, {label.removeprefix('plane, ')}": found[label] for label in found if label.startswith("plane")}
    together = {f"before, {label.removeprefix('all ')}": found[label] for label in found if label.startswith("all")}
    return [(label, _BEFORE_COLOUR, "", points) for label, points in (alone or together).items()]


def _axes(highest_hz: float) -> list[str]:
    parts = []
    left, right = _place(_BAND_HZ[0], 0.0, highest_hz)[0], _place(_BAND_HZ[1], 0.0, highest_hz)[0]
    top, bottom = (_place(0.0, gain, highest_hz)[1] for gain in (_BAND[1], _BAND[0]))
    parts.append(
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" fill="#dcefe2"/>'
    )
    for tenths in range(0, round(10 * _HIGHEST_GAIN) + 1, 2):
        _, y = _place(0.0, tenths / 10, highest_hz)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e6ebf0"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{tenths / 10:.1f}", "#4b5a68", "end"))
    for hz in range(int(highest_hz) + 1):
        x, y = _place(float(hz), 0.0, highest_hz)
        parts.append(_text(x, y + 14, f"{hz} Hz" if hz else "0", "#4b5a68", "middle"))
    return parts


def _curve(points: Sequence[tuple[float, float]], colour: str, dashes: str, highest_hz: float) -> str:
    places = [_place(hz, gain, highest_hz) for hz, gain in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>' for x, y in places)
    return f'<polyline points="{line}" fill="none" {_stroke(colour, dashes)}/>{dots}'


def _place(hz: float, gain: float, highest_hz: float) -> tuple[float, float]:
    """Picture point of a frequency and a gain; gains beyond the panel lie on its upper edge."""
    share = min(max(gain, 0.0), _HIGHEST_GAIN) / _HIGHEST_GAIN
    return (
        _LEFT + (_WIDTH - _LEFT - _RIGHT) * hz / highest_hz,
        _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share,
    )


def _stroke(colour: str, dashes: str) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'stroke="{colour}" stroke-width="1.8"{dashed}'


def _text(x: float, y: float, content: str, colour: str = "#1d2733", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{content}</text>'
