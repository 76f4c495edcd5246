"""Where a probability becomes a finding: the threshold for "this window holds FMs" and the one for "this recording
is at risk".

Both are chosen on held-out infants, never on those that are reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fidgety.errors import UsageError

__all__ = [
    "choose_fms_threshold",
    "choose_risk_threshold",
    "cost_threshold",
    "least_infants",
    "sensitivity_spread",
    "sensitivity_threshold",
]


def choose_fms_threshold(
    probabilities: Sequence[ArrayLike], true_frequencies: ArrayLike, candidates: ArrayLike | None = None
) -> tuple[float, float]:
    """The threshold on P(FMs) that brings the FMs frequency nearest to the truth, and the mean absolute error there.

    probabilities: per recording the calibrated P(FMs) of its instances, (N_i,). true_frequencies: (R,) in [0, 1].
    candidates: default .30 to .80 by .01. Of equally good ones the nearest to .5 is taken. Raises UsageError where
    nothing is given.
    """
    truth = np.asarray(true_frequencies, dtype=np.float64)
    if len(probabilities) == 0 or truth.shape != (len(probabilities),):
        raise UsageError(f"{len(probabilities)} recordings and true frequencies of shape {truth.shape} do not fit")
    thresholds = np.arange(0.30, 0.801, 0.01) if candidates is None else np.asarray(candidates, dtype=np.float64)
    measured = np.array([[(np.asarray(p) >= t).mean() for p in probabilities] for t in thresholds])
    errors = np.abs(measured - truth).mean(axis=1)
    best = min(range(len(thresholds)), key=lambda i: (round(float(errors[i]), 6), abs(float(thresholds[i]) - 0.5)))
    return round(float(thresholds[best]), 4), float(errors[best])


def cost_threshold(miss_weight: float) -> float:
    """The calibrated risk from which on the finding "risk" is the lesser evil: 1 / (1 + miss_weight).

    `miss_weight`: false alarms that one missed infant weighs as much as. It needs no recordings, so it cannot be led
    astray by a few; that the risk is calibrated is all it asks for (Elkan, IJCAI 2001). Raises UsageError for a weight
    that is not above zero.
    """
    if not 0.0 < miss_weight < float("inf"):
        raise UsageError(f"a missed infant weighs {miss_weight} false alarms: expected a number above zero")
    return 1.0 / (1.0 + miss_weight)


def least_infants(sensitivity: float) -> int:
    """How many infants at risk `sensitivity_threshold` needs. Raises UsageError for a sensitivity outside (0, 1)."""
    if not 0.0 < sensitivity < 1.0:
        raise UsageError(f"a sensitivity lies between 0 and 1: got {sensitivity}")
    return math.ceil(round(sensitivity / (1.0 - sensitivity), 9))


def sensitivity_threshold(risks: ArrayLike, sensitivity: float) -> float:
    """The highest threshold that the next infant at risk will reach with at least this probability.

    risks: (N,) in [0, 1], of infants at risk alone, one each. It is the k-th smallest of them, k = floor((N + 1)
    (1 - sensitivity)): if the next infant is one of the same kind, its rank among them is any, so that it lies below
    with a probability of k / (N + 1) at most (split conformal prediction; Vovk et al. 2005). Raises UsageError where
    there are too few infants to promise so much.
    """
    values = np.sort(np.asarray(risks, dtype=np.float64))
    return float(values[_place(len(values), sensitivity) - 1])


def sensitivity_spread(n_risk: int, sensitivity: float) -> tuple[float, float, float]:
    """What the sensitivity of `sensitivity_threshold` on all infants to come will be: its mean and 95 % interval.

    Whatever risks look like, it is Beta(n + 1 - k, k) distributed, as the k-th smallest of n is. Errors as there.
    """
    place = _place(n_risk, sensitivity)
    spread = stats.beta(n_risk + 1 - place, place)
    return float(spread.mean()), float(spread.ppf(0.025)), float(spread.ppf(0.975))


def _place(n_risk: int, sensitivity: float) -> int:
    """k of the k-th smallest risk."""
    if n_risk < least_infants(sensitivity):
        raise UsageError(
            f"a sensitivity of {sensitivity:g} needs {least_infants(sensitivity)} infants at risk or more, {n_risk} "
            "could be assessed: ask for less, or add infants"
        )
    return math.floor(round((n_risk + 1) * (1.0 - sensitivity), 9))


def choose_risk_threshold(probabilities: ArrayLike, is_risk: ArrayLike) -> float:
    """Youden's threshold: the middle of the widest range of cuts with the greatest sensitivity + specificity.

    probabilities: (N,) of risk; is_risk: (N,) bool. Raises UsageError where one class is missing.
    """
    values: NDArray[np.float64] = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(is_risk, dtype=bool)
    if values.shape != labels.shape or labels.all() or not labels.any():
        raise UsageError("an operating point needs recordings of both classes")
    edges = np.unique(np.concatenate([[0.0, 1.0], values]))
    cuts = (edges[:-1] + edges[1:]) / 2
    youden = np.array([(values[labels] >= c).mean() + (values[~labels] < c).mean() for c in cuts])
    best = np.flatnonzero(youden >= youden.max() - 1e-9)
    widest = best[np.argmax(edges[best + 1] - edges[best])]
    return float(cuts[widest])
