"""The driven infant: what moves moves as it should, bones keep their length, the rest rests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fidgety.commands.phantom import PlanName
from fidgety.phantom.fidelity.plan import AMPLITUDES_PLAN, FREQUENCIES_HZ, FULL_PLAN, PLANS, QUICK_PLAN, Programme
from fidgety.phantom.fidelity.scenes import JOINTS, Axis, Drive, Scene, Tone, View, resting_ends
from fidgety.phantom.fidelity.transfer import band_rms, stroke_at
from fidgety.phantom.forward_kinematics import MAT_CLEARANCE_M
from fidgety.phantom.motion import BODY_POINTS, Motion
from fidgety.phantom.truth import read_truth
from fidgety.phantom.video import render_recording

Array = NDArray[np.float64]
VIEW = View(480, 0.7, 25.0)
BONES = [
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
        ("wrist", "hand"),
        ("hip", "knee"),
        ("knee", "ankle"),
        ("ankle", "toe"),
        ("ankle", "heel"),
    )
]


def path_of(motion: Motion, name: str) -> Array:
    """(T, 3) in mm."""
    return np.asarray(1e3 * motion.points_m[:, BODY_POINTS.index(name)].astype(np.float64))


def one(joint: str, axis: Axis = "plane", *, amplitude_mm: float = 10.0, frequency_hz: float = 1.0) -> Scene:
    drive = Drive(joint, axis, 1.0, 7.0, (Tone(frequency_hz, amplitude_mm),))
    return Scene("single", "one", 8.0, (drive,))


def all_scenes() -> list[Scene]:
    scenes = Programme(JOINTS, amplitudes_mm=(5.0, 20.0)).scenes()
    return list({scene.name: scene for scene in scenes}.values())


@pytest.mark.parametrize("scene", all_scenes(), ids=lambda scene: scene.name)
def test_motion_keeps_every_bone_and_stays_above_the_mat(scene: Scene) -> None:
    motion = scene.motion(VIEW.camera, 10.0)
    for a, b in BONES:
        lengths = np.linalg.norm(path_of(motion, a) - path_of(motion, b), axis=1)
        assert np.ptp(lengths) < 0.01 * lengths.mean(), (a, b)
    for name in JOINTS:
        assert path_of(motion, name)[:, 2].min() > 1e3 * MAT_CLEARANCE_M[name.split("_")[1]], name


@pytest.mark.parametrize("joint", JOINTS)
@pytest.mark.parametrize("axis", ["plane", "depth"])
def test_motion_moves_the_driven_joint_by_the_amplitude(joint: str, axis: Axis) -> None:
    scene = one(joint, axis, amplitude_mm=20.0)
    start, end = (round(25 * at) for at in scene.drives[0].steady_s)
    moved = path_of(scene.motion(VIEW.camera, 25.0), joint)[start:end]
    assert stroke_at(moved, 25.0, 1.0) == pytest.approx(20.0, rel=0.01)
    in_plane, in_depth = stroke_at(moved[:, :2], 25.0, 1.0), stroke_at(moved[:, 2:], 25.0, 1.0)
    if axis == "plane":
        assert in_depth < 0.1
    else:
        assert in_depth > 0.9 * 20.0 and in_depth > 2.0 * in_plane


@pytest.mark.parametrize(
    ("joint", "followers"),
    [
        ("left_wrist", {"left_hand": 10.0}),
        ("right_ankle", {"right_toe": 10.0, "right_heel": 10.0}),
        ("left_elbow", {"left_wrist": 5.0, "left_hand": 5.0}),
        ("right_knee", {"right_ankle": 5.0, "right_toe": 5.0, "right_heel": 5.0}),
    ],
)
def test_motion_moves_what_hangs_on_the_joint_and_nothing_else(joint: str, followers: dict[str, float]) -> None:
    """`followers`: the least that each follows by, in mm of 10; along a bone it follows wholly."""
    motion = one(joint).motion(VIEW.camera, 25.0)
    for name in BODY_POINTS:
        stroke = stroke_at(path_of(motion, name)[40:165], 25.0, 1.0)
        if name == joint:
            assert stroke == pytest.approx(10.0, rel=0.01)
        elif name in followers:
            assert 0.98 * followers[name] < stroke < 10.2, name
        else:
            assert stroke < 1e-4, name


def test_motion_at_another_rate_is_the_same_movement() -> None:
    scene = one("left_wrist", frequency_hz=3.0)
    at_25, at_30 = (scene.motion(VIEW.camera, fps) for fps in (25.0, 30.0))
    assert len(at_25) == 200 and len(at_30) == 240
    assert at_25.points_m[::5] == pytest.approx(at_30.points_m[::6], abs=1e-6)


def test_motion_of_a_drive_longer_than_the_bone_raises() -> None:
    with pytest.raises(ValueError, match="more than its bone"):
        one("left_wrist", amplitude_mm=120.0).motion(VIEW.camera, 25.0)


def test_drive_starts_and_ends_without_a_jerk() -> None:
    drive = one("left_wrist").drives[0]
    moved = drive.displacement_m(np.arange(0, 8, 0.001))
    assert not moved[:1000].any() and not moved[7000:].any()
    assert np.abs(np.diff(moved)).max() < 1.5 * 2 * np.pi * 0.010 * 0.001


def test_scenes_measure_three_periods_of_every_frequency() -> None:
    single = Programme(("left_knee",), axes=("plane",)).scenes()[0]
    assert [drive.tones[0].frequency_hz for drive in single.drives] == list(FREQUENCIES_HZ)
    for drive, later in zip(single.drives, single.drives[1:], strict=False):
        start_s, end_s = drive.steady_s
        assert (end_s - start_s) * drive.tones[0].frequency_hz >= 3.0 - 1e-9
        assert drive.end_s <= later.start_s


def test_scenes_all_together_give_neighbours_frequencies_of_their_own() -> None:
    together = next(scene for scene in Programme(()).scenes() if scene.kind == "together")
    assert {drive.joint for drive in together.drives} == set(JOINTS)
    for joint in JOINTS:
        rates = [drive.tones[0].frequency_hz for drive in together.drives if drive.joint == joint]
        assert sorted(rates) == sorted(FREQUENCIES_HZ)
    for elbow, wrist in (("left_elbow", "left_wrist"), ("right_knee", "right_ankle")):
        by_start = {
            name: {drive.start_s: drive.tones[0] for drive in together.drives if drive.joint == name}
            for name in (elbow, wrist)
        }
        for start_s, tone in by_start[elbow].items():
            assert tone.frequency_hz != by_start[wrist][start_s].frequency_hz


def test_noise_scene_moves_plane_and_depth_apart() -> None:
    scene = next(scene for scene in Programme(()).scenes() if scene.kind == "noise")
    times_s = np.arange(0, scene.duration_s, 0.04)
    plane, depth = (drive.displacement_m(times_s) for drive in scene.drives[:2])
    assert scene.drives[0].joint == scene.drives[1].joint
    assert abs(np.corrcoef(plane, depth)[0, 1]) < 0.3


def test_noise_scene_fills_the_band_and_nothing_beside_it() -> None:
    scene = next(scene for scene in Programme(()).scenes() if scene.kind == "noise")
    times_s = np.arange(0, scene.duration_s, 0.04)
    moved = {drive.joint: 1e3 * drive.displacement_m(times_s) for drive in scene.drives if drive.axis == "plane"}
    for one_joint in moved.values():
        assert band_rms(one_joint[:, None], 25.0, 0.4, 4.1)[0] == pytest.approx(4.0, rel=0.25)
        assert band_rms(one_joint[:, None], 25.0, 4.5, 12.5)[0] < 0.1
    wrists = np.corrcoef(moved["left_wrist"], moved["right_wrist"])[0, 1]
    assert abs(wrists) < 0.3


def test_resting_ends_are_those_of_the_other_limbs() -> None:
    assert set(resting_ends("left_elbow")) == {"right_wrist", "left_ankle", "right_ankle"}
    assert set(resting_ends("right_ankle")) == {"left_wrist", "right_wrist", "left_ankle"}


def test_plans_cover_what_is_asked_for() -> None:
    (view, programme), *more = QUICK_PLAN.parts
    assert view == View(1080, 0.7, 25.0) and not more
    assert {joint.split("_")[1] for joint in programme.joints} == {"wrist", "ankle", "elbow", "knee"}
    views = [view for view, _ in FULL_PLAN.parts]
    assert len(set(views)) == len(views)
    assert {view.height_px for view in views} == {480, 720, 1080}
    assert {view.fps for view in views} == {25.0, 30.0}
    assert {0.4, 0.8} <= {view.fill for view in views}
    assert set(FULL_PLAN.parts[0][1].amplitudes_mm) == {5.0, 10.0, 20.0}
    assert [name.value for name in PlanName] == list(PLANS)
    ((amplitudes_view, amplitudes),) = AMPLITUDES_PLAN.parts
    assert amplitudes_view == view
    assert {scene.drives[0].tones[0].amplitude_mm for scene in amplitudes.scenes()} == {5.0, 10.0, 20.0}
    assert {scene.name for scene in amplitudes.scenes() if "10mm" in scene.name} <= {
        scene.name for scene in programme.scenes()
    }, "the quick plan's recordings serve this one too"


def test_view_films_the_infant_head_up() -> None:
    camera = VIEW.camera
    assert (camera.width_px, camera.height_px) == (854, 480)
    nose_m = path_of(one("left_wrist").motion(camera, 25.0), "nose")[0] * 1e-3
    assert 0 < camera.project(nose_m)[0][1] < 240


def test_truth_beside_the_recording_is_the_scenes_movement(tmp_path: Path) -> None:
    scene, camera = one("left_wrist"), View(120, 0.7, 5.0).camera
    motion = scene.motion(camera, 5.0)
    render_recording(tmp_path / "one.mp4", motion, camera, scene.appearance)
    truth = read_truth(tmp_path / "one.mp4")
    assert truth.points_m == pytest.approx(motion.points_m, abs=6e-5)
    assert truth.points_xy == pytest.approx(camera.project(motion.points_m)[0], abs=0.03)
