"""What no figure may be computed from is refused, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.inputs import read_labels, read_probabilities, read_scores, require_both


def test_read_labels_takes_bool_and_noughts_and_ones() -> None:
    assert read_labels([True, False]).tolist() == [True, False]
    assert read_labels([1.0, 0.0, 1.0]).tolist() == [True, False, True]


@pytest.mark.parametrize("labels", [[0, 2], [-1, 1], [0.0, float("nan")], ["0", "1"]])
def test_read_labels_that_are_none(labels: list[Any]) -> None:
    with pytest.raises(UsageError, match="true or false"):
        read_labels(labels)


@pytest.mark.parametrize("labels", [[], [[0, 1]], 1])
def test_read_labels_of_another_shape(labels: Any) -> None:
    with pytest.raises(UsageError, match=r"labels \(N,\)"):
        read_labels(labels)


def test_read_scores_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match=r"each of 3 labels: got scores of shape \(2,\)"):
        read_scores([0.1, 0.2], 3)
    with pytest.raises(UsageError, match="2 of 3 scores are no numbers"):
        read_scores([0.1, float("nan"), float("inf")], 3)


def test_read_probabilities_outside_their_range() -> None:
    assert read_probabilities([0.0, 1.0], 2).tolist() == [0.0, 1.0]
    with pytest.raises(UsageError, match=r"got -0\.5 to 0\.3"):
        read_probabilities([-0.5, 0.3], 2)
    with pytest.raises(UsageError, match=r"got 0\.3 to 1\.5"):
        read_probabilities([1.5, 0.3], 2)


def test_require_both_names_figure_and_counts() -> None:
    require_both(read_labels([1, 1, 0, 0]), "a figure", n_least=2)
    with pytest.raises(
        UsageError, match=r"a figure needs examples of both classes, 2 or more of each: got 3 .*, 1 neg"
    ):
        require_both(read_labels([1, 1, 1, 0]), "a figure", n_least=2)
