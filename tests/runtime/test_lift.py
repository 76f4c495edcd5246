from __future__ import annotations

import numpy as np
import pytest

from fidgety.records import FloatArray, PoseTrack
from fidgety.runtime.lift import lift_track
from fidgety.skeleton import BLAZEPOSE_33, COCO_17, H36M_17, Skeleton, joints_matrix


def track_of(skeleton: Skeleton, xy: FloatArray, depth: FloatArray | None = None) -> PoseTrack:
    n, k = xy.shape[:2]
    return PoseTrack(
        skeleton.name,
        25.0,
        0,
        np.asarray(xy, np.float32),
        np.ones((n, k), np.float32),
        np.full((n, k), np.nan, np.float32) if depth is None else np.asarray(depth, np.float32),
        np.ones(n, bool),
    )


@pytest.fixture
def moving(lying_xy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ten frames of (33, 2) keypoints that wander, and their depth."""
    rng = np.random.default_rng(0)
    return lying_xy + rng.normal(0, 5, (10, 33, 2)), rng.normal(0, 30, (10, 33))


@pytest.mark.parametrize("skeleton", [BLAZEPOSE_33, COCO_17])
def test_joints_matrix_rows_are_means(skeleton: Skeleton) -> None:
    matrix = joints_matrix(skeleton)
    assert matrix.shape == (17, len(skeleton))
    assert matrix.sum(axis=1) == pytest.approx(1.0)
    assert (matrix >= 0).all()


def test_lift_track_joints_lie_where_their_names_say(moving: tuple[FloatArray, FloatArray]) -> None:
    xy, depth = moving
    joints = lift_track(track_of(BLAZEPOSE_33, xy, depth))
    assert joints.shape == (10, 17, 3) and joints.dtype == np.float32
    index, joint = BLAZEPOSE_33.index, H36M_17.index
    wrist = np.c_[xy[:, index["left_wrist"]], depth[:, index["left_wrist"]]]
    assert joints[:, joint["left_wrist"]] == pytest.approx(wrist, abs=1e-3)
    hips = (xy[:, index["left_hip"]] + xy[:, index["right_hip"]]) / 2
    assert joints[:, joint["hip"], :2] == pytest.approx(hips, abs=1e-3)
    spine = (joints[:, joint["hip"]] + joints[:, joint["thorax"]]) / 2
    assert joints[:, joint["spine"]] == pytest.approx(spine, abs=1e-3)


def test_lift_track_mirrored_infant_gives_mirrored_joints(moving: tuple[FloatArray, FloatArray]) -> None:
    xy, depth = moving
    joints = lift_track(track_of(BLAZEPOSE_33, xy, depth))
    mirror = list(BLAZEPOSE_33.mirror)
    flipped = lift_track(track_of(BLAZEPOSE_33, xy[:, mirror] * np.array([-1, 1]), depth[:, mirror]))
    assert flipped == pytest.approx(joints[:, list(H36M_17.mirror)] * np.array([-1, 1, 1]), abs=1e-3)


def test_lift_track_shift_and_scale_go_through(moving: tuple[FloatArray, FloatArray]) -> None:
    xy, depth = moving
    joints = lift_track(track_of(BLAZEPOSE_33, xy, depth))
    moved = lift_track(track_of(BLAZEPOSE_33, 2 * xy + np.array([30, -7]), 2 * depth))
    assert moved == pytest.approx(2 * joints + np.array([30, -7, 0]), abs=2e-3)


def test_lift_track_coco_and_blazepose_agree(moving: tuple[FloatArray, FloatArray]) -> None:
    xy, _ = moving
    coco = xy[:, BLAZEPOSE_33.indices(*COCO_17.keypoints)]
    assert lift_track(track_of(COCO_17, coco)) == pytest.approx(lift_track(track_of(BLAZEPOSE_33, xy)))


def test_lift_track_without_depth_stays_in_the_picture_plane(moving: tuple[FloatArray, FloatArray]) -> None:
    assert (lift_track(track_of(BLAZEPOSE_33, moving[0]))[..., 2] == 0).all()


def test_lift_track_unseen_keypoint_takes_only_the_joints_that_need_it(
    moving: tuple[FloatArray, FloatArray],
) -> None:
    xy, depth = moving
    xy = xy.copy()
    xy[3, BLAZEPOSE_33.index["left_shoulder"]] = np.nan
    xy[4, BLAZEPOSE_33.index["left_pinky"]] = np.nan
    is_nan = np.isnan(lift_track(track_of(BLAZEPOSE_33, xy, depth))).any(axis=-1)
    assert {H36M_17.keypoints[j] for j in np.flatnonzero(is_nan[3])} == {"left_shoulder", "thorax", "spine"}
    assert np.flatnonzero(is_nan.any(axis=1)).tolist() == [3]
