"""The command line on another device than the CPU: NVIDIA's packages are the stand-in's, all else is real."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.demo_files import demo_file
from fidgety.export.golden import record_golden
from fidgety.phantom.motion import BODY_POINTS
from fidgety.phantom.truth import read_truth
from fidgety.runtime.posefile import open_poses
from fidgety.skeleton import COCO_17

from ..conftest import Outcome, Run

pytestmark = pytest.mark.bundle
NAMES = {"pose_detector", "pose_landmarks", "lifter", "mam_window"}


@pytest.fixture(scope="module")
def golden(bundle: Bundle) -> dict[str, Any]:
    return record_golden(bundle)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    """Where the engines are kept from one test to the next, and what their provisioning said."""
    return tmp_path_factory.mktemp("engines") / "engines", []


@pytest.fixture
def provisioned(
    run: Run,
    load_stand_in: Callable[..., Any],
    golden: dict[str, Any],
    engines: tuple[Path, list[Outcome]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Outcome:
    """The engines of the bundle in use, for the stand-in's GPU, in a folder of the test's own."""
    load_stand_in()
    kept, said = engines
    monkeypatch.setattr("fidgety.export.golden.record_golden", lambda _: golden)
    if not said:
        said.append(run("device", "provision", "--engines", kept))
        assert said[0].code == 0, said[0].err
    shutil.copytree(kept, tmp_path / "engines")
    monkeypatch.setenv("FIDGETY_ENGINES", str(tmp_path / "engines"))
    return said[0]


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 s of the sample's true keypoints."""
    path = tmp_path_factory.mktemp("track") / "track.npz"
    xy = read_truth(demo_file("sample.mp4")).points_xy[:600, [BODY_POINTS.index(name) for name in COCO_17.keypoints]]
    np.savez(path, xyc=np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1), fps=25.0)
    return path


def _score(run: Run, track: Path, *more: object) -> tuple[Outcome, dict[str, Any]]:
    outcome = run("score", track, "--age-weeks", "13", "--min-assessable-s", "12", "--out", "results", "--json", *more)
    return outcome, json.loads(outcome.out or "{}")


def test_provision_then_score_on_engines_is_what_the_cpu_says(
    provisioned: Outcome, run: Run, track: Path, tmp_path: Path
) -> None:
    lines = provisioned.out.splitlines()
    assert [line.split()[0] for line in lines] == ["pose_detector", "pose_landmarks", "lifter", "mam_window"]
    assert all("built and proved" in line for line in lines)
    assert "building for Orin, TensorRT 10.3.0" in provisioned.err and "Building Engine, 4 of 4" in provisioned.err

    on_cpu, cpu = _score(run, track, "--device", "cpu")
    on_engines, gpu = _score(run, track)  # auto
    assert "device: cpu (asked for)" in on_cpu.err
    assert "device: tensorrt (engines proved on Orin, TensorRT 10.3.0)" in on_engines.err
    assert cpu["settings"]["device"] == "cpu" and "engines" not in cpu["settings"]
    assert gpu["settings"]["device"] == "tensorrt" and set(gpu["settings"]["engines"]) == NAMES
    assert gpu["fms_frequency"] == cpu["fms_frequency"]
    assert gpu["risk"]["probability"] == pytest.approx(cpu["risk"]["probability"], abs=1e-4)
    apart = [a["fms_probability"] - b["fms_probability"] for a, b in zip(cpu["timeline"], gpu["timeline"], strict=True)]
    assert len(apart) > 10 and np.abs(apart).max() < 1e-4

    (page,) = (tmp_path / "cwd" / "results").glob("*.html")
    assert gpu["settings"]["engines"]["mam_window"] in page.read_text()
    stored = page.with_suffix(".json").stat().st_mtime_ns
    assert _score(run, track)[1] == gpu  # the same device again: taken from there
    assert page.with_suffix(".json").stat().st_mtime_ns == stored
    assert _score(run, track, "--device", "cpu")[1] == cpu  # another: scored again, and the same as ever
    assert page.with_suffix(".json").stat().st_mtime_ns != stored


@pytest.mark.usefixtures("provisioned")
def test_pose_on_engines_is_what_the_cpu_says(run: Run, scenes: Callable[[str], Path]) -> None:
    tracks = []
    for device in ("cpu", "tensorrt"):
        assert run("pose", scenes("turned"), "--device", device, "--out", f"{device}.poses").code == 0
        tracks.append(list(open_poses(Path(f"{device}.poses"), None).poses))
    assert len(tracks[0]) == len(tracks[1]) == 30
    apart_px = [np.abs(a.keypoints_xy - b.keypoints_xy).max() for a, b in zip(*tracks, strict=True)]
    assert np.nanmax(apart_px) < 0.05
    assert np.isfinite(tracks[0][10].keypoints_xy).all()


@pytest.mark.usefixtures("provisioned")
def test_score_with_an_engine_that_was_changed(run: Run, tmp_path: Path) -> None:
    engine = next((tmp_path / "engines").glob("mam_window-*.engine"))
    engine.write_bytes(engine.read_bytes()[:-1] + b"x")
    asked = run("pose", "nothing.mp4", "--device", "tensorrt")
    assert asked.code == 4 and "is not the engine that was proved" in asked.err and "device provision" in asked.err
    auto = run("pose", "nothing.mp4")  # the device is chosen before the recording is opened
    assert auto.code == 2 and "device: cpu (" in auto.err and "is not the engine that was proved" in auto.err
    again = run("device", "provision")
    assert [("built" in line) for line in again.out.splitlines()] == [False, False, False, True]
    assert "device: tensorrt (" in run("pose", "nothing.mp4").err


@pytest.mark.parametrize("command", ["score", "check", "pose"])
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_device_that_is_not_there(run: Run, monkeypatch: pytest.MonkeyPatch, command: str, device: str) -> None:
    monkeypatch.setattr("fidgety.runtime.devices.has_driver", lambda: False)
    outcome = run(command, "recording.mp4", "--device", device)
    assert outcome.code == 4 and "no NVIDIA driver" in outcome.err and "use --device cpu" in outcome.err


def test_provision_without_a_driver_and_a_device_that_nobody_knows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fidgety.runtime.probe.has_driver", lambda: False)
    outcome = run("device", "provision")
    assert outcome.code == 4 and "no NVIDIA driver" in outcome.err
    assert run("score", "recording.mp4", "--device", "tpu").code == 2
