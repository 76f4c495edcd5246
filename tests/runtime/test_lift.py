"""The demo lifter behind its seam: rows in, rows out, whichever way the infant lies and however the rows come."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fidgety.bundle import LifterSettings
from fidgety.demo_files import demo_file
from fidgety.errors import BundleError
from fidgety.records import FloatArray, LiftedTrack, PoseTrack
from fidgety.runtime.lift import TrackLifter, lift_tracks
from fidgety.skeleton import BLAZEPOSE_33, COCO_17, H36M_17, Skeleton, joints_matrix
from fidgety.training.lifting.graph import LifterGraph, open_lifter

HIP, THORAX = H36M_17.indices("hip", "thorax")


@pytest.fixture(scope="module")
def lifter() -> LifterGraph:
    return open_lifter()


def track_of(skeleton: Skeleton, xy: FloatArray, first: int = 0) -> PoseTrack:
    n = len(xy)
    points = np.asarray(xy, np.float32)
    scores = np.where(np.isfinite(points[..., 0]), np.float32(0.9), np.float32(0.0))
    return PoseTrack(skeleton.name, 25.0, first, points, scores, np.ones(n, bool))


def lift(lifter: LifterGraph, *pieces: PoseTrack) -> LiftedTrack:
    lifted = list(lift_tracks(pieces, TrackLifter(lifter.path, lifter.settings)))
    return LiftedTrack(*(np.concatenate([getattr(p, name) for p in lifted]) for name in LiftedTrack.__slots__))


@pytest.fixture
def moving(lying_xy: FloatArray) -> FloatArray:
    """(160, 33, 2) px: an infant that lies and wanders slowly, its arms waving at 1.5 Hz by 8 mm."""
    time_s = np.arange(160)[:, None, None] / 25
    drift = 3 * np.sin(2 * np.pi * 0.2 * time_s + np.arange(33)[:, None])
    xy = np.repeat(lying_xy[None], 160, axis=0) + drift
    arms = BLAZEPOSE_33.indices("left_wrist", "right_wrist")
    xy[:, arms] += 8 * np.sin(2 * np.pi * 1.5 * time_s)
    return xy.astype(np.float32)


@pytest.mark.parametrize("skeleton", [BLAZEPOSE_33, COCO_17])
def test_joints_matrix_rows_are_means(skeleton: Skeleton) -> None:
    matrix = joints_matrix(skeleton)
    assert matrix.shape == (17, len(skeleton))
    assert matrix.sum(axis=1) == pytest.approx(1.0)
    assert (matrix >= 0).all()


def test_lift_tracks_gives_every_row_once_in_trunk_lengths_from_the_hip(
    lifter: LifterGraph, moving: FloatArray
) -> None:
    lifted = lift(lifter, track_of(BLAZEPOSE_33, moving))
    assert lifted.joints.shape == (160, 17, 3) and lifted.joints.dtype == np.float32
    assert lifted.joints_xy == pytest.approx(joints_matrix(BLAZEPOSE_33) @ moving, abs=1e-3)
    assert np.abs(lifted.joints[:, HIP]).max() < 0.1
    trunk = np.linalg.norm(lifted.joints[:, THORAX] - lifted.joints[:, HIP], axis=-1)
    assert np.median(trunk) == pytest.approx(1.0, abs=0.15)
    plane = (lifted.joints_xy - lifted.joints_xy[:, HIP, None]) / 190  # the trunk is 190 px long
    assert np.abs(lifted.joints[..., :2] - plane).max() < 0.35
    assert lifted.joints[..., 2].std() > 0.02  # it is not flat


def test_lift_tracks_any_chunking_gives_the_same(lifter: LifterGraph, moving: FloatArray) -> None:
    whole = lift(lifter, track_of(BLAZEPOSE_33, moving))
    cuts = [0, 1, 40, 47, 130, 160]
    pieces = [track_of(BLAZEPOSE_33, moving[a:b], a) for a, b in pairwise(cuts)]
    cut = lift(lifter, *pieces)
    assert cut.joints == pytest.approx(whole.joints, abs=1e-5)
    assert np.array_equal(cut.joints_xy, whole.joints_xy)


def test_lift_tracks_rows_that_are_kept_hold_nothing_else(lifter: LifterGraph, moving: FloatArray) -> None:
    """One row at a time, as a camera gives them: no piece is empty, none is a view of more than itself."""
    rows = (track_of(BLAZEPOSE_33, moving[i : i + 1], i) for i in range(160))
    lifted = list(lift_tracks(rows, TrackLifter(lifter.path, lifter.settings)))
    assert all(len(piece.joints) > 0 for piece in lifted)
    assert all(array.base is None for piece in lifted for array in (piece.joints_xy, piece.is_observed))


@pytest.mark.parametrize(("turn_deg", "scale"), [(90, 1.0), (180, 0.5), (37, 2.0)])
def test_lift_tracks_turn_and_size_in_the_picture_go_through(
    lifter: LifterGraph, moving: FloatArray, turn_deg: float, scale: float
) -> None:
    cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    turn = np.array([[cos, -sin], [sin, cos]])
    upright = lift(lifter, track_of(BLAZEPOSE_33, moving)).joints
    turned = lift(lifter, track_of(BLAZEPOSE_33, scale * moving @ turn.T + np.array([30, -7]))).joints
    assert turned[..., :2] == pytest.approx(upright[..., :2] @ turn.T, abs=2e-4)
    assert turned[..., 2] == pytest.approx(upright[..., 2], abs=2e-4)


def test_lift_tracks_fidgety_movement_keeps_its_size(lifter: LifterGraph, moving: FloatArray) -> None:
    lifted = lift(lifter, track_of(BLAZEPOSE_33, moving))
    wrist = H36M_17.index["left_wrist"]
    wave = np.exp(-2j * np.pi * 1.5 * np.arange(150) / 25)  # nine periods
    size = abs(wave @ lifted.joints[:150, wrist, 0]) * 2 / 150
    assert size == pytest.approx(8 / 190, rel=0.2)


def test_lift_tracks_coco_and_blazepose_agree(lifter: LifterGraph, moving: FloatArray) -> None:
    coco = moving[:, BLAZEPOSE_33.indices(*COCO_17.keypoints)]
    joints = lift(lifter, track_of(COCO_17, coco)).joints
    assert joints == pytest.approx(lift(lifter, track_of(BLAZEPOSE_33, moving)).joints, abs=1e-6)


def test_lift_tracks_unseen_keypoint_takes_only_the_joints_that_need_it(
    lifter: LifterGraph, moving: FloatArray
) -> None:
    moving[3, BLAZEPOSE_33.index["left_shoulder"]] = np.nan
    moving[4, BLAZEPOSE_33.index["left_pinky"]] = np.nan
    track = track_of(BLAZEPOSE_33, moving)
    observed = np.ones(160, bool)
    observed[7] = False
    lifted = lift(lifter, replace(track, is_observed=observed))
    is_nan = np.isnan(lifted.joints).any(axis=-1)
    assert {H36M_17.keypoints[j] for j in np.flatnonzero(is_nan[3])} == {"left_shoulder", "thorax", "spine"}
    assert np.flatnonzero(is_nan.any(axis=1)).tolist() == [3]
    assert np.flatnonzero(~lifted.is_observed).tolist() == [7]


@pytest.mark.parametrize("n_gap", [0, 20])
def test_lift_tracks_infant_laid_down_the_other_way_round_keeps_its_size(
    lifter: LifterGraph, moving: FloatArray, n_gap: int
) -> None:
    before = np.concatenate([moving, moving])
    gap = np.full((n_gap, 33, 2), np.nan, np.float32)
    lifted = lift(lifter, track_of(BLAZEPOSE_33, np.concatenate([before, gap, 800 - before])))
    missing = np.flatnonzero(np.isnan(lifted.joints).any(axis=(1, 2)))
    assert missing.tolist() == list(range(320, 320 + max(n_gap, 6)))  # a window across it is void
    assert np.nanmax(np.abs(lifted.joints)) < 3.0
    there = lifted.joints[320 + n_gap + 100 : -100]  # beyond the lifter's reach
    back = there * np.array([-1, -1, 1], np.float32)
    assert back == pytest.approx(lifted.joints[100 : 100 + len(back)], abs=0.02)
    assert np.isfinite(lifted.joints_xy[320 + n_gap :]).all()  # it was seen all the same


def test_lift_tracks_hips_that_are_not_seen_leave_nothing_to_hold_on_to(
    lifter: LifterGraph, moving: FloatArray
) -> None:
    moving[50:53, BLAZEPOSE_33.index["left_hip"]] = np.nan
    lifted = lift(lifter, track_of(BLAZEPOSE_33, moving))
    assert np.flatnonzero(np.isnan(lifted.joints).all(axis=(1, 2))).tolist() == [50, 51, 52]


def test_lift_tracks_of_nobody_invents_nobody(lifter: LifterGraph) -> None:
    lifted = lift(lifter, track_of(BLAZEPOSE_33, np.full((90, 33, 2), np.nan)))
    assert len(lifted.joints) == 90 and np.isnan(lifted.joints).all()


def test_track_lifter_refuses_a_graph_of_another_shape(lifter: LifterGraph) -> None:
    with pytest.raises(BundleError, match=r"lifter\.onnx"):
        TrackLifter(demo_file("lifter.onnx"), LifterSettings("lifter.onnx", lifter.settings.channels + 1, (1, 3)))
