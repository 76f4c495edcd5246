"""Where a probability becomes a finding: the threshold for "this window holds FMs" and the one for "this recording
is at risk".

Both are chosen on held-out infants, never on those that are reported.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import UsageError

__all__ = ["choose_fms_threshold", "choose_risk_threshold", "cost_threshold"]


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
