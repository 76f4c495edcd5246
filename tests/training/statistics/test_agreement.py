"""Kappa of known tables, what it is where it is not defined, and McNemar's test by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.agreement import (
    compare_accuracies,
    kappa,
    kappa_by_recording,
    raters_against_each_other,
    raters_against_system,
)

NAN = float("nan")


def readings(both: int, only_one: int, only_other: int, neither: int) -> tuple[list[bool], list[bool]]:
    """Two readings with these counts of clips."""
    one = [True] * (both + only_one) + [False] * (only_other + neither)
    other = [True] * both + [False] * only_one + [True] * only_other + [False] * neither
    return one, other


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((20, 5, 10, 15), 0.4),  # .70 agreement, .50 by chance
        ((45, 15, 25, 15), 0.1304),  # .60, .54
        ((25, 35, 5, 35), 0.2593),  # .60, .46
        ((0, 5, 5, 0), -1.0),
        ((5, 0, 0, 5), 1.0),
    ],
)
def test_kappa_of_known_tables(table: tuple[int, int, int, int], expected: float) -> None:
    one, other = readings(*table)
    assert kappa(one, other) == pytest.approx(expected, abs=1e-4)
    assert kappa(other, one) == pytest.approx(kappa(one, other), abs=1e-12)


def test_kappa_of_named_categories() -> None:
    # Two of four alike; by chance (2 x 2 + 1 x 2 + 1 x 0) / 16 = 3/8.
    assert kappa(["F+", "F+", "F-", "F++"], ["F+", "F-", "F-", "F+"]) == pytest.approx((1 / 2 - 3 / 8) / (5 / 8))


def test_kappa_where_chance_agrees_as_well() -> None:
    assert math.isnan(kappa([True, True], [True, True]))
    assert math.isnan(kappa([0, 0, 0], [0, 0, 0]))
    assert kappa([True, True, True], [True, True, False]) == 0.0
    assert kappa([True, True], [False, False]) == 0.0


def test_kappa_leaves_out_what_one_has_not_rated() -> None:
    one, other = readings(20, 5, 10, 15)
    assert kappa([*map(float, one), NAN, 1.0], [*map(float, other), 1.0, NAN]) == pytest.approx(0.4)
    assert kappa(one, [float(value) for value in other]) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ([1, 0], [1, 0, 1], r"same clips: got \(2,\) and \(3,\)"),
        ([NAN, 1.0], [1.0, NAN], "no clip is rated by both"),
        ([], [], "no clip is rated by both"),
        (["F+", "F-"], [1, 0], "same categories"),
        (["F+", None], ["F+", "F-"], "same categories"),
    ],
)
def test_kappa_of_what_does_not_fit(one: list[Any], other: list[Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        kappa(one, other)


def test_kappa_by_recording_counts_the_undefined_apart() -> None:
    one, other = readings(20, 5, 10, 15)
    system = np.array([*one, 0, 0, 0, 1, 0, 1, 0], dtype=float)
    expert = np.array([*other, 0, 0, 0, 1, 0, NAN, NAN], dtype=float)
    recordings = ["b"] * 50 + ["a"] * 3 + ["c"] * 2 + ["d"] * 2
    found = kappa_by_recording(system, expert, recordings)
    assert found.recordings == ("a", "b", "c")  # d: never rated by both
    assert math.isnan(found.kappas[0])
    assert found.kappas[1:] == pytest.approx([0.4, 1.0])
    assert (found.spread.n, found.spread.n_missing) == (2, 1)
    assert (found.spread.lower_quartile, found.spread.median) == pytest.approx((0.55, 0.7))


def test_kappa_by_recording_without_names() -> None:
    with pytest.raises(UsageError, match="each of 2 clips"):
        kappa_by_recording([1, 0], [1, 0], ["a"])
    with pytest.raises(UsageError, match="no clip is rated by both"):
        kappa_by_recording([NAN], [1.0], ["a"])


def test_raters_against_system_and_each_other() -> None:
    system = [1.0, 0.0, 1.0, 0.0]
    ratings = {"gma-1": [1.0, 0.0, 1.0, 0.0], "gma-2": [1.0, 0.0, 0.0, 1.0], "gma-3": [0.0, 1.0, NAN, NAN]}
    recordings = ["a", "a", "b", "b"]
    against_system = raters_against_system(system, ratings, recordings)
    assert [(pair.one, pair.other) for pair in against_system] == [("system", name) for name in ratings]
    assert [pair.pooled for pair in against_system] == pytest.approx([1.0, 0.0, -1.0])
    assert [pair.agreement for pair in against_system] == [1.0, 0.5, 0.0]
    assert [pair.n_clips for pair in against_system] == [4, 4, 2]
    assert against_system[1].by_recording.kappas.tolist() == [1.0, -1.0]
    pairs = raters_against_each_other(ratings, recordings)
    assert [(pair.one, pair.other) for pair in pairs] == [("gma-1", "gma-2"), ("gma-1", "gma-3"), ("gma-2", "gma-3")]
    assert pairs[0].pooled == pytest.approx(0.0)
    with pytest.raises(UsageError, match="two or more: got 1"):
        raters_against_each_other({"gma-1": system}, recordings)


def test_compare_accuracies_by_hand() -> None:
    first = [1] * 10 + [1] + [0] * 8 + [0] * 3
    second = [1] * 10 + [0] + [1] * 8 + [0] * 3
    compared = compare_accuracies(first, second)
    assert (compared.n_cases, compared.n_only_first, compared.n_only_second) == (22, 1, 8)
    assert (compared.first, compared.second) == (11 / 22, 18 / 22)
    assert compared.p_value == pytest.approx(2 * (1 + 9) / 2**9)
    assert compare_accuracies(second, first).p_value == pytest.approx(compared.p_value)


def test_compare_accuracies_of_equal_readers() -> None:
    assert compare_accuracies([1, 0, 1], [1, 0, 1]).p_value == 1.0
    assert compare_accuracies([1, 0], [0, 1]).p_value == 1.0


def test_compare_accuracies_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="got 2 and 3"):
        compare_accuracies([1, 0], [1, 0, 1])
