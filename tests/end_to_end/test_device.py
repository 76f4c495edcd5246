"""The command line on another device than the CPU: NVIDIA's packages are the stand-in's, all else is real."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fidgety
from fidgety.bundle import Bundle
from fidgety.export.golden import record_golden
from fidgety.runtime.posefile import open_poses

from .conftest import Outcome, Run

pytestmark = pytest.mark.bundle
TRUTH = Path(fidgety.__file__).parent / "demo" / "sample.truth.npz"
NAMES = {"pose_detector", "pose_landmarks", "lifter", "mam_window"}
Score = Callable[..., Outcome]


@pytest.fixture(scope="module")
def golden(bundle: Bundle) -> dict[str, Any]:
    return record_golden(bundle)


@pytest.fixture
def provisioned(
    run: Run,
    load_stand_in: Callable[..., Any],
    golden: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Outcome]:
    """The engines of the bundle in use, for the stand-in's GPU."""
    load_stand_in()
    monkeypatch.setenv("FIDGETY_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setattr("fidgety.export.golden.record_golden", lambda _: golden)
    outcome = run("device", "provision")
    assert outcome.code == 0, outcome.err
    return outcome


def _score(run: Run, *more: object) -> tuple[Outcome, dict[str, Any]]:
    outcome = run("score", TRUTH, "--age-weeks", "13", "--out", "results", "--json", *more)
    return outcome, json.loads(outcome.out or "{}")


def test_provision_then_score_on_engines_is_what_the_cpu_says(provisioned: Outcome, run: Run, tmp_path: Path) -> None:
    lines = provisioned.out.splitlines()
    assert [line.split()[0] for line in lines] == ["pose_detector", "pose_landmarks", "lifter", "mam_window"]
    assert all("built and proved" in line for line in lines)
    assert "building for Orin, TensorRT 10.3.0" in provisioned.err and "Building Engine, 4 of 4" in provisioned.err

    on_cpu, cpu = _score(run, "--device", "cpu")
    on_engines, gpu = _score(run)  # auto
    assert "device: cpu (asked for)" in on_cpu.err
    assert "device: tensorrt (engines proved on Orin, TensorRT 10.3.0)" in on_engines.err
    assert cpu["settings"]["device"] == "cpu" and "engines" not in cpu["settings"]
    assert gpu["settings"]["device"] == "tensorrt" and set(gpu["settings"]["engines"]) == NAMES
    assert gpu["fms_frequency"] == cpu["fms_frequency"]
    assert gpu["risk"]["probability"] == pytest.approx(cpu["risk"]["probability"], abs=1e-4)
    apart = [a["fms_probability"] - b["fms_probability"] for a, b in zip(cpu["timeline"], gpu["timeline"], strict=True)]
    assert len(apart) > 20 and np.abs(apart).max() < 1e-4

    (page,) = (tmp_path / "cwd" / "results").glob("*.html")
    assert gpu["settings"]["engines"]["mam_window"] in page.read_text()
    stored = page.with_suffix(".json").stat().st_mtime_ns
    assert _score(run)[1] == gpu  # the same device again: taken from there
    assert page.with_suffix(".json").stat().st_mtime_ns == stored
    assert _score(run, "--device", "cpu")[1] == cpu  # another: scored again, and the same as ever
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
    asked, _ = _score(run, "--device", "tensorrt")
    assert asked.code == 4 and "is not the engine that was proved" in asked.err and "device provision" in asked.err
    auto, told = _score(run)
    assert auto.code == 0 and told["settings"]["device"] == "cpu"
    assert "device: cpu (" in auto.err and "is not the engine that was proved" in auto.err
    again = run("device", "provision")
    assert [("built" in line) for line in again.out.splitlines()] == [False, False, False, True]
    assert _score(run, "--device", "tensorrt")[0].code == 0


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
