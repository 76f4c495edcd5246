"""Are probabilities what they say? Brier score, recalibration line, ICI and reliability bins, on infants that took no
part in fitting them (`fidgety.calibration.probability` does the fitting).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from fidgety.calibration.probability import sigmoid
from fidgety.errors import UsageError
from fidgety.records import BoolArray
from fidgety.training.statistics.estimate import CONFIDENCE, Estimate, estimate_share
from fidgety.training.statistics.inputs import DoubleArray, read_labels, read_probabilities, require_both

__all__ = [
    "RecalibrationLine",
    "ReliabilityBin",
    "brier_score",
    "fit_recalibration",
    "integrated_calibration_index",
    "reliability_bins",
    "smooth_observed",
]

_EDGE = 1e-6  # probabilities of 0 and 1 are read as this far from it: their logit would be infinite
_SPAN = 0.75  # share of the cases that each local line looks at: loess's own default
_N_GRID = 101  # local lines at these quantiles, straight between: against a line at every case ICI moves by < .0003


@dataclass(frozen=True, slots=True)
class RecalibrationLine:
    """logit(true) = intercept + slope * logit(said) (Cox 1958).

    slope: below 1 = too certain. Both NaN where probabilities part the classes fully, or are all alike: then the
    likelihood has no maximum. in_the_large: the intercept at slope 1, above 0 = risks are said too low.
    """

    intercept: float
    slope: float
    in_the_large: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Cases whose probability lies together. predicted: their mean; observed: share of positives, Wilson's interval."""

    low: float
    high: float
    n: int
    predicted: float
    observed: Estimate


def brier_score(probabilities: ArrayLike, is_positive: ArrayLike) -> float:
    """Mean squared distance of probabilities (N,) from 0 and 1 (Brier 1950); 0 is best, always saying .5 gives .25.

    Raises UsageError where inputs misfit.
    """
    labels = read_labels(is_positive)
    return float(np.mean((read_probabilities(probabilities, len(labels)) - labels) ** 2))


def fit_recalibration(probabilities: ArrayLike, is_positive: ArrayLike) -> RecalibrationLine:
    """Intercept and slope of a logistic regression on the logit, without penalty, and the intercept in the large.

    Raises UsageError where one class is missing or inputs misfit.
    """
    labels = read_labels(is_positive)
    require_both(labels, "a recalibration line")
    logits = logit(np.clip(read_probabilities(probabilities, len(labels)), _EDGE, 1.0 - _EDGE))
    in_the_large = float(brentq(lambda shift: float(np.sum(sigmoid(logits + shift) - labels)), -50.0, 50.0))
    if _parts_the_classes(logits, labels):
        return RecalibrationLine(float("nan"), float("nan"), in_the_large)
    line = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(logits[:, None], labels)
    return RecalibrationLine(float(line.intercept_[0]), float(line.coef_[0, 0]), in_the_large)


def integrated_calibration_index(probabilities: ArrayLike, is_positive: ArrayLike) -> float:
    """ICI (Austin & Steyerberg 2019): mean distance of probabilities from the observed share, smoothed by loess.

    Deviation: local lines, where loess in R takes parabolas. ICI is never 0 on a finite cohort, and the stiffer curve
    keeps that floor low: 221 infants with faultless probabilities have an ICI of .028 by lines, .034 by parabolas and
    .047 by isotonic regression (means of 300 simulated cohorts, a fifth at risk); with doubled logits, a true distance
    of .070, it is .070, .076 and .070. Raises UsageError where one class is missing or inputs misfit.
    """
    labels = read_labels(is_positive)
    require_both(labels, "an ICI")
    said = read_probabilities(probabilities, len(labels))
    return float(np.mean(np.abs(smooth_observed(said, labels) - said)))


def smooth_observed(probabilities: ArrayLike, is_positive: ArrayLike) -> DoubleArray:
    """(N,) share of positives to be expected at each probability: loess of degree 1, tricube weights, span .75, in
    [0, 1] (Cleveland 1979). Raises UsageError where inputs misfit.
    """
    labels = read_labels(is_positive)
    said = read_probabilities(probabilities, len(labels))
    grid = np.unique(np.quantile(said, np.linspace(0.0, 1.0, _N_GRID)))
    return np.asarray(np.interp(said, grid, _local_lines(said, labels.astype(np.float64), grid)))


def reliability_bins(
    probabilities: ArrayLike, is_positive: ArrayLike, n_bins: int = 10, level: float = CONFIDENCE
) -> tuple[ReliabilityBin, ...]:
    """Bins of about equally many cases, from low to high; equal probabilities stay in one bin, so there may be fewer.
    One on the edge of two bins is in the upper one.

    Raises UsageError where inputs misfit or `n_bins` is below 1.
    """
    if n_bins < 1:
        raise UsageError(f"one bin or more: got {n_bins}")
    labels = read_labels(is_positive)
    said = read_probabilities(probabilities, len(labels))
    inner = np.unique(np.quantile(said, np.arange(1, n_bins) / n_bins))
    place = np.searchsorted(inner, said, side="right")
    return tuple(_bin(said[place == one], labels[place == one], level) for one in np.unique(place))


def _bin(said: DoubleArray, labels: BoolArray, level: float) -> ReliabilityBin:
    observed = estimate_share(int(labels.sum()), len(labels), level)
    return ReliabilityBin(float(said.min()), float(said.max()), len(said), float(said.mean()), observed)


def _parts_the_classes(logits: DoubleArray, labels: BoolArray) -> bool:
    """Whether one cut parts the classes, whichever way round, with ties at the cut."""
    positive, negative = logits[labels], logits[~labels]
    return bool(positive.min() >= negative.max() or positive.max() <= negative.min())


def _local_lines(x: DoubleArray, y: DoubleArray, grid: DoubleArray) -> DoubleArray:
    """(G,) value at each grid point of the line through its nearest cases, in [0, 1]."""
    away = x - grid[:, None]
    n_near = int(np.ceil(_SPAN * len(x)))
    # Where all near cases are tied the reach would be 0: the line is then their mean.
    reach = np.maximum(np.partition(np.abs(away), n_near - 1, axis=1)[:, n_near - 1], 1e-12)[:, None]
    weights = np.clip(1.0 - (np.abs(away) / reach) ** 3, 0.0, None) ** 3
    design = np.stack([np.ones_like(away), away / reach], axis=-1)
    normal = np.einsum("gn,gni,gnj->gij", weights, design, design)
    moments = np.einsum("gn,gni,n->gi", weights, design, y)
    # The pseudo-inverse gives the mean where the cases with any weight are tied.
    at_grid = np.einsum("gij,gj->gi", np.linalg.pinv(normal, hermitian=True), moments)[:, 0]
    return np.asarray(np.clip(at_grid, 0.0, 1.0))
