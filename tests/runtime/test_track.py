from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from fidgety.bundle import TrackSettings
from fidgety.records import FloatArray, Pose, PoseTrack
from fidgety.runtime.track import BAND_WEIGHTS, TrackBuilder, smooth_rows, track_poses

PoseMaker = Callable[..., Pose]
PLAIN = TrackSettings(fps=25.0, smoothing_weights=(1.0,), max_bridge_ms=200.0)
SMOOTH = TrackSettings(fps=25.0, smoothing_weights=(0.2,) * 5, max_bridge_ms=200.0)
K = 3


@pytest.fixture
def poses_at(make_pose: PoseMaker) -> Callable[..., list[Pose]]:
    """poses_at(times, positions (T, 2) or (T, K, 2), missing=()): poses of three keypoints, some without an infant."""

    def build(times_s: Iterable[float], positions: FloatArray, missing: Sequence[int] = ()) -> list[Pose]:
        positions = np.asarray(positions, np.float32)
        if positions.ndim == 2:
            positions = np.stack([positions, positions + 50, positions - 30], axis=1)
        return [
            make_pose(t, None if i in missing else xy, frame_index=i, n_keypoints=K)
            for i, (t, xy) in enumerate(zip(times_s, positions, strict=True))
        ]

    return build


def whole(poses: Iterable[Pose], settings: TrackSettings, n_keypoints: int = K) -> PoseTrack:
    """All pieces as one track, after a check that they follow each other."""
    pieces = list(track_poses(poses, settings, "coco17", n_keypoints))
    ends = np.cumsum([len(piece) for piece in pieces])
    assert [piece.first_frame for piece in pieces] == [0, *ends[:-1]]
    assert all(len(piece) > 0 and piece.fps == settings.fps for piece in pieces)
    return replace(
        pieces[0],
        keypoints_xy=np.concatenate([piece.keypoints_xy for piece in pieces]),
        keypoint_scores=np.concatenate([piece.keypoint_scores for piece in pieces]),
        is_observed=np.concatenate([piece.is_observed for piece in pieces]),
    )


def walk(n: int, seed: int = 0) -> FloatArray:
    """(n, 2) px: a smooth wander."""
    t = np.arange(n)
    phase = np.random.default_rng(seed).uniform(0, 6, (2, 3))
    waves = [8 / (k + 1) * np.sin(t[:, None] * 0.07 * (k + 1) + phase[:, k]) for k in range(3)]
    return (200 + sum(waves)).astype(np.float32)


PosesAt = Callable[..., list[Pose]]


# Resampling


def test_track_poses_25_fps_is_left_as_it_is(poses_at: PosesAt) -> None:
    xy = walk(100)
    track = whole(poses_at(np.arange(100) / 25, xy), PLAIN)
    assert len(track) == 100
    assert np.array_equal(track.keypoints_xy[:, 0], xy)
    assert track.keypoint_scores == pytest.approx(0.9)
    assert track.is_observed.all()


@pytest.mark.parametrize("fps", [30.0, 29.97, 50.0, 60.0])
def test_track_poses_2_hz_keeps_its_size_and_phase(poses_at: PosesAt, fps: float) -> None:
    times_s = np.arange(int(8 * fps)) / fps
    wave = 10 * np.sin(2 * np.pi * 2.0 * times_s)
    track = whole(poses_at(times_s, np.stack([100 + wave, 80 - wave], axis=1)), PLAIN)
    t = np.arange(len(track)) / 25
    inner = slice(10, -10)
    basis = np.stack([np.sin(4 * np.pi * t), np.cos(4 * np.pi * t), np.ones(len(t))], axis=1)[inner]
    (in_phase, quadrature, _), *_ = np.linalg.lstsq(basis, track.keypoints_xy[inner, 0, 0], rcond=None)
    assert np.hypot(in_phase, quadrature) / 10 == pytest.approx(1.0, abs=0.01)
    assert np.arctan2(quadrature, in_phase) / (4 * np.pi) == pytest.approx(0.0, abs=1e-3)  # under 1 ms
    assert track.is_observed.all()


def test_track_poses_15_fps_is_filled_up_without_marks(poses_at: PosesAt) -> None:
    times_s = np.arange(90) / 15
    wave = 10 * np.sin(2 * np.pi * 1.0 * times_s)
    track = whole(poses_at(times_s, np.stack([wave, wave], axis=1)), PLAIN)
    t = np.arange(len(track)) / 25
    assert len(track) == 149  # the last pose is at 5.933 s
    assert track.is_observed.all()
    assert np.abs(track.keypoints_xy[5:-5, 0, 0] - 10 * np.sin(2 * np.pi * t[5:-5])).max() < 0.3


def test_track_poses_120_fps_keeps_every_row_at_its_time(poses_at: PosesAt) -> None:
    times_s = np.arange(480) / 120
    track = whole(poses_at(times_s, np.stack([100 * times_s, -50 * times_s], axis=1)), PLAIN)
    t = np.arange(len(track)) / 25
    assert len(track) == 100
    assert np.abs(track.keypoints_xy[:, 0, 0] - 100 * t).max() < 1e-3


def test_track_poses_uneven_times_do_not_bend_the_movement(poses_at: PosesAt) -> None:
    times_s = np.arange(200) / 28 + np.random.default_rng(2).uniform(-0.009, 0.009, 200)
    times_s -= times_s[0]
    wave = 10 * np.sin(2 * np.pi * 1.5 * times_s)
    track = whole(poses_at(times_s, np.stack([wave, 3 * wave], axis=1)), PLAIN)
    t = np.arange(len(track)) / 25
    error = track.keypoints_xy[:, 0, 0] - 10 * np.sin(2 * np.pi * 1.5 * t)
    assert np.abs(error[3:-3]).max() < 0.15
    assert track.is_observed.all()


def test_track_poses_times_rounded_by_the_container_change_nothing(poses_at: PosesAt) -> None:
    xy = walk(100)
    track = whole(poses_at(np.round(np.arange(100) / 25 + 3e-5, 5), xy), PLAIN)
    assert len(track) == 100
    assert np.array_equal(track.keypoints_xy[:, 0], xy)


# Gaps


@pytest.mark.parametrize("is_told", [False, True])
def test_track_poses_one_lost_frame_is_bridged_and_marked(poses_at: PosesAt, is_told: bool) -> None:
    xy = walk(60)
    poses = poses_at(np.arange(60) / 25, xy, missing=[30])
    if not is_told:  # the camera dropped the frame: there is no pose at all
        poses = [pose for pose in poses if not pose.is_missing]
    track = whole(poses, PLAIN)
    assert len(track) == 60
    assert np.flatnonzero(~track.is_observed).tolist() == [30]
    assert track.keypoints_xy[30, 0] == pytest.approx((xy[29] + xy[31]) / 2, abs=1e-3)
    assert np.array_equal(np.delete(track.keypoints_xy[:, 0], 30, axis=0), np.delete(xy, 30, axis=0))


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize(("n_lost", "is_bridged"), [(5, True), (6, False)])
def test_track_poses_gap_of_200_ms_is_bridged_and_of_240_ms_is_not(
    poses_at: PosesAt, n_lost: int, is_bridged: bool, is_told: bool
) -> None:
    for first_lost in range(40, 400, 7):  # wherever it lies: 200 ms is no whole number of bits
        lost = list(range(first_lost, first_lost + n_lost))
        poses = poses_at(np.arange(first_lost + 40) / 25, walk(first_lost + 40), missing=lost)
        if not is_told:
            poses = [pose for pose in poses if not pose.is_missing]
        track = whole(poses, PLAIN)
        assert np.flatnonzero(~track.is_observed).tolist() == lost
        assert np.isfinite(track.keypoints_xy[lost]).all() == is_bridged
        assert np.isnan(track.keypoints_xy[lost]).all() == (not is_bridged)


def test_track_poses_nan_never_leaks_out_of_a_gap(poses_at: PosesAt) -> None:
    lost = list(range(30, 50))
    track = whole(poses_at(np.arange(100) / 25, walk(100), missing=lost), SMOOTH)
    is_nan = np.isnan(track.keypoints_xy).any(axis=(1, 2))
    assert np.flatnonzero(is_nan).tolist() == lost
    assert np.isnan(track.keypoint_scores[lost]).all() and np.isfinite(track.keypoint_scores[~is_nan]).all()


def test_track_poses_moving_average_never_reaches_across_a_gap(poses_at: PosesAt) -> None:
    xy = np.zeros((100, 2), np.float32)
    xy[50:] = 1000.0
    track = whole(poses_at(np.arange(100) / 25, xy, missing=range(40, 50)), SMOOTH)
    assert (track.keypoints_xy[:40, 0] == 0).all()
    assert track.keypoints_xy[50:, 0] == pytest.approx(1000, abs=1e-3)


def test_track_poses_unseen_keypoint_stays_unseen_and_alone(poses_at: PosesAt) -> None:
    xy = np.repeat(walk(60)[:, None], K, axis=1)
    xy[20:40, 1] = np.nan
    track = whole(poses_at(np.arange(60) / 25, xy), SMOOTH)
    is_nan = np.isnan(track.keypoints_xy).any(axis=-1)
    assert np.flatnonzero(is_nan[:, 1]).tolist() == list(range(20, 40))
    assert not is_nan[:, [0, 2]].any()
    assert track.keypoints_xy[:, 0] == pytest.approx(
        whole(poses_at(np.arange(60) / 25, xy[:, 0]), SMOOTH).keypoints_xy[:, 0]
    )


def test_track_poses_nobody_at_all_is_nan_throughout(poses_at: PosesAt) -> None:
    track = whole(poses_at(np.arange(60) / 25, walk(60), missing=range(60)), SMOOTH)
    assert len(track) == 60
    assert np.isnan(track.keypoints_xy).all() and not track.is_observed.any()


def test_track_poses_infant_that_comes_late_and_leaves_early(poses_at: PosesAt) -> None:
    track = whole(poses_at(np.arange(60) / 25, walk(60), missing=[*range(10), *range(50, 60)]), SMOOTH)
    assert len(track) == 60
    assert np.flatnonzero(track.is_observed).tolist() == list(range(10, 50))
    assert np.isfinite(track.keypoints_xy[10:50]).all()
    assert np.isnan(track.keypoints_xy[:10]).all() and np.isnan(track.keypoints_xy[50:]).all()


def test_track_poses_single_pose(poses_at: PosesAt) -> None:
    track = whole(poses_at([0.0], walk(1)), SMOOTH)
    assert len(track) == 1 and track.is_observed.all()
    assert np.array_equal(track.keypoints_xy[0, 0], walk(1)[0])


def test_track_poses_no_pose_gives_no_row() -> None:
    assert list(track_poses([], SMOOTH, "coco17", K)) == []


def test_track_poses_moving_average_of_five(poses_at: PosesAt) -> None:
    xy = np.random.default_rng(3).normal(0, 1, (50, 2)).astype(np.float32)
    track = whole(poses_at(np.arange(50) / 25, xy), SMOOTH)
    centred = np.stack([xy[i - 2 : i + 3].mean(axis=0) for i in range(2, 48)])
    assert track.keypoints_xy[2:-2, 0] == pytest.approx(centred, abs=1e-5)
    assert track.keypoints_xy[1, 0] == pytest.approx(xy[:3].mean(axis=0), abs=1e-5)  # shortened evenly at an end
    assert np.array_equal(track.keypoints_xy[0, 0], xy[0])
    assert np.array_equal(track.keypoints_xy[-1, 0], xy[-1])


# Frame rates that change


def observed_at(poses_at: PosesAt, times_s: FloatArray | list[float]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return whole(poses_at(times_s, walk(len(times_s))), PLAIN).is_observed


@pytest.mark.parametrize("keep_every", [2, 3, 4, 5, 6])
def test_track_poses_camera_that_loses_most_of_its_frames_for_long_is_not_observed(
    poses_at: PosesAt, keep_every: int
) -> None:
    times_s = [i / 25 for i in range(1000) if i < 500 or i % keep_every == 0]
    observed = observed_at(poses_at, times_s)
    assert observed[:500].all()
    assert observed[500:].mean() <= 1 / keep_every + 0.02  # those that lie at a row's very time


@pytest.mark.parametrize("fps", [30.0, 25.0])
def test_track_poses_frames_lost_at_random_for_long_are_not_observed(poses_at: PosesAt, fps: float) -> None:
    is_lost = np.random.default_rng(6).random(int(40 * fps)) < 0.6
    is_lost[: int(20 * fps)] = False
    observed = observed_at(poses_at, np.flatnonzero(~is_lost) / fps)
    assert observed[:480].all()
    assert all(observed[start : start + 240].mean() < 0.9 for start in range(520, len(observed) - 240, 20))


@pytest.mark.parametrize("rates", [(30, 24), (30, 20, 15), (25, 15), (30, 24, 20, 15, 30)])
def test_track_poses_camera_that_slows_down_in_dim_light_is_observed(
    poses_at: PosesAt, rates: tuple[float, ...]
) -> None:
    times_s = np.cumsum(np.r_[0.0, np.repeat(1 / np.array(rates), [20 * rate for rate in rates])])
    observed = observed_at(poses_at, times_s)
    missing = [int((~observed[start : start + 240]).sum()) for start in range(0, len(observed) - 240, 20)]
    assert max(missing) <= 24  # where it slows down to half of the rate at once, its first second seems lost


@pytest.mark.parametrize("fps", [15.0, 20.0, 30.0])
def test_track_poses_uneven_times_at_any_rate_are_observed(poses_at: PosesAt, fps: float) -> None:
    times_s = np.arange(int(40 * fps)) / fps + np.random.default_rng(7).uniform(-0.01, 0.01, int(40 * fps))
    assert observed_at(poses_at, times_s - times_s[0]).all()


def test_track_poses_the_least_frame_rate_is_the_one_that_is_asked_for(poses_at: PosesAt) -> None:
    poses = poses_at(np.arange(300) / 12, walk(300))
    (slow,) = [np.concatenate([one.is_observed for one in track_poses(poses, PLAIN, "coco17", K)])]
    (lenient,) = [np.concatenate([one.is_observed for one in track_poses(poses, PLAIN, "coco17", K, 11.5)])]
    assert lenient.all()
    assert slow[75:].mean() < 0.1  # after 31 poses it is known how slow it is


def test_track_builder_a_slow_stretch_changes_no_row_that_was_given(poses_at: PosesAt) -> None:
    poses = poses_at([i / 25 for i in range(400) if i < 150 or i % 4 == 0], walk(212))
    track = whole(poses, SMOOTH)
    for n in range(100, len(poses), 9):
        builder = TrackBuilder(SMOOTH, "coco17", K)
        pieces = [piece for pose in poses[:n] if (piece := builder.push(pose)) is not None]
        rows, marks = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("keypoints_xy", "is_observed"))
        assert np.array_equal(rows, track.keypoints_xy[: len(rows)], equal_nan=True)
        assert np.array_equal(marks, track.is_observed[: len(marks)])


# Invariants


def gappy(poses_at: PosesAt, xy: FloatArray) -> list[Pose]:
    """Uneven times, lost frames, a short and a long gap."""
    rng = np.random.default_rng(5)
    times_s = np.cumsum(np.r_[0.0, rng.uniform(0.025, 0.045, len(xy) - 1)])
    poses = poses_at(times_s, xy, missing=[0, 1, 40, 41, *range(70, 95), len(xy) - 1])
    return [pose for i, pose in enumerate(poses) if i not in (20, 55, 56, 110)]


def test_track_builder_rows_do_not_change_once_given(poses_at: PosesAt) -> None:
    poses = gappy(poses_at, walk(150))
    track = whole(poses, SMOOTH)
    for n in range(1, len(poses), 11):
        builder = TrackBuilder(SMOOTH, "coco17", K)
        pieces = [piece for pose in poses[:n] if (piece := builder.push(pose)) is not None]
        given = sum(len(piece) for piece in pieces)
        if given:
            rows = np.concatenate([piece.keypoints_xy for piece in pieces])
            assert np.array_equal(rows, track.keypoints_xy[:given], equal_nan=True)
            marks = np.concatenate([piece.is_observed for piece in pieces])
            assert np.array_equal(marks, track.is_observed[:given])


def test_track_builder_rows_lag_by_little_more_than_a_second(poses_at: PosesAt) -> None:
    builder = TrackBuilder(SMOOTH, "coco17", K)
    given = 0
    for i, pose in enumerate(poses_at(np.arange(100) / 25, walk(100))):
        piece = builder.push(pose)
        given += 0 if piece is None else len(piece)
        assert given >= i - 3 - 24
    last = builder.finish()
    assert last is not None and given + len(last) == 100


def test_track_poses_shift_and_scale_go_through(poses_at: PosesAt) -> None:
    xy = walk(150)
    plain = whole(gappy(poses_at, xy), SMOOTH).keypoints_xy[:, 0]
    moved = whole(gappy(poses_at, 2.5 * xy + np.array([300, -40], np.float32)), SMOOTH).keypoints_xy[:, 0]
    assert moved == pytest.approx(2.5 * plain + np.array([300, -40]), abs=2e-3, nan_ok=True)


def test_track_poses_row_count_is_set_by_time_alone(poses_at: PosesAt) -> None:
    poses = gappy(poses_at, walk(150))
    track = whole(poses, SMOOTH)
    assert len(track) == int(poses[-1].time_s * 25 + 1e-3) + 1


@pytest.mark.parametrize(
    ("rate_hz", "low", "high"),
    [
        (0.0, 0.999, 1.001),
        (0.5, 0.98, 1.02),
        (1.5, 0.98, 1.02),
        (2.5, 0.98, 1.02),
        (3.0, 0.97, 1.02),
        (6.0, 0.02, 0.16),
        (7.0, 0.02, 0.08),  # a zero would look like a line beside it
        (10.0, 0.02, 0.08),
    ],
)
def test_band_weights_keep_fms_and_drop_what_is_quicker(rate_hz: float, low: float, high: float) -> None:
    reach = len(BAND_WEIGHTS) // 2
    assert list(BAND_WEIGHTS) == list(reversed(BAND_WEIGHTS))  # no delay
    gain = sum(w * np.cos(2 * np.pi * rate_hz * (k - reach) / 25) for k, w in enumerate(BAND_WEIGHTS))
    assert low <= abs(gain) <= high


@pytest.mark.parametrize("n", [1, 4, 12, 13, 14, 60])
@pytest.mark.parametrize("weights", [(1.0,), (0.2,) * 5, BAND_WEIGHTS])
def test_smooth_rows_equals_the_track(poses_at: PosesAt, n: int, weights: tuple[float, ...]) -> None:
    settings = replace(SMOOTH, smoothing_weights=weights)
    xy = np.random.default_rng(4).normal(200, 30, (n, K, 2)).astype(np.float32)
    track = whole(poses_at(np.arange(n) / 25, xy), settings)
    assert np.allclose(smooth_rows(xy, weights), track.keypoints_xy, atol=1e-4)
