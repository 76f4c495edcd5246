"""Which device a call runs on, and why: chosen once, before anything is read; named in every result.

    auto       the engines that `fidgety device provision` proved on this very GPU, else the CPU, with the reason said
    cpu        ONNX Runtime on the CPU
    cuda       ONNX Runtime's CUDA provider
    tensorrt   the provisioned engines where NVIDIA's `tensorrt` is installed, else ONNX Runtime's TensorRT provider

What was asked for by name and does not load is an error, never another device. `auto` takes only what went through the
parity gate, which ONNX Runtime's own accelerated providers do not: they are for those who ask for them.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from fidgety.bundle import sha256_of_file
from fidgety.errors import DeviceError
from fidgety.runtime.engine_files import EngineKey, Gpu, read_engine
from fidgety.runtime.networks import Graph
from fidgety.runtime.probe import has_driver, probe_onnx_provider, probe_tensorrt

__all__ = ["CPU", "SETTINGS", "Asked", "Device", "choose_device", "engine_key"]

Asked = Literal["auto", "cpu", "cuda", "tensorrt"]
SETTINGS = ("device", "engine", "gpu", "engines")  # by which a result says where it was made


@dataclass(frozen=True, slots=True)
class Device:
    """Where the networks run."""

    name: Literal["cpu", "cuda", "tensorrt"]
    engine: str
    reason: str
    gpu: Gpu | None = None  # of provisioned engines
    folder: Path | None = None  # of engines
    engines: Mapping[str, str] = field(default_factory=dict)  # network -> SHA-256 of its provisioned engine

    @property
    def is_native(self) -> bool:
        """True for provisioned engines on NVIDIA's own runtime."""
        return self.gpu is not None

    def __str__(self) -> str:
        return f"device: {self.name} ({self.reason})"

    def settings(self) -> dict[str, Any]:
        """What a result says about where it was made."""
        told: dict[str, Any] = {"device": self.name, "engine": self.engine}
        if self.gpu is not None:
            told |= {"gpu": f"{self.gpu.name}, compute {self.gpu.compute_capability}", "engines": dict(self.engines)}
        return told


CPU = Device("cpu", "ONNX Runtime CPU", "not asked for another")


def choose_device(asked: Asked, graphs: Sequence[Graph], folder: Path) -> Device:
    """The device for these graphs, with the engines in `folder`. Without an NVIDIA driver nothing is started or loaded.

    Raises DeviceError where an asked-for one is not there.
    """
    if asked == "cpu":
        return Device("cpu", CPU.engine, "asked for")
    if not has_driver():
        if asked == "auto":
            return Device("cpu", CPU.engine, "no NVIDIA driver")
        raise DeviceError(f"there is no NVIDIA driver on this device: --device {asked} cannot be; use --device cpu")
    if asked == "auto":
        try:
            return _provisioned(graphs, folder)
        except DeviceError as error:
            return Device("cpu", CPU.engine, str(error))
    if asked == "tensorrt" and importlib.util.find_spec("tensorrt") is not None:
        return _provisioned(graphs, folder)
    return _provider(asked, graphs, folder)


def engine_key(graph: Graph, gpu: Gpu) -> EngineKey:
    """The key of the engine that this graph needs on this GPU."""
    return EngineKey(
        network=graph.network.name,
        model_sha256=sha256_of_file(graph.path),
        precision=graph.precision,
        shapes={name: list(shape) for name, shape in graph.network.fixed_inputs.items()},
        tensorrt=gpu.tensorrt,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
    )


def _provisioned(graphs: Sequence[Graph], folder: Path) -> Device:
    """All of the graphs' engines, each read and hashed."""
    gpu = probe_tensorrt()
    engines = {one.network.name: read_engine(folder, engine_key(one, gpu)).record.engine_sha256 for one in graphs}
    reason = f"engines proved on {gpu.name}, TensorRT {gpu.tensorrt}"
    return Device("tensorrt", f"TensorRT {gpu.tensorrt}", reason, gpu, folder, engines)


def _provider(name: Literal["cuda", "tensorrt"], graphs: Sequence[Graph], folder: Path) -> Device:
    probe_onnx_provider(name, min((one.path for one in graphs), key=lambda path: path.stat().st_size))
    package = _onnxruntime()
    engine = f"{package}, {'CUDA' if name == 'cuda' else 'TensorRT'} provider"
    if name == "cuda":
        return Device("cuda", engine, "asked for")
    # One cache a graph set, version and GPU: what was built for others is never found.
    told = [package, *_gpu_of_driver(), *(sha256_of_file(one.path) for one in graphs)]
    cache = folder / f"onnxruntime-{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}"
    return Device("tensorrt", engine, "asked for", folder=cache)


def _onnxruntime() -> str:
    for package in ("onnxruntime-gpu", "onnxruntime"):
        try:
            return f"{package} {version(package)}"
        except ModuleNotFoundError:
            continue
    return "onnxruntime"


def _gpu_of_driver() -> list[str]:
    """What a desktop's driver tells of its cards and of itself, to tell caches apart."""
    places = [*sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")), Path("/proc/driver/nvidia/version")]
    return [place.read_text(errors="replace") for place in places if place.is_file()]
