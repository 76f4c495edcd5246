"""Invariants of the moving phantom: same seed, same movement; bones keep their length; nothing sinks into the mat."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fidgety.phantom.kinematics import Repertoire, coco17, h36m17, simulate_control, simulate_motion
from fidgety.phantom.motion import BODY_POINTS, Confounders, Motion
from fidgety.skeleton import COCO_17, H36M_17

FIDGETS_ONLY = Repertoire(breathing=False, posture=False, ordinary=False, rhythms=False, discrete=frozenset())


def _point(motion: Motion, name: str) -> np.ndarray:
    return motion.points_m[:, BODY_POINTS.index(name)].astype(float)


def _speeds_cm_s(motion: Motion) -> np.ndarray:
    """(T-1, P) speed of every body point."""
    return np.linalg.norm(np.diff(motion.points_m.astype(float), axis=0), axis=2) * motion.fps * 100


def _inside(motion: Motion, margin_s: float = 0.3) -> np.ndarray:
    """(T,) frames that lie well inside a bout."""
    time_s = np.arange(len(motion)) / motion.fps
    return np.any([(time_s > b.start_s + margin_s) & (time_s < b.end_s - margin_s) for b in motion.bouts], axis=0)


@pytest.fixture(scope="module")
def lively() -> list[Motion]:
    worst = Confounders(activity=2.0, kicks=True, crying=True, tremor=True, fms_amplitude=1.6)
    categories = ("continual", "intermittent", "sporadic", "absent")
    return [simulate_motion(seed, categories[seed % 4], 40.0, 25.0, worst) for seed in range(8)]


def test_simulate_motion_same_seed_gives_same_bytes():
    first, second = (simulate_motion(7, "intermittent", 20.0) for _ in range(2))
    assert first.points_m.tobytes() == second.points_m.tobytes()
    assert first.bouts == second.bouts
    assert not np.array_equal(first.points_m, simulate_motion(8, "intermittent", 20.0).points_m)


def test_simulate_motion_at_30_fps_is_the_movement_at_25_fps():
    slow, fast = (simulate_motion(3, "continual", 20.0, fps, Confounders(kicks=True)) for fps in (25.0, 30.0))
    assert slow.points_m.shape == (500, 27, 3)
    assert fast.points_m.shape == (600, 27, 3)
    assert slow.bouts == fast.bouts
    np.testing.assert_allclose(slow.points_m[::5], fast.points_m[::6], atol=2e-5)  # every 0.2 s they meet


@pytest.mark.parametrize("category", ["continual", "absent"])
def test_simulate_motion_confounders_leave_posture_and_bouts_alone(category):
    plain = simulate_motion(5, category, 30.0)
    shaken = simulate_motion(5, category, 30.0, confounders=Confounders(tremor=True))
    assert plain.bouts == shaken.bouts
    assert plain.anatomy == shaken.anatomy
    difference_m = np.abs(plain.points_m - shaken.points_m).max()
    assert 0.001 < difference_m < 0.03


def test_simulate_motion_bones_keep_their_length(lively):
    for motion, side in itertools.product(lively, ("left", "right")):
        body = motion.anatomy
        for upper, lower, length_cm in (
            ("shoulder", "elbow", body.upper_arm_cm),
            ("elbow", "wrist", body.forearm_cm),
            ("hip", "knee", body.thigh_cm),
            ("knee", "ankle", body.shank_cm),
        ):
            bone = _point(motion, f"{side}_{upper}") - _point(motion, f"{side}_{lower}")
            np.testing.assert_allclose(100 * np.linalg.norm(bone, axis=1), length_cm, rtol=0.02)


def test_simulate_motion_stays_above_the_mat(lively):
    for motion in lively:
        heights = {name: _point(motion, name)[:, 2].min() for name in BODY_POINTS}
        assert min(heights.values()) > 0.005
        assert min(heights[f"{side}_wrist"] for side in ("left", "right")) >= 0.014
        assert min(heights[f"{side}_knee"] for side in ("left", "right")) >= 0.024


def test_simulate_motion_is_smooth_and_not_too_fast(lively):
    for motion in lively:
        joints = h36m17(motion).astype(float)
        acceleration = np.linalg.norm(np.diff(joints, 2, axis=0), axis=2) * motion.fps**2
        assert acceleration.max() < 60.0  # m/s^2; a jump of 1 cm between two frames would be over 6 in one, 12 in two
        assert _speeds_cm_s(motion)[:, BODY_POINTS.index("left_wrist")].max() < 150.0


def test_simulate_motion_lies_supine_with_the_head_up_the_mat(lively):
    for motion in lively:
        assert (_point(motion, "head_centre")[:, 1] > _point(motion, "mid_hip")[:, 1] + 0.15).all()
        assert (_point(motion, "left_shoulder")[:, 0] > _point(motion, "right_shoulder")[:, 0] + 0.08).all()
        for rotation in (motion.head_rotation, motion.trunk_rotation):
            product = rotation @ rotation.transpose(0, 2, 1)
            np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-5)
            np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-5)
        assert (motion.trunk_rotation[:, 2, 2] > 0.8).all()  # chest to the ceiling
        nose = _point(motion, "nose") - _point(motion, "head_centre")
        assert (np.einsum("ti,ti->t", nose, motion.head_rotation[:, :, 2]) > 0.06).all()  # z out of the face


def test_simulate_motion_fms_move_end_points_by_millimetres_at_moderate_speed():
    travel_mm, speed_cm_s = [], []
    for seed in range(6):
        motion = simulate_motion(seed, "continual", 40.0, repertoire=FIDGETS_ONLY)
        inside = _inside(motion)
        for name in ("left_wrist", "right_ankle", "nose"):
            place = 1000 * _point(motion, name)
            speed_cm_s.append(_speeds_cm_s(motion)[inside[1:], BODY_POINTS.index(name)])
            starts = [k for k in range(0, len(motion) - 25, 25) if inside[k : k + 25].all()]
            travel_mm += [np.ptp(place[k : k + 25], axis=0).max() for k in starts]
    assert 3.0 < np.median(travel_mm) < 20.0
    peaks = np.percentile(np.concatenate(speed_cm_s), [50, 95])
    assert 3.0 < peaks[0] < 8.0
    assert 5.0 < peaks[1] < 20.0


def test_simulate_motion_fms_spectrum_is_flat_in_its_band_and_empty_above():
    power = np.zeros(51)
    for seed in range(10):
        motion = simulate_motion(seed, "continual", 80.0, repertoire=FIDGETS_ONLY)
        wrist = _point(motion, "left_wrist")
        pieces = wrist[: len(wrist) // 100 * 100].reshape(-1, 100, 3)
        pieces = (pieces - pieces.mean(axis=1, keepdims=True)) * np.hanning(100)[None, :, None]
        power += (np.abs(np.fft.rfft(pieces, axis=1)) ** 2).sum(axis=(0, 2))
    frequency_hz = np.fft.rfftfreq(100, 1 / 25)
    band = power[(frequency_hz >= 0.9) & (frequency_hz <= 2.4)]
    assert band.max() / band.min() < 1.8
    assert power[frequency_hz > 4.5].max() < 0.01 * band.mean()


def test_simulate_motion_each_bout_recruits_at_least_four_regions():
    ends = ("nose", "left_wrist", "right_wrist", "left_ankle", "right_ankle")
    for seed in range(4):
        motion = simulate_motion(seed, "intermittent", 60.0, repertoire=FIDGETS_ONLY)
        speeds = _speeds_cm_s(motion)[:, [BODY_POINTS.index(name) for name in ends]]
        rest = ~_inside(motion, margin_s=-0.3)[1:]
        assert speeds[rest].max() < 0.01  # with everything else off, pauses are still
        for bout in (b for b in motion.bouts if b.end_s - b.start_s > 1.0):
            first, last = int((bout.start_s + 0.2) * 25), int((bout.end_s - 0.2) * 25)
            assert (np.median(speeds[first:last], axis=0) > 0.3).sum() >= 3  # trunk has no end point of its own


def test_simulate_control_motionless_does_not_move():
    motion = simulate_control("motionless", 1, 10.0)
    assert np.abs(motion.points_m - motion.points_m[:1]).max() == 0.0


@pytest.mark.parametrize("control", ["breathing", "slow posture", "kicks", "tremor", "crying"])
def test_simulate_control_moves_but_never_fidgets(control):
    motion = simulate_control(control, 1, 60.0)
    assert motion.bouts == ()
    assert motion.category == "absent"
    assert _speeds_cm_s(motion).max() > 0.3


def test_simulate_control_tremor_is_at_6_to_8_hz():
    motion = simulate_control("tremor", 2, 60.0)
    wrist = _point(motion, "left_wrist")
    power = (np.abs(np.fft.rfft(wrist - wrist.mean(axis=0), axis=0)) ** 2).sum(axis=1)
    frequency_hz = np.fft.rfftfreq(len(wrist), 1 / 25)
    in_band = (frequency_hz > 5.5) & (frequency_hz < 8.5)
    assert power[in_band].sum() > 0.8 * power[frequency_hz > 1.5].sum()


def test_simulate_control_kicks_move_legs_only():
    speeds = _speeds_cm_s(simulate_control("kicks", 4, 60.0))
    assert speeds[:, BODY_POINTS.index("left_ankle")].max() > 20.0
    assert speeds[:, BODY_POINTS.index("left_wrist")].max() < 3.0  # breathing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"category": "normal"}, "no such category"),
        ({"duration_s": 0.0}, "must be positive"),
        ({"fps": -25.0}, "must be positive"),
        ({"duration_s": float("nan")}, "must be positive"),
    ],
)
def test_simulate_motion_refuses_what_makes_no_sense(arguments, message):
    call = {"seed": 1, "category": "absent", "duration_s": 10.0} | arguments
    with pytest.raises(ValueError, match=message):
        simulate_motion(**call)


def test_simulate_control_refuses_an_unknown_control():
    with pytest.raises(ValueError, match="no such control"):
        simulate_control("dancing", 1, 10.0)  # type: ignore[arg-type]


def test_h36m17_joints_are_where_the_skeleton_says():
    motion = simulate_motion(1, "continual", 2.0)
    joints = h36m17(motion)
    assert joints.shape == (50, 17, 3)
    assert joints.dtype == np.float32
    hips = joints[:, H36M_17.indices("left_hip", "right_hip")].mean(axis=1)
    shoulders = joints[:, H36M_17.indices("left_shoulder", "right_shoulder")].mean(axis=1)
    np.testing.assert_allclose(joints[:, H36M_17.index["hip"]], hips, atol=1e-6)
    np.testing.assert_allclose(joints[:, H36M_17.index["thorax"]], shoulders, atol=1e-6)
    np.testing.assert_allclose(joints[:, H36M_17.index["spine"]], 0.5 * (hips + shoulders), atol=1e-6)
    np.testing.assert_array_equal(joints[:, H36M_17.index["nose"]], _point(motion, "nose").astype(np.float32))


def test_coco17_follows_the_skeletons_order():
    motion = simulate_motion(1, "continual", 2.0)
    joints = coco17(motion)
    assert joints.shape == (50, 17, 3)
    for i, name in enumerate(COCO_17.keypoints):
        np.testing.assert_array_equal(joints[:, i], _point(motion, name).astype(np.float32))
