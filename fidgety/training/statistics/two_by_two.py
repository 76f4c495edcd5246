"""Findings against the truth: sensitivity, specificity, predictive values, accuracy, each with Wilson's interval."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from fidgety.errors import UsageError
from fidgety.training.statistics.estimate import CONFIDENCE, Estimate, estimate_share
from fidgety.training.statistics.inputs import read_labels, read_scores

__all__ = ["Accuracy", "TwoByTwo", "accuracy_at", "count_findings", "predictive_values"]


@dataclass(frozen=True, slots=True)
class TwoByTwo:
    """Numbers of cases by finding (positive, negative) and truth (true = the finding is right)."""

    n_true_positive: int
    n_false_positive: int
    n_true_negative: int
    n_false_negative: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What a table of findings comes to. A share of nobody (PPV where nobody is found positive) is NaN.

    ppv and npv hold at the share of positives in this cohort only; `predictive_values` moves them to another.
    """

    table: TwoByTwo
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    accuracy: Estimate

    @classmethod
    def of(cls, table: TwoByTwo, level: float = CONFIDENCE) -> Accuracy:
        """Raises UsageError where `level` is outside (0, 1)."""
        tp, fp = table.n_true_positive, table.n_false_positive
        tn, fn = table.n_true_negative, table.n_false_negative
        return cls(
            table,
            sensitivity=estimate_share(tp, tp + fn, level),
            specificity=estimate_share(tn, tn + fp, level),
            ppv=estimate_share(tp, tp + fp, level),
            npv=estimate_share(tn, tn + fn, level),
            accuracy=estimate_share(tp + tn, tp + fp + tn + fn, level),
        )


def count_findings(is_found: ArrayLike, is_positive: ArrayLike) -> TwoByTwo:
    """(N,) findings against (N,) truths, both bool or 0/1. Raises UsageError where they are not, or do not fit."""
    found, labels = read_labels(is_found), read_labels(is_positive)
    if found.shape != labels.shape:
        raise UsageError(f"one finding for each of {len(labels)} labels: got {len(found)}")
    return TwoByTwo(
        int((found & labels).sum()),
        int((found & ~labels).sum()),
        int((~found & ~labels).sum()),
        int((~found & labels).sum()),
    )


def accuracy_at(scores: ArrayLike, is_positive: ArrayLike, threshold: float, level: float = CONFIDENCE) -> Accuracy:
    """Figures of the rule "positive from `threshold` on". scores: (N,); is_positive: (N,) bool.

    One class alone is allowed: what cannot be known is NaN. Raises UsageError where inputs misfit.
    """
    labels = read_labels(is_positive)
    return Accuracy.of(count_findings(read_scores(scores, len(labels)) >= threshold, labels), level)


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """PPV and NPV at a site's own prevalence, by Bayes' rule; NaN where nobody would be found so.

    All in [0, 1], else UsageError.
    """
    if not all(0.0 <= share <= 1.0 for share in (sensitivity, specificity, prevalence)):
        raise UsageError(f"shares lie in [0, 1]: got {sensitivity}, {specificity}, {prevalence}")
    ill, well = prevalence, 1.0 - prevalence
    found = sensitivity * ill + (1.0 - specificity) * well
    cleared = specificity * well + (1.0 - sensitivity) * ill
    return (
        sensitivity * ill / found if found > 0.0 else float("nan"),
        specificity * well / cleared if cleared > 0.0 else float("nan"),
    )
