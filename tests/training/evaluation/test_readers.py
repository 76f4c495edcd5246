"""The tables of a reader study: read, paired, and refused with row and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fidgety.errors import UsageError
from fidgety.training.evaluation.readers import pair_readings, read_readings, reads_as_risk

TRUTH = [("r1", "risk"), ("r2", "normal"), ("r3", "normal")]
COLUMNS = ("assessor", "recording", "aid", "label", "level")
LABELS = [
    ("ann", "r1", "none", "normal", "beginner"),
    ("ann", "r2", "none", "normal", "beginner"),
    ("ann", "r2", "mam", "risk", "beginner"),
    ("ann", "r1", "mam", "risk", "beginner"),
    ("ben", "r3", "none", "normal", "expert"),
]


@pytest.fixture
def study(maker: Any) -> tuple[Path, Path]:
    labels = maker.write(maker.root / "labels.csv", COLUMNS, LABELS)
    return labels, maker.write(maker.root / "truth.csv", ("recording", "label"), TRUTH)


@pytest.mark.parametrize(
    ("label", "is_risk"),
    [
        ("normal", False),
        ("risk", True),
        ("continual", False),
        ("intermittent", False),
        ("sporadic", True),
        ("absent", True),
    ],
)
def test_reads_as_risk_under_the_label_scheme(label: str, is_risk: bool) -> None:
    assert reads_as_risk(label) is is_risk


def test_read_readings_and_their_pairs(study: tuple[Path, Path]) -> None:
    readings = read_readings(*study)
    assert readings.names == ("ann", "ben") and len(readings) == 5
    assert readings.is_right.tolist() == [False, True, False, True, True]
    assert (readings.level_of("ann"), readings.level_of("ben")) == ("beginner", "expert")
    pairs = pair_readings(readings, "ann")
    assert (pairs.without.tolist(), pairs.with_help.tolist()) == ([0, 1], [3, 2])  # r1, r2
    assert len(pair_readings(readings, "ben").without) == 0
    assert not readings.has_categories


def test_read_readings_mixes_schemes(maker: Any, study: tuple[Path, Path]) -> None:
    maker.edit(study[0], 2, label="sporadic")
    assert read_readings(*study).says_risk[0]


@pytest.mark.parametrize(
    ("row", "cells", "message"),
    [
        (2, {"label": "F+"}, r"labels.csv:2:label: 'F\+' is no label: write normal or risk, or else continual"),
        (2, {"label": "abnormal"}, r"labels.csv:2:label: 'abnormal' is no label"),
        (3, {"aid": "MAM"}, r"labels.csv:3:aid: 'MAM': write none, or mam"),
        (3, {"assessor": ""}, r"labels.csv:3:assessor: this cell may not be empty"),
        (3, {"recording": "r9"}, r"labels.csv:3:recording: r9 is not in truth.csv"),
        (3, {"recording": "r1"}, r"labels.csv:3:assessor: ann read r1 without help in row 2 already"),
        (4, {"level": "expert"}, r"labels.csv:4:level: ann is expert here and beginner in row 2"),
        (4, {"level": "novice"}, r"labels.csv:4:level: 'novice': write beginner or expert"),
    ],
)
def test_read_readings_names_row_and_column(
    maker: Any, study: tuple[Path, Path], row: int, cells: dict[str, str], message: str
) -> None:
    maker.edit(study[0], row, **cells)
    with pytest.raises(UsageError, match=message):
        read_readings(*study)


def test_read_readings_of_a_truth_that_is_none(maker: Any, study: tuple[Path, Path]) -> None:
    maker.edit(study[1], 4, recording="r2")
    with pytest.raises(UsageError, match=r"truth.csv:4:recording: r2 is in row 3 already"):
        read_readings(*study)


def test_read_readings_of_one_class(maker: Any, study: tuple[Path, Path]) -> None:
    maker.edit(study[1], 2, label="normal")
    with pytest.raises(UsageError, match=r"truth.csv:label: all recordings are of one class"):
        read_readings(*study)


@pytest.mark.parametrize("column", ["seconds", "order"])
def test_read_readings_of_numbers_that_are_none(maker: Any, study: tuple[Path, Path], column: str) -> None:
    maker.write(study[0], (*COLUMNS, column), [(*row, "-3") for row in LABELS])
    with pytest.raises(UsageError, match=rf"labels.csv:2:{column}: '-3'"):
        read_readings(*study)
