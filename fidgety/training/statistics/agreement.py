"""How well two readings of the same clips agree beyond chance: Cohen's kappa over clips, per recording, and between
several raters; McNemar's test of two readers against the same truth.

A reading is an (N,) array of categories: bool, whole numbers or names. In an array of floats NaN means "not rated";
clips that one of the two has not rated are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from fidgety.errors import UsageError
from fidgety.training.statistics.groups import Spread, spread_of
from fidgety.training.statistics.inputs import read_labels

__all__ = [
    "KappaByRecording",
    "PairedAccuracy",
    "RaterPair",
    "compare_accuracies",
    "kappa",
    "kappa_by_recording",
    "raters_against_each_other",
    "raters_against_system",
]

Ratings = NDArray[Any]  # (N,) bool, whole numbers, names, or floats with NaN = not rated


@dataclass(frozen=True, slots=True, eq=False)
class KappaByRecording:
    """Kappa of every recording that holds a clip rated by both.

    recordings: (R,) their names, sorted. kappas: (R,) float64, NaN = undefined. spread: median and IQR of the defined
    ones, its `n_missing` counts the undefined.
    """

    recordings: tuple[str, ...]
    kappas: NDArray[np.float64]
    spread: Spread


@dataclass(frozen=True, slots=True, eq=False)
class RaterPair:
    """Two raters, or a rater and the system. pooled: kappa over all clips. agreement: share of clips rated alike."""

    one: str
    other: str
    n_clips: int
    agreement: float
    pooled: float
    by_recording: KappaByRecording


@dataclass(frozen=True, slots=True)
class PairedAccuracy:
    """Two readers of the same cases. p_value: McNemar's exact, two-sided."""

    n_cases: int
    first: float
    second: float
    n_only_first: int  # cases that only the first got right
    n_only_second: int
    p_value: float


def kappa(one: ArrayLike, other: ArrayLike) -> float:
    """Cohen's kappa (1960), unweighted, of two (N,) readings.

    NaN where both put all clips in one and the same category: chance then agrees as well as they do, 0 / 0. It is
    neither 0 nor 1: a still infant read without fault is no evidence for skill, and none against it. Where one
    reading is constant and the other is not, or both are constant and differ, kappa is 0, as the formula has it.
    Raises UsageError where shapes or kinds of category differ, or no clip is rated by both.
    """
    a, b = _rated_by_both(*_read_pair(one, other))
    categories, places = np.unique(np.concatenate([a, b]), return_inverse=True)
    if len(categories) == 1:
        return float("nan")
    return float(cohen_kappa_score(places[: len(a)], places[len(a) :]))


def kappa_by_recording(one: ArrayLike, other: ArrayLike, recordings: ArrayLike) -> KappaByRecording:
    """Kappa of each recording's clips, then median and IQR, as the paper prints them.

    recordings: (N,) the name of each clip's recording. The undefined (see `kappa`) are counted, not averaged in.
    Raises UsageError like `kappa`, and where names do not fit.
    """
    a, b = _read_pair(one, other)
    names = np.asarray(recordings).astype(str)
    if names.shape != a.shape:
        raise UsageError(f"one recording for each of {len(a)} clips: got {names.shape}")
    rated = np.unique(names[_is_rated(a) & _is_rated(b)])
    kappas = np.array([kappa(a[names == name], b[names == name]) for name in rated])
    return KappaByRecording(tuple(str(name) for name in rated), kappas, spread_of(kappas))


def raters_against_system(
    system: ArrayLike, ratings: Mapping[str, ArrayLike], recordings: ArrayLike
) -> tuple[RaterPair, ...]:
    """Every rater against the system, in the order of `ratings`. Raises UsageError like `kappa_by_recording`."""
    return tuple(_pair("system", system, name, rating, recordings) for name, rating in ratings.items())


def raters_against_each_other(ratings: Mapping[str, ArrayLike], recordings: ArrayLike) -> tuple[RaterPair, ...]:
    """Every pair of raters once: what the system's agreement is to be held against.

    Raises UsageError like `kappa_by_recording`, and for fewer than two raters.
    """
    if len(ratings) < 2:
        raise UsageError(f"agreement between raters needs two or more: got {len(ratings)}")
    return tuple(_pair(one, ratings[one], other, ratings[other], recordings) for one, other in combinations(ratings, 2))


def compare_accuracies(is_first_right: ArrayLike, is_second_right: ArrayLike) -> PairedAccuracy:
    """McNemar's exact test (1947; binomial over the cases that only one got right) of two paired accuracies.

    Both (N,) bool: a reader before and after, or two systems. p is 1 where they never differ. Raises UsageError where
    they are not bool or do not fit.
    """
    first, second = read_labels(is_first_right), read_labels(is_second_right)
    if first.shape != second.shape:
        raise UsageError(f"two readers of the same cases: got {len(first)} and {len(second)}")
    n_first, n_second = int((first & ~second).sum()), int((~first & second).sum())
    p_value = float(stats.binomtest(n_first, n_first + n_second, 0.5).pvalue) if n_first + n_second else 1.0
    return PairedAccuracy(len(first), float(first.mean()), float(second.mean()), n_first, n_second, p_value)


def _pair(one: str, a: ArrayLike, other: str, b: ArrayLike, recordings: ArrayLike) -> RaterPair:
    by_recording = kappa_by_recording(a, b, recordings)
    first, second = _rated_by_both(*_read_pair(a, b))
    alike = float((first == second).mean())
    return RaterPair(one, other, len(first), alike, kappa(first, second), by_recording)


def _read_pair(one: ArrayLike, other: ArrayLike) -> tuple[Ratings, Ratings]:
    a, b = np.asarray(one), np.asarray(other)
    if a.ndim != 1 or a.shape != b.shape:
        raise UsageError(f"two readings (N,) of the same clips: got {a.shape} and {b.shape}")
    if "O" in (a.dtype.kind, b.dtype.kind) or (a.dtype.kind in "US") != (b.dtype.kind in "US"):
        raise UsageError(f"two readings in the same categories, names or numbers: got {a.dtype} and {b.dtype}")
    if not (_is_rated(a) & _is_rated(b)).any():
        raise UsageError("no clip is rated by both: there is nothing to agree on")
    return a, b


def _is_rated(ratings: Ratings) -> NDArray[np.bool_]:
    return ~np.isnan(ratings) if ratings.dtype.kind == "f" else np.ones(ratings.shape, dtype=bool)


def _rated_by_both(a: Ratings, b: Ratings) -> tuple[Ratings, Ratings]:
    is_rated = _is_rated(a) & _is_rated(b)
    return a[is_rated], b[is_rated]
