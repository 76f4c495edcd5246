"""Rows of the fidelity bench -> fidelity.csv (every row), fidelity.md (tables), fidelity.svg, .html (a plot per joint).

Tables and page name the bundle, its banner and the chain. Nothing here judges: the targets are drawn as bands and stand
beside the tables, the reader compares. Of an earlier run its figures stand before the arrow, its gains are drawn grey.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidgety.phantom.fidelity.bench import Row
from fidgety.phantom.fidelity.plot import draw_joint, draw_sheet
from fidgety.phantom.fidelity.scenes import JOINTS, KINDS, View
from fidgety.phantom.fidelity.table import Earlier, rows_as_csv
from fidgety.report.files import write_text

__all__ = ["About", "write_fidelity"]

_TARGETS = (
    "Targets (1080p, the infant filling .7): gain in the picture plane .9 to 1.1 from .5 to 3 Hz; floor at most .5 mm "
    "rms; no line above 6 dB; cross-talk at most 5 %."
)
_LEGEND = (
    "Gain and phase: complex ratio of measured to true movement at the driven frequency, along the true direction, "
    "mean and drift fitted along; a negative phase lags.",
    "Floor: rms per axis of measured less true between .5 and 4 Hz (plane: root mean square of x and y), over one "
    "whole recording.",
    "Residual: rms per axis of measured less true while the joint moves, without mean, drift and the driven frequency.",
    "Line: a bin of the power spectrum of measured less true (.125 Hz wide, .75 to 11.7 Hz) against the higher of the "
    "medians of its neighbours on either side; noise alone reaches 2 to 4 dB. Comb: the largest at a multiple of "
    "25/9 Hz.",
    "Cross-talk: movement of wrists and ankles of the three resting limbs at the driven frequency, as a share of the "
    "driven joint's true movement.",
    "Lengths are mm, by the infant's true trunk. Plane and depth: driven and measured in the picture "
    "plane, driven and measured towards the camera.",
    "The recordings are H.264 as a camera writes it: of a motionless infant the encoder also stills some of the "
    "sensor's noise.",
)


@dataclass(frozen=True, slots=True)
class About:
    """What was measured: goes into every file."""

    plan: str
    bundle: str  # its label
    banner: str | None
    chain: str
    before: Earlier | None = None

    def lines(self) -> tuple[str, ...]:
        banner = () if self.banner is None else (self.banner,)
        before = () if self.before is None else (f"Before: {self.before.bundle}; {self.before.chain}",)
        return (*banner, f"Bundle: {self.bundle}", f"Chain: {self.chain}", f"Plan: {self.plan}", *before)

    @property
    def rows_before(self) -> tuple[Row, ...]:
        return () if self.before is None else self.before.rows


def write_fidelity(out: Path, rows: Sequence[Row], about: About) -> None:
    """Write the four files into the folder `out`. Raises UsageError or DeviceError as `write_text` does."""
    write_text(out / "fidelity.csv", rows_as_csv(rows, about.bundle, about.chain))
    write_text(out / "fidelity.md", _markdown(rows, about))
    write_text(out / "fidelity.html", _page(rows, about))
    sheet = [(view.label, list(_panels(view, rows, about.rows_before))) for view in _views(rows)]
    write_text(out / "fidelity.svg", draw_sheet(sheet))


def _markdown(rows: Sequence[Row], about: About) -> str:
    parts = ["# Fidelity of the chain", "", *(f"{line}  " for line in about.lines()), "", _TARGETS, ""]
    parts += [f"- {line}" for line in _LEGEND]
    parts += ["", "![Gain by frequency, a plot for every joint](fidelity.svg)"]
    for view in _views(rows):
        of_view, before = ([row for row in some if row.view == view] for some in (rows, about.rows_before))
        parts += ["", f"## {view.label}"]
        for title, table in _tables(of_view, before):
            parts += ["", f"**{title}**", "", *table]
    return "\n".join(parts) + "\n"


def _tables(rows: Sequence[Row], before: Sequence[Row]) -> Iterable[tuple[str, list[str]]]:
    """Titles and lines of one view's tables; a table without figures is left out."""
    for scene, words in (("single", "one joint at a time"), ("together", "all together"), ("noise", "noise, .5-4 Hz")):
        for axis in ("plane", "depth"):
            now, then = ([row for row in some if row.scene == scene and row.axis == axis] for some in (rows, before))
            for name, driven_so, driven_then in _by_amplitude(now, then):
                yield f"Gain (phase in degrees), {axis}, {words}{name}: median", _gains(driven_so, driven_then)
    singles, before_singles = ([row for row in some if row.scene == "single"] for some in (rows, before))
    for name, driven_so, driven_then in _by_amplitude(singles, before_singles):
        yield f"While one joint moves{name}", _moving(driven_so, driven_then)
    for scene in ("motionless", "slow"):
        still, before_still = ([row for row in some if row.scene == scene] for some in (rows, before))
        if still:
            yield f"Floor and lines, {scene} scene", _still(still, before_still)
    lost = [row for row in rows if row.figure == "observed frames" and row.value < 1.0]
    if lost:
        yield (
            "Recordings with lost frames",
            _grid(("recording", "observed"), [(row.scene, f"{row.value:.3f}") for row in lost]),
        )


def _by_amplitude(rows: Sequence[Row], before: Sequence[Row]) -> list[tuple[str, list[Row], list[Row]]]:
    """(", 5 mm", its rows, those before) for every amplitude; no name where there is but one, nothing of no rows."""
    amplitudes = sorted({row.amplitude_mm for row in rows if row.amplitude_mm is not None})
    if not rows:
        return []
    if not amplitudes:
        return [("", list(rows), list(before))]
    parts = []
    for size in amplitudes:
        now, then = ([row for row in some if row.amplitude_mm == size] for some in (rows, before))
        parts.append((f", {size:g} mm" if len(amplitudes) > 1 else "", now, then))
    return parts


def _gains(rows: Sequence[Row], before: Sequence[Row]) -> list[str]:
    rates = sorted({row.frequency_hz for row in rows if row.frequency_hz is not None})
    has_coherence = any(row.figure == "coherence" for row in rows)
    lines = []
    for kind in KINDS:
        cells = []
        for rate in rates:
            gain, phase, coherence = (_of(rows, kind, figure, rate) for figure in ("gain", "phase", "coherence"))
            then = _of(before, kind, "gain", rate)
            cell = "" if np.isnan(gain) else f"{_since(then, gain, '.2f')} ({round(phase):+d})"
            cells.append(cell if np.isnan(coherence) else f"{cell} c {coherence:.2f}")
        lines.append((kind, *cells))
    head = "joint, c = coherence" if has_coherence else "joint"
    return _grid((head, *(f"{rate:g} Hz" for rate in rates)), lines)


def _moving(rows: Sequence[Row], before: Sequence[Row]) -> list[str]:
    lines = []
    for axis in ("plane", "depth"):
        now, then = ([row for row in some if row.axis == axis] for some in (rows, before))
        for kind in KINDS:
            largest, largest_then = (_largest(some, kind, "cross-talk, largest") for some in (now, then))
            if np.isnan(largest):
                continue
            residual, residual_then = (_of(some, kind, "residual") for some in (now, then))
            median, median_then = (_of(some, kind, "cross-talk, median") for some in (now, then))
            cells = (
                _since(residual_then, residual, ".2f"),
                f"{_since(100 * largest_then, 100 * largest, '.1f')} %",
                f"{_since(100 * median_then, 100 * median, '.1f')} %",
            )
            lines.append((axis, kind, *cells))
    return _grid(("axis", "joint", "residual, mm rms", "cross-talk, largest", "cross-talk, median"), lines)


def _still(rows: Sequence[Row], before: Sequence[Row]) -> list[str]:
    lines = []
    for axis in ("plane", "depth"):
        for joint in (*JOINTS, "hip"):
            found, then = (
                {row.figure: row.value for row in some if row.joint == joint and row.axis == axis}
                for some in (rows, before)
            )
            if not found:
                continue
            nan = float("nan")
            line = ("", "", "")
            if "line" in found:
                line = (
                    f"{_since(then.get('line', nan), found['line'], '.1f')} dB at {found['line at']:.2f} Hz",
                    f"{found['line amplitude']:.3f}",
                    f"{_since(then.get('comb', nan), found['comb'], '.1f')} dB",
                )
            floor = _since(then.get("floor", nan), found["floor"], ".2f")
            lines.append((axis, joint.replace("_", " "), floor, *line))
    return _grid(("axis", "joint", "floor, mm rms", "largest line", "its amplitude, mm", "comb"), lines)


def _since(then: float, now: float, digits: str) -> str:
    """A figure, behind the one before where there is one."""
    return f"{now:{digits}}" if np.isnan(then) else f"{then:{digits}} -> {now:{digits}}"


def _page(rows: Sequence[Row], about: About) -> str:
    """One self-contained page: per view a panel for each joint that was driven, then the tables' legend."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fidelity of the chain</title><style>',
        "body{font:14px/1.45 system-ui,sans-serif;color:#1d2733;margin:24px;max-width:1240px}",
        ".panels{display:flex;flex-wrap:wrap;gap:16px}p.about{color:#4b5a68;overflow-wrap:anywhere}",
        "</style></head><body><h1>Fidelity of the chain</h1>",
        *(f'<p class="about">{html.escape(line)}</p>' for line in about.lines()),
        f"<p>{html.escape(_TARGETS)}</p>",
    ]
    for view in _views(rows):
        panels = _panels(view, rows, about.rows_before)
        parts += [f"<h2>{html.escape(view.label)}</h2>", '<div class="panels">', *panels, "</div>"]
    parts += ["<ul>", *(f"<li>{html.escape(line)}</li>" for line in _LEGEND), "</ul></body></html>"]
    return "\n".join(parts) + "\n"


def _panels(view: View, rows: Sequence[Row], before: Sequence[Row]) -> Iterator[str]:
    """A plot for each joint that was driven before the view's camera."""
    for joint in JOINTS:
        now, then = ([row for row in some if row.view == view and row.joint == joint] for some in (rows, before))
        if any(row.figure == "gain" for row in now):
            yield draw_joint(joint, now, then)


def _views(rows: Iterable[Row]) -> list[View]:
    """In order of appearance."""
    return list(dict.fromkeys(row.view for row in rows))


def _is(row: Row, kind: str) -> bool:
    return row.joint.endswith(f"_{kind}")


def _largest(rows: Iterable[Row], kind: str, figure: str) -> float:
    """Over sides and frequencies; NaN where there is none."""
    return max((row.value for row in rows if _is(row, kind) and row.figure == figure), default=float("nan"))


def _of(rows: Iterable[Row], kind: str, figure: str, rate_hz: float | None = None) -> float:
    """Median over sides and (unless one is named) frequencies; NaN where there is none."""
    values = [
        row.value
        for row in rows
        if _is(row, kind) and row.figure == figure and (rate_hz is None or row.frequency_hz == rate_hz)
    ]
    return float(np.median(values)) if values else float("nan")


def _grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)]
