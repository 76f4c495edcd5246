"""An engine on NVIDIA's own runtime: JetPack's `tensorrt` (10.3 to 11) and `cuda-bindings`.

    inputs --copy--> device buffers --execute_async_v3--> device buffers --copy--> fresh arrays

Device buffers are made once, on opening, so the engine's addresses never change. Every call's own word is checked.
It was tested against a stand-in of both packages and the names of NVIDIA's real module; it was not run on a GPU.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from fidgety.errors import BundleError, DeviceError
from fidgety.runtime.engine_files import Gpu
from fidgety.runtime.session import Arrays, FixedSession, Network, check_ends

__all__ = ["Nvidia", "TensorRTSession", "load_nvidia"]


@dataclass(frozen=True, slots=True)
class Nvidia:
    """NVIDIA's two packages, loaded: only in a process that was shown not to die of it (probe.py)."""

    tensorrt: ModuleType
    cuda: ModuleType  # cuda.bindings.runtime

    def call(self, name: str, *told: Any) -> Any:
        """A call of the CUDA runtime; gives its value, if it has one. Raises DeviceError with CUDA's own words."""
        code, *values = getattr(self.cuda, name)(*told)
        if code != self.cuda.cudaError_t.cudaSuccess:
            _, words = self.cuda.cudaGetErrorString(code)
            text = words.decode() if isinstance(words, bytes) else str(words)
            raise DeviceError(f"{name}: {text}; check the NVIDIA driver, or use --device cpu")
        return values[0] if values else None

    def gpu(self) -> Gpu:
        """The first GPU. Raises DeviceError where there is none."""
        if not self.call("cudaGetDeviceCount"):
            raise DeviceError("there is no NVIDIA GPU: use --device cpu")
        told = self.call("cudaGetDeviceProperties", 0)
        name = told.name.decode() if isinstance(told.name, bytes) else str(told.name)
        return Gpu(name.strip("\0 "), f"{told.major}.{told.minor}", str(self.tensorrt.__version__))

    def logger(self) -> Any:
        """TensorRT's own log, errors only, on stderr."""
        return self.tensorrt.Logger(self.tensorrt.Logger.ERROR)


def load_nvidia() -> Nvidia:
    """Import both packages. Raises DeviceError, with what to install, where one is missing."""
    try:
        return Nvidia(importlib.import_module("tensorrt"), importlib.import_module("cuda.bindings.runtime"))
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"TensorRT cannot be loaded ({error}): on a Jetson make the environment with --system-site-packages and "
            "install cuda-bindings, or use --device cpu"
        ) from error


class TensorRTSession(FixedSession):
    """One engine, loaded. `with` frees its memory on the device; otherwise it is freed with the session."""

    def __init__(self, nvidia: Nvidia, content: bytes, network: Network) -> None:
        """Raises DeviceError where the engine does not load, BundleError where its ends are not the network's."""
        super().__init__(network)
        self._nvidia = nvidia
        self._addresses: dict[str, int] = {}
        self._stream: Any = None
        trt = nvidia.tensorrt
        nvidia.call("cudaSetDevice", 0)
        self._logger = nvidia.logger()
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise DeviceError(f"TensorRT refuses the engine of {network.name}: run `fidgety device provision`")
        self._check_ends()
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise DeviceError(f"no memory on the GPU to run {network.name}: close other programs, or use --device cpu")
        self._outputs = self._output_shapes()
        try:
            self._stream = nvidia.call("cudaStreamCreate")
            for name, shape in {**network.fixed_inputs, **self._outputs}.items():
                self._addresses[name] = nvidia.call("cudaMalloc", 4 * int(np.prod(shape)))
                if not self._context.set_tensor_address(name, self._addresses[name]):
                    raise DeviceError(f"TensorRT does not take the buffer of {name!r} in {network.name}")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the device's memory back. The session cannot run afterwards."""
        nvidia, addresses, stream = self._nvidia, self._addresses, self._stream
        self._addresses, self._stream, self._context = {}, None, None
        for address in addresses.values():
            nvidia.cuda.cudaFree(address)
        if stream is not None:
            nvidia.cuda.cudaStreamDestroy(stream)

    def __enter__(self) -> TensorRTSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_addresses", None):
            self.close()

    def _run_fixed(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
        call, kinds = self._nvidia.call, self._nvidia.cuda.cudaMemcpyKind
        if self._context is None:
            raise DeviceError(f"the engine of {self._network.name} is closed")
        # Named until the stream is idle: a copy must not read an array that is gone.
        given = {name: np.ascontiguousarray(values) for name, values in inputs.items()}
        found = {name: np.empty(shape, np.float32) for name, shape in self._outputs.items()}
        for name, values in given.items():
            to_device = (self._addresses[name], values.ctypes.data, values.nbytes, kinds.cudaMemcpyHostToDevice)
            call("cudaMemcpyAsync", *to_device, self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            raise DeviceError(f"TensorRT could not run {self._network.name}: see its log above")
        for name, values in found.items():
            to_host = (values.ctypes.data, self._addresses[name], values.nbytes, kinds.cudaMemcpyDeviceToHost)
            call("cudaMemcpyAsync", *to_host, self._stream)
        call("cudaStreamSynchronize", self._stream)
        return {name: found[name] for name in self._network.outputs}

    def _check_ends(self) -> None:
        trt, network = self._nvidia.tensorrt, self._network
        modes = (("input", trt.TensorIOMode.INPUT), ("output", trt.TensorIOMode.OUTPUT))
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        for (end, mode), expected in zip(modes, (network.fixed_inputs, network.fixed_outputs), strict=True):
            nodes = [
                (name, list(self._engine.get_tensor_shape(name)), _kind(trt, self._engine.get_tensor_dtype(name)))
                for name in names
                if self._engine.get_tensor_mode(name) == mode
            ]
            check_ends(f"the engine of {network.name}", end, nodes, expected, "float32")

    def _output_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all outputs that the engine has, those too that nobody asks for: each needs its buffer.

        Raises BundleError for one whose buffer would be of another size than its elements are.
        """
        trt, engine = self._nvidia.tensorrt, self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        outputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]
        shapes = {name: tuple(engine.get_tensor_shape(name)) for name in outputs}
        for name, shape in shapes.items():
            if (kind := _kind(trt, engine.get_tensor_dtype(name))) != "float32" or min(shape, default=1) < 0:
                raise BundleError(
                    f"the engine of {self._network.name} also gives {name!r}, {kind} {list(shape)}, which nobody "
                    "reads: export the network without it"
                )
        return shapes


def _kind(trt: Any, kind: Any) -> str:
    return "float32" if kind == trt.DataType.FLOAT else str(kind)
