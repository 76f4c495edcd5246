"""Shapley's axioms, and values that are known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.attributions import shapley_values


@pytest.fixture
def tables() -> tuple[np.ndarray, np.ndarray]:
    """(rows (7, 4), background (5, 4))"""
    rng = np.random.default_rng(8)
    return rng.normal(0.0, 1.0, (7, 4)), rng.normal(0.5, 1.0, (5, 4))


def curved(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.tanh(x[:, 0] * x[:, 1]) + x[:, 2] ** 2 * x[:, 0])  # feature 3 does nothing


def by_orders(rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The definition: mean gain over all 24 orders in which features join, over every background row."""
    values = np.zeros_like(rows)
    orders = list(permutations(range(4)))
    for i, row in enumerate(rows):
        for order in orders:
            mixed = background.copy()
            for feature in order:
                before = curved(mixed).mean()
                mixed[:, feature] = row[feature]
                values[i, feature] += curved(mixed).mean() - before
    return values / len(orders)


def test_shapley_values_are_those_of_the_definition(tables: tuple[np.ndarray, np.ndarray]) -> None:
    rows, background = tables
    assert shapley_values(curved, rows, background).values == pytest.approx(by_orders(rows, background), abs=1e-12)


def test_shapley_values_sum_to_the_finding(tables: tuple[np.ndarray, np.ndarray]) -> None:
    rows, background = tables
    found = shapley_values(curved, rows, background)
    assert found.base_value == pytest.approx(curved(background).mean())
    assert found.base_value + found.values.sum(axis=1) == pytest.approx(curved(rows))
    assert np.abs(found.values[:, 3]).max() == 0.0


def test_shapley_values_of_a_line_are_weight_times_distance(tables: tuple[np.ndarray, np.ndarray]) -> None:
    rows, background = tables
    weights = np.array([1.0, -2.0, 0.0, 3.0])
    found = shapley_values(lambda x: x @ weights + 4.0, rows, background)
    assert found.values == pytest.approx(weights * (rows - background.mean(axis=0)), abs=1e-12)
    assert found.importances == pytest.approx(np.abs(found.values).mean(axis=0))


def test_shapley_values_share_a_product_evenly() -> None:
    found = shapley_values(lambda x: x[:, 0] * x[:, 1], [[3.0, 3.0, 1.0]], [[0.0, 0.0, 5.0]])
    assert found.values[0] == pytest.approx([4.5, 4.5, 0.0])


def test_shapley_values_do_not_depend_on_how_rows_are_asked(
    tables: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, background = tables
    together = shapley_values(curved, rows, background).values
    monkeypatch.setattr("fidgety.training.statistics.attributions._ROWS_TOGETHER", 12)
    largest = []

    def watched(x: np.ndarray) -> np.ndarray:
        largest.append(len(x))
        return curved(x)

    assert shapley_values(watched, rows, background).values == pytest.approx(together, abs=1e-12)
    assert max(largest) == 10  # two rows against a background of five


def test_shapley_values_of_bad_input(tables: tuple[np.ndarray, np.ndarray]) -> None:
    rows, background = tables
    with pytest.raises(UsageError, match=r"must give \(35,\) for \(35, 4\): got \(35, 4\)"):
        shapley_values(lambda x: x, rows, background)
    with pytest.raises(UsageError, match=r"F up to 10: \(7, 4\), \(5, 3\)"):
        shapley_values(curved, rows, background[:, :3])
    with pytest.raises(UsageError, match="F up to 10"):
        shapley_values(curved, np.zeros((2, 11)), np.zeros((2, 11)))
    with pytest.raises(UsageError, match="background must be a table"):
        shapley_values(curved, rows, background[:0])
    with pytest.raises(UsageError, match="rows must be a table"):
        shapley_values(curved, rows[0], background)
    with pytest.raises(UsageError, match="finite"):
        shapley_values(curved, np.full((1, 4), np.nan), background)
