"""Libraries open no connection either: what Python's own hooks do not see, the calls to the kernel show."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import TrackMaker

SCORE = """
import sys, time, fidgety
from fidgety.cli import main
sys.argv = ["fidgety", "score", *sys.argv[1:]]
try:
    main()
finally:
    time.sleep(1.0)  # a thread of its own would do it
"""


def test_import_switches_the_telemetry_of_onnx_runtime_off() -> None:
    code = "import fidgety, os, sys; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["1", "False"]


@pytest.mark.bundle
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
def test_score_makes_no_socket(tmp_path: Path, make_track: TrackMaker) -> None:
    """Without the switch there are five, for the look-up of a host's name (ONNX Runtime 1.32)."""
    track, log = make_track(tmp_path / "a.poses", seconds=30.0), tmp_path / "calls"
    command = ["strace", "-f", "-e", "trace=socket", "-o", str(log), sys.executable, "-c", SCORE]
    command += [str(track), "--age-weeks", "13", "--min-assessable-s", "5", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in log.read_text().splitlines() if "AF_INET" in line] == []
