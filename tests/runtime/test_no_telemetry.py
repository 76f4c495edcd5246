"""Libraries open no connection either: what Python does not see, the kernel's calls show."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN_A_GRAPH = """
import numpy as np
from fidgety.runtime.session import OnnxSession
from fidgety.export.publish import demo_file
from pathlib import Path
session = OnnxSession(Path(demo_file("mam_info.onnx")), {"characteristics": (None, 4)}, {"info": (None, 2)})
session.run(characteristics=np.zeros((1, 4), np.float32))
"""


def test_import_switches_the_telemetry_of_onnx_runtime_off() -> None:
    code = "import fidgety, os, sys; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["1", "False"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
def test_running_a_graph_opens_no_socket(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    code = RUN_A_GRAPH
    command = ["strace", "-f", "-e", "trace=socket", "-o", str(log), sys.executable, "-c", code]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert [line for line in log.read_text().splitlines() if "AF_INET" in line] == []
