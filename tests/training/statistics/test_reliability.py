"""Probabilities that are true, too certain, shifted or useless must be found to be so."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from fidgety.calibration.probability import sigmoid
from fidgety.errors import UsageError
from fidgety.training.statistics.reliability import (
    brier_score,
    fit_recalibration,
    integrated_calibration_index,
    reliability_bins,
    smooth_observed,
)


@pytest.fixture(scope="module")
def cohort() -> tuple[np.ndarray, np.ndarray]:
    """(true logits, is_positive) of 20,000 infants, a fifth of them at risk."""
    rng = np.random.default_rng(3)
    logits = rng.normal(-2.2, 2.2, 20_000)
    return logits, rng.random(20_000) < sigmoid(logits)


def test_brier_score_by_hand() -> None:
    assert brier_score([0.5, 0.5], [0, 1]) == 0.25
    assert brier_score([0.1, 0.8, 1.0], [0, 1, 1]) == pytest.approx((0.01 + 0.04 + 0.0) / 3)


def test_fit_recalibration_of_true_probabilities(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    logits, is_positive = cohort
    line = fit_recalibration(sigmoid(logits), is_positive)
    assert line.slope == pytest.approx(1.0, abs=0.05)
    assert line.intercept == pytest.approx(0.0, abs=0.07)
    assert line.in_the_large == pytest.approx(0.0, abs=0.07)


def test_fit_recalibration_of_doubled_logits(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    logits, is_positive = cohort
    once, twice = (fit_recalibration(sigmoid(n * logits), is_positive) for n in (1, 2))
    assert twice.slope == pytest.approx(0.5, abs=0.025)
    assert twice.slope == pytest.approx(once.slope / 2, rel=0.01)


def test_fit_recalibration_of_shifted_logits(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    logits, is_positive = cohort
    line = fit_recalibration(sigmoid(logits - 1.0), is_positive)  # risks are said too low
    assert line.in_the_large == pytest.approx(1.0, abs=0.07)
    assert line.intercept == pytest.approx(1.0, abs=0.07)
    assert line.slope == pytest.approx(1.0, abs=0.05)


def test_fit_recalibration_solves_the_likelihood() -> None:
    logits = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    is_positive = np.array([0, 1, 0, 1, 0, 1])
    line = fit_recalibration(sigmoid(logits), is_positive)
    residual = sigmoid(line.intercept + line.slope * logits) - is_positive
    assert residual.sum() == pytest.approx(0.0, abs=1e-6)
    assert residual @ logits == pytest.approx(0.0, abs=1e-6)
    assert (sigmoid(line.in_the_large + logits) - is_positive).sum() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("said", [[0.1, 0.2, 0.7, 0.8], [0.9, 0.8, 0.2, 0.1], [0.1, 0.5, 0.5, 0.9], [0.3] * 4])
def test_fit_recalibration_where_no_line_is_likeliest(said: list[float]) -> None:
    line = fit_recalibration(said, [0, 0, 1, 1])
    assert math.isnan(line.slope) and math.isnan(line.intercept)
    assert math.isfinite(line.in_the_large)


def test_fit_recalibration_of_certainty_stays_finite() -> None:
    line = fit_recalibration([0.0, 1.0, 0.0, 1.0, 0.5], [0, 1, 1, 0, 1])
    assert line.slope == pytest.approx(0.0, abs=0.01)


def test_ici_of_true_and_of_doubled_logits(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    logits, is_positive = (array[:4000] for array in cohort)
    assert integrated_calibration_index(sigmoid(logits), is_positive) < 0.015
    doubled = sigmoid(2 * logits)
    distance = np.abs(doubled - sigmoid(logits)).mean()
    assert distance > 0.06
    assert integrated_calibration_index(doubled, is_positive) == pytest.approx(distance, abs=0.01)


def test_ici_of_one_probability_is_its_distance_from_the_share() -> None:
    assert integrated_calibration_index([0.9] * 4, [0, 0, 0, 1]) == pytest.approx(0.65)


def test_smooth_observed_follows_a_line_exactly() -> None:
    said = np.repeat([0.25, 0.75], 4)
    observed = smooth_observed(said, [0, 0, 0, 1, 0, 1, 1, 1])
    assert observed == pytest.approx(said, abs=1e-9)


def test_smooth_observed_is_a_weighted_line_through_three_quarters_of_the_cases() -> None:
    said, truth = np.array([0.1, 0.2, 0.4, 0.5, 0.7, 0.9]), np.array([0, 1, 0, 0, 1, 1])
    observed = smooth_observed(said, truth)
    for here, value in zip(said, observed, strict=True):
        away = np.abs(said - here)
        weights = np.clip(1 - (away / np.sort(away)[4]) ** 3, 0, None) ** 3  # the fifth of six is out of reach
        line = np.polyfit(said - here, truth, 1, w=np.sqrt(weights))
        assert value == pytest.approx(np.clip(line[1], 0, 1), abs=1e-9)
    assert observed.max() == 1.0  # the last line ends above it


def test_smooth_observed_stays_a_share(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    logits, is_positive = (array[:300] for array in cohort)
    observed = smooth_observed(sigmoid(2 * logits), is_positive)
    assert observed.min() >= 0.0 and observed.max() <= 1.0
    mirrored = smooth_observed(1 - sigmoid(2 * logits), ~is_positive)
    assert mirrored == pytest.approx(1 - observed, abs=1e-6)


def test_reliability_bins_by_hand() -> None:
    bins = reliability_bins([0.1, 0.2, 0.6, 0.8], [0, 1, 1, 1], n_bins=2)
    assert [(one.low, one.high, one.n) for one in bins] == [(0.1, 0.2, 2), (0.6, 0.8, 2)]
    assert [one.predicted for one in bins] == pytest.approx([0.15, 0.7])
    assert [one.observed.value for one in bins] == [0.5, 1.0]
    assert bins[1].observed.low == pytest.approx(0.3424, abs=1e-4)  # Wilson's of 2 of 2


def test_reliability_bins_put_an_edge_into_the_upper_bin() -> None:
    assert [one.n for one in reliability_bins([0.1, 0.2, 0.3], [0, 1, 1], n_bins=2)] == [1, 2]


def test_reliability_bins_hold_every_case_once(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    logits, is_positive = (array[:1000] for array in cohort)
    bins = reliability_bins(sigmoid(logits), is_positive)
    assert [one.n for one in bins] == [100] * 10
    assert sum(one.n * one.observed.value for one in bins) == pytest.approx(is_positive.sum())
    assert all(one.high < other.low for one, other in pairwise(bins))


def test_reliability_bins_keep_equal_probabilities_together() -> None:
    bins = reliability_bins([0.2] * 7 + [0.9] * 3, [0] * 7 + [1] * 3)
    assert [(one.predicted, one.n) for one in bins] == [(pytest.approx(0.2), 7), (pytest.approx(0.9), 3)]


def test_bad_input_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        brier_score([1.2, 0.1], [1, 0])
    with pytest.raises(UsageError, match="a recalibration line needs examples of both classes"):
        fit_recalibration([0.2, 0.1], [1, 1])
    with pytest.raises(UsageError, match="an ICI needs"):
        integrated_calibration_index([0.2, 0.1], [0, 0])
    with pytest.raises(UsageError, match="one bin or more"):
        reliability_bins([0.2, 0.1], [0, 1], n_bins=0)
