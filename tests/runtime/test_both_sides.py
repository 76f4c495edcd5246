"""What differs between a crop and its mirror image goes, what moves stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from fidgety.records import FloatArray, Pose
from fidgety.runtime.both_sides import Reading, mean_of_both_sides

BIAS = np.linspace(-4, 4, 66).reshape(33, 2)
Read = Callable[..., list[Reading]]


@pytest.fixture
def read(make_pose: Callable[..., Pose], lying_xy: FloatArray) -> Read:
    """Readings of an infant whose joints move as `movement` (T,) px; mirrored ones are off by BIAS to either side."""

    def readings(movement: Sequence[float], times_s: Sequence[float] | None = None, gain: float = 0.0) -> list[Reading]:
        times = np.arange(len(movement)) / 25 if times_s is None else times_s
        return [
            Reading(
                make_pose(
                    time_s,
                    lying_xy + (1 + side * gain) * moved + side * BIAS,
                    frame_index=i,
                ),
                side > 0,
            )
            for i, (time_s, moved) in enumerate(zip(times, movement, strict=True))
            for side in [1 if i % 2 else -1]
        ]

    return readings


def off(poses: Sequence[Pose], lying_xy: FloatArray, movement: Sequence[float]) -> np.ndarray:
    """(T,) largest error of any keypoint, px."""
    return np.array([np.abs(p.keypoints_xy - lying_xy - moved).max() for p, moved in zip(poses, movement, strict=True)])


def wave(rate_hz: float, n: int = 100, fps: float = 25.0) -> np.ndarray:
    return 6.0 * np.sin(2 * np.pi * rate_hz * np.arange(n) / fps)


def test_a_constant_difference_between_the_sides_goes_from_every_pose(read: Read, lying_xy: FloatArray) -> None:
    poses = list(mean_of_both_sides(read(np.zeros(20))))
    assert [pose.frame_index for pose in poses] == list(range(20))
    assert off(poses, lying_xy, np.zeros(20)).max() < 1e-3


@pytest.mark.parametrize(("rate_hz", "kept"), [(0.5, 0.999), (1.5, 0.99), (3.0, 0.975), (4.0, 0.94)])
def test_movement_keeps_its_size_and_comes_at_the_same_time(
    read: Read, lying_xy: FloatArray, rate_hz: float, kept: float
) -> None:
    movement = wave(rate_hz)
    poses = list(mean_of_both_sides(read(movement)))[2:-2]
    seen = np.array([pose.keypoints_xy[0, 0] - lying_xy[0, 0] for pose in poses])
    gain = seen @ movement[2:-2] / (movement[2:-2] @ movement[2:-2])
    assert kept <= gain <= 1.01
    assert off(poses, lying_xy, movement[2:-2]).max() < 6 * (1.02 - kept)


def test_a_gain_that_differs_between_the_sides_becomes_their_mean(read: Read, lying_xy: FloatArray) -> None:
    movement = wave(1.5)
    poses = list(mean_of_both_sides(read(movement, gain=0.2)))
    smooth = np.convolve([p.keypoints_xy[0, 0] - lying_xy[0, 0] for p in poses], [0.25, 0.5, 0.25], "same")[3:-3]
    assert smooth @ movement[3:-3] / (movement[3:-3] @ movement[3:-3]) == pytest.approx(1.0, abs=0.05)


def test_the_difference_is_known_again_where_a_frame_is_lost(read: Read, lying_xy: FloatArray) -> None:
    times_s = np.delete(np.arange(42) / 25, [20, 21])
    movement = 6.0 * np.sin(2 * np.pi * 1.0 * times_s)
    poses = list(mean_of_both_sides(read(movement, times_s)))
    assert off(poses, lying_xy, movement).max() < 0.15


def test_a_reading_of_the_same_side_or_a_missing_pose_begins_anew(
    read: Read, lying_xy: FloatArray, make_pose: Callable[..., Pose]
) -> None:
    readings = read(np.zeros(30))
    del readings[12]  # the 11th and the 13th are of one side
    readings[20] = Reading(make_pose(readings[20].pose.time_s, None, frame_index=21), False)
    poses = list(mean_of_both_sides(readings))
    assert [pose.frame_index for pose in poses] == [i for i in range(30) if i != 12]
    assert [pose.is_missing for pose in poses].index(True) == 20
    found = [pose for pose in poses if not pose.is_missing]
    assert off(found, lying_xy, np.zeros(28)).max() < 1e-3


def test_a_reading_that_leaps_spoils_no_other(read: Read, lying_xy: FloatArray) -> None:
    readings = read(np.zeros(20))
    wild = replace(readings[9].pose, keypoints_xy=800 - readings[9].pose.keypoints_xy)
    readings[9] = replace(readings[9], pose=wild)
    errors = off(list(mean_of_both_sides(readings)), lying_xy, np.zeros(20))
    assert errors[9] > 100
    assert np.delete(errors, 9).max() < 1e-3


def test_a_lone_pose_stays_as_it_was_read(read: Read) -> None:
    (reading,) = read([0.0])
    assert list(mean_of_both_sides([reading])) == [reading.pose]
    assert list(mean_of_both_sides([])) == []


def test_poses_come_two_readings_later(read: Read) -> None:
    given: list[int] = []

    def feed():  # type: ignore[no-untyped-def]
        for i, reading in enumerate(read(np.zeros(10))):
            yield reading
            assert len(given) == max(i - 1, 0)

    for pose in mean_of_both_sides(feed()):
        given.append(pose.frame_index)
    assert given == list(range(10))


def test_scores_and_world_points_belong_to_their_pose(read: Read) -> None:
    readings = [
        replace(one, pose=replace(one.pose, world_m=np.full((33, 3), 1.0 if one.is_mirrored else 0.0, np.float32)))
        for one in read(np.zeros(9))
    ]
    poses = list(mean_of_both_sides(readings))
    assert np.stack([pose.world_m for pose in poses]) == pytest.approx(0.5)
    assert all(np.array_equal(a.keypoint_scores, b.pose.keypoint_scores) for a, b in zip(poses, readings, strict=True))
