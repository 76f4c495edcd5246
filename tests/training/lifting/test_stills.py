"""Single poses: seen and true stand alike, what is hidden is masked, and every one is another infant."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.phantom.pose_noise import assumed_pose_noise
from fidgety.skeleton import COCO_17, H36M_17, TRUNK
from fidgety.training.lifting.measure import aligned_error
from fidgety.training.lifting.pairs import Pairs, simulate_posed
from fidgety.training.lifting.stills import Stills

HIP, THORAX = H36M_17.indices("hip", "thorax")
FACE = COCO_17.indices("nose", "left_eye", "right_eye", "left_ear", "right_ear")


@pytest.fixture(scope="module")
def stills() -> Stills:
    return Stills(np.random.default_rng(1), simulate_posed(3, 8.0, 7), 60)


@pytest.fixture(scope="module")
def poses(stills: Stills) -> Pairs:
    return stills.draw(np.random.default_rng(2), 50, assumed_pose_noise())


def test_stills_shapes_and_seed(stills: Stills, poses: Pairs) -> None:
    assert (poses.features.shape, poses.in_plane.shape, poses.joints.shape) == ((400, 51), (400, 17, 2), (400, 17, 3))
    again = stills.draw(np.random.default_rng(2), 50, assumed_pose_noise())
    assert np.array_equal(again.features, poses.features)
    assert len(np.unique(poses.features, axis=0)) == 400


def test_stills_the_true_joints_stand_as_the_seen_ones_do(poses: Pairs) -> None:
    trunk = poses.joints[:, THORAX] - poses.joints[:, HIP]
    assert np.linalg.norm(trunk, axis=-1) == pytest.approx(1.0, abs=1e-3)
    assert (trunk[:, 1] < -0.3).all()  # foreshortened by 70 degrees of tilt at most, and never upside down
    assert (poses.joints[:, HIP] == 0).all()
    is_whole = (poses.in_plane != 0).any(axis=-1)[:, 1:].all(axis=1)
    flat = np.concatenate([poses.in_plane, np.zeros((*poses.in_plane.shape[:2], 1))], axis=-1).astype(np.float64)
    true = poses.joints.astype(np.float64)
    assert 100 < is_whole.sum() < 350
    assert np.median(aligned_error(flat[is_whole], true[is_whole])) < 0.35


def test_stills_the_seen_trunk_is_learnt_from_cameras_that_recordings_are_asked_for(poses: Pairs) -> None:
    is_known = np.isfinite(poses.seen_trunk)
    assert 0.5 < is_known.mean() < 0.8  # of tilts evenly to 70 degrees those up to 45
    upright = -poses.joints[:, THORAX, 1]
    assert upright[is_known].min() > 0.6 and upright[~is_known].min() < 0.6
    assert np.median(np.abs(poses.seen_trunk - upright)[is_known]) < 0.06


def test_stills_hide_faces_and_limbs_and_never_the_trunk(poses: Pairs) -> None:
    score = poses.features.reshape(400, 17, 3)[..., 2]
    assert (score[:, COCO_17.indices(*TRUNK)] > 0).all()
    assert 0.3 < (score[:, FACE] == 0).all(axis=1).mean() < 0.5
    for limb in (("left_elbow", "left_wrist"), ("right_knee", "right_ankle")):
        assert 0.03 < (score[:, COCO_17.indices(*limb)] == 0).all(axis=1).mean() < 0.15
    assert (poses.features.reshape(400, 17, 3)[score == 0] == 0).all()
