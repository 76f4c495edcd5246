"""The reader study: assessors label recordings with and without MAM's clips; what did the help do?

LABELS.csv has a row for each reading, TRUTH.csv the reference label of each recording. Labels are normal or risk, or
else one of the four categories, which stand for the class that the label scheme puts them in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.cohort.records import MAM_2023, Fault
from fidgety.cohort.tables import Numbered, check_rows
from fidgety.cohort.text_table import read_text_table
from fidgety.errors import UsageError
from fidgety.records import BoolArray
from fidgety.training.evaluation.records import TextArray
from fidgety.training.evaluation.rows import LABEL_COLUMNS, TRUTH_COLUMNS, LabelRow, TruthRow
from fidgety.training.statistics.inputs import DoubleArray

__all__ = ["AIDS", "Pairs", "Readings", "pair_readings", "read_readings", "reads_as_risk"]

AIDS = ("none", "mam")
_CATEGORIES = (*MAM_2023.normal, *MAM_2023.risk)
_OPTIONAL = ("seconds", "order", "level")


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """N readings. assessors, recordings, aids, labels, truths: (N,) str as they were told. says_risk, is_risk: (N,)
    bool. levels: (N,) str, "" = not told. seconds, orders: (N,) float64, NaN = not told.
    """

    assessors: TextArray
    recordings: TextArray
    aids: TextArray
    labels: TextArray
    truths: TextArray
    says_risk: BoolArray
    is_risk: BoolArray
    levels: TextArray
    seconds: DoubleArray
    orders: DoubleArray

    def __len__(self) -> int:
        return len(self.assessors)

    @property
    def is_right(self) -> BoolArray:
        """(N,) the class is that of the truth."""
        return np.asarray(self.says_risk == self.is_risk)

    @property
    def has_categories(self) -> bool:
        """All labels and all truths are one of the four categories, so that those can be compared, too."""
        return bool(np.isin(self.labels, _CATEGORIES).all() and np.isin(self.truths, _CATEGORIES).all())

    @property
    def names(self) -> tuple[str, ...]:
        """Assessors, sorted."""
        return tuple(np.unique(self.assessors).tolist())

    def level_of(self, assessor: str) -> str:
        """beginner, expert or ""."""
        return str(self.levels[self.assessors == assessor][0])


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Recordings that an assessor read both ways: row numbers of the readings. without, with_help: (M,) int64."""

    without: NDArray[np.int64]
    with_help: NDArray[np.int64]


def reads_as_risk(label: str) -> bool:
    """The class of a label: risk, or a category that the scheme counts as risk."""
    return label == "risk" or label in MAM_2023.risk


def read_readings(labels: Path, truth: Path) -> Readings:
    """Read and check both tables. Raises UsageError that lists every fault (file:row:column: message)."""
    truth_text = read_text_table(truth, TRUTH_COLUMNS)
    labels_text = read_text_table(labels, LABEL_COLUMNS, optional=_OPTIONAL)
    truths, truth_faults = check_rows(truth_text, TruthRow)
    rows, label_faults = check_rows(labels_text, LabelRow)
    faults = [*truth_text.faults, *truth_faults, *_truth_faults(truth.name, truths)]
    known = truth_text.values("recording")
    faults += [*labels_text.faults, *label_faults, *_label_faults(labels.name, truth.name, rows, known)]
    if not faults and {reads_as_risk(row.label) for _, row in truths} != {True, False}:
        faults.append(Fault(truth.name, None, "label", "all recordings are of one class: a reader study needs both"))
    if faults:
        n = len(faults)
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise UsageError(f"the reader study has {n} {'fault' if n == 1 else 'faults'}; mend them first:\n{lines}")
    return _readings([row for _, row in rows], {row.recording: row.label for _, row in truths})


def pair_readings(readings: Readings, assessor: str) -> Pairs:
    """Each recording that `assessor` read both ways."""
    without, with_help = (
        {
            str(readings.recordings[i]): i
            for i in np.flatnonzero((readings.assessors == assessor) & (readings.aids == aid))
        }
        for aid in AIDS
    )
    both = sorted(set(without) & set(with_help))
    return Pairs(
        np.array([without[name] for name in both], dtype=np.int64),
        np.array([with_help[name] for name in both], dtype=np.int64),
    )


def _truth_faults(file: str, rows: Numbered[TruthRow]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for number, row in rows:
        if row.recording in first:
            message = f"{row.recording} is in row {first[row.recording]} already: a recording has one truth"
            yield Fault(file, number, "recording", message)
        first.setdefault(row.recording, number)


def _label_faults(
    file: str, truth_file: str, rows: Numbered[LabelRow], known: frozenset[str] | None
) -> Iterator[Fault]:
    """A recording without a truth; one read twice the same way; an assessor of two levels."""
    first: dict[tuple[str, str, str], int] = {}
    levels: dict[str, tuple[int, str | None]] = {}
    for number, row in rows:
        if known is not None and row.recording not in known:
            message = f"{row.recording} is not in {truth_file}: add its truth there, or correct the name"
            yield Fault(file, number, "recording", message)
        key = (row.assessor, row.recording, row.aid)
        if key in first:
            how = "without help" if row.aid == "none" else "with help"
            message = f"{row.assessor} read {row.recording} {how} in row {first[key]} already: keep one"
            yield Fault(file, number, "assessor", message)
        first.setdefault(key, number)
        other_number, level = levels.setdefault(row.assessor, (number, row.level))
        if level != row.level:
            told = f"{row.assessor} is {row.level or 'of no level'} here and {level or 'of none'} in row {other_number}"
            yield Fault(file, number, "level", f"{told}: an assessor has one")


def _readings(rows: list[LabelRow], truths: Mapping[str, str]) -> Readings:
    labels = np.array([row.label for row in rows], dtype=np.str_)
    true = np.array([truths[row.recording] for row in rows], dtype=np.str_)
    return Readings(
        assessors=np.array([row.assessor for row in rows], dtype=np.str_),
        recordings=np.array([row.recording for row in rows], dtype=np.str_),
        aids=np.array([row.aid for row in rows], dtype=np.str_),
        labels=labels,
        truths=true,
        says_risk=np.array([reads_as_risk(label) for label in labels.tolist()], dtype=bool),
        is_risk=np.array([reads_as_risk(label) for label in true.tolist()], dtype=bool),
        levels=np.array([row.level or "" for row in rows], dtype=np.str_),
        seconds=np.array([row.seconds for row in rows], dtype=np.float64),
        orders=np.array([row.order for row in rows], dtype=np.float64),
    )
