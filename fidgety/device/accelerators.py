"""Which engines really load here: each one tried in a process of its own, since some of them take the process along.

ONNX Runtime lists accelerators that are not there, falls back to the CPU without a word, and ships builds whose GPU
kernels do not fit the board; TensorRT's runtime ends in a segmentation fault where there is no driver. So a provider
counts only when its session says that it has it, runs a graph and gives what the CPU gives.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fidgety.demo_files import demo_file

__all__ = ["Engine", "probe_import", "probe_onnxruntime", "probe_tensorrt", "probing"]

_LIMIT_S = 60.0  # a cold start from an SD card takes ten

_ONNXRUNTIME = """
import json, sys
import numpy as np
import onnxruntime as ort
path, wanted = sys.argv[1], sys.argv[2]
if not wanted:
    print(json.dumps({"version": ort.__version__, "listed": ort.get_available_providers()}))
    sys.exit()
options = ort.SessionOptions()
options.log_severity_level = 4
rows = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
expected = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, {"characteristics": rows})
session = ort.InferenceSession(path, options, providers=[wanted])
session.disable_fallback()
got = session.run(None, {"characteristics": rows})
print(json.dumps({
    "has": session.get_providers(),
    "is_same": all(bool(np.allclose(a, b, rtol=2e-2, atol=2e-2)) for a, b in zip(expected, got)),
}))
"""

_TENSORRT = """
import ctypes, json
import tensorrt
print(json.dumps({"version": tensorrt.__version__}), flush=True)
driver = ctypes.CDLL("libcuda.so.1")
code = driver.cuInit(0)
if code:
    raise SystemExit(f"the GPU driver does not start (cuInit: {code})")
runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
print(json.dumps({"runtime": runtime is not None}))
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """What one try gave."""

    name: str  # ONNX Runtime's word for the provider, or TensorRT
    version: str | None
    is_working: bool
    problem: str | None  # why not, in words; None also where it is simply not installed
    is_installed: bool = True


@dataclass(frozen=True, slots=True)
class _Try:
    answers: tuple[dict[str, object], ...]  # the JSON lines that came before the end
    problem: str | None


def probing(code: str, *arguments: str, python_path: Sequence[Path] = ()) -> _Try:
    """Run code in a new interpreter; `python_path` comes ahead of what is installed. Never raises."""
    environment = dict(os.environ)
    if python_path:
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([*map(str, python_path), *([before] if before else [])])
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return _Try((), f"it did not answer within {_LIMIT_S:.0f} s")
    except OSError as error:
        return _Try((), f"no process could be started ({error.strerror})")
    answers = tuple(json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return _Try(answers, _problem(done.returncode, done.stderr))


def probe_onnxruntime(python_path: Sequence[Path] = ()) -> tuple[Engine, ...]:
    """Each provider that ONNX Runtime lists, and whether it does what the CPU does; one broken one, where it does not
    load at all; none where it is not installed."""
    graph = str(demo_file("mam_info.onnx"))
    listed = probing(_ONNXRUNTIME, graph, "", python_path=python_path)
    if not listed.answers:
        is_absent = "No module named 'onnxruntime'" in (listed.problem or "")
        return () if is_absent else (Engine("ONNX Runtime", None, False, listed.problem),)
    version, names = str(listed.answers[0]["version"]), listed.answers[0]["listed"]
    assert isinstance(names, list)
    return tuple(_provider(str(name), version, graph, python_path) for name in names if name not in _REMOTE)


_REMOTE = ("AzureExecutionProvider",)  # calls a server: not for us, and listed in every build


def probe_tensorrt(python_path: Sequence[Path] = ()) -> Engine:
    """TensorRT's own module with its driver, as JetPack brings it."""
    tried = probing(_TENSORRT, python_path=python_path)
    version = str(tried.answers[0]["version"]) if tried.answers else None
    is_installed = "No module named 'tensorrt'" not in (tried.problem or "")
    problem = tried.problem
    if problem is not None and "libcuda.so.1" in problem:
        problem = "there is no GPU driver (libcuda.so.1 is missing)"
    return Engine("TensorRT", version, problem is None, problem if is_installed else None, is_installed)


def probe_import(module: str, python_path: Sequence[Path] = ()) -> str | None:
    """Why a module cannot be imported; None where it can."""
    return probing(f"import {module}", python_path=python_path).problem


def _provider(name: str, version: str, graph: str, python_path: Sequence[Path]) -> Engine:
    tried = probing(_ONNXRUNTIME, graph, name, python_path=python_path)
    if tried.problem is not None or not tried.answers:
        return Engine(name, version, False, tried.problem or "it said nothing")
    answer = tried.answers[0]
    has = answer["has"]
    assert isinstance(has, list)
    if name not in has:
        return Engine(name, version, False, f"it is listed, but the session fell back to {', '.join(map(str, has))}")
    if not answer["is_same"]:
        return Engine(name, version, False, "it loads, but its results are not those of the CPU")
    return Engine(name, version, True, None)


def _problem(code: int, stderr: str) -> str | None:
    if code == 0:
        return None
    if code < 0:
        try:
            return f"the process died of {signal.Signals(-code).name}"
        except ValueError:
            return f"the process died of signal {-code}"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"the process ended with {code}"
