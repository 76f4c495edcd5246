"""Engines tried in processes of their own: the real ONNX Runtime, and stand-ins that lie, fail and crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.device import accelerators
from fidgety.device.accelerators import Engine, probe_import, probe_onnxruntime, probe_tensorrt, probing

# An ONNX Runtime that lists CUDA and falls back to the CPU without a word, as the real one does without a GPU.
FALLS_BACK = """
import numpy as np
__version__ = "1.23.2"
def get_available_providers():
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]
class SessionOptions:
    pass
class InferenceSession:
    def __init__(self, path, options, providers):
        self.wanted = providers
    def disable_fallback(self):
        pass
    def get_providers(self):
        return ["CPUExecutionProvider"]
    def run(self, names, inputs):
        return [np.zeros(2)]
"""
NO_KERNELS = FALLS_BACK.replace(
    "return [np.zeros(2)]",
    "if 'CUDAExecutionProvider' in self.wanted:\n"
    "            raise RuntimeError('CUDA error 209: no kernel image is available for execution on the device')\n"
    "        return [np.zeros(2)]",
)
WRONG = FALLS_BACK.replace('return ["CPUExecutionProvider"]', "return self.wanted").replace(
    "np.zeros(2)", "np.full(2, 'CUDAExecutionProvider' in self.wanted)"
)
CRASHES = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"


def site(folder: Path, module: str, code: str) -> Path:
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(code)
    return folder


def test_probe_onnxruntime_here_runs_on_the_cpu() -> None:
    engines = {engine.name: engine for engine in probe_onnxruntime()}
    assert engines["CPUExecutionProvider"].is_working
    assert "AzureExecutionProvider" not in engines  # it would call a server


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (FALLS_BACK, "fell back to CPUExecutionProvider"),
        (NO_KERNELS, "no kernel image"),
        (WRONG, "not those of the CPU"),
    ],
    ids=["falls-back", "no-kernels", "wrong-results"],
)
def test_probe_onnxruntime_believes_no_list(tmp_path: Path, code: str, words: str) -> None:
    cuda, cpu = probe_onnxruntime([site(tmp_path, "onnxruntime", code)])
    assert cpu.is_working
    assert not cuda.is_working and words in (cuda.problem or "")


def test_probe_onnxruntime_that_does_not_load(tmp_path: Path) -> None:
    (broken,) = probe_onnxruntime([site(tmp_path, "onnxruntime", "from onnxruntime.capi import nothing")])
    assert not broken.is_working and "ModuleNotFoundError" in (broken.problem or "")


def test_probe_tensorrt_without_a_driver_is_survived_and_named(tmp_path: Path) -> None:
    """The real driver is asked for before TensorRT's runtime, which would crash without it."""
    found = probe_tensorrt([site(tmp_path, "tensorrt", "__version__ = '10.3.0'\n")])
    if found.is_installed and found.problem is None:
        pytest.fail("the stand-in has no Runtime and cannot work")
    assert found.version == "10.3.0" and not found.is_working


def test_probe_tensorrt_that_crashes_is_survived_and_named(tmp_path: Path) -> None:
    found = probe_tensorrt([site(tmp_path, "tensorrt", CRASHES)])
    assert found == Engine("TensorRT", None, False, "the process died of SIGSEGV")


def test_probe_import_gives_the_last_line_of_what_went_wrong(tmp_path: Path) -> None:
    assert probe_import("json") is None
    problem = probe_import("av", [site(tmp_path, "av", "raise ImportError('libavcodec.so.61: not found')")])
    assert problem == "ImportError: libavcodec.so.61: not found"


def test_probing_gives_up_on_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "_LIMIT_S", 0.2)
    assert "did not answer" in (probing("import time; time.sleep(30)").problem or "")
