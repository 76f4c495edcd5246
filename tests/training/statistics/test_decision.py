"""Net benefit and intention to screen, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.decision import decision_curve, intention_to_screen
from fidgety.training.statistics.two_by_two import TwoByTwo, accuracy_at

NAN = float("nan")


def test_decision_curve_by_hand() -> None:
    curve = decision_curve([0.9, 0.4, 0.3, 0.1], [1, 0, 1, 0], thresholds=[0.2, 0.5])
    assert curve.system == pytest.approx([2 / 4 - 1 / 4 * 0.25, 1 / 4])
    assert curve.refer_all == pytest.approx([0.5 - 0.5 * 0.25, 0.5 - 0.5 * 1.0])
    assert curve.refer_none.tolist() == [0.0, 0.0]


def test_decision_curve_refers_from_the_threshold_on() -> None:
    assert decision_curve([0.5, 0.4], [1, 0], thresholds=[0.5]).system.tolist() == [0.5]


def test_decision_curve_of_one_probability_is_that_of_all_or_none() -> None:
    is_positive = [1, 0, 0, 0, 0]
    curve = decision_curve([0.2] * 5, is_positive)
    assert curve.thresholds[[0, -1]].tolist() == [0.01, 0.5]
    low = curve.thresholds <= 0.2
    assert curve.system[low] == pytest.approx(curve.refer_all[low])
    assert curve.system[~low] == pytest.approx(curve.refer_none[~low])
    assert curve.refer_all[np.flatnonzero(low)[-1]] == pytest.approx(0.0)  # at the prevalence all are as good as none


@pytest.mark.parametrize("thresholds", [[0.0, 0.5], [1.0], [], [[0.2]], [NAN]])
def test_decision_curve_of_thresholds_that_are_none(thresholds: list[float]) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        decision_curve([0.2, 0.8], [0, 1], thresholds)


def test_decision_curve_of_one_class() -> None:
    with pytest.raises(UsageError, match="a decision curve needs"):
        decision_curve([0.2, 0.8], [1, 1])


def test_intention_to_screen_refers_what_is_not_assessable() -> None:
    scores = [0.9, 0.2, NAN, 0.7, 0.1, 0.2, NAN, NAN]
    truth = [1, 1, 1, 0, 0, 0, 0, 0]
    figures = intention_to_screen(scores, truth, 0.5)
    assert figures.screened.table == TwoByTwo(2, 3, 2, 1)
    assert figures.assessed is not None
    assert figures.assessed.table == TwoByTwo(1, 1, 2, 1)
    assert figures.screened.sensitivity.value == pytest.approx(2 / 3)
    assert figures.screened.specificity.value == pytest.approx(2 / 5)
    assert figures.assessable.value == 5 / 8
    assert (figures.n_not_assessable_positive, figures.n_not_assessable_negative) == (1, 2)


def test_intention_to_screen_where_all_could_be_assessed() -> None:
    figures = intention_to_screen([0.9, 0.2, 0.5], [1, 1, 0], 0.5)
    assert figures.screened == figures.assessed == accuracy_at([0.9, 0.2, 0.5], [1, 1, 0], 0.5)


def test_intention_to_screen_where_none_could_be_assessed() -> None:
    figures = intention_to_screen([NAN, NAN], [1, 0], 0.5)
    assert figures.assessed is None
    assert (figures.screened.sensitivity.value, figures.screened.specificity.value) == (1.0, 0.0)


@pytest.mark.parametrize("scores", [[0.1], [0.1, float("inf")]])
def test_intention_to_screen_of_bad_scores(scores: list[float]) -> None:
    with pytest.raises(UsageError, match="each of 2 infants"):
        intention_to_screen(scores, [0, 1], 0.5)
