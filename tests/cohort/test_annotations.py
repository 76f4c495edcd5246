"""Clips and labels, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.cohort.annotations import LabelledClip, annotate_bouts, has_fms, label_clips
from fidgety.cohort.records import ClipRating
from fidgety.errors import UsageError
from fidgety.phantom.fidgety_movements import fms_share
from fidgety.records import Stretch


def test_annotate_bouts_shares_by_hand() -> None:
    clips = annotate_bouts([Stretch(1.0, 3.0), Stretch(8.0, 12.0)], 12.0)
    assert clips.start_s == pytest.approx([0.0, 0.8, 1.6, 2.4])
    assert clips.fms_share * 9.6 == pytest.approx([2.0 + 1.6, 2.0 + 2.4, 1.4 + 3.2, 0.6 + 4.0])


def test_annotate_bouts_exactly_a_half_is_no_fms() -> None:
    assert annotate_bouts([Stretch(0.0, 4.8)], 9.6).fms_share.tolist() == [0.5]
    assert annotate_bouts([Stretch(0.0, 4.8)], 9.6).has_fms.tolist() == [False]
    assert annotate_bouts([Stretch(0.0, 4.81)], 9.6).has_fms.tolist() == [True]
    assert not has_fms(0.5) and has_fms(0.501)


@pytest.mark.parametrize(("duration_s", "n_clips"), [(0.0, 0), (9.59, 0), (9.6, 1), (10.39, 1), (10.4, 2), (60.0, 64)])
def test_annotate_bouts_counts_whole_clips_only(duration_s: float, n_clips: int) -> None:
    clips = annotate_bouts([], duration_s)
    assert len(clips) == n_clips
    assert not clips.has_fms.any()


def test_annotate_bouts_agrees_with_the_phantom() -> None:
    edges = np.sort(np.random.default_rng(3).uniform(0.0, 90.0, 12)).reshape(-1, 2)
    bouts = [Stretch(float(start_s), float(end_s)) for start_s, end_s in edges]
    clips = annotate_bouts(bouts, 90.0)
    assert clips.fms_share == pytest.approx([fms_share(bouts, s, s + 9.6) for s in clips.start_s], abs=1e-9)


@pytest.mark.parametrize(
    "bouts", [[Stretch(2.0, 2.0)], [Stretch(5.0, 6.0), Stretch(1.0, 2.0)], [Stretch(1.0, 3.0), Stretch(2.0, 4.0)]]
)
def test_annotate_bouts_refuses_bouts_that_are_none(bouts: list[Stretch]) -> None:
    with pytest.raises(UsageError, match="mend their starts and ends"):
        annotate_bouts(bouts, 30.0)


def _ratings(**shares: tuple[float, ...]) -> list[ClipRating]:
    return [
        ClipRating(file, 0.8, share, f"rater-{i}") for file, given in shares.items() for i, share in enumerate(given)
    ]


@pytest.mark.parametrize(
    ("shares", "is_fms", "is_agreed"),
    [
        ((0.9, 0.7), True, True),
        ((0.2, 0.5), False, True),
        ((0.9, 0.4), True, False),  # split: the mean is .65
        ((0.6, 0.3), False, False),  # split: the mean is .45
        ((0.6, 0.6, 0.1), True, False),  # most say FMs, though the mean is below a half
        ((0.4, 0.4, 1.0), False, False),
        ((0.7,), True, True),
    ],
)
def test_label_clips_most_raters_then_their_mean(shares: tuple[float, ...], is_fms: bool, is_agreed: bool) -> None:
    (clip,) = label_clips(_ratings(a=shares))
    assert clip == LabelledClip("a", 0.8, pytest.approx(np.mean(shares)), is_fms, len(shares), is_agreed)


def test_label_clips_are_one_for_each_clip_in_order() -> None:
    more = (ClipRating("a", 0.0, 0.3, "x"), ClipRating("b", 0.8000001, 0.3, "y"))
    ratings = [*_ratings(b=(0.1, 0.2), a=(0.9,)), *more]
    assert [(one.file, one.start_s, one.n_raters) for one in label_clips(ratings)] == [
        ("a", 0.0, 1),
        ("a", 0.8, 1),
        ("b", 0.8, 3),
    ]
