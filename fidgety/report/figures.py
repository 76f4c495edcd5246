"""The drawings of the page as inline SVG: interval bars and the timeline.

Every number and the whole timeline stand in the markup, so they read and print without JavaScript. Colours are
classes: the style sheet gives them for light, dark and paper. Positions are percentages, so that text keeps its size
on every screen.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fidgety.records import Assessment, Moment, WindowScore
from fidgety.report.moments import MAX_MOMENTS
from fidgety.report.wording import format_clock, format_percent

__all__ = ["draw_interval", "draw_timeline"]

_TICK_STEPS_S = (5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MAX_TICKS = 8
_MAX_DRAWN = 4000  # windows; an hour has 4500


@dataclass(frozen=True, slots=True)
class _Axis:
    """Seconds to percent of the drawing's width."""

    duration_s: float

    def percent(self, time_s: float) -> float:
        return round(100.0 * min(max(time_s / self.duration_s, 0.0), 1.0), 3)

    def span(self, start_s: float, end_s: float) -> str:
        start, end = self.percent(start_s), self.percent(end_s)
        return f'x="{start:g}%" width="{max(end - start, 0.15):g}%"'

    def ticks_s(self) -> list[int]:
        step = next((s for s in _TICK_STEPS_S if self.duration_s / s <= _MAX_TICKS), None)
        if step is None:
            step = 3600 * int(np.ceil(self.duration_s / 3600 / _MAX_TICKS))
        return list(range(0, int(self.duration_s) + 1, step))


def draw_interval(value: float, low: float, high: float, threshold: float | None, label: str) -> str:
    """A bar from 0 to 100 % with the 95 % interval, the value and, where given, the threshold; shares in [0, 1]."""
    at = {"value": value, "low": low, "high": high, "threshold": threshold or 0.0}
    x = {name: round(100.0 * min(max(share, 0.0), 1.0), 2) for name, share in at.items()}
    mark = ""
    if threshold is not None:
        mark = (
            f'<line class="mark" x1="{x["threshold"]}%" x2="{x["threshold"]}%" y1="2" y2="26"/>'
            f'<text class="mark-text" x="{x["threshold"]}%" y="40" text-anchor="{_anchor(x["threshold"], 15)}">'
            f"threshold {format_percent(threshold)} %</text>"
        )
    ends = "".join(
        f'<text class="tick" x="{end}%" y="40" text-anchor="{_anchor(end)}">{end} %</text>'
        for end in (0, 100)
        if threshold is None or abs(end - x["threshold"]) > 30
    )
    return (
        f'<svg class="interval" role="img" aria-label="{html.escape(label)}" height="44">'
        f'<rect class="track" x="0" y="11" width="100%" height="6" rx="3"/>'
        f'<rect class="band" x="{x["low"]}%" y="8" width="{max(x["high"] - x["low"], 0.5):.2f}%" height="12" rx="6"/>'
        f'{mark}<circle class="dot" cx="{x["value"]}%" cy="14" r="7"/>{ends}</svg>'
    )


def draw_timeline(assessment: Assessment, fms_threshold: float | None) -> str:
    """FMs probability over the recording: line, bouts, voided stretches, threshold, moments, an axis in mm:ss.

    Each window stands at its middle. The line breaks where windows were void.
    """
    axis = _Axis(max([assessment.duration_s, *(one.end_s for one in assessment.timeline), 1.0]))
    bouts = "".join(
        f'<rect class="bout" {axis.span(one.start_s, one.end_s)} y="0" height="200"/>'
        f'<rect class="bout-foot" {axis.span(one.start_s, one.end_s)} y="196" height="4"/>'
        for one in assessment.bouts
    )
    voids = "".join(
        f'<rect class="void" fill="url(#hatch)" {axis.span(one.start_s, one.end_s)} y="0" height="200"/>'
        for one in assessment.voids
    )
    grid = "".join(f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>' for y in (0, 50, 100, 150, 200))
    limit = ""
    if fms_threshold is not None:
        y = round(200 * (1 - fms_threshold), 1)
        limit = f'<line class="threshold" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
    ticks = "".join(_tick(axis, time_s, i % 2 == 1) for i, time_s in enumerate(axis.ticks_s()))
    n_bouts, n_voids = len(assessment.bouts), len(assessment.voids)
    summary = (
        f"FMs probability over {format_clock(assessment.duration_s)}; bouts: {n_bouts}; voided stretches: {n_voids}"
    )
    return (
        f'<svg id="timeline" class="timeline" role="img" tabindex="0" aria-label="{summary}" '
        f'data-duration="{axis.duration_s:.3f}" height="266">'
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatch-ground" width="7" height="7"/><line class="hatch-line" x1="0" x2="0" y1="0" y2="7"/>'
        f'</pattern></defs><g transform="translate(0 8)">{bouts}{grid}{voids}{limit}'
        '<svg width="100%" height="200" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        f'<path class="curve" vector-effect="non-scaling-stroke" d="{_curve(assessment.timeline, axis)}"/></svg>'
        f"{ticks}{_marks(assessment.most_certain_fms[:MAX_MOMENTS], axis, 'fms', 224)}"
        f"{_marks(assessment.most_certain_non_fms[:MAX_MOMENTS], axis, 'non', 242)}"
        '<line id="cursor" class="cursor" y1="0" y2="200" visibility="hidden"/></g></svg>'
    )


def _curve(timeline: Sequence[WindowScore], axis: _Axis) -> str:
    """Path data in a 1000 x 1000 box; a window alone between voids becomes a dot."""
    parts, is_open = [], False
    step = -(-len(timeline) // _MAX_DRAWN) if timeline else 1
    for window in timeline[::step]:
        if window.fms_probability is None:
            is_open = False
            continue
        x = 10 * axis.percent((window.start_s + window.end_s) / 2)
        point = f"{x:.1f} {1000 * (1 - window.fms_probability):.0f}"
        parts.append(f"L{point}" if is_open else f"M{point}h0")
        is_open = True
    return "".join(parts)


def _tick(axis: _Axis, time_s: int, is_minor: bool) -> str:
    """A tick with its mm:ss; small screens leave the labels of minor ones out."""
    x = axis.percent(time_s)
    kind = "tick minor" if is_minor else "tick"
    return (
        f'<line class="tick-line" x1="{x}%" x2="{x}%" y1="200" y2="205"/>'
        f'<text class="{kind}" x="{x}%" y="218" text-anchor="{_anchor(x)}">{format_clock(time_s)}</text>'
    )


def _marks(moments: Sequence[Moment], axis: _Axis, kind: str, y: int) -> str:
    """The moments shown below, as numbered bars under the axis."""
    letter = "F" if kind == "fms" else "N"
    return "".join(
        f'<g class="moment-mark {kind}" data-moment="{letter}{number}">'
        f'<rect {axis.span(one.start_s, one.end_s)} y="{y}" height="14" rx="3"/>'
        f'<text x="{axis.percent((one.start_s + one.end_s) / 2):g}%" y="{y + 11}" text-anchor="middle">'
        f"{letter}{number}</text></g>"
        for number, one in enumerate(moments, start=1)
    )


def _anchor(percent: float, margin: float = 4) -> str:
    return "start" if percent < margin else "end" if percent > 100 - margin else "middle"
