"""Groups of infants beside each other: tests, Holm's correction, medians per group, means over folds.

The paper calls a difference significant at .01 (`ALPHA`). Where several are looked for, `holm` first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.stats.contingency import crosstab, expected_freq

from fidgety.errors import UsageError
from fidgety.training.statistics.inputs import DoubleArray

__all__ = [
    "ALPHA",
    "Comparison",
    "MeanSd",
    "Spread",
    "compare_categories",
    "compare_means",
    "compare_ranks",
    "holm",
    "mean_sd_over_folds",
    "spread_by_group",
    "spread_of",
]

ALPHA = 0.01
_MIN_EXPECTED = 5.0  # cases: below this in any cell the chi-square distribution does not hold (Cochran 1954)
_N_PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test between groups. test: its name as a table prints it. p_value: two-sided, uncorrected."""

    test: str
    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles (linear, as numpy has them) of n values; NaN where n is 0. n_missing: NaN left out."""

    n: int
    n_missing: int
    median: float
    lower_quartile: float
    upper_quartile: float


@dataclass(frozen=True, slots=True)
class MeanSd:
    """Mean and SD (n - 1) of n values; the SD of a single one is NaN."""

    n: int
    mean: float
    sd: float


def compare_categories(categories: ArrayLike, groups: ArrayLike, seed: int = 0) -> Comparison:
    """Are categories (N,) spread alike over groups (N,)? Both bool, whole numbers or names.

    Pearson's chi-square without Yates' correction. Where a cell is expected to hold fewer than five cases: Fisher's
    exact test of a 2 x 2 table (statistic: the odds ratio), and for larger tables the chi-square against 9,999 seeded
    permutations of the groups. Raises UsageError where they do not fit, a value is NaN, or all are in one category or
    group.
    """
    rows, columns = _read_categories(categories), _read_categories(groups)
    if rows.shape != columns.shape:
        raise UsageError(f"one group for each of {len(rows)} cases: got {columns.shape}")
    table = np.asarray(crosstab(rows, columns).count)
    if min(table.shape) < 2:
        raise UsageError(f"a comparison needs two categories and two groups: got {table.shape[0]} and {table.shape[1]}")
    if expected_freq(table).min() >= _MIN_EXPECTED:
        result = stats.chi2_contingency(table, correction=False)
        return Comparison("chi-square", float(result.statistic), float(result.pvalue))
    if table.shape == (2, 2):
        exact = stats.fisher_exact(table)
        return Comparison("Fisher's exact", float(exact.statistic), float(exact.pvalue))
    return _compare_by_permutation(rows, columns, table, seed)


def compare_means(one: ArrayLike, other: ArrayLike) -> Comparison:
    """Welch's t test (1947) of two groups, (N,) and (M,); NaN = missing, left out.

    Raises UsageError where a group has fewer than two values, or both are constant.
    """
    a, b = _present(one), _present(other)
    if min(len(a), len(b)) < 2:
        raise UsageError(f"a t test needs two values in each group: got {len(a)} and {len(b)}")
    if np.ptp(a) == 0.0 and np.ptp(b) == 0.0:
        raise UsageError("both groups are constant: a t test cannot tell them apart")
    # From means and SDs: given values, scipy warns where one of the groups is constant, though the test holds.
    result = stats.ttest_ind_from_stats(
        a.mean(), a.std(ddof=1), len(a), b.mean(), b.std(ddof=1), len(b), equal_var=False
    )
    return Comparison("Welch's t", float(result.statistic), float(result.pvalue))


def compare_ranks(one: ArrayLike, other: ArrayLike) -> Comparison:
    """Mann-Whitney U test (1947) of two groups, (N,) and (M,); NaN = missing, left out.

    Exact for eight or fewer values in a group without ties, else normal with tie correction (scipy's rule). Raises
    UsageError where a group is empty.
    """
    a, b = _present(one), _present(other)
    if min(len(a), len(b)) < 1:
        raise UsageError(f"a Mann-Whitney test needs values in both groups: got {len(a)} and {len(b)}")
    result = stats.mannwhitneyu(a, b, alternative="two-sided")
    return Comparison("Mann-Whitney U", float(result.statistic), float(result.pvalue))


def holm(p_values: ArrayLike) -> DoubleArray:
    """(M,) p values -> (M,) Holm's adjusted ones (1979), in the same order; significant where <= ALPHA.

    Raises UsageError where one is NaN or outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or p.size == 0 or not ((p >= 0.0) & (p <= 1.0)).all():
        raise UsageError("p values (M,) lie in [0, 1], and none is missing")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def spread_of(values: ArrayLike) -> Spread:
    """Median and quartiles of (N,) values; NaN = missing, left out and counted. Raises UsageError for other shapes."""
    present = _present(values)
    n_missing = int(np.size(np.asarray(values)) - len(present))
    if len(present) == 0:
        return Spread(0, n_missing, *(float("nan"),) * 3)
    lower, median, upper = np.quantile(present, [0.25, 0.5, 0.75])
    return Spread(len(present), n_missing, float(median), float(lower), float(upper))


def spread_by_group(values: ArrayLike, groups: ArrayLike) -> dict[str, Spread]:
    """`spread_of` the (N,) values of each group, by its name, sorted. Raises UsageError where they do not fit."""
    all_values, names = np.asarray(values, dtype=np.float64), np.asarray(groups).astype(str)
    if all_values.ndim != 1 or names.shape != all_values.shape:
        raise UsageError(f"one group for each value: got values {all_values.shape} and groups {names.shape}")
    return {str(name): spread_of(all_values[names == name]) for name in np.unique(names)}


def mean_sd_over_folds(folds: Sequence[Mapping[str, float]]) -> dict[str, MeanSd]:
    """Mean and SD of each figure over the folds, as the paper prints them; a NaN in one fold makes them NaN.

    Raises UsageError where there is no fold, or folds hold different figures.
    """
    if not folds:
        raise UsageError("no folds: there is nothing to average")
    names = list(folds[0])
    if any(set(fold) != set(names) for fold in folds):
        raise UsageError("every fold must hold the same figures: " + ", ".join(sorted(set().union(*folds))))
    return {name: _mean_sd(np.array([fold[name] for fold in folds], dtype=np.float64)) for name in names}


def _mean_sd(values: DoubleArray) -> MeanSd:
    return MeanSd(len(values), float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan"))


def _present(values: ArrayLike) -> DoubleArray:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1:
        raise UsageError(f"values (N,): got {numbers.shape}")
    return numbers[~np.isnan(numbers)]


def _read_categories(values: ArrayLike) -> NDArray[np.int64]:
    """(N,) values -> (N,) the place of each in their sorted list."""
    given = np.asarray(values)
    if given.ndim != 1 or given.size == 0:
        raise UsageError(f"categories (N,) of at least one case: got {given.shape}")
    if given.dtype.kind == "f" and np.isnan(given).any():
        raise UsageError("a category is NaN: leave cases without one out")
    return np.asarray(np.unique(given, return_inverse=True)[1], dtype=np.int64)


def _compare_by_permutation(
    rows: NDArray[np.int64], columns: NDArray[np.int64], table: NDArray[Any], seed: int
) -> Comparison:
    expected = np.asarray(expected_freq(table))  # the margins, and so this, stay as they are when groups are permuted
    in_row, in_column = np.eye(table.shape[0])[rows], np.eye(table.shape[1])[columns]
    rng = np.random.default_rng(seed)

    def distance(count: NDArray[Any]) -> float:
        return float(((count - expected) ** 2 / expected).sum())

    statistic = distance(table)
    as_far = sum(distance(in_row.T @ rng.permutation(in_column)) >= statistic - 1e-9 for _ in range(_N_PERMUTATIONS))
    return Comparison("chi-square, permuted", statistic, (1 + as_far) / (1 + _N_PERMUTATIONS))
