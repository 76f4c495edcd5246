"""Other postures: bones keep their lengths, movement goes along, nothing goes through the mat."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.records import FloatArray
from fidgety.skeleton import COCO_17, H36M_17
from fidgety.training.lifting.pairs import Posed, simulate_posed
from fidgety.training.lifting.postures import LIMBS, in_other_posture


@pytest.fixture(scope="module")
def infant() -> Posed:
    return simulate_posed(1, 8.0, 3)[0]


def bends(joints_m: FloatArray) -> np.ndarray:
    """(4,) degrees between upper and lower part of each limb, at its mean posture."""
    found = []
    for limb in LIMBS:
        root, middle, end = (joints_m[:, H36M_17.index[joint]].mean(axis=0) for joint in limb)
        upper, lower = middle - root, end - middle
        found.append(np.degrees(np.arccos(upper @ lower / np.linalg.norm(upper) / np.linalg.norm(lower))))
    return np.array(found)


def test_in_other_posture_bones_keep_their_lengths(infant: Posed) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        moved = in_other_posture(rng, infant.keypoints_m, infant.joints_m)[1]
        for one, other in H36M_17.bones:
            before, after = (
                np.linalg.norm(joints[:, one] - joints[:, other], axis=-1) for joints in (infant.joints_m, moved)
            )
            assert after == pytest.approx(before, abs=1e-5)


def test_in_other_posture_keypoints_and_joints_stay_one_body(infant: Posed) -> None:
    keypoints, joints = in_other_posture(np.random.default_rng(2), infant.keypoints_m, infant.joints_m)
    shared = [name for name in COCO_17.keypoints if name in H36M_17.index and name != "nose"]
    assert np.array_equal(keypoints[:, COCO_17.indices(*shared)], joints[:, H36M_17.indices(*shared)])
    ends = {joint for limb in LIMBS for joint in limb[1:]}
    rest = [i for i, name in enumerate(H36M_17.keypoints) if name not in ends]
    assert np.array_equal(joints[:, rest], infant.joints_m[:, rest])


def test_in_other_posture_is_another_posture_above_the_mat(infant: Posed) -> None:
    rng = np.random.default_rng(3)
    drawn = [in_other_posture(rng, infant.keypoints_m, infant.joints_m)[1] for _ in range(60)]
    all_bends = np.array([bends(joints) for joints in drawn])
    assert (all_bends.std(axis=0) > 12).all()
    assert all_bends.min() > 1 and all_bends.max() < 155
    ends = [H36M_17.index[joint] for limb in LIMBS for joint in limb[1:]]
    moved = [(joints[:, ends] != infant.joints_m[:, ends]).any(axis=(0, 2)) for joints in drawn]
    assert 0.35 < np.mean(moved) < 0.65  # three in five limbs, less those that found no place
    lowest = np.array([joints[:, ends, 2].min(axis=0) for joints in drawn])
    assert (lowest[np.array(moved)] > 0.0).all()


def test_in_other_posture_some_limbs_are_on_their_way_smoothly(infant: Posed) -> None:
    """As against the infant's own movement, which goes along."""
    rng = np.random.default_rng(4)
    farthest, quickest = [], []
    for _ in range(60):
        joints = in_other_posture(rng, infant.keypoints_m, infant.joints_m)[1]
        turned = np.array([upper_turns(joints, limb) - upper_turns(infant.joints_m, limb) for limb in LIMBS])
        farthest.append(np.ptp(turned, axis=1))
        quickest.append(np.abs(np.diff(turned, axis=1)).max(axis=1))
    assert 0.1 < np.mean(np.array(farthest) > 20) < 0.35  # half of three in five, less those that hardly move
    assert np.max(quickest) < 20  # degrees a row: .6 s for 3 rad at the most


def upper_turns(joints_m: FloatArray, limb: tuple[str, ...]) -> np.ndarray:
    """(T,) degrees between a limb's upper bone and where it points in the first row."""
    upper = joints_m[:, H36M_17.index[limb[1]]] - joints_m[:, H36M_17.index[limb[0]]]
    upper = upper / np.linalg.norm(upper, axis=-1, keepdims=True)
    return np.asarray(np.degrees(np.arccos(np.clip(upper @ upper[0], -1, 1))))
