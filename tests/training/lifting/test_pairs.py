"""What the lifter learns from: keypoints and joints of one and the same moment, upright alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fidgety.phantom.camera import Camera
from fidgety.phantom.pose_noise import PoseNoise, assumed_pose_noise
from fidgety.skeleton import COCO_17, H36M_17
from fidgety.training.lifting.measure import aligned_error, side_share
from fidgety.training.lifting.pairs import Posed, draw_pairs, seen_trunk, simulate_posed

REACH = 30  # rows that a lifter looks ahead, and back
HIP, THORAX = H36M_17.indices("hip", "thorax")


@pytest.fixture(scope="module")
def infants() -> list[Posed]:
    return simulate_posed(3, 16.0, 7)


@pytest.fixture(scope="module")
def silent() -> PoseNoise:
    assumed = assumed_pose_noise()
    nothing = {name: 0.0 * getattr(assumed, name) for name in ("psd", "leak", "gain_sd", "offset_sd")}
    return replace(assumed, outlier_rate_hz=0.0, dropout_rate_hz=0.0, **nothing)


def test_draw_pairs_shapes_and_seed(infants: list[Posed]) -> None:
    first, again = (draw_pairs(np.random.default_rng(5), infants, 3, 10, assumed_pose_noise(), REACH) for _ in range(2))
    assert first.features.shape == (3, 10 + 2 * REACH, 51)
    assert first.in_plane.shape == (3, 10 + 2 * REACH, 17, 2)
    assert first.joints.shape == (3, 10, 17, 3)
    assert np.isfinite(first.features).all() and np.isfinite(first.joints).all()
    assert np.array_equal(first.features, again.features)


def test_draw_pairs_the_true_joints_stand_as_the_keypoints_do(infants: list[Posed], silent: PoseNoise) -> None:
    pairs = draw_pairs(np.random.default_rng(2), infants, 100, 20, silent, REACH)
    seen = pairs.in_plane[:, REACH:-REACH]
    is_known = (seen != 0).any(axis=-1)
    off = np.linalg.norm(seen - pairs.joints[..., :2], axis=-1)[is_known]
    assert np.median(off) < 0.1 and np.quantile(off, 0.95) < 0.6  # what perspective and tilt leave
    trunk = pairs.joints[:, :, THORAX] - pairs.joints[:, :, HIP]
    assert np.linalg.norm(trunk, axis=-1) == pytest.approx(1.0, abs=0.06)
    assert (trunk[..., 1] < -0.3).all() and np.abs(trunk[..., 0]).max() < 0.1  # -.34: seen from 70 degrees off
    assert (pairs.joints[:, :, HIP] == 0).all()


def test_draw_pairs_the_seen_trunk_is_what_movement_across_it_is_scaled_by() -> None:
    """A trunk before two slanting cameras, by hand: what tilt along it leaves of it."""
    joints_m = np.zeros((5, 17, 3), np.float32)
    joints_m[:, THORAX] = 0.0, 0.2, 0.0  # the head lies towards +y
    for azimuth_deg, length in ((0.0, np.cos(np.radians(40.0))), (90.0, 1.0)):
        camera = Camera.looking_at((0, 0, 0), distance_m=1000.0, tilt_deg=40.0, azimuth_deg=azimuth_deg)
        xy = camera.project(joints_m)[0]
        trunk = (xy[:, THORAX] - xy[:, HIP]) @ np.array([1, 1j])
        assert seen_trunk(camera, joints_m, trunk) == pytest.approx(length, abs=1e-3)
        assert seen_trunk(camera, joints_m, 1.1 * trunk) == pytest.approx(1.1 * length, abs=1e-3)
        assert np.isnan(seen_trunk(camera, joints_m, 0 * trunk)).all()


def test_draw_pairs_seen_trunk(infants: list[Posed], silent: PoseNoise) -> None:
    pairs = draw_pairs(np.random.default_rng(2), infants, 40, 20, silent, REACH)
    assert pairs.seen_trunk.shape == (40, 20)
    lies_flat = np.abs(pairs.joints[:, :, THORAX, 1]) > 0.99
    assert lies_flat.mean() > 0.2
    assert pairs.seen_trunk[lies_flat] == pytest.approx(1.0, abs=0.07)  # perspective
    assert pairs.seen_trunk.min() < 0.8


def test_draw_pairs_left_is_left(infants: list[Posed], silent: PoseNoise) -> None:
    pairs = draw_pairs(np.random.default_rng(3), infants, 8, 20, silent, REACH)
    flat = np.concatenate([pairs.in_plane[:, REACH:-REACH], np.zeros((8, 20, 17, 1))], axis=-1).reshape(-1, 17, 3)
    true = pairs.joints.reshape(-1, 17, 3).astype(np.float64)
    known = (flat[..., :2] != 0).any(axis=-1)[:, 1:].all(axis=1)
    assert side_share(flat[known], true[known]) > 0.85  # some limbs cross, some are misread; swapped ones give .1
    assert aligned_error(flat[known], true[known]).mean() < 0.4


def test_draw_pairs_what_is_misread_is_scored_low(infants: list[Posed], silent: PoseNoise) -> None:
    pairs = draw_pairs(np.random.default_rng(6), infants, 120, 20, silent, REACH)
    seen, true = pairs.in_plane[:, REACH:-REACH], pairs.joints[..., :2]
    score = pairs.features[:, REACH:-REACH].reshape(120, 20, 17, 3)[..., 2]
    shared = [(COCO_17.index[f"left_{joint}"], H36M_17.index[f"left_{joint}"]) for joint in ("wrist", "ankle")]
    for keypoint, joint in shared:
        off = np.linalg.norm(seen[:, :, joint] - true[:, :, joint], axis=-1)
        told = score[:, :, keypoint]
        assert np.median(off[(told > 0) & (told < 0.5)]) > 2 * np.median(off[told > 0.7])
