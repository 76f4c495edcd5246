"""Thresholds are where the held-out recordings say."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.calibration.operating_point import choose_fms_threshold, choose_risk_threshold, cost_threshold
from fidgety.errors import UsageError


def test_choose_fms_threshold_minimises_the_frequency_error() -> None:
    recordings = [np.array([0.1, 0.45, 0.62, 0.9]), np.array([0.05, 0.55, 0.2, 0.57])]
    threshold, error = choose_fms_threshold(recordings, [0.5, 0.0])
    assert 0.57 <= threshold <= 0.62
    assert error == 0.0


def test_choose_fms_threshold_prefers_one_half_among_equals() -> None:
    assert choose_fms_threshold([np.array([0.0, 1.0])], [0.5]) == (0.5, 0.0)


@pytest.mark.parametrize("miss_weight", [0.5, 1.0, 3.0])
def test_cost_threshold_costs_least_where_the_risk_is_calibrated(miss_weight: float) -> None:
    rng = np.random.default_rng(5)
    risk = rng.uniform(size=200_000)
    is_risk = rng.uniform(size=risk.size) < risk
    cuts = np.linspace(0.05, 0.95, 19)
    costs = [miss_weight * (is_risk & (risk < cut)).mean() + (~is_risk & (risk >= cut)).mean() for cut in cuts]
    assert cost_threshold(miss_weight) == pytest.approx(cuts[int(np.argmin(costs))], abs=0.051)


@pytest.mark.parametrize("miss_weight", [0.0, -1.0, float("nan"), float("inf")])
def test_cost_threshold_of_no_weight(miss_weight: float) -> None:
    with pytest.raises(UsageError, match="expected a number above zero"):
        cost_threshold(miss_weight)


def test_choose_risk_threshold_separates_and_stays_away_from_both() -> None:
    assert choose_risk_threshold([0.1, 0.2, 0.7, 0.9], [False, False, True, True]) == pytest.approx(0.45)


def test_choose_risk_threshold_weighs_sensitivity_and_specificity_alike() -> None:
    risk = [0.05, 0.1, 0.2, 0.6, 0.3, 0.7, 0.8, 0.9]
    threshold = choose_risk_threshold(risk, [False] * 4 + [True] * 4)
    assert 0.2 < threshold < 0.3


def test_thresholds_without_data_are_refused() -> None:
    with pytest.raises(UsageError):
        choose_fms_threshold([], [])
    with pytest.raises(UsageError):
        choose_risk_threshold([0.1, 0.2], [True, True])
