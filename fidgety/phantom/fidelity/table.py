"""Rows of the fidelity bench <-> fidelity.csv, a line for every row; so that runs can be joined and compared."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fidgety.errors import UsageError
from fidgety.phantom.fidelity.bench import Row
from fidgety.phantom.fidelity.scenes import Axis, View

__all__ = ["COLUMNS", "Earlier", "read_rows", "rows_as_csv"]

COLUMNS = (
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
    "bundle",
    "chain",
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What another run found, and of what."""

    bundle: str
    chain: str
    rows: tuple[Row, ...]


def rows_as_csv(rows: Iterable[Row], bundle: str, chain: str) -> str:
    """RFC 4180, by COLUMNS; bundle and chain stand in every line, so that files of several bundles can be joined."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        view = (row.view.height_px, row.view.fill, row.view.fps)
        drive = ("" if one is None else f"{one:g}" for one in (row.amplitude_mm, row.frequency_hz))
        what = (row.scene, row.joint, row.axis, *drive, row.figure, f"{row.value:.5g}", row.unit)
        writer.writerow((*view, *what, bundle, chain))
    return stream.getvalue()


def read_rows(path: Path) -> Earlier:
    """The rows of a file that `rows_as_csv` made, of one run. Raises UsageError with the file and the line at fault."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise UsageError(f"{path} is no table of the fidelity bench: give the fidelity.csv of another run")
            lines = list(reader)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no table of the fidelity bench: {error}") from error
    makers = {(line["bundle"], line["chain"]) for line in lines}
    if len(makers) != 1:
        raise UsageError(f"{path} holds {len(makers)} runs: give the fidelity.csv of one")
    rows = tuple(_row(line, f"{path}, line {number}") for number, line in enumerate(lines, start=2))
    return Earlier(*makers.pop(), rows)


def _row(line: dict[str, str], where: str) -> Row:
    try:
        view = View(int(line["height_px"]), float(line["fill"]), float(line["fps"]))
        amplitude, frequency = (float(line[key]) if line[key] else None for key in ("amplitude_mm", "frequency_hz"))
        value = float(line["value"])
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from error
    words = (line["scene"], line["joint"], _axis(line["axis"], where))
    return Row(view, *words, amplitude, frequency, line["figure"], value, line["unit"])


def _axis(word: str, where: str) -> Axis | Literal[""]:
    axes: tuple[Axis | Literal[""], ...] = (*get_args(Axis), "")
    for axis in axes:
        if word == axis:
            return axis
    raise UsageError(f"{where}: {word!r} is no axis: plane, depth or nothing")
