"""Bones and joints turn into each other; the spine stays in the middle of the trunk."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.runtime.lifter_form import BONES, bone_sums, bone_vectors
from fidgety.skeleton import H36M_17

HIP, SPINE, THORAX = H36M_17.indices("hip", "spine", "thorax")


@pytest.fixture
def rooted() -> np.ndarray:
    """(17, 3) joints about the hip, the spine half way up."""
    joints = np.random.default_rng(1).normal(0, 1, (17, 3))
    joints -= joints[HIP]
    joints[SPINE] = joints[THORAX] / 2
    return joints


def test_bone_sums_undo_bone_vectors(rooted: np.ndarray) -> None:
    assert bone_sums() @ (bone_vectors() @ rooted) == pytest.approx(rooted, abs=1e-6)


def test_bone_vectors_are_far_end_less_near_end(rooted: np.ndarray) -> None:
    bones = bone_vectors() @ rooted
    assert len(bones) == len(BONES) == 15
    for bone, (near, far) in zip(bones, BONES, strict=True):
        assert bone == pytest.approx(rooted[far] - rooted[near])


def test_bone_sums_only_bones_on_the_way_count() -> None:
    knee, wrist = H36M_17.indices("left_knee", "right_wrist")
    on_the_way = {(BONES[i][0], BONES[i][1]) for i in np.flatnonzero(bone_sums()[knee])}
    assert on_the_way == {(HIP, H36M_17.index["left_hip"]), (H36M_17.index["left_hip"], knee)}
    assert np.count_nonzero(bone_sums()[wrist]) == 4  # trunk, shoulder, upper arm, forearm
    assert bone_sums()[SPINE].tolist() == (bone_sums()[THORAX] / 2).tolist()
