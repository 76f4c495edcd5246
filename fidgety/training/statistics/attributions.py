"""What each characteristic did to a finding: exact Shapley values, for functions of few features (the Info Branch has
four, so all 16 coalitions are asked and nothing is sampled).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import UsageError
from fidgety.training.statistics.inputs import DoubleArray

__all__ = ["Attributions", "shapley_values"]

_MAX_FEATURES = 10  # 1,024 coalitions; beyond, sampling is the method
_ROWS_TOGETHER = 1 << 18  # rows asked in one call: 8 MB of four features


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """values: (N, F) float64, in the unit of the function; row i sums to f(row i) - base_value, the mean over the
    background.
    """

    base_value: float
    values: DoubleArray

    @property
    def importances(self) -> DoubleArray:
        """(F,) mean magnitude of each feature's values, as SHAP plots rank them."""
        return np.asarray(np.abs(self.values).mean(axis=0))


def shapley_values(
    function: Callable[[DoubleArray], NDArray[np.floating]], rows: ArrayLike, background: ArrayLike
) -> Attributions:
    """Interventional Shapley values (Shapley 1953; Lundberg & Lee 2017; Janzing et al. 2020).

    function: (M, F) -> (M,), the risk's logit rather than its probability, so that effects add. rows: (N, F) to
    explain. background: (B, F) infants whose values stand in for features that are not in a coalition; those of the
    training folds. Raises UsageError where shapes do not fit, a value is not finite, there are more than 10 features,
    or the function gives another shape.
    """
    cases, others = _read(rows, "rows"), _read(background, "background")
    n_features = cases.shape[1]
    if others.shape[1] != n_features or n_features > _MAX_FEATURES:
        raise UsageError(f"rows (N, F) and background (B, F), F up to {_MAX_FEATURES}: {cases.shape}, {others.shape}")
    is_member = (np.arange(1 << n_features)[:, None] >> np.arange(n_features)) & 1 == 1
    worth = np.stack([_worth(function, cases, others, members) for members in is_member])
    values = np.stack([_shapley(worth, is_member, feature) for feature in range(n_features)], axis=1)
    return Attributions(float(worth[0, 0]), values)


def _shapley(worth: DoubleArray, is_member: NDArray[np.bool_], feature: int) -> DoubleArray:
    """(N,) mean gain of `feature` over all orders in which features can join. worth: (2^F, N); is_member: (2^F, F)."""
    n_features = is_member.shape[1]
    without = np.flatnonzero(~is_member[:, feature])
    sizes = is_member[without].sum(axis=1)
    orders = np.array([factorial(n) * factorial(n_features - n - 1) for n in range(n_features)]) / factorial(n_features)
    return np.asarray(orders[sizes] @ (worth[without | (1 << feature)] - worth[without]))


def _worth(
    function: Callable[[DoubleArray], NDArray[np.floating]],
    cases: DoubleArray,
    others: DoubleArray,
    members: NDArray[np.bool_],
) -> DoubleArray:
    """(N,) mean of the function over the background, with the members' features taken from each case."""
    step = max(1, _ROWS_TOGETHER // len(others))
    pieces = []
    for first in range(0, len(cases), step):
        some = cases[first : first + step]
        mixed = np.where(members, some[:, None], others[None]).reshape(-1, cases.shape[1])
        given = np.asarray(function(mixed), dtype=np.float64)
        if given.shape != (len(mixed),):
            raise UsageError(f"the function must give {(len(mixed),)} for {mixed.shape}: got {given.shape}")
        pieces.append(given.reshape(len(some), len(others)).mean(axis=1))
    return np.concatenate(pieces)


def _read(values: ArrayLike, name: str) -> DoubleArray:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise UsageError(f"{name} must be a table (N, F) of finite numbers: got {table.shape}")
    return table
