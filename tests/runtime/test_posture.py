from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest

from fidgety.records import FloatArray, Pose
from fidgety.runtime.posture import PostureMonitor
from fidgety.skeleton import BLAZEPOSE_33, COCO_17

PoseMaker = Callable[..., Pose]
SIZE = (800, 800)
INDEX = BLAZEPOSE_33.index


def measure(poses: Iterable[Pose], size_px: tuple[int, int] | None = SIZE) -> dict[str, float | None]:
    monitor = PostureMonitor(BLAZEPOSE_33)
    for pose in poses:
        monitor.observe(pose, size_px)
    return monitor.measures()


def turned(xy: FloatArray, angle_rad: float) -> FloatArray:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return (xy - 400) @ np.array([[cos, sin], [-sin, cos]]) + 400


@pytest.fixture
def still(make_pose: PoseMaker, lying_xy: FloatArray) -> Callable[..., list[Pose]]:
    """still(keypoints or None): fifty poses of one posture at 25 fps."""

    def build(xy: FloatArray | None = None, n: int = 50, **told: object) -> list[Pose]:
        return [make_pose(i / 25, lying_xy if xy is None else xy, frame_index=i, **told) for i in range(n)]

    return build


Still = Callable[..., list[Pose]]


def test_measures_nothing_seen_is_none_not_zero() -> None:
    measures = measure([])
    assert measures["infant_share"] is None and measures["jitter_mm"] is None and measures["source_fps"] is None


def test_measures_lying_infant(still: Still) -> None:
    measures = measure(still())
    assert measures["infant_share"] == measures["supine_share"] == 1.0
    assert measures["limb_coverage"] == measures["distal_coverage"] == 1.0
    assert measures["outside_share"] == measures["travel_trunks"] == measures["lost_frame_share"] == 0.0
    assert measures["source_fps"] == pytest.approx(25.0)
    assert measures["trunk_px"] == pytest.approx(190.0)
    assert 0.9 < (measures["leg_to_trunk"] or 0) < 1.3
    assert measures["jitter_mm"] == pytest.approx(0.0, abs=1e-3)
    assert measures["other_share"] is None


@pytest.mark.parametrize("angle_rad", np.linspace(0, 2 * np.pi, 9)[:-1])
def test_measures_on_its_back_any_way_round(still: Still, lying_xy: FloatArray, angle_rad: float) -> None:
    measures = measure(still(turned(lying_xy, angle_rad)))
    assert measures["supine_share"] == 1.0
    assert measures["leg_to_trunk"] == pytest.approx(measure(still())["leg_to_trunk"], rel=1e-4)


@pytest.mark.parametrize("angle_rad", [0.0, 1.0, 2.5, -2.0])
def test_measures_prone_infant_shows_left_on_the_other_side(
    still: Still, lying_xy: FloatArray, angle_rad: float
) -> None:
    prone = lying_xy * np.array([-1, 1]) + np.array([800, 0])
    assert measure(still(turned(prone, angle_rad)))["supine_share"] == 0.0


def test_measures_infant_on_its_side_is_not_supine(still: Still, lying_xy: FloatArray) -> None:
    on_its_side = (lying_xy - 400) * np.array([0.1, 1]) + 400
    assert measure(still(on_its_side))["supine_share"] == 0.0


def test_measures_hidden_face_is_not_supine(still: Still) -> None:
    def hide_face(pose: Pose) -> Pose:
        scores = pose.keypoint_scores.copy()
        scores[BLAZEPOSE_33.indices("nose", "left_eye", "right_eye")] = 0.2
        return replace(pose, keypoint_scores=scores)

    assert measure(map(hide_face, still()))["supine_share"] == 0.0


def test_measures_rolling_over_half_way_counts_half(still: Still, lying_xy: FloatArray) -> None:
    prone = lying_xy * np.array([-1, 1]) + np.array([800, 0])
    assert measure([*still(), *still(prone)])["supine_share"] == pytest.approx(0.5)


def test_measures_adult_has_long_legs(still: Still, lying_xy: FloatArray) -> None:
    xy = lying_xy.copy()
    for side, x in (("left", 44), ("right", -44)):
        xy[INDEX[f"{side}_knee"]] = (400 + x, 400 + 180)
        xy[INDEX[f"{side}_ankle"]] = (400 + x, 400 + 355)
    assert measure(still(xy))["leg_to_trunk"] == pytest.approx(355 / 190, rel=0.01)


def test_measures_body_that_walks_through_the_picture_travels(make_pose: PoseMaker, lying_xy: FloatArray) -> None:
    poses = [make_pose(i / 25, lying_xy + np.array([5.7 * i, 0])) for i in range(101)]  # 570 px = 3 trunks
    assert measure(poses)["travel_trunks"] == pytest.approx(0.9 * 3, rel=0.02)


def test_measures_infant_share_counts_frames_without_one(make_pose: PoseMaker, lying_xy: FloatArray) -> None:
    poses = [make_pose(i / 25, lying_xy if i % 4 else None) for i in range(100)]
    assert measure(poses)["infant_share"] == pytest.approx(0.75)


def test_measures_coverage_is_by_score(still: Still) -> None:
    def hide(pose: Pose) -> Pose:
        scores = pose.keypoint_scores.copy()
        scores[INDEX["left_wrist"]] = 0.4
        if pose.frame_index % 2:
            scores[INDEX["right_knee"]] = 0.4
        return replace(pose, keypoint_scores=scores)

    measures = measure(map(hide, still()))
    assert measures["limb_coverage"] == pytest.approx(1 - 1.5 / 8)
    assert measures["distal_coverage"] == 0.0


def test_measures_limbs_beyond_the_edge(still: Still) -> None:
    assert measure(still(), (800, 555))["outside_share"] == pytest.approx(2 / 8)  # both ankles
    assert measure(still(), (800, 570))["outside_share"] == 0.0


def test_measures_limbs_beyond_the_edge_are_not_known_without_a_size(still: Still) -> None:
    far = [replace(pose, keypoints_xy=pose.keypoints_xy + np.float32(5000)) for pose in still()]
    assert measure(far, None)["outside_share"] is None


def test_measures_others_count_only_when_looked_for(make_pose: PoseMaker, lying_xy: FloatArray) -> None:
    told = {0: 0, 10: 1, 20: 0, 30: 2}
    poses = [make_pose(i / 25, lying_xy, n_others=told.get(i)) for i in range(50)]
    assert measure(poses)["other_share"] == pytest.approx(0.5)


@pytest.mark.parametrize("fps", [15.0, 29.97, 60.0])
def test_measures_rate_and_lost_frames(make_pose: PoseMaker, lying_xy: FloatArray, fps: float) -> None:
    kept = [i for i in range(200) if i % 20 not in (7, 8)]
    measures = measure(make_pose(i / fps, lying_xy) for i in kept)
    assert measures["source_fps"] == pytest.approx(fps, rel=1e-3)
    assert measures["lost_frame_share"] == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("fps", [25.0, 30.0])
@pytest.mark.parametrize("noise_px", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("px_per_mm", [0.5, 2.0])
def test_measures_jitter_is_the_white_noise_on_a_moving_skeleton(
    make_pose: PoseMaker, lying_xy: FloatArray, fps: float, noise_px: float, px_per_mm: float
) -> None:
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 6, (33, 2))
    poses = []
    for i in range(400):
        moved = 10 * px_per_mm * np.sin(2 * np.pi * 1.2 * i / fps + phase)  # 10 mm at 1.2 Hz
        xy = 400 + px_per_mm * (lying_xy - 400) + moved + rng.normal(0, noise_px, (33, 2))
        poses.append(make_pose(i / fps, xy))
    assert measure(poses)["jitter_mm"] == pytest.approx(noise_px / px_per_mm, rel=0.1)


def test_measures_jitter_of_movement_alone_is_small(make_pose: PoseMaker, lying_xy: FloatArray) -> None:
    phase = np.random.default_rng(0).uniform(0, 6, (33, 2))
    poses = [make_pose(i / 25, lying_xy + 10 * np.sin(2 * np.pi * 2 * i / 25 + phase)) for i in range(200)]
    assert (measure(poses)["jitter_mm"] or 0) < 0.3


def test_measures_jitter_never_reaches_across_a_frame_without_an_infant(
    make_pose: PoseMaker, lying_xy: FloatArray
) -> None:
    poses = [
        make_pose(i / 25, None if i % 6 == 5 else lying_xy + 200 * (i // 6 % 2)) for i in range(120)
    ]  # jumps, but only while unseen
    assert measure(poses)["jitter_mm"] == pytest.approx(0.0, abs=1e-3)


def test_measures_coco_track(make_pose: PoseMaker, lying_xy: FloatArray) -> None:
    xy = lying_xy[BLAZEPOSE_33.indices(*COCO_17.keypoints)]
    monitor = PostureMonitor(COCO_17)
    for i in range(50):
        monitor.observe(make_pose(i / 25, xy), None)
    measures = monitor.measures()
    assert measures["supine_share"] == 1.0
    assert measures["leg_to_trunk"] == pytest.approx(measure([make_pose(0, lying_xy)])["leg_to_trunk"])
