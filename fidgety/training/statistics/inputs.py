"""Scores, probabilities and labels as arrays of known shape and type: the one place where bad ones are refused."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import UsageError
from fidgety.records import BoolArray

__all__ = ["DoubleArray", "read_labels", "read_probabilities", "read_scores", "require_both"]

DoubleArray = NDArray[np.float64]


def read_labels(labels: ArrayLike) -> BoolArray:
    """(N,) bool or 0/1 -> (N,) bool. Raises UsageError for other shapes, nothing at all, NaN and other numbers.

    numpy alone would call NaN, 2 and -1 True.
    """
    values = np.asarray(labels)
    if values.ndim != 1 or values.size == 0:
        raise UsageError(f"labels (N,) of at least one case: got {values.shape}")
    if not np.isin(values, (0, 1)).all():
        raise UsageError("labels must be true or false (0 or 1), one for every case")
    return values.astype(bool)


def read_scores(scores: ArrayLike, n_cases: int) -> DoubleArray:
    """(N,) float64. Raises UsageError where there are not `n_cases` of them, or one is NaN or infinite."""
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (n_cases,):
        raise UsageError(f"one score for each of {n_cases} labels: got scores of shape {values.shape}")
    if not np.isfinite(values).all():
        raise UsageError(
            f"{int((~np.isfinite(values)).sum())} of {n_cases} scores are no numbers: leave those cases out"
        )
    return values


def read_probabilities(probabilities: ArrayLike, n_cases: int) -> DoubleArray:
    """(N,) float64 in [0, 1]. Raises UsageError like `read_scores`, and for what lies outside."""
    values = read_scores(probabilities, n_cases)
    if values.min() < 0.0 or values.max() > 1.0:
        raise UsageError(f"probabilities lie in [0, 1]: got {values.min():.4g} to {values.max():.4g}")
    return values


def require_both(labels: BoolArray, figure: str, n_least: int = 1) -> None:
    """Raises UsageError where a class has fewer than `n_least` cases; `figure` is named, such as "an AUC"."""
    n_positive = int(labels.sum())
    n_negative = len(labels) - n_positive
    if min(n_positive, n_negative) < n_least:
        raise UsageError(
            f"{figure} needs examples of both classes, {n_least} or more of each: "
            f"got {n_positive} positive, {n_negative} negative"
        )
