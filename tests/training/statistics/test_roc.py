"""AUC and DeLong against values by hand, by DeLong's own kernel, by a bootstrap and from a published cohort."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from fidgety.calibration.operating_point import choose_risk_threshold
from fidgety.errors import UsageError
from fidgety.training.statistics.roc import auc, auc_by_chance, compare_aucs, estimate_auc, roc_points, youden_threshold

SEGADO = Path(__file__).resolve().parents[4] / "shared" / "data" / "tables" / "segado_lockbox.csv"


@pytest.fixture
def cohort() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first, second, is_positive): 120 cases, two correlated systems, scores of one decimal and so with ties."""
    rng = np.random.default_rng(11)
    is_positive = rng.random(120) < 0.3
    shared = rng.normal(0.0, 1.0, 120) + 1.2 * is_positive
    first, second = (np.round(shared + rng.normal(0.0, s, 120), 1) for s in (0.5, 1.5))
    return first, second, is_positive


def kernel(scores: np.ndarray, is_positive: np.ndarray) -> np.ndarray:
    """(P, Q) DeLong's psi: 1 where the positive is above the negative, one half where they are tied."""
    above, below = scores[is_positive][:, None], scores[~is_positive][None]
    return np.where(above > below, 1.0, np.where(above == below, 0.5, 0.0))


def kernel_variance(psi: np.ndarray) -> float:
    n_positive, n_negative = psi.shape
    per_positive, per_negative = psi.mean(axis=1), psi.mean(axis=0)
    return float(per_positive.var(ddof=1) / n_positive + per_negative.var(ddof=1) / n_negative)


def test_auc_counts_pairs_and_halves_ties() -> None:
    assert auc([0.9, 0.8, 0.3, 0.1], [True, False, True, False]) == 0.75
    assert auc([0.5, 0.5], [True, False]) == 0.5
    assert auc([1, 2, 2, 3], [0, 0, 1, 1]) == 0.875


def test_auc_is_that_of_the_kernel(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, _, is_positive = cohort
    assert auc(first, is_positive) == pytest.approx(kernel(first, is_positive).mean(), abs=1e-12)


def test_auc_does_not_see_monotone_maps(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, _, is_positive = cohort
    assert auc(np.exp(first), is_positive) == auc(first, is_positive)
    assert auc(-first, is_positive) == pytest.approx(1 - auc(first, is_positive), abs=1e-12)
    assert auc(first, ~is_positive) == pytest.approx(1 - auc(first, is_positive), abs=1e-12)


@pytest.mark.parametrize(("n_positive", "n_negative"), [(20, 20), (8, 60), (65, 65)])
def test_auc_by_chance_holds_95_of_100_scores_that_know_nothing(n_positive: int, n_negative: int) -> None:
    rng, is_positive = np.random.default_rng(14), np.arange(n_positive + n_negative) < n_positive
    areas = np.array([auc(rng.normal(size=len(is_positive)), is_positive) for _ in range(2000)])
    band = auc_by_chance(n_positive, n_negative)
    assert ((band.low <= areas) & (areas <= band.high)).mean() == pytest.approx(0.95, abs=0.015)
    assert band.value == 0.5 and (band.high < 0.6) == (n_positive == 65)


def test_auc_by_chance_of_few() -> None:
    assert (auc_by_chance(1, 1).low, auc_by_chance(1, 1).high) == (0.0, 1.0)
    with pytest.raises(UsageError, match="both classes"):
        auc_by_chance(0, 12)


def test_auc_of_one_class_is_refused() -> None:
    with pytest.raises(UsageError, match="both classes"):
        auc([0.1, 0.2], [True, True])


def test_estimate_auc_by_hand() -> None:
    # Positives 2 and 4 against negatives 1 and 3: placements (1/2, 1) and (1, 1/2), variance 2 * (1/8) / 2 = 1/8.
    estimate = estimate_auc([2, 4, 1, 3], [1, 1, 0, 0], level=0.5)
    reach = 0.6744898 * math.sqrt(1 / 8)
    assert estimate.value == 0.75
    assert (estimate.low, estimate.high) == pytest.approx((0.75 - reach, 0.75 + reach), abs=1e-6)
    assert estimate_auc([2, 4, 1, 3], [1, 1, 0, 0]).high == 1.0  # .75 + .69, cut


def test_estimate_auc_has_the_kernels_variance(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, _, is_positive = cohort
    estimate = estimate_auc(first, is_positive)
    reach = 1.959964 * math.sqrt(kernel_variance(kernel(first, is_positive)))
    assert estimate.value - estimate.low == pytest.approx(reach, rel=1e-6)


def test_estimate_auc_is_as_wide_as_a_bootstrap(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    _, second, is_positive = cohort
    rng = np.random.default_rng(0)
    sides = np.flatnonzero(is_positive), np.flatnonzero(~is_positive)
    drawn = [np.concatenate([rng.choice(side, len(side)) for side in sides]) for _ in range(1500)]
    spread = np.std([auc(second[rows], is_positive[rows]) for rows in drawn])
    estimate = estimate_auc(second, is_positive)
    assert (estimate.high - estimate.low) / (2 * 1.959964) == pytest.approx(spread, rel=0.08)


def test_estimate_auc_of_full_separation_has_no_width() -> None:
    estimate = estimate_auc([1, 2, 3, 4], [0, 0, 1, 1])
    assert (estimate.value, estimate.low, estimate.high) == (1.0, 1.0, 1.0)


def test_estimate_auc_needs_two_of_each() -> None:
    with pytest.raises(UsageError, match=r"DeLong's interval needs .* 2 or more of each: got 1 positive, 3 negative"):
        estimate_auc([1, 2, 3, 4], [0, 0, 0, 1])


@pytest.mark.shared
@pytest.mark.skipif(not SEGADO.is_file(), reason="the real test data is not beside the project")
def test_estimate_auc_of_a_published_cohort() -> None:
    rows = np.genfromtxt(SEGADO, delimiter=",", skip_header=1)
    estimate = estimate_auc(rows[:, 2], rows[:, 0])
    assert len(rows) == 186 and rows[:, 0].sum() == 19
    assert [round(figure, 3) for figure in (estimate.value, estimate.low, estimate.high)] == [0.769, 0.658, 0.881]


def test_compare_aucs_has_the_kernels_variance(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, second, is_positive = cohort
    compared = compare_aucs(first, second, is_positive)
    variance = kernel_variance(kernel(first, is_positive) - kernel(second, is_positive))
    difference = compared.first.value - compared.second.value
    assert compared.first == estimate_auc(first, is_positive)
    assert compared.second == estimate_auc(second, is_positive)
    assert compared.difference.value == pytest.approx(difference, abs=1e-12)
    assert compared.difference.high - difference == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-6)
    assert compared.p_value == pytest.approx(math.erfc(difference / math.sqrt(2 * variance)), rel=1e-6)


def test_compare_aucs_is_symmetric(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, second, is_positive = cohort
    one, other = compare_aucs(first, second, is_positive), compare_aucs(second, first, is_positive)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-12)
    assert one.difference.low == pytest.approx(-other.difference.high, rel=1e-12)


def test_compare_aucs_of_one_ranking(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, _, is_positive = cohort
    compared = compare_aucs(first, np.exp(first), is_positive)
    assert compared.p_value == 1.0
    assert (compared.difference.low, compared.difference.high) == (0.0, 0.0)


def test_compare_aucs_without_variance_cannot_tell() -> None:
    compared = compare_aucs([1, 2, 3, 4], [4, 3, 2, 1], [0, 0, 1, 1])
    assert compared.difference.value == 1.0
    assert math.isnan(compared.p_value)


def test_compare_aucs_finds_nothing_where_there_is_nothing() -> None:
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(300):
        is_positive = np.arange(60) < 25
        shared = rng.normal(0.0, 1.0, 60) + is_positive
        first, second = shared + rng.normal(0.0, 1.0, 60), shared + rng.normal(0.0, 1.0, 60)
        p_values.append(compare_aucs(first, second, is_positive).p_value)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09


def test_roc_points_of_four_cases() -> None:
    curve = roc_points([0.9, 0.8, 0.3, 0.1], [True, False, True, False])
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.3, 0.1]
    assert curve.sensitivity.tolist() == [0.0, 0.5, 0.5, 1.0, 1.0]
    assert curve.specificity.tolist() == [1.0, 1.0, 0.5, 0.5, 0.0]


def test_roc_points_enclose_the_auc(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, _, is_positive = cohort
    curve = roc_points(first, is_positive)
    assert len(curve.thresholds) == len(np.unique(first)) + 1
    widths, heights = -np.diff(curve.specificity), (curve.sensitivity[1:] + curve.sensitivity[:-1]) / 2
    assert widths @ heights == pytest.approx(auc(first, is_positive), abs=1e-12)


def test_youden_threshold_is_that_of_the_operating_point(cohort: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, _, is_positive = cohort
    probabilities = 1 / (1 + np.exp(-first))
    expected = choose_risk_threshold(probabilities, is_positive)
    assert youden_threshold(probabilities, is_positive) == pytest.approx(expected, abs=1e-12)


def test_youden_threshold_on_any_scale() -> None:
    assert youden_threshold([-30, -20, 10, 40], [0, 0, 1, 1]) == pytest.approx(-5.0)
    assert youden_threshold([-30, -20, 10, 12, 40], [0, 0, 1, 0, 1]) == pytest.approx(-5.0)  # 1 + 2/3, not 1/2 + 1


def test_youden_threshold_of_equal_scores() -> None:
    with pytest.raises(UsageError, match="all scores are alike"):
        youden_threshold([0.5, 0.5, 0.5], [0, 1, 1])
