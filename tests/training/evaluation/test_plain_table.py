"""AUC of any table of labels and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fidgety.errors import UsageError
from fidgety.training.evaluation.plain_table import evaluate_table, plain_result_table
from fidgety.training.evaluation.tables import format_cell

SEGADO = Path(__file__).resolve().parents[4] / "shared" / "data" / "tables" / "segado_lockbox.csv"


@pytest.mark.shared
@pytest.mark.skipif(not SEGADO.is_file(), reason="the real test data is not beside the project")
def test_evaluate_table_of_a_published_cohort() -> None:
    result = evaluate_table(SEGADO, "true_label", "probability_class_1")
    assert (result.n_cases, result.n_risk) == (186, 19)
    assert format_cell(result.auc) == ".769 (.658-.881)"


@pytest.mark.parametrize("classes", ["1 0 1 0", "1.0 0.0 1.0 0.0", "True False True False", "risk normal risk normal"])
def test_evaluate_table_reads_classes_in_several_words(maker: Any, classes: str) -> None:
    rows = zip(classes.split(), ("0.9", "0.8", "0.3", "1e-1"), "abcd", strict=True)
    path = maker.write(maker.root / "t.csv", ("y", "score", "name"), rows)
    result = evaluate_table(path, "y", "score")
    assert (result.n_cases, result.n_risk, result.auc.value) == (4, 2, 0.75)
    assert plain_result_table(result, "y", "score").rows[0][3] == result.auc


@pytest.mark.parametrize(
    ("label", "score", "message"),
    [
        ("truth", "score", r"--label 'truth': .*t.csv has no such column; it has y, score"),
        ("y", "p", r"--score 'p': .*no such column"),
        ("y", "y", "a class is no score of itself"),
    ],
)
def test_evaluate_table_of_columns_that_are_not_there(maker: Any, label: str, score: str, message: str) -> None:
    path = maker.write(maker.root / "t.csv", ("y", "score"), [(1, 0.5), (0, 0.4)])
    with pytest.raises(UsageError, match=message):
        evaluate_table(path, label, score)


def test_evaluate_table_lists_every_fault(maker: Any) -> None:
    rows = [(1, 0.5), (2, 0.4), (0, "nan"), ("", ""), (0, 0.1), (1, "1e400")]
    path = maker.write(maker.root / "t.csv", ("y", "score"), rows)
    with pytest.raises(
        UsageError,
        match=r"(?s)has 3 faults.*t.csv:3:y: '2' is no class.*t.csv:4:score: 'nan' is no number.*t.csv:7:score: '1e4",
    ):
        evaluate_table(path, "y", "score")


def test_evaluate_table_of_too_few(maker: Any) -> None:
    path = maker.write(maker.root / "t.csv", ("y", "score"), [(1, 0.5), (0, 0.4), (0, 0.1)])
    with pytest.raises(UsageError, match="2 or more of each: got 1 positive, 2 negative"):
        evaluate_table(path, "y", "score")


def test_evaluate_table_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no table .*t.csv"):
        evaluate_table(tmp_path / "t.csv", "y", "score")
