"""The interval of any figure, when one infant gives several recordings or clips: infants are drawn, not rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import UsageError
from fidgety.training.statistics.estimate import CONFIDENCE, require_level

__all__ = ["BootstrapEstimate", "bootstrap_by_infant"]

_MAX_UNDEFINED = 0.1  # of the resamples; more, and the interval is that of other cohorts than this one


@dataclass(frozen=True, slots=True)
class BootstrapEstimate:
    """A figure of all rows with the percentile interval of its resamples; n_undefined of them had no such figure."""

    value: float
    low: float
    high: float
    n_infants: int
    n_resamples: int
    n_undefined: int


def bootstrap_by_infant(
    figure: Callable[[NDArray[np.int64]], float],
    infants: ArrayLike,
    n_resamples: int = 2000,
    seed: int = 0,
    level: float = CONFIDENCE,
) -> BootstrapEstimate:
    """Cluster bootstrap, percentile interval (Davison & Hinkley 1997, 3.8).

    figure: row numbers (M,) of a resample, an infant's rows as often as it was drawn -> the figure; it may give NaN or
    raise UsageError where there is none (an AUC of one class). Two systems are compared by a figure that is their
    difference on the same rows. infants: (N,) the infant of each row. The same seed gives the same draws.
    Raises UsageError for fewer than two infants, where a tenth of the resamples has no figure, and whatever `figure`
    raises on all rows.
    """
    require_level(level)
    rows_of = _rows_of_infants(infants)
    if len(rows_of) < 2 or n_resamples < 1:
        raise UsageError(f"a bootstrap draws from two infants or more: got {len(rows_of)}, {n_resamples} resamples")
    rng = np.random.default_rng(seed)
    value = float(figure(np.arange(sum(map(len, rows_of)))))
    draws = rng.integers(len(rows_of), size=(n_resamples, len(rows_of)))
    resampled = np.array([_figure_or_nan(figure, np.concatenate([rows_of[i] for i in draw])) for draw in draws])
    n_undefined = int(np.isnan(resampled).sum())
    if n_undefined > _MAX_UNDEFINED * n_resamples:
        raise UsageError(
            f"{n_undefined} of {n_resamples} resamples have no such figure: {len(rows_of)} infants are too few for it"
        )
    low, high = np.nanquantile(resampled, [0.5 - level / 2, 0.5 + level / 2])
    return BootstrapEstimate(value, float(low), float(high), len(rows_of), n_resamples, n_undefined)


def _rows_of_infants(infants: ArrayLike) -> list[NDArray[np.int64]]:
    names = np.asarray(infants)
    if names.ndim != 1 or names.size == 0:
        raise UsageError(f"infants (N,), one for each row: got {names.shape}")
    _, owner = np.unique(names, return_inverse=True)
    return [np.flatnonzero(owner == infant) for infant in range(int(owner.max()) + 1)]


def _figure_or_nan(figure: Callable[[NDArray[np.int64]], float], rows: NDArray[np.int64]) -> float:
    try:
        return float(figure(rows))
    except UsageError:
        return float("nan")
