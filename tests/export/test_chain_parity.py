"""Whole recordings: what lies beyond a limit is said, poses that differ are told, and nothing compared is no pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.calibration.recorded_inputs import RecordedInputs
from fidgety.errors import BundleError
from fidgety.export.chain_parity import (
    MAX_FREQUENCY_CHANGE,
    MAX_KEYPOINTS_MEDIAN_MM,
    MAX_KEYPOINTS_P95_MM,
    MAX_PROBABILITY_P95,
    MAX_RISK_CHANGE,
    ChainDifference,
    ChainRun,
    compare_runs,
    faults_of,
    score_run,
    with_graph,
)

GOOD = ChainDifference(
    "one.mp4", 1600, 10, 0.04, 0.1, 0.05, 0.2, 0.001, 0.01, 8, 8, 0.2, 0.205, is_same_finding=True, is_same_verdict=True
)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


@pytest.fixture(scope="module")
def run(bundle: Bundle, recorded_clip: RecordedInputs) -> ChainRun:
    return score_run("clip", recorded_clip.poses, bundle)


def test_faults_of_none() -> None:
    assert faults_of([GOOD, GOOD]) == []


@pytest.mark.parametrize("value", [1.01, float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("field", "limit", "words"),
    [
        ("keypoints_median_mm", MAX_KEYPOINTS_MEDIAN_MM, "mm in the median"),
        ("keypoints_p95_mm", MAX_KEYPOINTS_P95_MM, "mm in one of twenty"),
        ("probability_p95", MAX_PROBABILITY_P95, "P(FMs) changes"),
        ("risk", MAX_RISK_CHANGE, "the risk changes"),
    ],
)
def test_faults_of_one_figure_beyond(field: str, limit: float, words: str, value: float) -> None:
    start = GOOD.risk_reference if field == "risk" else 0.0
    bad = replace(GOOD, **{field: start + limit * value})
    assert [fault for fault in faults_of([GOOD, bad]) if words in fault]


def test_faults_of_another_finding_or_verdict() -> None:
    assert "one.mp4: finds risk" in faults_of([replace(GOOD, is_same_finding=False)])[0]
    assert "assessable" in faults_of([replace(GOOD, is_same_verdict=False)])[0]


def test_faults_of_the_frequency_over_all_recordings() -> None:
    one_more = replace(GOOD, n_fms=9)
    assert "FMs frequency changes by 0.100" in faults_of([one_more])[0]
    many = [GOOD] * (int(1 / (10 * MAX_FREQUENCY_CHANGE)) + 1)
    assert faults_of([one_more, *many]) == []
    assert faults_of([one_more, replace(GOOD, n_fms=7), *many])  # one more here, one less there: two are wrong


def test_faults_of_a_recording_that_the_chain_itself_follows_unsteadily() -> None:
    moved = replace(GOOD, keypoints_median_mm=2.5, keypoints_p95_mm=8.0)
    shaky, steady = replace(moved, keypoints_median_mm=0.4), replace(GOOD, recording="steady.mp4")
    assert len(faults_of([moved], [GOOD])) == 2
    assert faults_of([moved, steady], [shaky, steady]) == []
    assert len(faults_of([GOOD, replace(steady, keypoints_median_mm=0.4)], [shaky, steady])) == 1
    assert faults_of([replace(moved, probability_p95=0.2), steady], [shaky, steady])


def test_faults_of_recordings_that_cannot_judge_keypoints() -> None:
    shaky = replace(GOOD, keypoints_p95_mm=float("nan"))
    with pytest.raises(BundleError, match="cannot judge keypoints"):
        faults_of([GOOD], [shaky])


def test_faults_of_nothing_compared() -> None:
    with pytest.raises(BundleError, match="compared no recording"):
        faults_of([])


@pytest.mark.bundle
def test_compare_runs_with_itself(run: ChainRun) -> None:
    same = compare_runs(run, run)
    assert (same.keypoints_p95_px, same.probability_p95, same.is_same_verdict) == (0.0, 0.0, True)
    assert same.n_instances >= 1 and faults_of([same]) == []


@pytest.mark.bundle
def test_compare_runs_tells_keypoints_in_mm(run: ChainRun) -> None:
    moved = [replace(pose, keypoints_xy=pose.keypoints_xy + np.float32(3.0)) for pose in run.poses]
    found = compare_runs(run, replace(run, poses=moved))
    assert found.keypoints_median_px == pytest.approx(3.0 * 2**0.5, rel=1e-4)
    pose = run.poses[100].keypoints_xy
    trunk_px = np.linalg.norm(pose[[11, 12]].mean(axis=0) - pose[[23, 24]].mean(axis=0))
    assert found.keypoints_median_mm == pytest.approx(found.keypoints_median_px * 190 / trunk_px, rel=0.05)


@pytest.mark.bundle
def test_compare_runs_a_pose_that_one_of_them_lacks(run: ChainRun) -> None:
    lost = [replace(pose, keypoints_xy=np.full_like(pose.keypoints_xy, np.nan)) for pose in run.poses[:40]]
    found = compare_runs(run, replace(run, poses=[*lost, *run.poses[40:]]))
    assert found.keypoints_p95_mm == np.inf and faults_of([found])


@pytest.mark.bundle
def test_score_run_without_a_whole_window(bundle: Bundle, recorded_clip: RecordedInputs) -> None:
    with pytest.raises(BundleError, match="the parity gate cannot run on short: no window"):
        score_run("short", recorded_clip.poses[:100], bundle)


@pytest.mark.bundle
def test_score_run_with_another_graph_gives_another_answer(bundle: Bundle, run: ChainRun, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    name = bundle.manifest.mam.window_graph
    model = onnx.load(bundle.file(name))
    bias = next(c for c in model.graph.initializer if c.name == "clip.head_bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias)[::-1].copy() + np.float32([9, 0]), bias.name))
    onnx.save(model, tmp_path / "other.onnx")
    other = with_graph(bundle, {name: tmp_path / "other.onnx"}, tmp_path / "staged")
    assert other.graph(name).resolve() == tmp_path / "other.onnx"
    found = compare_runs(run, score_run("clip", run.poses, other))
    assert found.keypoints_p95_px == 0.0 and found.probability_p95 > 0.05 and faults_of([found])
