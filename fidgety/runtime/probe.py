"""What accelerators this box has, found out in a process that may die of it.

`tensorrt` dies of a segmentation fault where there is no driver, and a broken driver can hang for ever. So the question
is asked in a process of its own with a time limit, and not at all where no driver is.

    python -m fidgety.runtime.probe tensorrt            -> {"name": ..., "compute_capability": ..., "tensorrt": ...}
    python -m fidgety.runtime.probe cuda GRAPH          -> {}         an ONNX file that is really loaded
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fidgety.errors import DeviceError, FidgetyError
from fidgety.runtime.engine_files import Gpu

__all__ = ["has_driver", "probe_onnx_provider", "probe_tensorrt"]

_LIMIT_S = 90  # the first import of CUDA's libraries from a slow card takes 10 s and more
# A card's driver, loaded or in use; a Jetson's; the one of Linux on Windows. No library is looked for: Python's own way
# to find one starts a compiler, and without a driver it is of no use.
_DRIVER_FILES = (
    "/proc/driver/nvidia/version",
    "/dev/nvidiactl",
    "/dev/nvmap",
    "/dev/nvgpu",
    "/dev/nvhost-gpu",
    "/dev/dxg",
)


def has_driver() -> bool:
    """Whether there is anything of an NVIDIA driver. Opens nothing."""
    return any(Path(one).exists() for one in _DRIVER_FILES)


def probe_tensorrt() -> Gpu:
    """The GPU that TensorRT itself can use. Raises DeviceError with why there is none."""
    told = _ask("TensorRT", "tensorrt")
    return Gpu(told["name"], told["compute_capability"], told["tensorrt"])


def probe_onnx_provider(name: str, graph: Path) -> None:
    """Raises DeviceError unless ONNX Runtime really loads `graph` on its provider `cuda` or `tensorrt-provider`."""
    _ask("ONNX Runtime on the GPU", name, str(graph))


def _ask(what: str, *told: str) -> dict[str, str]:
    command = [sys.executable, "-m", "fidgety.runtime.probe", *told]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise DeviceError(f"{what} did not answer in {_LIMIT_S} s: restart the device, or use --device cpu") from None
    except OSError as error:
        raise DeviceError(f"{what} cannot be tried: {error.strerror}") from error
    if answer.returncode < 0:
        raise DeviceError(
            f"{what} crashed when it was tried (signal {-answer.returncode}): check the NVIDIA driver, or use "
            "--device cpu"
        )
    try:
        found = json.loads(answer.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = (answer.stderr.strip().splitlines() or ["no word"])[-1]
        raise DeviceError(f"{what} could not be tried: {last}") from None
    if "error" in found:
        raise DeviceError(found["error"])
    return {str(key): str(value) for key, value in found.items()}


def _answer(what: str, *told: str) -> dict[str, str]:
    """In the process of its own."""
    if what == "tensorrt":
        from fidgety.runtime.tensorrt_session import load_nvidia

        nvidia = load_nvidia()
        gpu = nvidia.gpu()
        nvidia.tensorrt.Runtime(nvidia.logger())
        return {"name": gpu.name, "compute_capability": gpu.compute_capability, "tensorrt": gpu.tensorrt}
    from fidgety.runtime.onnx_session import require_provider

    require_provider(what, Path(told[0]))
    return {}


if __name__ == "__main__":
    try:
        print(json.dumps(_answer(*sys.argv[1:])))
    except FidgetyError as error:
        print(json.dumps({"error": str(error)}))
