"""Tests between groups against textbook tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.groups import (
    compare_categories,
    compare_means,
    compare_ranks,
    holm,
    mean_sd_over_folds,
    spread_by_group,
    spread_of,
)

NAN = float("nan")


def cases(table: list[list[int]]) -> tuple[list[int], list[int]]:
    """Category (row) and group (column) of every case of a table of counts."""
    pairs = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def test_compare_categories_of_large_cells_is_chi_square() -> None:
    compared = compare_categories(*cases([[30, 20], [10, 40]]))
    assert compared.test == "chi-square"
    assert compared.statistic == pytest.approx(100 * (30 * 40 - 20 * 10) ** 2 / (50 * 50 * 40 * 60))
    assert compared.p_value == pytest.approx(math.erfc(math.sqrt(compared.statistic / 2)))  # one degree of freedom


def test_compare_categories_of_small_cells_is_fishers() -> None:
    compared = compare_categories(*cases([[3, 1], [1, 3]]))  # Fisher's lady tasting tea, two-sided
    assert (compared.test, compared.statistic) == ("Fisher's exact", 9.0)
    assert compared.p_value == pytest.approx(34 / 70)


def test_compare_categories_of_larger_tables_with_small_cells() -> None:
    rows, columns = cases([[3, 0, 0], [0, 3, 0], [0, 0, 3]])
    compared = compare_categories(rows, columns)
    # Of 9! / (3! 3! 3!) = 1,680 ways to deal three groups out, 3! are as far from even.
    assert (compared.test, compared.statistic) == ("chi-square, permuted", pytest.approx(18.0))
    assert compared.p_value == pytest.approx(6 / 1680, abs=0.0025)
    assert compare_categories(rows, columns) == compared
    assert compare_categories(rows, columns, seed=1).p_value != compared.p_value


def test_compare_categories_by_permutation_of_equal_groups() -> None:
    assert compare_categories(*cases([[2, 2], [2, 2], [2, 2]])).p_value == 1.0


def test_compare_categories_takes_names() -> None:
    names = np.array(["absent", "sporadic"])
    rows, columns = cases([[30, 20], [10, 40]])
    assert compare_categories(names[rows], np.array(columns, bool)) == compare_categories(rows, columns)


def test_compare_categories_that_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="got 1 and 2"):
        compare_categories([1, 1, 1], [0, 1, 1])
    with pytest.raises(UsageError, match="NaN"):
        compare_categories([1.0, NAN, 1.0], [0, 1, 1])
    with pytest.raises(UsageError, match="each of 3 cases"):
        compare_categories([1, 0, 1], [0, 1])


def test_compare_means_is_welchs() -> None:
    compared = compare_means([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])
    assert compared.statistic == pytest.approx(-3 / math.sqrt(0.5 + 2.0))
    assert compared.p_value == pytest.approx(0.1075, abs=1e-4)  # 5.88 degrees of freedom; Student's 8 give .0943


def test_compare_means_leaves_missing_out_and_mirrors() -> None:
    one, other = [1.0, 2.0, 4.0], [3.0, 5.0, 9.0, 11.0]
    compared = compare_means([*one, NAN], other)
    assert compared == compare_means(one, other)
    assert compare_means(other, one).p_value == pytest.approx(compared.p_value)


def test_compare_means_of_one_constant_group() -> None:
    assert compare_means([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]).statistic == pytest.approx(-2 / math.sqrt(1 / 3))


def test_compare_means_of_too_little() -> None:
    with pytest.raises(UsageError, match="got 1 and 2"):
        compare_means([1.0, NAN], [2.0, 3.0])
    with pytest.raises(UsageError, match="constant"):
        compare_means([1.0, 1.0], [2.0, 2.0])
    with pytest.raises(UsageError, match=r"values \(N,\)"):
        compare_means([[1.0, 2.0]], [2.0, 3.0])


def test_compare_ranks_is_exact_in_small_groups() -> None:
    compared = compare_ranks([1, 2, 3, NAN], [4, 5, 6])
    assert (compared.test, compared.statistic) == ("Mann-Whitney U", 0.0)
    assert compared.p_value == pytest.approx(2 / 20)


def test_compare_ranks_does_not_see_monotone_maps() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(0, 1, 30), rng.normal(0.6, 1, 25)
    assert compare_ranks(np.exp(one), np.exp(other)) == compare_ranks(one, other)


def test_compare_ranks_of_nothing() -> None:
    with pytest.raises(UsageError, match="got 0 and 1"):
        compare_ranks([NAN], [1.0])


def test_holm_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]).tolist() == [1.0, 1.0]
    assert holm([0.02]).tolist() == [0.02]


def test_holm_keeps_order_and_lies_between_none_and_bonferroni() -> None:
    p = np.random.default_rng(0).random(12) ** 3
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= np.minimum(1.0, 12 * p) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0.0).all()
    assert adjusted[np.argmin(p)] == pytest.approx(12 * p.min())


@pytest.mark.parametrize("p_values", [[0.1, NAN], [1.2], [-0.1], []])
def test_holm_of_what_is_no_p_value(p_values: list[float]) -> None:
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        holm(p_values)


def test_spread_of_five_values_and_a_missing_one() -> None:
    spread = spread_of([5, 1, 4, NAN, 2, 3])
    assert (spread.n, spread.n_missing) == (5, 1)
    assert (spread.lower_quartile, spread.median, spread.upper_quartile) == (2.0, 3.0, 4.0)


def test_spread_of_nothing_is_not_a_number() -> None:
    spread = spread_of([NAN])
    assert (spread.n, spread.n_missing) == (0, 1)
    assert math.isnan(spread.median) and math.isnan(spread.upper_quartile)


def test_spread_by_group_tells_groups_apart() -> None:
    spreads = spread_by_group([0.5, 0.1, 0.7, NAN], ["normal", "risk", "normal", "risk"])
    assert list(spreads) == ["normal", "risk"]
    assert spreads["normal"].median == pytest.approx(0.6)
    assert (spreads["risk"].median, spreads["risk"].n_missing) == (0.1, 1)
    with pytest.raises(UsageError, match="each value"):
        spread_by_group([0.5], ["normal", "risk"])


def test_mean_sd_over_folds_has_the_samples_sd() -> None:
    over = mean_sd_over_folds([{"auc": 0.9, "kappa": 0.5}, {"auc": 0.7, "kappa": NAN}])
    assert (over["auc"].n, over["auc"].mean) == (2, pytest.approx(0.8))
    assert over["auc"].sd == pytest.approx(0.2 / math.sqrt(2))
    assert math.isnan(over["kappa"].mean)
    assert math.isnan(mean_sd_over_folds([{"auc": 0.9}])["auc"].sd)


def test_mean_sd_over_folds_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="nothing to average"):
        mean_sd_over_folds([])
    with pytest.raises(UsageError, match="same figures: auc, kappa"):
        mean_sd_over_folds([{"auc": 0.9}, {"kappa": 0.5}])
