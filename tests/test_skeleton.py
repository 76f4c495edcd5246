from __future__ import annotations

import numpy as np
import pytest

from fidgety.records import FloatArray
from fidgety.skeleton import BLAZEPOSE_33, COCO_17, H36M_17, SKELETONS, Skeleton, trunk_px

ALL = [COCO_17, BLAZEPOSE_33, H36M_17]


@pytest.mark.parametrize(("skeleton", "n"), [(COCO_17, 17), (BLAZEPOSE_33, 33), (H36M_17, 17)])
def test_skeleton_size_and_unique_names(skeleton: Skeleton, n: int) -> None:
    assert len(skeleton) == n
    assert len(set(skeleton.keypoints)) == n
    assert SKELETONS[skeleton.name] is skeleton


@pytest.mark.parametrize("skeleton", ALL)
def test_mirror_twice_is_nothing_and_sides_change(skeleton: Skeleton) -> None:
    for i, j in enumerate(skeleton.mirror):
        assert skeleton.mirror[j] == i
        name = skeleton.keypoints[i]
        assert (i != j) == ("left" in name or "right" in name)
        assert skeleton.keypoints[j].replace("left", "right") == name.replace("left", "right")


def test_mirror_h36m_pairs_are_the_published_ones() -> None:
    left, right = (4, 5, 6, 11, 12, 13), (1, 2, 3, 14, 15, 16)
    assert [H36M_17.mirror[i] for i in left] == list(right)


def test_mirror_coco_pairs_are_neighbours() -> None:
    assert list(COCO_17.mirror) == [0, *(i + 1 if i % 2 else i - 1 for i in range(1, 17))]


@pytest.mark.parametrize("skeleton", ALL)
def test_bones_are_symmetric_and_point_at_keypoints(skeleton: Skeleton) -> None:
    bones = {frozenset(bone) for bone in skeleton.bones}
    mirrored = {frozenset(skeleton.mirror[i] for i in bone) for bone in bones}
    assert bones == mirrored
    assert all(len(bone) == 2 and max(bone) < len(skeleton) for bone in bones)


def test_h36m_bones_form_one_tree() -> None:
    reached = {0}
    for _ in H36M_17.bones:
        reached |= {j for bone in H36M_17.bones if reached & set(bone) for j in bone}
    assert reached == set(range(17))
    assert len(H36M_17.bones) == 16


def test_indices_in_the_order_asked_for() -> None:
    assert H36M_17.indices("right_wrist", "hip", "left_hip") == [16, 0, 4]
    with pytest.raises(KeyError):
        H36M_17.indices("left_ear")


def test_trunk_px_is_the_distance_from_shoulders_to_hips(lying_xy: FloatArray) -> None:
    ends = [
        lying_xy[list(BLAZEPOSE_33.indices(f"left_{joint}", f"right_{joint}"))].mean(axis=0)
        for joint in ("shoulder", "hip")
    ]
    assert trunk_px(lying_xy, BLAZEPOSE_33) == pytest.approx(np.hypot(*(ends[0] - ends[1])))
