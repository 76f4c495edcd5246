"""Accuracy figures of tables counted by hand, and the paper's predictive values."""

from __future__ import annotations

import math

import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.estimate import estimate_share
from fidgety.training.statistics.two_by_two import Accuracy, TwoByTwo, accuracy_at, count_findings, predictive_values


def test_count_findings_tells_the_four_cells_apart() -> None:
    found = [1] * 5 + [1] * 3 + [0] * 7 + [0] * 2
    truth = [1] * 5 + [0] * 3 + [0] * 7 + [1] * 2
    assert count_findings(found, truth) == TwoByTwo(5, 3, 7, 2)


def test_count_findings_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="each of 3 labels: got 2"):
        count_findings([1, 0], [1, 0, 0])


def test_accuracy_of_a_table() -> None:
    figures = Accuracy.of(TwoByTwo(5, 3, 7, 2))
    assert figures.sensitivity == estimate_share(5, 7)
    assert figures.specificity == estimate_share(7, 10)
    assert figures.ppv == estimate_share(5, 8)
    assert figures.npv == estimate_share(7, 9)
    assert figures.accuracy == estimate_share(12, 17)


def test_accuracy_at_counts_the_threshold_itself() -> None:
    figures = accuracy_at([0.5, 0.49, 0.5, 0.1], [1, 1, 0, 0], 0.5, level=0.9)
    assert figures.table == TwoByTwo(1, 1, 1, 1)
    assert figures.sensitivity == estimate_share(1, 2, level=0.9)


def test_accuracy_at_a_threshold_that_finds_nobody() -> None:
    figures = accuracy_at([0.2, 0.3], [1, 0], 0.5)
    assert math.isnan(figures.ppv.value)
    assert figures.npv.value == 0.5


def test_accuracy_at_of_one_class() -> None:
    figures = accuracy_at([0.2, 0.7], [0, 0], 0.5)
    assert math.isnan(figures.sensitivity.value)
    assert figures.specificity.value == 0.5


def test_predictive_values_of_the_paper() -> None:
    # Sensitivity .925 and specificity .936 at 48 of 221 infants at risk: published PPV .80, NPV .978.
    ppv, npv = predictive_values(0.925, 0.936, 48 / 221)
    assert (round(ppv, 2), round(npv, 3)) == (0.8, 0.978)


def test_predictive_values_at_the_cohorts_own_prevalence() -> None:
    figures = Accuracy.of(TwoByTwo(5, 3, 7, 2))
    at_home = predictive_values(figures.sensitivity.value, figures.specificity.value, 7 / 17)
    assert at_home == pytest.approx((figures.ppv.value, figures.npv.value))


def test_predictive_values_where_nobody_is_ill_or_found() -> None:
    assert predictive_values(0.9, 0.8, 0.0) == (0.0, 1.0)
    assert math.isnan(predictive_values(0.0, 1.0, 0.3)[0])
    assert math.isnan(predictive_values(1.0, 0.0, 0.3)[1])


def test_predictive_values_of_percent() -> None:
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        predictive_values(92.5, 93.6, 21.7)
