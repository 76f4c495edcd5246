"""The bench with a chain whose faults are known: every fault comes out as the figure that it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fidgety.phantom.fidelity.bench import Reading, Row, placed, rows_of
from fidgety.phantom.fidelity.plan import Programme
from fidgety.phantom.fidelity.scenes import Scene, View
from fidgety.phantom.kinematics import h36m17
from fidgety.records import LiftedTrack
from fidgety.skeleton import H36M_17

Array = NDArray[np.float64]
VIEW = View(480, 0.7, 25.0)


def scene_of(kind: str, joint: str = "left_wrist") -> Scene:
    programme = Programme((joint,), axes=("plane",), frequencies_hz=(1.0, 3.0), noise_s=20.0)
    return next(scene for scene in programme.scenes() if scene.kind == kind)


def reading_of(scene: Scene, spoil: Callable[[Array], Array], observed_share: float = 1.0) -> Reading:
    """What a chain sees that does to the true movement, (T, 17, 3), what `spoil` does; in mm."""
    camera = VIEW.camera
    true = 1e3 * camera.to_camera(h36m17(scene.motion(camera, 25.0)))
    return Reading(25.0, true, spoil(true.copy()), observed_share)


def values_of(rows: list[Row], figure: str, joint: str = "left_wrist", axis: str = "plane") -> list[float]:
    return [row.value for row in rows if row.figure == figure and row.joint == joint and row.axis == axis]


def shrunk(true: Array) -> Array:
    middle = true.mean(axis=0)
    return np.asarray(middle + 0.8 * (true - middle))


def test_placed_joints_stay_where_they_are_while_the_hip_is_read_to_and_fro() -> None:
    """All joints but the hip stand still in the picture, and the lifter has another scale and posture than that."""
    hip_px = 3.0 * np.sin(np.arange(200) / 5.0)[:, None] * np.array([1.0, 0.5])
    joints_xy = np.random.default_rng(1).uniform(100.0, 300.0, (1, 17, 2)) * np.ones((200, 1, 1))
    joints_xy[:, H36M_17.index["hip"]] = 200.0 + hip_px
    joints = np.zeros((200, 17, 3), np.float32)
    joints[..., :2] = (joints_xy - joints_xy[:, H36M_17.indices("hip")]) / 150.0
    joints += np.random.default_rng(2).normal(0.0, 0.1, (1, 17, 3))  # posture, corrected
    found = placed([LiftedTrack(joints, joints_xy.astype(np.float32), np.ones(200, bool))])
    moved = np.ptp(found, axis=0)
    assert np.delete(moved, H36M_17.index["hip"], axis=0).max() < 1e-4
    assert moved[H36M_17.index["hip"], 0] == pytest.approx(6.0 / 150.0, rel=0.01)


def test_placed_joints_that_do_not_move_stay_numbers() -> None:
    still = LiftedTrack(np.ones((50, 17, 3), np.float32), np.ones((50, 17, 2), np.float32), np.ones(50, bool))
    assert np.ptp(placed([still]), axis=0).max() == 0.0


def test_rows_of_a_perfect_chain_are_perfect() -> None:
    rows = rows_of(scene_of("single"), VIEW, reading_of(scene_of("single"), lambda true: true + 5.0))
    assert values_of(rows, "gain") == pytest.approx([1.0, 1.0])
    assert values_of(rows, "phase") == pytest.approx([0.0, 0.0], abs=1e-6)
    assert max(values_of(rows, "residual") + values_of(rows, "cross-talk, largest")) < 1e-9


def test_rows_of_a_chain_that_shrinks_movement_show_its_gain() -> None:
    for kind in ("single", "noise"):
        rows = rows_of(scene_of(kind), VIEW, reading_of(scene_of(kind), shrunk))
        assert values_of(rows, "gain") == pytest.approx([0.8] * len(values_of(rows, "gain")), abs=1e-6)
        assert {row.frequency_hz for row in rows if row.figure == "gain"} >= {1.0, 3.0}


def test_rows_of_a_chain_that_lags_show_the_phase() -> None:
    rows = rows_of(scene_of("single"), VIEW, reading_of(scene_of("single"), lambda true: np.roll(true, 1, axis=0)))
    assert values_of(rows, "phase") == pytest.approx([-14.4, -43.2], abs=0.5)


def test_rows_of_a_leaking_chain_show_the_cross_talk() -> None:
    def leak(true: Array) -> Array:
        driven, resting = H36M_17.indices("left_wrist", "right_ankle")
        true[:, resting, :2] += 0.06 * (true[:, driven, :2] - true[:, driven, :2].mean(axis=0))
        return true

    rows = rows_of(scene_of("single"), VIEW, reading_of(scene_of("single"), leak))
    assert values_of(rows, "cross-talk, largest") == pytest.approx([0.06, 0.06], abs=1e-6)
    assert values_of(rows, "cross-talk, median") == pytest.approx([0.0, 0.0], abs=1e-6)


def test_rows_of_a_noisy_chain_show_floor_and_line() -> None:
    def disturb(true: Array) -> Array:
        time_s = np.arange(len(true)) / 25.0
        true += np.random.default_rng(1).normal(0.0, 0.4, true.shape)
        true[:, H36M_17.index["right_knee"], 0] += 0.5 * np.sin(2 * np.pi * (25 / 9) * time_s)
        return true

    for kind in ("motionless", "slow"):
        rows = rows_of(scene_of(kind), VIEW, reading_of(scene_of(kind), disturb))
        assert values_of(rows, "floor") == pytest.approx([0.4 * np.sqrt(3.5 / 12.5)], rel=0.2)
        assert values_of(rows, "floor", axis="depth") == pytest.approx([0.4 * np.sqrt(3.5 / 12.5)], rel=0.25)
        assert max(values_of(rows, "line")) < 4.5
        assert min(values_of(rows, "comb", "right_knee")) > 8.0
        assert values_of(rows, "line at", "right_knee") == pytest.approx([25 / 9], abs=0.07)
        assert values_of(rows, "line amplitude", "right_knee") == pytest.approx([0.5], rel=0.2)


def test_rows_of_a_chain_without_depth_have_no_line_there() -> None:
    def flatten(true: Array) -> Array:
        true[..., 2] = 0.0
        return true

    scene = scene_of("motionless")
    rows = rows_of(scene, VIEW, reading_of(scene, flatten))
    assert values_of(rows, "floor", axis="depth") == pytest.approx([0.0], abs=1e-9)
    assert values_of(rows, "line", axis="depth") == []


def test_rows_of_a_lost_recording_hold_no_figure() -> None:
    rows = rows_of(scene_of("single"), VIEW, reading_of(scene_of("single"), shrunk, observed_share=0.5))
    assert [(row.figure, row.value) for row in rows] == [("observed frames", 0.5)]
