"""Limbs move as the picture does and lie where they are read: gain, cross-talk, leaps, drift, gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from fidgety.records import FloatArray, Pose
from fidgety.runtime.limb_flow import FOLLOWED
from fidgety.runtime.limb_follower import LimbFollower, _medians
from fidgety.skeleton import BLAZEPOSE_33

LIMBS = list(BLAZEPOSE_33.indices(*FOLLOWED))
N = len(FOLLOWED)
RESTING, MOVING = FOLLOWED.index("left_ankle"), FOLLOWED.index("right_ankle")


@pytest.fixture
def follow(make_pose: Callable[..., Pose], lying_xy: FloatArray) -> Callable[..., np.ndarray]:
    """(T, J, 2) px from their places, as given: limbs read at `read` (T, J, 2) px off them; None = nobody found."""

    def follow_all(
        read: Iterable[np.ndarray | None], flow: Iterable[np.ndarray | None], fps: float = 25.0
    ) -> np.ndarray:
        follower, given = LimbFollower(BLAZEPOSE_33), []
        for i, (off, moved) in enumerate(zip(read, flow, strict=True)):
            xy = None
            if off is not None:
                xy = lying_xy.copy()
                xy[LIMBS] += off.astype(np.float32)
            pose = follower.follow(make_pose(i / fps, xy, frame_index=i), moved)
            given.append(pose.keypoints_xy[LIMBS] - lying_xy[LIMBS])
        return np.array(given)

    return follow_all


def flow_of(true: np.ndarray) -> np.ndarray:
    return np.diff(true, axis=0, prepend=true[:1]).astype(np.float32)


def wave(rate_hz: float, fps: float = 25.0, seconds: float = 20.0) -> np.ndarray:
    """(T, J, 2) of which one joint moves by 10 px."""
    true = np.zeros((round(seconds * fps), N, 2))
    true[:, MOVING, 0] = 10 * np.sin(2 * np.pi * rate_hz * np.arange(len(true)) / fps)
    return true


def tone(signal: np.ndarray, rate_hz: float, fps: float) -> complex:
    """Amplitude and phase of a sine in the last ten seconds."""
    rows = np.arange(len(signal))[-round(10 * fps) :]
    return complex(2j * np.mean(signal[rows] * np.exp(-2j * np.pi * rate_hz * rows / fps)))


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
@pytest.mark.parametrize("rate_hz", [0.5, 1.0, 3.0])
def test_gain_and_cross_talk_of_the_pose_network_hardly_count(
    follow: Callable[..., np.ndarray], rate_hz: float, fps: float
) -> None:
    true = wave(rate_hz, fps)
    read = 0.8 * true
    read[:, RESTING] = 0.14 * true[:, MOVING]
    given = follow(read, flow_of(true), fps)
    moving, resting = (tone(given[:, joint, 0], rate_hz, fps) for joint in (MOVING, RESTING))
    assert 0.97 < abs(moving) / 10 < 1.01
    assert abs(np.degrees(np.angle(moving))) < 3
    assert abs(resting) / 10 < 0.035


def test_trembling_of_the_pose_network_hardly_counts(follow: Callable[..., np.ndarray]) -> None:
    read = np.random.default_rng(1).normal(0, 1, (500, N, 2))
    given = follow(read, np.zeros_like(read))
    assert given[100:].std() < 0.2


def test_a_pose_that_trembles_otherwise_than_the_picture_is_left_as_it_is_read(
    follow: Callable[..., np.ndarray],
) -> None:
    """Else the quality gate would not see it, which refuses a small clinical recording for its jitter."""
    read = np.random.default_rng(3).normal(0, 14, (500, N, 2))
    given = follow(read, np.zeros_like(read))
    rough = [np.diff(xy[100:], axis=0).std() for xy in (given, read)]
    assert rough[0] > 0.95 * rough[1]


def test_slow_movement_ends_where_it_is_read(follow: Callable[..., np.ndarray]) -> None:
    read = np.zeros((400, N, 2))
    read[:, MOVING, 1] = np.clip(np.arange(400) - 50, 0, 100) * 0.3  # 30 px in four seconds, of which flow tells .9
    given = follow(read, 0.9 * flow_of(read))
    assert np.abs(given - read)[-100:].max() < 0.1
    assert np.abs(given - read).max() < 3


def test_limbs_without_flow_move_as_they_are_read(follow: Callable[..., np.ndarray]) -> None:
    read = np.cumsum(np.random.default_rng(2).normal(0, 2, (200, N, 2)), axis=0)
    for flow in (np.full(read.shape, np.nan, np.float32), [None] * len(read)):
        np.testing.assert_allclose(follow(read, flow), read, atol=1e-3)


def test_flow_that_drifts_does_not_carry_a_limb_away(follow: Callable[..., np.ndarray]) -> None:
    read = np.zeros((500, N, 2))
    given = follow(read, np.full(read.shape, 0.2, np.float32))  # 5 px a second
    assert np.abs(given).max() < 10


def test_an_elbow_whose_patch_slides_along_the_arm_stays_by_its_reading(follow: Callable[..., np.ndarray]) -> None:
    read = np.zeros((500, N, 2))
    given = follow(read, np.full(read.shape, 0.2, np.float32))  # 5 px a second, of a trunk of 190
    is_elbow = np.array([name.endswith("elbow") for name in FOLLOWED])
    assert np.abs(given[:, is_elbow]).max() < 4 < np.abs(given[-100:, ~is_elbow]).min()


def test_a_reading_that_leaps_and_comes_back_is_not_followed(follow: Callable[..., np.ndarray]) -> None:
    read = np.zeros((100, N, 2))
    read[50, MOVING] = 40.0
    assert np.abs(follow(read, np.zeros_like(read))).max() < 8


def test_a_limb_that_is_read_elsewhere_for_long_is_drawn_there(follow: Callable[..., np.ndarray]) -> None:
    read = np.zeros((100, N, 2))
    read[50:, MOVING] = 80.0
    given = follow(read, np.zeros_like(read))
    assert np.abs(given - read)[50 + 13 :, MOVING].max() < 20  # half a second later
    assert np.abs(given[:, RESTING]).max() < 1e-3


def test_after_frames_without_an_infant_it_begins_anew(follow: Callable[..., np.ndarray]) -> None:
    read: list[np.ndarray | None] = [np.zeros((N, 2))] * 20 + [None] * 5 + [np.full((N, 2), 15.0)] * 5
    given = follow(read, [np.zeros((N, 2))] * 20 + [None] * 10)
    assert np.isnan(given[20:25]).all()
    np.testing.assert_allclose(given[25:], 15.0, atol=1e-3)


def test_a_body_that_is_read_the_other_way_round_begins_anew(follow: Callable[..., np.ndarray]) -> None:
    read = np.zeros((60, N, 2))
    read[30:] = 400.0
    np.testing.assert_allclose(follow(read, np.zeros_like(read)), read, atol=1e-3)


def test_other_keypoints_are_left_alone(make_pose: Callable[..., Pose], lying_xy: FloatArray) -> None:
    follower = LimbFollower(BLAZEPOSE_33)
    follower.follow(make_pose(0.0, lying_xy), None)
    given = follower.follow(make_pose(0.04, lying_xy + 3), np.zeros((N, 2), np.float32))
    others = np.setdiff1d(np.arange(33), LIMBS)
    np.testing.assert_array_equal(given.keypoints_xy[others], lying_xy[others] + 3)
    assert np.abs(given.keypoints_xy[LIMBS] - lying_xy[LIMBS]).max() < 1


def test_medians_are_numpys_and_zero_where_nothing_is_told() -> None:
    rng = np.random.default_rng(4)
    for n in range(1, 16):
        values = rng.normal(size=(n, N))
        values[rng.random((n, N)) < 0.4] = np.nan
        is_told = ~np.isnan(values).all(axis=0)
        np.testing.assert_allclose(_medians(values)[is_told], np.nanmedian(values[:, is_told], axis=0))
        assert (_medians(values)[~is_told] == 0).all()
