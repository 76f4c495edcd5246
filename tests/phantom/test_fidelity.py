"""The bench with a chain whose faults are known: every fault comes out as the figure that it is."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fidgety.phantom.fidelity import Reading, Row, placed, rows_of
from fidgety.phantom.fidelity_plan import Programme
from fidgety.phantom.fidelity_report import About, write_fidelity
from fidgety.phantom.fidelity_scenes import Scene, View
from fidgety.phantom.kinematics import h36m17
from fidgety.records import LiftedTrack
from fidgety.skeleton import H36M_17

Array = NDArray[np.float64]
VIEW = View(480, 0.7, 25.0)
ABOUT = About("tiny", "demo 1.0 (abc)", "DEMO <not> for use", "pose: none")


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


def test_write_fidelity_writes_every_row_and_names_the_bundle(tmp_path: Path) -> None:
    rows = [
        row
        for kind in ("single", "together", "noise", "motionless", "slow")
        for row in rows_of(scene_of(kind), VIEW, reading_of(scene_of(kind), shrunk, observed_share=0.99))
    ]
    write_fidelity(tmp_path, rows, ABOUT)
    with (tmp_path / "fidelity.csv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == len(rows)
    assert [float(line["value"]) for line in table] == pytest.approx([row.value for row in rows], rel=1e-4, abs=1e-12)
    assert {line["bundle"] for line in table} == {ABOUT.bundle}
    markdown = (tmp_path / "fidelity.md").read_text(encoding="utf-8")
    assert ABOUT.bundle in markdown and "DEMO" in markdown and "| wrist | 0.80 (" in markdown
    page = (tmp_path / "fidelity.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len({row.joint for row in rows if row.figure == "gain"}) == 8
    assert "DEMO &lt;not&gt; for use" in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_write_fidelity_tells_amplitudes_apart(tmp_path: Path) -> None:
    """A chain that swallows small movement must not hide behind the median of small and large."""

    def of(amplitude_mm: float, share: float) -> list[Row]:
        programme = Programme(
            ("left_wrist",), axes=("plane",), amplitudes_mm=(amplitude_mm,), frequencies_hz=(1.0, 3.0)
        )
        scene = programme.scenes()[0]
        return rows_of(scene, VIEW, reading_of(scene, lambda true: true.mean(axis=0) * (1.0 - share) + share * true))

    write_fidelity(tmp_path, of(5.0, 0.5) + of(20.0, 0.9), ABOUT)
    lines = (tmp_path / "fidelity.md").read_text(encoding="utf-8").splitlines()
    for words, gain in (("5 mm", "0.50"), ("20 mm", "0.90")):
        at = next(i for i, line in enumerate(lines) if line.startswith("**Gain") and f", {words}: median" in line)
        assert f"| wrist | {gain} (+0) | {gain} (+0) |" in lines[at : at + 6]
        assert any(line.startswith("**While") and line.endswith(f", {words}**") for line in lines)
    assert not any(line.startswith("**Floor") for line in lines), "nothing was still: no empty table"
