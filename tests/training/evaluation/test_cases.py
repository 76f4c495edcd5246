"""An infant counts once, whatever it was recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fidgety.training.evaluation.cases import TOO_FEW, accuracy_of, auc_of, frequency_auc_of, gather_cases
from fidgety.training.evaluation.runs import read_run


@pytest.fixture
def twice(maker: Any) -> Any:
    """40 recordings of 20 infants, n and n + 20 of infant n; the class is that of n."""
    folder = maker.run(has_windows=False, label=lambda i: i % 20 < 4, shuffle_labels=True, risk=lambda i: 0.01 * i)
    for row in range(22, 42):
        maker.edit(folder / "predictions.csv", row, infant=f"a{row - 22:03d}", fold=str((row - 22) % 5))
    return folder


def test_gather_cases_takes_the_mean_of_an_infants_recordings(maker: Any, twice: Any) -> None:
    maker.edit(twice / "predictions.csv", 2, risk="")  # a000, the first of two
    maker.edit(twice / "predictions.csv", 3, risk="", risk_threshold="")
    maker.edit(twice / "predictions.csv", 23, risk="")  # a001, both
    maker.edit(twice / "predictions.csv", 24, fms_frequency="0.25")  # a002, one of two
    cases = gather_cases(read_run(twice).internal)
    assert len(cases) == 20 and cases.is_risk.sum() == 4
    assert cases.risks[0] == pytest.approx(0.20) and np.isnan(cases.risks[1])
    assert cases.risks[2] == pytest.approx((0.02 + 0.22) / 2)
    assert cases.margins[2] == pytest.approx(cases.risks[2] - 0.5)
    assert cases.fms_frequencies[2] == 0.25
    assert len(cases.assessed) == 19


def test_auc_of_counts_infants_not_recordings(twice: Any) -> None:
    # Risk rises with n and infants 0 to 3 are at risk: the ranking is the wrong way round, for infants alone.
    predictions = read_run(twice).internal
    found = auc_of(gather_cases(predictions))
    assert not isinstance(found, str) and found.value == 0.0
    pairs = predictions.risks[predictions.is_risk][:, None] > predictions.risks[~predictions.is_risk]
    assert pairs.mean() == 0.25


def test_auc_of_too_few_is_said_in_words(twice: Any) -> None:
    cases = gather_cases(read_run(twice).internal)
    assert auc_of(cases.pick(cases.is_risk)) == TOO_FEW
    assert frequency_auc_of(cases) == TOO_FEW  # no windows
    assert accuracy_of(cases.pick(np.zeros(20, dtype=bool))) is None


def test_accuracy_of_finds_from_the_threshold_on(maker: Any) -> None:
    found = accuracy_of(gather_cases(read_run(maker.run(risk=lambda i: 0.5 if i < 10 else 0.49)).internal))
    assert found is not None
    assert found.table.n_true_positive == 2 and found.table.n_false_positive == 8  # a000 and a006 of the first ten
