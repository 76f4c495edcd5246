"""The built wheel, installed into an empty folder, works where torch, onnx and tflite are not to be had."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = "import sys\nfor name in ('torch', 'onnx', 'tflite', 'ai_edge_litert'):\n    sys.modules[name] = None\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_what_it_needs_and_no_test(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "fidgety/py.typed",
        "fidgety/report/report.html",
        "fidgety/report/report.css",
        "fidgety/report/report.js",
        "fidgety/demo/sample.mp4",
        "fidgety/demo/mam_window.onnx",
        "fidgety/demo/mam.json",
        "fidgety/phantom/pose_noise.npz",
        "fidgety/device/systemd/fidgety.service",
    ):
        assert needed in names
    assert not [name for name in names if name.startswith("tests/") or "pose_landmarks" in name]
    assert wheel.stat().st_size < 20e6


@pytest.mark.usefixtures("bundle")
def test_wheel_scores_without_torch(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=240)
    script = (
        f"{BLOCKED}import fidgety, fidgety.runtime.pipeline\n"
        f"assert fidgety.__file__.startswith({str(site)!r}), fidgety.__file__\n"
        "from fidgety.cli import main\n"
        "sys.argv = ['fidgety', 'bundle', 'verify']\nmain()"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "files are what the manifest names" in done.stdout
