"""Raw outputs -> probabilities: a temperature for the windows' logits, Platt's slope and intercept for the
recordings' risk.

Both are fitted on held-out infants by maximum likelihood. Guo et al., ICML 2017 (temperature); Platt 1999 (slope
and intercept, with his smoothed targets, which keep a perfectly separated small sample finite).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import UsageError

__all__ = ["fit_correction", "fit_platt", "fit_temperature", "sigmoid"]

_TEMPERATURES = (0.05, 20.0)
_IDENTITY, _IDENTITY_SD = np.array([1.0, 0.0]), np.array([0.5, 1.5])  # slope and intercept of a correction


def sigmoid(logits: ArrayLike) -> NDArray[np.float64]:
    """1 / (1 + exp(-logits)), any shape, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))


def _cross_entropy(margins: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Mean of -t log p - (1 - t) log(1 - p) at p = sigmoid(margin)."""
    return float(np.mean(np.logaddexp(0.0, margins) - targets * margins))


def fit_temperature(logits: ArrayLike, targets: ArrayLike) -> float:
    """Temperature T > 0 that makes softmax(logits / T) most likely; golden-section search over log T in [.05, 20].

    logits: (N, 2), FMs first. targets: (N,), 1 where the window holds FMs, or its probability to.
    Raises UsageError for other shapes, or where all targets are of one class.
    """
    pairs, wanted = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or wanted.shape != (len(pairs),):
        raise UsageError(f"logits (N, 2) and targets (N,): got {pairs.shape}, {wanted.shape}")
    _require_both(wanted)
    margins = pairs[:, 0] - pairs[:, 1]
    low, high = np.log(_TEMPERATURES)
    ratio = (np.sqrt(5.0) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _cross_entropy(margins / np.exp(left), wanted) < _cross_entropy(margins / np.exp(right), wanted):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def fit_platt(logits: ArrayLike, is_risk: ArrayLike) -> tuple[float, float]:
    """Slope and intercept of probability = sigmoid(slope * logit + intercept); Newton's method on the smoothed
    likelihood.

    logits: (N,) of the fused risk. is_risk: (N,) bool. Raises UsageError for other shapes, or where all are of one
    class.
    """
    x, labels = _read(logits, is_risk)
    n_risk, n_normal = labels.sum(), len(labels) - labels.sum()
    targets = np.where(labels > 0.5, (n_risk + 1) / (n_risk + 2), 1 / (n_normal + 2))
    slope, intercept = _fit_line(np.stack([x, np.ones_like(x)], axis=1), targets, np.zeros(2), np.zeros(2))
    return float(slope), float(intercept)


def fit_correction(logits: ArrayLike, is_risk: ArrayLike, *, has_intercept: bool = True) -> tuple[float, float]:
    """Slope and intercept that make calibrated risks true at another site; without an intercept it is 0.

    Most likely after what is known beforehand: the slope is 1, give or take .5, the intercept 0, give or take 1.5 (a
    share at risk four times as high or low). So a few infants, even ones that the risk parts fully, change little.
    Platt's smoothed targets would make thirty infants' risks too cautious (slope on others 1.2 to 1.3, not 1.0).
    Arguments and errors as in `fit_platt`, but the logits are those of calibrated risks.
    """
    x, labels = _read(logits, is_risk)
    design = np.stack([x, np.ones_like(x)], axis=1) if has_intercept else x[:, None]
    n = design.shape[1]
    line = _fit_line(design, labels, _IDENTITY[:n], 1.0 / _IDENTITY_SD[:n] ** 2)
    return float(line[0]), float(line[1]) if has_intercept else 0.0


def _read(logits: ArrayLike, is_risk: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N,) logits and labels, 1 = risk."""
    x, labels = np.asarray(logits, dtype=np.float64), np.asarray(is_risk, dtype=np.float64)
    if x.ndim != 1 or labels.shape != x.shape:
        raise UsageError(f"logits (N,) and labels (N,): got {x.shape}, {labels.shape}")
    _require_both(labels)
    return x, labels


def _fit_line(
    design: NDArray[np.float64],
    targets: NDArray[np.float64],
    expected: NDArray[np.float64],
    precision: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weights (K,) of the most likely sigmoid(design @ weights), design (N, K); Newton's method with halved steps.

    Beforehand they are normally distributed about `expected` (K,) with this precision (K,); 0 = nothing is known.
    """

    def cost(weights: NDArray[np.float64]) -> float:
        known = 0.5 * float(precision @ (weights - expected) ** 2) / len(design)
        return _cross_entropy(design @ weights, targets) + known

    weights = expected.copy()
    value = cost(weights)
    for _ in range(100):
        probability = sigmoid(design @ weights)
        gradient = (design.T @ (probability - targets) + precision * (weights - expected)) / len(design)
        curvature = design.T @ (design * (probability * (1 - probability))[:, None]) + np.diag(precision)
        step = np.linalg.solve(curvature / len(design) + 1e-9 * np.eye(len(weights)), gradient)
        size = 1.0
        while size > 1e-8 and cost(weights - size * step) > value:
            size /= 2
        weights = np.asarray(weights - size * step)
        value = cost(weights)
        if np.abs(size * step).max() < 1e-9:
            break
    return np.asarray(weights)


def _require_both(labels: NDArray[np.float64]) -> None:
    if labels.size == 0 or labels.max() <= 0.5 or labels.min() >= 0.5:
        raise UsageError("a probability can only be fitted on examples of both classes")
