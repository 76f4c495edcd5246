"""Whole tracks of simulated infants through the demo's lifter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fidgety.errors import BundleError
from fidgety.phantom.kinematics import coco17, h36m17, simulate_motion
from fidgety.phantom.observe import draw_observer, mirror_points, observe_keypoints
from fidgety.phantom.pose_noise import assumed_pose_noise
from fidgety.skeleton import COCO_17, H36M_17
from fidgety.training.lifting.graph import lift_keypoints, open_lifter

HIP, THORAX, LEFT, RIGHT = H36M_17.indices("hip", "thorax", "left_shoulder", "right_shoulder")


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_lift_keypoints_gives_whole_tracks_of_infants_that_face_the_camera(is_mirrored: bool) -> None:
    motion, rng = simulate_motion(2, "continual", 24.0), np.random.default_rng(3)
    keypoints_m, joints_m = coco17(motion), h36m17(motion)
    if is_mirrored:
        keypoints_m, joints_m = mirror_points(keypoints_m, COCO_17), mirror_points(joints_m, H36M_17)
    observer = draw_observer(rng, joints_m, assumed_pose_noise())
    track = lift_keypoints(observe_keypoints(keypoints_m, joints_m, observer, rng), open_lifter())
    assert track.shape == (600, 17, 3) and np.isfinite(track).all()
    trunk, across = track[:, THORAX] - track[:, HIP], track[:, LEFT] - track[:, RIGHT]
    assert np.median(np.linalg.norm(trunk, axis=-1)) == pytest.approx(1.0, abs=0.2)
    towards = trunk[:, 0] * across[:, 1] - trunk[:, 1] * across[:, 0]  # y down: left of the trunk as seen
    assert (towards > 0).mean() > 0.95


def test_open_lifter_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no lifter"):
        open_lifter(tmp_path)
