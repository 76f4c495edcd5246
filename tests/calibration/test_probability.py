"""Temperature and Platt's line must find the figures that the data were made with."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.calibration.probability import fit_correction, fit_platt, fit_temperature, sigmoid
from fidgety.errors import UsageError


def test_sigmoid_does_not_overflow() -> None:
    assert sigmoid([-2000.0, 0.0, 2000.0]).tolist() == [0.0, 0.5, 1.0]


def test_fit_temperature_finds_overconfidence() -> None:
    rng = np.random.default_rng(0)
    true_margin = rng.normal(0.0, 2.0, 20_000)
    holds_fms = rng.random(20_000) < sigmoid(true_margin)
    logits = np.stack([3.0 * true_margin, np.zeros(20_000)], axis=1)
    assert fit_temperature(logits, holds_fms) == pytest.approx(3.0, rel=0.05)


def test_fit_platt_finds_slope_and_intercept() -> None:
    rng = np.random.default_rng(1)
    logit = rng.normal(0.0, 1.0, 20_000)
    is_risk = rng.random(20_000) < sigmoid(2.0 * logit - 0.7)
    slope, intercept = fit_platt(logit, is_risk)
    assert slope == pytest.approx(2.0, abs=0.1)
    assert intercept == pytest.approx(-0.7, abs=0.1)


def test_fit_platt_of_separated_recordings_stays_finite() -> None:
    slope, intercept = fit_platt([-0.6, -0.5, -0.4, 0.5, 0.6], [False, False, False, True, True])
    assert 0.0 < slope < 100.0
    probability = sigmoid(slope * np.array([-0.5, 0.5]) + intercept)
    assert probability[0] < 0.3 and probability[1] > 0.6


@pytest.mark.parametrize("labels", [[True, True, True], [False, False, False]])
def test_fits_of_one_class_are_refused(labels: list[bool]) -> None:
    with pytest.raises(UsageError, match="both classes"):
        fit_platt([0.1, 0.2, 0.3], labels)
    with pytest.raises(UsageError, match="both classes"):
        fit_temperature(np.zeros((3, 2)), labels)


def test_fit_correction_leaves_a_true_risk_alone_and_mends_a_shifted_one() -> None:
    rng = np.random.default_rng(3)
    true = rng.normal(0.0, 2.0, 4000)
    is_risk = rng.uniform(size=true.size) < sigmoid(true)
    assert fit_correction(true, is_risk) == pytest.approx((1.0, 0.0), abs=0.1)
    assert fit_correction(2.0 * true + 1.0, is_risk) == pytest.approx((0.5, -0.5), abs=0.1)
    assert fit_correction(2.0 * true, is_risk, has_intercept=False) == (pytest.approx(0.5, abs=0.05), 0.0)


def test_fit_correction_of_a_few_infants_stays_near_what_was() -> None:
    """Four infants whom the risk parts fully: without what is known beforehand the slope would be endless."""
    slope, intercept = fit_correction([-3.0, -1.0, 1.0, 3.0], [False, False, True, True])
    assert 1.0 < slope < 1.6 and intercept == pytest.approx(0.0, abs=1e-6)


def test_fit_correction_is_not_too_cautious_on_others() -> None:
    """Thirty infants of a site whose risks are true: the slope on others is 1 in the middle of many sites."""
    rng, slopes = np.random.default_rng(4), []
    for _ in range(200):
        true = rng.normal(0.0, 3.0, 30)
        is_risk = rng.uniform(size=30) < sigmoid(true)
        if 2 <= is_risk.sum() <= 28:
            slopes.append(fit_correction(true, is_risk)[0])
    assert np.median(slopes) == pytest.approx(1.0, abs=0.1)
