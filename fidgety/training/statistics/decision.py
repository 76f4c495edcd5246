"""What acting on a finding is worth: decision curve, and intention to screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fidgety.errors import UsageError
from fidgety.training.statistics.estimate import CONFIDENCE, Estimate, estimate_share
from fidgety.training.statistics.inputs import DoubleArray, read_labels, read_probabilities, require_both
from fidgety.training.statistics.two_by_two import Accuracy, accuracy_at, count_findings

__all__ = ["DecisionCurve", "IntentionToScreen", "decision_curve", "intention_to_screen"]


@dataclass(frozen=True, slots=True, eq=False)
class DecisionCurve:
    """Net benefit, in true positives per infant seen, at each threshold probability; all (T,) float64."""

    thresholds: DoubleArray
    system: DoubleArray
    refer_all: DoubleArray
    refer_none: DoubleArray


@dataclass(frozen=True, slots=True)
class IntentionToScreen:
    """What a clinic sees, with the recordings that could not be assessed.

    screened: all infants, not assessable = refer. assessed: only those with a score, None where there are none.
    assessable: share with a score.
    """

    screened: Accuracy
    assessed: Accuracy | None
    assessable: Estimate
    n_not_assessable_positive: int
    n_not_assessable_negative: int


def decision_curve(
    probabilities: ArrayLike, is_positive: ArrayLike, thresholds: ArrayLike | None = None
) -> DecisionCurve:
    """Net benefit (Vickers & Elkin 2006) = TP / N - FP / N * t / (1 - t) of referring from probability t on.

    probabilities: (N,) of risk. thresholds: (T,) within (0, 1), .01 to .50 if None: above one half a needless referral
    would weigh more than a missed infant. Raises UsageError where one class is missing or inputs misfit.
    """
    labels = read_labels(is_positive)
    require_both(labels, "a decision curve")
    said = read_probabilities(probabilities, len(labels))
    cuts = np.arange(1, 51) / 100 if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    if cuts.ndim != 1 or cuts.size == 0 or not ((cuts > 0.0) & (cuts < 1.0)).all():
        raise UsageError("threshold probabilities (T,) lie between 0 and 1, both excluded")
    odds = cuts / (1.0 - cuts)
    is_referred = said >= cuts[:, None]
    system = (is_referred & labels).mean(axis=1) - (is_referred & ~labels).mean(axis=1) * odds
    share = float(labels.mean())
    return DecisionCurve(cuts, system, share - (1.0 - share) * odds, np.zeros_like(cuts))


def intention_to_screen(
    scores: ArrayLike, is_positive: ArrayLike, threshold: float, level: float = CONFIDENCE
) -> IntentionToScreen:
    """Accuracy with nobody left out: an infant whose recording is not assessable is referred, so counts as positive.

    scores: (N,), NaN = not assessable. Figures of the assessed alone flatter a system that declines the hard ones.
    Raises UsageError where inputs misfit or a score is infinite.
    """
    labels = read_labels(is_positive)
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != labels.shape or np.isinf(values).any():
        raise UsageError(f"one score or NaN for each of {len(labels)} infants: got {values.shape}")
    is_lost = np.isnan(values)
    n_assessed = int((~is_lost).sum())
    return IntentionToScreen(
        screened=Accuracy.of(count_findings(is_lost | (values >= threshold), labels), level),
        assessed=accuracy_at(values[~is_lost], labels[~is_lost], threshold, level) if n_assessed else None,
        assessable=estimate_share(n_assessed, len(labels), level),
        n_not_assessable_positive=int((is_lost & labels).sum()),
        n_not_assessable_negative=int((is_lost & ~labels).sum()),
    )
