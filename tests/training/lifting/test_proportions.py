"""Other builds: the same angles and trunk, other lengths, alike on both sides."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fidgety.records import FloatArray
from fidgety.skeleton import COCO_17, H36M_17
from fidgety.training.lifting.pairs import Posed, simulate_posed
from fidgety.training.lifting.postures import LIMBS
from fidgety.training.lifting.proportions import in_other_proportions

HIP, THORAX = H36M_17.indices("hip", "thorax")


@pytest.fixture(scope="module")
def infant() -> Posed:
    return simulate_posed(1, 8.0, 3)[0]


def bone(joints: FloatArray, one: str, other: str) -> np.ndarray:
    return np.asarray(joints[:, H36M_17.index[other]] - joints[:, H36M_17.index[one]], np.float64)


def test_in_other_proportions_bones_point_where_they_did(infant: Posed) -> None:
    built = in_other_proportions(np.random.default_rng(1), infant.keypoints_m, infant.joints_m)[1]
    for limb in LIMBS:
        for one, other in pairwise(limb):
            before, after = bone(infant.joints_m, one, other), bone(built, one, other)
            ratio = np.linalg.norm(after, axis=-1) / np.linalg.norm(before, axis=-1)
            assert np.ptp(ratio) < 1e-4  # one factor for all rows
            assert np.allclose(after, before * ratio[:, None], atol=1e-6)
    assert np.allclose(bone(built, "hip", "thorax"), bone(infant.joints_m, "hip", "thorax"), atol=1e-6)


def test_in_other_proportions_both_sides_are_alike(infant: Posed) -> None:
    built = in_other_proportions(np.random.default_rng(2), infant.keypoints_m, infant.joints_m)[1]
    for one, other in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
        left, right = (
            np.linalg.norm(bone(built, f"{side}_{one}", f"{side}_{other}"), axis=-1)
            / np.linalg.norm(bone(infant.joints_m, f"{side}_{one}", f"{side}_{other}"), axis=-1)
            for side in ("left", "right")
        )
        assert left == pytest.approx(right, abs=1e-4)


def test_in_other_proportions_keypoints_and_joints_stay_one_body(infant: Posed) -> None:
    keypoints, joints = in_other_proportions(np.random.default_rng(3), infant.keypoints_m, infant.joints_m)
    shared = [name for limb in LIMBS for name in limb]
    assert np.array_equal(keypoints[:, COCO_17.indices(*shared)], joints[:, H36M_17.indices(*shared)])
    middle = joints[:, H36M_17.indices("left_shoulder", "right_shoulder")].mean(axis=1)
    assert np.allclose(middle, joints[:, THORAX], atol=1e-6)
    assert np.allclose(keypoints[:, COCO_17.index["nose"]], joints[:, H36M_17.index["nose"]], atol=1e-6)


def test_in_other_proportions_every_row_of_its_own_or_all_alike(infant: Posed) -> None:
    n = len(infant.joints_m)
    apart = in_other_proportions(np.random.default_rng(4), infant.keypoints_m, infant.joints_m, n)[1]
    hips = np.linalg.norm(bone(apart, "left_hip", "right_hip"), axis=-1)
    widest = np.linalg.norm(bone(infant.joints_m, "left_hip", "right_hip"), axis=-1).max()
    assert hips.min() < 0.6 * widest and hips.max() > 1.2 * widest
    assert len(np.unique(hips.round(6))) > 0.9 * n
