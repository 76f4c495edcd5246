"""DeepLabCut's CSV of labelled frames: three header rows (scorer, bodyparts, coords), or four with individuals, then
one row a picture, its path in one column or in three (labeled-data, video, picture).
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

from fidgety.errors import UsageError
from fidgety.training.pose.annotations import AnnotatedFrame, place_keypoints, recording_of

__all__ = ["read_deeplabcut"]

_HEADS = ("scorer", "individuals", "bodyparts", "coords")


def read_deeplabcut(path: Path, pictures: Path) -> list[AnnotatedFrame]:
    """The labelled frames. Rows without any label are skipped, as DeepLabCut writes them for frames not reached yet.

    Raises UsageError naming the row (counted from 1) where header or row do not fit.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}") from error
    columns, first = _header(path, rows)
    frames = []
    for number, row in enumerate(rows[first:], first + 1):
        where = f"{path}, row {number}"
        found = _labels(row, columns, where)
        if found:
            picture = "/".join(part for part in row[: min(columns)] if part).replace("\\", "/")
            frames.append(AnnotatedFrame(pictures / picture, recording_of(picture), place_keypoints(found, where)))
    return frames


def _header(path: Path, rows: list[list[str]]) -> tuple[dict[int, tuple[str, str]], int]:
    """Column -> (body part, x or y), and the index of the first row of data."""
    heads = {row[0]: row for row in rows[:4] if row and row[0] in _HEADS}
    missing = [name for name in ("scorer", "bodyparts", "coords") if name not in heads]
    if missing:
        raise UsageError(f"{path} has no header row {missing[0]!r}: take the CollectedData CSV that DeepLabCut wrote")
    if "individuals" in heads and len({one for one in heads["individuals"][1:] if one} - {"single"}) > 1:
        raise UsageError(f"{path} labels several individuals: keep the infant who is assessed")
    parts, coords = heads["bodyparts"], heads["coords"]
    if len(parts) != len(coords):
        raise UsageError(f"{path}: the rows bodyparts and coords differ in length")
    columns = {i: (parts[i], axis) for i, axis in enumerate(coords) if axis in ("x", "y")}
    if not columns:
        raise UsageError(f"{path}: the row coords names no x and y")
    return columns, len(heads)


def _labels(row: list[str], columns: dict[int, tuple[str, str]], where: str) -> dict[str, tuple[float, float]]:
    if len(row) <= max(columns):
        raise UsageError(f"{where} has {len(row)} columns, the header {max(columns) + 1}: it is cut short")
    places: dict[str, dict[str, float]] = {}
    for i, (part, axis) in columns.items():
        try:
            value = float(row[i]) if row[i].strip() else math.nan
        except ValueError:
            raise UsageError(f"{where}: {axis} of {part} is {row[i]!r}, not a number") from None
        if math.isinf(value):
            raise UsageError(f"{where}: {axis} of {part} is {row[i]!r}, which lies at infinity")
        if not math.isnan(value):  # no label
            places.setdefault(part, {})[axis] = value
    return {part: (place["x"], place["y"]) for part, place in places.items() if len(place) == 2}
