"""The truth about FMs: bouts, their share of a stretch of time, and the true FMs frequency."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.phantom.fidgety_movements import BOUT_STATISTICS, fms_share, plan_bouts, true_fms_frequency
from fidgety.records import Stretch


def test_fms_share_counts_overlap_only():
    bouts = (Stretch(1.0, 3.0), Stretch(5.0, 6.0))
    assert fms_share(bouts, 0.0, 10.0) == pytest.approx(0.3)
    assert fms_share(bouts, 2.0, 6.0) == pytest.approx(0.5)
    assert fms_share(bouts, 3.0, 5.0) == 0.0
    assert fms_share((), 0.0, 1.0) == 0.0


def test_fms_share_refuses_an_empty_stretch():
    with pytest.raises(ValueError, match="empty"):
        fms_share((), 2.0, 2.0)


def test_true_fms_frequency_counts_instances_more_than_half_covered():
    # instances start at 0, 6, 12 s; a bout over 0-9.6 s fills the first and 3.6 / 9.6 of the second
    assert true_fms_frequency((Stretch(0.0, 9.6),), 21.6) == pytest.approx(1 / 3)
    assert true_fms_frequency((Stretch(0.0, 11.0),), 21.6) == pytest.approx(2 / 3)
    assert true_fms_frequency((), 21.6) == 0.0
    assert true_fms_frequency((Stretch(0.0, 21.6),), 21.6) == 1.0


def test_true_fms_frequency_exactly_half_covered_does_not_count():
    assert true_fms_frequency((Stretch(0.0, 4.8),), 9.6) == 0.0


@pytest.mark.parametrize(("duration_s", "n_windows"), [(9.6, 1), (15.59, 1), (15.6, 2), (90.0, 14)])
def test_true_fms_frequency_has_as_many_instances_as_the_recording_holds(duration_s, n_windows):
    first_only = true_fms_frequency((Stretch(0.0, 5.0),), duration_s)
    assert first_only == pytest.approx(1 / n_windows)


def test_true_fms_frequency_refuses_less_than_one_window():
    with pytest.raises(ValueError, match="no window"):
        true_fms_frequency((), 9.5)


@pytest.mark.parametrize("category", ["continual", "intermittent", "sporadic"])
def test_plan_bouts_are_in_order_apart_and_as_the_category_says(category):
    statistics = BOUT_STATISTICS[category]
    assert statistics is not None
    for seed in range(30):
        bouts = plan_bouts(np.random.default_rng(seed), category, 120.0)
        borders = [border for bout in bouts for border in (bout.start_s, bout.end_s)]
        assert borders == sorted(borders)
        assert borders[0] >= 0.0
        assert borders[-1] <= 120.0
        assert statistics.least_share <= fms_share(bouts, 0.0, 120.0) <= statistics.greatest_share


def test_plan_bouts_absent_has_none():
    assert plan_bouts(np.random.default_rng(0), "absent", 120.0) == ()


def test_plan_bouts_spare_crying():
    crying = (Stretch(10.0, 25.0), Stretch(60.0, 70.0))
    for seed in range(10):
        bouts = plan_bouts(np.random.default_rng(seed), "continual", 120.0, crying)
        assert bouts
        assert all(fms_share(bouts, cry.start_s, cry.end_s) == 0.0 for cry in crying)
