"""The simulated pose network: geometry without errors, errors without geometry."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from fidgety.phantom.kinematics import coco17, h36m17, simulate_motion
from fidgety.phantom.observe import Observer, draw_observer, mirror_points, observe_keypoints
from fidgety.phantom.pose_noise import PoseNoise, assumed_pose_noise
from fidgety.records import FloatArray
from fidgety.runtime.track import BAND_WEIGHTS
from fidgety.skeleton import COCO_17, H36M_17

MOTION = simulate_motion(7, "continual", 12.0)


@pytest.fixture(scope="module")
def joints_m() -> FloatArray:
    return h36m17(MOTION)


@pytest.fixture(scope="module")
def keypoints_m() -> FloatArray:
    return coco17(MOTION)


def _silent() -> PoseNoise:
    """Pose noise without any error: all zero, gains 1."""
    assumed = assumed_pose_noise()
    zero = {f.name: 0.0 * getattr(assumed, f.name) for f in fields(PoseNoise)}
    ones = np.ones(17, dtype=np.float32)
    kept = {"frequency_hz": assumed.frequency_hz, "correlation": assumed.correlation}
    return PoseNoise(**(zero | kept | {"gain_mean": ones}))


def _perfect(joints_m: FloatArray, seed: int = 0) -> Observer:
    return draw_observer(np.random.default_rng(seed), joints_m, _silent())


def test_observe_keypoints_without_errors_is_the_smoothed_projection(
    keypoints_m: FloatArray, joints_m: FloatArray
) -> None:
    observer = _perfect(joints_m)
    seen = observe_keypoints(keypoints_m, joints_m, observer, np.random.default_rng(1))
    true = observer.camera.project(keypoints_m)[0]
    reach = len(BAND_WEIGHTS) // 2
    smooth = np.stack(
        [np.tensordot(BAND_WEIGHTS, true[i - reach : i + reach + 1], 1) for i in range(reach, len(true) - reach)]
    )
    assert np.abs(seen[reach:-reach] - smooth).max() < 0.02
    assert seen.dtype == np.float32 and seen.shape == (*joints_m.shape[:2], 2)


def test_observe_keypoints_scales_movement_by_the_gain(keypoints_m: FloatArray, joints_m: FloatArray) -> None:
    observer = _perfect(joints_m)
    half = replace(observer, gain=0.5 * observer.gain)
    wrist = COCO_17.index["left_wrist"]
    seen = [
        observe_keypoints(keypoints_m, joints_m, o, np.random.default_rng(1))[:, wrist, 0] for o in (observer, half)
    ]
    assert seen[1].std() / seen[0].std() == pytest.approx(0.5, abs=0.01)


def test_observe_keypoints_bridges_dropouts_with_straight_lines(keypoints_m: FloatArray, joints_m: FloatArray) -> None:
    observer = replace(_perfect(joints_m), dropout_rate_hz=0.5)
    seen = observe_keypoints(keypoints_m, joints_m, observer, np.random.default_rng(4), weights=(1.0,))
    true = observer.camera.project(keypoints_m)[0]
    changed = np.abs(seen - true).max(axis=(1, 2)) > 0.01
    assert 1 <= changed.sum() < 60
    assert np.isfinite(seen).all()


def test_observe_keypoints_throws_single_joints_off(keypoints_m: FloatArray, joints_m: FloatArray) -> None:
    noise = replace(_silent(), outlier_size=0.2)
    observer = replace(_perfect(joints_m), noise=noise, outlier_rate_hz=0.05)
    seen = observe_keypoints(keypoints_m, joints_m, observer, np.random.default_rng(5), weights=(1.0,))
    off = np.abs(seen - observer.camera.project(keypoints_m)[0]).max(axis=2) > 1.0
    assert 1 <= off.sum() < 120
    assert off.sum(axis=1).max() <= 3  # not the whole body at once


def test_draw_observer_varies_and_repeats_by_seed(joints_m: FloatArray) -> None:
    noise = assumed_pose_noise()
    one, again, other = (draw_observer(np.random.default_rng(s), joints_m, noise) for s in (1, 1, 2))
    assert one.camera == again.camera != other.camera


def test_mirror_points_twice_is_the_infant_itself(joints_m: FloatArray) -> None:
    mirrored = mirror_points(joints_m, H36M_17)
    left, right = H36M_17.indices("left_wrist", "right_wrist")
    assert np.array_equal(mirrored[:, left, 1:], joints_m[:, right, 1:])
    assert np.array_equal(mirrored[:, left, 0], -joints_m[:, right, 0])
    assert np.array_equal(mirror_points(mirrored, H36M_17), joints_m)


def test_observe_keypoints_refuses_other_shapes(joints_m: FloatArray) -> None:
    with pytest.raises(ValueError, match="expected"):
        observe_keypoints(joints_m[:, :5], joints_m, _perfect(joints_m), np.random.default_rng(0))


def test_observe_keypoints_turns_the_lasting_error_with_the_infant(
    keypoints_m: FloatArray, joints_m: FloatArray
) -> None:
    """The nose is read .2 trunk lengths too high on the body, whichever way that points in the picture."""
    offset = np.zeros((17, 2), np.float32)
    offset[H36M_17.index["nose"]] = (0.0, -0.2)
    hip, thorax = H36M_17.indices("hip", "thorax")
    for seed in range(3):  # another roll of the camera each
        observer = _perfect(joints_m, seed)
        seen, off = (
            observe_keypoints(keypoints_m, joints_m, one, np.random.default_rng(0), weights=(1.0,))
            for one in (observer, replace(observer, offset=offset))
        )
        joints = observer.camera.project(joints_m)[0]
        trunk = np.median(joints[:, thorax] - joints[:, hip], axis=0)
        moved = (off - seen)[:, COCO_17.index["nose"]]
        assert moved == pytest.approx(np.broadcast_to(0.2 * trunk, moved.shape), rel=0.15, abs=1.5)
