"""What MAM is trained on: the lifted tracks of several observers, window by window."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.phantom.kinematics import simulate_motion
from fidgety.phantom.pose_noise import assumed_pose_noise
from fidgety.skeleton import H36M_17
from fidgety.training.lifter_files import take_lifter
from fidgety.training.samples import subject_of
from fidgety.training.views import LifterGraph, Seen, see

SUBJECT = subject_of(simulate_motion(2, "continual", 24.0), np.zeros(4, dtype=np.float32))
HIP, THORAX, LEFT, RIGHT = H36M_17.indices("hip", "thorax", "left_shoulder", "right_shoulder")


@pytest.fixture(scope="module")
def lifter(tmp_path_factory: pytest.TempPathFactory) -> LifterGraph:
    return take_lifter(None, tmp_path_factory.mktemp("lifter")).graph


@pytest.fixture(scope="module")
def seen(lifter: LifterGraph) -> Seen:
    (one,) = see([SUBJECT], assumed_pose_noise(), lifter, 4, seed=3)
    return one


def test_see_gives_whole_tracks_that_differ_by_observer_and_repeat_by_seed(seen: Seen, lifter: LifterGraph) -> None:
    assert [track.shape for track in seen.tracks] == [(600, 17, 3)] * 4
    assert all(np.isfinite(track).all() for track in seen.tracks)
    assert np.abs(seen.tracks[0] - seen.tracks[2]).max() > 0.1
    (again,) = see([SUBJECT], assumed_pose_noise(), lifter, 4, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(seen.tracks, again.tracks, strict=True))


def test_see_shows_infants_and_mirrored_ones_that_face_the_camera(seen: Seen) -> None:
    for track in seen.tracks:
        trunk, across = track[:, THORAX] - track[:, HIP], track[:, LEFT] - track[:, RIGHT]
        assert np.median(np.linalg.norm(trunk, axis=-1)) == pytest.approx(1.0, abs=0.2)
        towards = trunk[:, 0] * across[:, 1] - trunk[:, 1] * across[:, 0]  # y down: left of the trunk as seen
        assert (towards > 0).mean() > 0.95


def test_seen_instances_are_one_observers_windows_in_order(seen: Seen) -> None:
    windows = seen.instances(np.random.default_rng(1))
    assert windows.shape == (3, 240, 17, 3) and windows.dtype == np.float32
    assert np.array_equal(windows[0, 150:], windows[1, :90])
    assert seen.instances(np.random.default_rng(1), n_instances=7).shape[0] == 7


def test_seen_clip_is_the_window_of_any_observer(seen: Seen) -> None:
    rng = np.random.default_rng(1)
    clips = [seen.clip(rng, 100) for _ in range(12)]
    assert len({clip.tobytes() for clip in clips}) == 4
    assert all(any(np.array_equal(clip, track[100:340]) for track in seen.tracks) for clip in clips)
