"""Rows of the fidelity bench -> fidelity.csv (every row), fidelity.md (tables), fidelity.html (a plot per joint).

Every file names the bundle, its banner and the chain. Nothing here judges: the targets are drawn as bands and stand
beside the tables, the reader compares.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidgety.phantom.fidelity import Row
from fidgety.phantom.fidelity_plot import draw_joint
from fidgety.phantom.fidelity_scenes import JOINTS, KINDS, View
from fidgety.report.files import write_text

__all__ = ["About", "write_fidelity"]

CSV_COLUMNS = (
    "height_px",
    "fill",
    "fps",
    "scene",
    "joint",
    "axis",
    "amplitude_mm",
    "frequency_hz",
    "figure",
    "value",
    "unit",
)
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

    def lines(self) -> tuple[str, ...]:
        banner = () if self.banner is None else (self.banner,)
        return (*banner, f"Bundle: {self.bundle}", f"Chain: {self.chain}", f"Plan: {self.plan}")


def write_fidelity(out: Path, rows: Sequence[Row], about: About) -> None:
    """Write the three files into the folder `out`. Raises UsageError or DeviceError as `write_text` does."""
    write_text(out / "fidelity.csv", _csv(rows, about))
    write_text(out / "fidelity.md", _markdown(rows, about))
    write_text(out / "fidelity.html", _page(rows, about))


def _csv(rows: Iterable[Row], about: About) -> str:
    """RFC 4180; bundle and chain in two last columns, so that files of several bundles can be joined."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow((*CSV_COLUMNS, "bundle", "chain"))
    for row in rows:
        view = (row.view.height_px, row.view.fill, row.view.fps)
        drive = ("" if one is None else f"{one:g}" for one in (row.amplitude_mm, row.frequency_hz))
        what = (row.scene, row.joint, row.axis, *drive, row.figure, f"{row.value:.5g}", row.unit)
        writer.writerow((*view, *what, about.bundle, about.chain))
    return stream.getvalue()


def _markdown(rows: Sequence[Row], about: About) -> str:
    parts = ["# Fidelity of the chain", "", *(f"{line}  " for line in about.lines()), "", _TARGETS, ""]
    parts += [f"- {line}" for line in _LEGEND]
    for view in _views(rows):
        of_view = [row for row in rows if row.view == view]
        parts += ["", f"## {view.label}"]
        for title, table in _tables(of_view):
            parts += ["", f"**{title}**", "", *table]
    return "\n".join(parts) + "\n"


def _tables(rows: Sequence[Row]) -> Iterable[tuple[str, list[str]]]:
    """Titles and lines of one view's tables; a table without figures is left out."""
    for scene, words in (("single", "one joint at a time"), ("together", "all together"), ("noise", "noise, .5-4 Hz")):
        for axis in ("plane", "depth"):
            of_axis = [row for row in rows if row.scene == scene and row.axis == axis]
            for amplitude, driven_so in _by_amplitude(of_axis):
                yield f"Gain (phase in degrees), {axis}, {words}{amplitude}: median", _gains(driven_so)
    singles = [row for row in rows if row.scene == "single"]
    for amplitude, driven_so in _by_amplitude(singles):
        yield f"While one joint moves{amplitude}", _moving(driven_so)
    for scene in ("motionless", "slow"):
        still = [row for row in rows if row.scene == scene]
        if still:
            yield f"Floor and lines, {scene} scene", _still(still)
    lost = [row for row in rows if row.figure == "observed frames" and row.value < 1.0]
    if lost:
        yield (
            "Recordings with lost frames",
            _grid(("recording", "observed"), [(row.scene, f"{row.value:.3f}") for row in lost]),
        )


def _by_amplitude(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """(", 5 mm", its rows) for every amplitude; one part without a name where there is but one; none without rows."""
    amplitudes = sorted({row.amplitude_mm for row in rows if row.amplitude_mm is not None})
    if len(amplitudes) < 2:
        return [("", list(rows))] if rows else []
    return [(f", {size:g} mm", [row for row in rows if row.amplitude_mm == size]) for size in amplitudes]


def _gains(rows: Sequence[Row]) -> list[str]:
    rates = sorted({row.frequency_hz for row in rows if row.frequency_hz is not None})
    has_coherence = any(row.figure == "coherence" for row in rows)
    lines = []
    for kind in KINDS:
        cells = []
        for rate in rates:
            gain, phase, coherence = (_of(rows, kind, figure, rate) for figure in ("gain", "phase", "coherence"))
            cell = "" if np.isnan(gain) else f"{gain:.2f} ({round(phase):+d})"
            cells.append(cell if np.isnan(coherence) else f"{cell} c {coherence:.2f}")
        lines.append((kind, *cells))
    head = "joint, c = coherence" if has_coherence else "joint"
    return _grid((head, *(f"{rate:g} Hz" for rate in rates)), lines)


def _moving(rows: Sequence[Row]) -> list[str]:
    lines = []
    for axis in ("plane", "depth"):
        of_axis = [row for row in rows if row.axis == axis]
        for kind in KINDS:
            residual = _of(of_axis, kind, "residual")
            largest = [row.value for row in of_axis if _is(row, kind) and row.figure == "cross-talk, largest"]
            if not largest:
                continue
            median = _of(of_axis, kind, "cross-talk, median")
            lines.append((axis, kind, f"{residual:.2f}", f"{100 * max(largest):.1f} %", f"{100 * median:.1f} %"))
    return _grid(("axis", "joint", "residual, mm rms", "cross-talk, largest", "cross-talk, median"), lines)


def _still(rows: Sequence[Row]) -> list[str]:
    lines = []
    for axis in ("plane", "depth"):
        for joint in (*JOINTS, "hip"):
            found = {row.figure: row.value for row in rows if row.joint == joint and row.axis == axis}
            if not found:
                continue
            line = ("", "", "")
            if "line" in found:
                line = (
                    f"{found['line']:.1f} dB at {found['line at']:.2f} Hz",
                    f"{found['line amplitude']:.3f}",
                    f"{found['comb']:.1f} dB",
                )
            lines.append((axis, joint.replace("_", " "), f"{found['floor']:.2f}", *line))
    return _grid(("axis", "joint", "floor, mm rms", "largest line", "its amplitude, mm", "comb"), lines)


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
        of_view = [row for row in rows if row.view == view]
        driven = [joint for joint in JOINTS if any(row.joint == joint and row.figure == "gain" for row in of_view)]
        panels = (draw_joint(joint, [row for row in of_view if row.joint == joint]) for joint in driven)
        parts += [f"<h2>{html.escape(view.label)}</h2>", '<div class="panels">', *panels, "</div>"]
    parts += ["<ul>", *(f"<li>{html.escape(line)}</li>" for line in _LEGEND), "</ul></body></html>"]
    return "\n".join(parts) + "\n"


def _views(rows: Iterable[Row]) -> list[View]:
    """In order of appearance."""
    return list(dict.fromkeys(row.view for row in rows))


def _is(row: Row, kind: str) -> bool:
    return row.joint.endswith(f"_{kind}")


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
