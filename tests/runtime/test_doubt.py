"""Keypoints that are hardly seen move slowly; all others are handed on as they are."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fidgety.bundle import Manifest, PoseSettings
from fidgety.records import FloatArray, PoseTrack
from fidgety.runtime.doubt import steady_doubtful

K = 4
T = 200


@pytest.fixture
def settings(manifest: Manifest) -> PoseSettings:
    return replace(manifest.pose, doubtful_score=0.3, sure_score=0.6)


@pytest.fixture
def shaking() -> PoseTrack:
    """200 rows of four keypoints that shake at 2 Hz by 10 px about a place that wanders slowly."""
    time_s = np.arange(T)[:, None, None] / 25
    xy = 300 + 20 * np.sin(0.3 * time_s) + 10 * np.sin(2 * np.pi * 2 * time_s + np.arange(K)[:, None])
    return PoseTrack(
        "any", 25.0, 0, np.repeat(xy, 2, axis=-1).astype(np.float32), np.full((T, K), 0.9, np.float32), np.ones(T, bool)
    )


def whole(pieces: list[PoseTrack]) -> PoseTrack:
    ends = np.cumsum([0, *(len(piece) for piece in pieces)])
    assert [piece.first_frame for piece in pieces] == ends[:-1].tolist()
    return replace(
        pieces[0],
        keypoints_xy=np.concatenate([piece.keypoints_xy for piece in pieces]),
        keypoint_scores=np.concatenate([piece.keypoint_scores for piece in pieces]),
        is_observed=np.concatenate([piece.is_observed for piece in pieces]),
    )


def steadied(track: PoseTrack, settings: PoseSettings, *cuts: int) -> PoseTrack:
    ends = [0, *cuts, len(track)]
    pieces = [
        PoseTrack(
            track.skeleton, track.fps, a, track.keypoints_xy[a:b], track.keypoint_scores[a:b], track.is_observed[a:b]
        )
        for a, b in pairwise(ends)
    ]
    return whole(list(steady_doubtful(pieces, settings)))


def scored(track: PoseTrack, rows: slice, keypoint: int, score: float) -> PoseTrack:
    scores = track.keypoint_scores.copy()
    scores[rows, keypoint] = score
    return replace(track, keypoint_scores=scores)


def shake(values: FloatArray) -> float:
    """Amplitude at 2 Hz of (N,) values."""
    wave = np.exp(-2j * np.pi * 2 * np.arange(len(values)) / 25) * np.hanning(len(values))
    return float(2 * abs((wave * (values - values.mean())).sum()) / np.hanning(len(values)).sum())


def test_steady_doubtful_sure_keypoints_are_handed_on(shaking: PoseTrack, settings: PoseSettings) -> None:
    given = steadied(shaking, settings, 60, 130)
    assert np.array_equal(given.keypoints_xy, shaking.keypoints_xy)
    assert np.array_equal(given.is_observed, shaking.is_observed)


def test_steady_doubtful_hardly_seen_keypoint_moves_only_slowly(shaking: PoseTrack, settings: PoseSettings) -> None:
    given = steadied(scored(shaking, slice(None), 1, 0.1), settings)
    inside = slice(30, T - 30)
    assert shake(shaking.keypoints_xy[inside, 1, 0]) > 9
    assert shake(given.keypoints_xy[inside, 1, 0]) < 0.2
    wander = 300 + 20 * np.sin(0.3 * np.arange(T) / 25)
    assert np.abs(given.keypoints_xy[inside, 1, 0] - wander[inside]).max() < 0.5
    for other in (0, 2, 3):
        assert np.array_equal(given.keypoints_xy[:, other], shaking.keypoints_xy[:, other])


def test_steady_doubtful_half_doubt_halves_the_movement(shaking: PoseTrack, settings: PoseSettings) -> None:
    given = steadied(scored(shaking, slice(None), 2, 0.45), settings)
    assert shake(given.keypoints_xy[30:-30, 2, 0]) == pytest.approx(5.0, abs=0.3)


def test_steady_doubtful_trusts_places_where_it_was_seen_well(shaking: PoseTrack, settings: PoseSettings) -> None:
    still = replace(shaking, keypoints_xy=np.full((T, K, 2), 100.0, np.float32))
    still.keypoints_xy[90:110, 0] = 180.0  # misread for .8 s
    given = steadied(scored(still, slice(90, 110), 0, 0.05), settings)
    assert np.abs(given.keypoints_xy[:, 0] - 100.0).max() < 12.0  # of 80 px; all of it would come through otherwise
    assert np.array_equal(given.keypoints_xy[:78], still.keypoints_xy[:78])


@pytest.mark.parametrize("cuts", [(1, 2, 3), (25, 26, 90), (5, 100, 101, 199), tuple(range(1, T))])
def test_steady_doubtful_any_chunking_gives_the_same_rows(
    shaking: PoseTrack, settings: PoseSettings, cuts: tuple[int, ...]
) -> None:
    track = scored(scored(shaking, slice(40, 75), 1, 0.2), slice(110, 190), 3, 0.4)
    track.keypoints_xy[150:160] = np.nan
    at_once, in_pieces = steadied(track, settings), steadied(track, settings, *cuts)
    assert np.array_equal(at_once.keypoints_xy, in_pieces.keypoints_xy, equal_nan=True)
    assert np.array_equal(at_once.keypoint_scores, in_pieces.keypoint_scores, equal_nan=True)


def test_steady_doubtful_unobserved_stays_unobserved(shaking: PoseTrack, settings: PoseSettings) -> None:
    track = scored(shaking, slice(None), 1, 0.2)
    track.keypoints_xy[80:90] = np.nan
    track.keypoint_scores[80:90] = np.nan
    given = steadied(track, settings, 85)
    is_nan = np.isnan(given.keypoints_xy).any(axis=(1, 2))
    assert is_nan.tolist() == [80 <= i < 90 for i in range(T)]


def test_steady_doubtful_waits_for_no_more_than_its_reach(shaking: PoseTrack, settings: PoseSettings) -> None:
    rows = (
        PoseTrack("any", 25.0, i, shaking.keypoints_xy[[i]], shaking.keypoint_scores[[i]], shaking.is_observed[[i]])
        for i in range(T)
    )
    stream = steady_doubtful(rows, settings)
    first = next(stream)
    assert (first.first_frame, len(first)) == (0, 1)
    assert next(rows).first_frame == 26  # 25 rows behind


def test_steady_doubtful_nothing_in_nothing_out(settings: PoseSettings) -> None:
    assert list(steady_doubtful([], settings)) == []
