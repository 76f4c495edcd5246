"""How well a score ranks: AUC, DeLong's interval, DeLong's test of two systems on the same infants, ROC, Youden.

Higher scores mean the positive class (risk). DeLong takes cases to be independent: one recording an infant. Where
infants have several, `bootstrap.bootstrap_by_infant` gives the interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.metrics import roc_curve

from fidgety.calibration.operating_point import choose_risk_threshold
from fidgety.errors import UsageError
from fidgety.records import BoolArray
from fidgety.training.statistics.estimate import CONFIDENCE, Estimate, z_of
from fidgety.training.statistics.inputs import DoubleArray, read_labels, read_scores, require_both

__all__ = [
    "AucComparison",
    "Roc",
    "auc",
    "auc_by_chance",
    "compare_aucs",
    "estimate_auc",
    "roc_points",
    "youden_threshold",
]


@dataclass(frozen=True, slots=True)
class AucComparison:
    """Two systems on the same cases. p_value: two-sided, NaN where DeLong's test cannot tell."""

    first: Estimate
    second: Estimate
    difference: Estimate  # first - second
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """The ROC curve from its strictest to its laxest threshold; positive is a score >= threshold.

    All (P,) float64; the first threshold is inf (nobody positive), the last one the lowest score (all positive).
    """

    thresholds: DoubleArray
    sensitivity: DoubleArray
    specificity: DoubleArray


def auc(scores: ArrayLike, is_positive: ArrayLike) -> float:
    """Area under the ROC curve, ties counted half. Raises UsageError where one class is missing or inputs misfit."""
    labels = read_labels(is_positive)
    require_both(labels, "an AUC")
    below, _ = _placements(read_scores(scores, len(labels)), labels)
    return float(below.mean())


def auc_by_chance(n_positive: int, n_negative: int, level: float = CONFIDENCE) -> Estimate:
    """.5 and the band around it that holds this share of AUCs of scores which know nothing, cut at 0 and 1.

    Normal, with Mann and Whitney's variance (1947), (n + m + 1) / (12 n m), which is that of scores without ties; ties
    make the band narrower. Raises UsageError where a class is empty.
    """
    if n_positive < 1 or n_negative < 1:
        raise UsageError(f"an AUC needs both classes: got {n_positive} and {n_negative} cases")
    reach = z_of(level) * float(np.sqrt((n_positive + n_negative + 1) / (12 * n_positive * n_negative)))
    return Estimate(0.5, max(0.0, 0.5 - reach), min(1.0, 0.5 + reach))


def estimate_auc(scores: ArrayLike, is_positive: ArrayLike, level: float = CONFIDENCE) -> Estimate:
    """AUC with DeLong's interval (DeLong et al. 1988): plain normal, AUC +- z standard errors, cut at 0 and 1.

    Plain and not on the logit, because published intervals mostly are. Where the AUC is 0 or 1 DeLong's variance is
    nothing and so is the interval's width: read it as "too few cases", not as certainty. Raises UsageError where a
    class has fewer than two cases or inputs misfit.
    """
    labels = read_labels(is_positive)
    require_both(labels, "DeLong's interval", n_least=2)
    return _interval(*_placements(read_scores(scores, len(labels)), labels), level, (0.0, 1.0))


def compare_aucs(
    first: ArrayLike, second: ArrayLike, is_positive: ArrayLike, level: float = CONFIDENCE
) -> AucComparison:
    """DeLong's paired test of two scores (N,) of the same cases.

    The p value is 1 where both rank alike, and NaN where the AUCs differ but the variance of the difference is nothing
    (both systems part the classes fully, one of them the wrong way round). Raises UsageError like `estimate_auc`.
    """
    labels = read_labels(is_positive)
    require_both(labels, "DeLong's test", n_least=2)
    one, other = (_placements(read_scores(scores, len(labels)), labels) for scores in (first, second))
    # Covariances need no matrix: the variance of the difference is that of the differing placements.
    differing = one[0] - other[0], one[1] - other[1]
    return AucComparison(
        first=_interval(*one, level, (0.0, 1.0)),
        second=_interval(*other, level, (0.0, 1.0)),
        difference=_interval(*differing, level, (-1.0, 1.0)),
        p_value=_two_sided(float(differing[0].mean()), _variance(*differing)),
    )


def roc_points(scores: ArrayLike, is_positive: ArrayLike) -> Roc:
    """One point for every distinct score. Raises UsageError like `auc`."""
    labels = read_labels(is_positive)
    require_both(labels, "a ROC curve")
    false_positive, true_positive, thresholds = roc_curve(
        labels, read_scores(scores, len(labels)), drop_intermediate=False
    )
    return Roc(
        np.asarray(thresholds, dtype=np.float64),
        np.asarray(true_positive, dtype=np.float64),
        1.0 - np.asarray(false_positive, dtype=np.float64),
    )


def youden_threshold(scores: ArrayLike, is_positive: ArrayLike) -> float:
    """Youden's threshold on scores of any scale, logits too; positive is a score >= it.

    The rule (the middle of the widest best range) is that of `choose_risk_threshold`, which reads [0, 1]: scores are
    stretched to it and the threshold back. To be chosen on training folds only. Raises UsageError like `auc`, and
    where all scores are alike.
    """
    labels = read_labels(is_positive)
    require_both(labels, "a threshold")
    values = read_scores(scores, len(labels))
    low, span = float(values.min()), float(np.ptp(values))
    if span == 0.0:
        raise UsageError("all scores are alike: no threshold parts them")
    return low + span * choose_risk_threshold((values - low) / span, labels)


def _placements(scores: DoubleArray, labels: BoolArray) -> tuple[DoubleArray, DoubleArray]:
    """(N,) scores -> (P,) share of negatives below each positive, (Q,) share of positives above each negative.

    By midranks in N log N steps (Sun & Xu 2014), where DeLong's kernel takes P x Q.
    """
    positive, negative = scores[labels], scores[~labels]
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    below = (ranks[: len(positive)] - stats.rankdata(positive)) / len(negative)
    above = 1.0 - (ranks[len(positive) :] - stats.rankdata(negative)) / len(positive)
    return below, above


def _variance(below: DoubleArray, above: DoubleArray) -> float:
    """DeLong's variance of the AUC whose placements are given, or of a difference of AUCs."""
    return float(below.var(ddof=1) / len(below) + above.var(ddof=1) / len(above))


def _interval(below: DoubleArray, above: DoubleArray, level: float, limits: tuple[float, float]) -> Estimate:
    value, reach = float(below.mean()), z_of(level) * float(np.sqrt(_variance(below, above)))
    return Estimate(value, max(limits[0], value - reach), min(limits[1], value + reach))


def _two_sided(difference: float, variance: float) -> float:
    # One pair of N^2 ranked otherwise gives a variance of about 2 / N^4; rounding alone leaves less than 1e-30.
    if variance < 1e-28:
        return 1.0 if abs(difference) < 1e-14 else float("nan")
    return float(2 * stats.norm.sf(abs(difference) / np.sqrt(variance)))
