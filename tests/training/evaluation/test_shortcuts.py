"""Measures of recordings that were made to have them, and cohorts that they tell apart or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import CohortRecording
from fidgety.training.evaluation.evaluation import read_study
from fidgety.training.evaluation.shortcuts import measure_recording, shortcut_table
from fidgety.training.evaluation.tables import NOT_RUN

LEFT_WRIST = 9


def still(n_frames: int) -> np.ndarray:
    """(T, 17, 3) a motionless infant, trunk 100 px."""
    xy = np.zeros((n_frames, 17, 2))
    xy[:, 5:7, 1] = -100.0
    return np.concatenate([xy + 200.0, np.full((n_frames, 17, 1), 0.9)], axis=2)


def measured(path: Path, xyc: np.ndarray, fps: float) -> Any:
    np.savez(path, xyc=xyc.astype(np.float32), fps=fps)
    return measure_recording(CohortRecording("a", path.name, path, None, "", len(xyc) / fps))


@pytest.mark.parametrize("fps", [15.0, 25.0, 30.0])
def test_measure_recording_of_a_steady_wrist(tmp_path: Path, fps: float) -> None:
    xyc = still(int(8 * fps))
    xyc[:, LEFT_WRIST, 0] += 190.0 / fps * np.arange(len(xyc))  # 1.9 trunks a second, 36 cm/s
    found = measured(tmp_path / "a.npz", xyc, fps)
    assert (found.duration_s, found.fps) == (pytest.approx(8.0), pytest.approx(fps))
    assert found.mean_speed == pytest.approx(1.9 / 4, rel=0.02)  # one end of four
    assert found.noise == pytest.approx(0.0, abs=1e-2)
    xyc[:, LEFT_WRIST, 0] = 200.0 + 170.0 / fps * np.arange(len(xyc))  # 32 cm/s
    assert found.activity > 0.95 and measured(tmp_path / "b.npz", xyc, fps).activity < 0.05


def test_measure_recording_of_a_trembling_infant(tmp_path: Path) -> None:
    xyc = still(2000)
    xyc[:, 9:, :2] += np.random.default_rng(0).normal(0.0, 2.0, (2000, 8, 2))  # limbs and hips
    found = measured(tmp_path / "a.npz", xyc, 25.0)
    assert found.noise == pytest.approx(20.0 * np.sqrt(1.5), rel=0.05)  # an end's and half of the two hips' variance


def test_measure_recording_goes_on_over_lost_poses(tmp_path: Path) -> None:
    xyc = still(150)
    xyc[:, :, 2] += 1e-4 * np.arange(150)[:, None]  # poses that only repeat the one before count as lost
    xyc[60:90] = np.nan
    found = measured(tmp_path / "a.npz", xyc, 15.0)
    assert (found.mean_speed, found.noise) == pytest.approx((0.0, 0.0), abs=1e-6)  # float32 sums
    lost = measured(tmp_path / "b.npz", np.full((100, 17, 3), np.nan), 15.0)
    assert np.isnan([lost.mean_speed, lost.activity, lost.noise]).all() and lost.fps == pytest.approx(15.0)


def test_measure_recording_of_a_video_is_its_length_alone(tmp_path: Path) -> None:
    found = measure_recording(CohortRecording("a", "a.mp4", tmp_path / "a.mp4", None, "", 90.0))
    assert found.duration_s == 90.0 and np.isnan([found.fps, found.mean_speed, found.activity, found.noise]).all()


def test_measure_recording_gives_one_frame_rate_whatever_the_length(tmp_path: Path) -> None:
    rates = {measured(tmp_path / f"{n}.npz", still(n), 30.0).fps for n in (100, 333, 1001, 5000)}
    assert rates == {30.0}


def test_shortcut_table_of_recordings_that_are_alike(known_study: Any, figures: Any) -> None:
    found = figures(shortcut_table(known_study, "internal"))
    assert found.names == ["duration, s", "frame rate, Hz", "mean speed, trunks/s", "activity", "noise, trunks/1000"]
    assert found["duration, s"]["AUC"].value == found["frame rate, Hz"]["AUC"].value == 0.5
    assert found["duration, s"]["recordings"] == 40
    assert found["noise, trunks/1000"]["AUC"].low < 0.5 < found["noise, trunks/1000"]["AUC"].high


def test_shortcut_table_finds_the_class_that_was_recorded_longer(maker: Any, figures: Any) -> None:
    cohort = maker.cohort(n_frames=lambda number: 111 if number in maker.at_risk else 101)
    found = figures(shortcut_table(read_study([maker.run()], cohort, []), "internal"))
    row = found["duration, s"]
    assert row["AUC"].value == 1.0
    assert found["frame rate, Hz"]["AUC"].value == 0.5
    assert (row["normal"].median, row["risk"].median) == (pytest.approx(20.2), pytest.approx(22.2))


def test_shortcut_table_without_the_cohort(maker: Any, cohort: Path, figures: Any) -> None:
    folder = maker.run()
    maker.setting(folder / "external-b", prefix="b", is_external=True)
    found = figures(shortcut_table(read_study([folder], cohort, []), "b"))
    assert found["the cohort was not given"]["AUC"] == NOT_RUN
    assert read_cohort(cohort).recordings[0].is_track
