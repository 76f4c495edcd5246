"""Heat-map and SimCC networks through bundle, gate and tracking: BlazePose's own heat maps, under their own ends."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from fidgety.bundle import Bundle, write_bundle
from fidgety.demo_files import demo_file
from fidgety.errors import BundleError
from fidgety.export.own_pose import OwnPose, read_own_pose
from fidgety.export.own_pose_gate import require_own_pose
from fidgety.export.own_pose_movement import MovementReport, failed_rules, require_movement, still_frames
from fidgety.records import Frame, Pose
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import BLAZEPOSE_33, COCO_17

pytestmark = pytest.mark.bundle
HEADS = Path(__file__).resolve().parents[2] / "benchmarks" / "own_pose_heads.py"


@pytest.fixture(scope="module")
def heads(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, OwnPose]:
    spec = importlib.util.spec_from_file_location("own_pose_heads", HEADS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    paths = module.write_heads(bundle, tmp_path_factory.mktemp("heads"))
    return {path.stem: read_own_pose(path, path.with_suffix(".toml")) for path in paths}


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    with open_source(str(demo_file("sample.mp4"))) as source:
        return [frame for frame, _ in zip(source.frames(), range(50), strict=False)]


def with_network(bundle: Bundle, own: OwnPose, path: Path) -> Bundle:
    manifest = bundle.manifest
    pose = replace(
        manifest.pose, family=own.network.family, skeleton="coco17", landmarks="own.onnx", network=own.network
    )
    files = {name: bundle.file(name) for name in manifest.files if name != manifest.pose.landmarks}
    return write_bundle(path, replace(manifest, pose=pose), {**files, "own.onnx": own.path})


def poses_of(bundle: Bundle, frames: list[Frame]) -> list[Pose]:
    return list(PoseEstimator(bundle).poses(frames))


@pytest.mark.parametrize("family", ["heatmap", "simcc"])
def test_own_network_is_tracked_as_blazepose_is(
    bundle: Bundle, heads: dict[str, OwnPose], frames: list[Frame], family: str, tmp_path: Path
) -> None:
    own = with_network(bundle, heads[family], tmp_path / "own")
    found, theirs = poses_of(own, frames), poses_of(bundle, frames)
    assert not any(pose.is_missing for pose in found)
    order = BLAZEPOSE_33.indices(*COCO_17.keypoints)
    apart = np.array([a.keypoints_xy - b.keypoints_xy[order] for a, b in zip(found, theirs, strict=True)])
    assert np.median(np.linalg.norm(apart, axis=-1)) < 6  # px of a trunk of 230: its own heat maps, without regression
    assert found[-1].keypoint_scores.shape == (17,)


def test_gate_passes_what_is_described_rightly_and_nothing_else(
    bundle: Bundle, heads: dict[str, OwnPose], frames: list[Frame], tmp_path: Path
) -> None:
    own = heads["heatmap"]

    def shown(one: OwnPose, name: str) -> Bundle:
        return with_network(bundle, one, tmp_path / name)

    three = frames[::20]
    report = require_own_pose(shown(own, "right"), bundle, three)
    assert report.n_found == report.n_frames == 3 and report.median_trunks < 0.03
    names = list(own.network.keypoints)
    names[11:13], names[23:25] = names[23:25], names[11:13]  # shoulders for hips
    wrong = replace(own, network=replace(own.network, keypoints=tuple(names)))
    with pytest.raises(BundleError, match="does not pass"):
        require_own_pose(shown(wrong, "wrong"), bundle, three)
    with pytest.raises(BundleError, match="three frames at least"):
        require_own_pose(shown(own, "none"), bundle, [])


def test_chain_behind_an_own_network_finds_what_it_finds_behind_blazepose(
    bundle: Bundle, heads: dict[str, OwnPose], tmp_path: Path
) -> None:
    own = with_network(bundle, heads["heatmap"], tmp_path / "own")

    def sample(first: int, end: int) -> Iterator[Frame]:
        with open_source(str(demo_file("sample.mp4"))) as source:
            yield from islice(source.frames(), first, end)

    def still() -> Iterator[Frame]:
        return still_frames(next(sample(0, 1)), 260, 25.0)

    # From 40 to 70 s: no FMs, then a bout, and one window of 26 within .15 of the threshold.
    report = require_movement(own, bundle, lambda: sample(1000, 1750), still)
    assert report.n_windows >= 20 and report.n_still >= 1 and report.agreement >= 0.9
    assert 5 <= report.n_fms_blazepose <= report.n_windows - 5
    everywhere = replace(own.manifest.operating_point, fms_threshold=0.0)
    sees_all = replace(own, manifest=replace(own.manifest, operating_point=everywhere))
    with pytest.raises(BundleError, match="findings agree"):
        require_movement(sees_all, bundle, lambda: sample(0, 450), still)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, None),
        ({"n_fms": 22, "agreement": 0.6}, "agree"),
        ({"n_lost": 1}, "lost"),
        ({"noise_floor_mm": 1.5}, "noise floor"),  # of a network that saw FMs in 15 of 16 windows
        ({"n_fms_still": 1}, "still"),
        ({"n_still": 0}, "still"),
        ({"n_windows": 3}, "ten windows"),
        ({"agreement": float("nan")}, "agree"),
    ],
)
def test_failed_rules(changes: dict[str, float], rule: str | None) -> None:
    sound = MovementReport(26, 14, 15, 0.96, 0, 0.8, 0.69, 4, 0)
    failed = failed_rules(replace(sound, **changes))  # type: ignore[arg-type]
    assert failed == [] if rule is None else len(failed) == 1 and rule in failed[0]


def test_manifest_whose_family_and_network_disagree_is_refused(
    bundle: Bundle, heads: dict[str, OwnPose], tmp_path: Path
) -> None:
    own = with_network(bundle, heads["heatmap"], tmp_path / "own")
    pose = replace(own.manifest.pose, family="blazepose")
    with pytest.raises(BundleError, match="do not fit together"):
        PoseEstimator(replace(own, manifest=replace(own.manifest, pose=pose)))
