"""A table of labels and scores from anywhere -> AUC: for people with predictions of any other system."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidgety.cohort.records import Fault
from fidgety.cohort.text_table import read_text_table
from fidgety.errors import UsageError
from fidgety.training.evaluation.rows import parse_class, parse_number
from fidgety.training.evaluation.tables import Table
from fidgety.training.statistics.estimate import Estimate
from fidgety.training.statistics.roc import estimate_auc

__all__ = ["PlainResult", "evaluate_table", "plain_result_table"]


@dataclass(frozen=True, slots=True)
class PlainResult:
    """n_cases of which n_risk are positive; auc with DeLong's interval."""

    n_cases: int
    n_risk: int
    auc: Estimate


def evaluate_table(path: Path, label: str, score: str) -> PlainResult:
    """AUC of the column `score` for the classes in `label` (1 or 0, true or false, risk or normal; higher = risk).

    Raises UsageError that lists every cell at fault, for a column that is not there, and where a class has fewer than
    two cases.
    """
    table = read_text_table(path, _header(path, label, score))
    faults = list(table.faults)
    numbers: dict[str, list[float]] = {label: [], score: []}
    for row in table.rows:
        for column, parse in ((label, parse_class), (score, parse_number)):
            try:
                numbers[column].append(float(parse(row.cells.get(column, "").strip())))
            except ValueError as error:
                faults.append(Fault(path.name, row.number, column, str(error)))
    if faults:
        n = len(faults)
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise UsageError(f"{path} has {n} {'fault' if n == 1 else 'faults'}; mend them first:\n{lines}")
    is_risk = np.array(numbers[label], dtype=bool)
    return PlainResult(len(is_risk), int(is_risk.sum()), estimate_auc(np.array(numbers[score]), is_risk))


def plain_result_table(result: PlainResult, label: str, score: str) -> Table:
    """The result as a table of one row."""
    row = (f"{score} for {label}", result.n_cases, result.n_risk, result.auc)
    return Table(
        "plain_table",
        "AUC with DeLong's interval",
        ("score", "cases", "positive", "AUC"),
        (row,),
        ("Each row is taken for an infant of its own.",),
    )


def _header(path: Path, label: str, score: str) -> tuple[str, ...]:
    """All columns of the file: a foreign table may hold what it likes beside the two."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            names = [name.strip() for name in next(csv.reader(stream), [])]
    except FileNotFoundError:
        raise UsageError(f"there is no table {path}: check the name") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check the file and its rights") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no CSV table in UTF-8 ({error}): save it as 'CSV UTF-8'") from error
    if label == score:
        raise UsageError(f"--label and --score are both {label!r}: a class is no score of itself")
    for option, column in (("--label", label), ("--score", score)):
        if column not in names:
            raise UsageError(f"{option} {column!r}: {path} has no such column; it has {', '.join(names) or 'none'}")
    return tuple(names)
