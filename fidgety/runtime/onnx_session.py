"""ONNX Runtime: on the CPU, and through its CUDA and TensorRT providers.

ONNX Runtime lists accelerators that are not there and falls back to the CPU without a word, so a session is believed
only by what `get_providers()` says after loading.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from fidgety.errors import BundleError, DeviceError
from fidgety.runtime.session import Arrays, FixedSession, Network, Shape, check_ends

__all__ = [
    "OnnxBoundSession",
    "OnnxSession",
    "Provider",
    "cuda_provider",
    "require_provider",
    "tensorrt_provider",
]

Provider = tuple[str, dict[str, Any]]  # name, options
_FLOAT = "tensor(float)"
_CPU = "CPUExecutionProvider"


class OnnxSession:
    """ONNX Runtime on the CPU."""

    def __init__(
        self, path: Path, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], n_threads: int = 1
    ) -> None:
        """Load `path` and check names, shapes and float32 of its inputs and outputs.

        Raises BundleError when they are not the expected ones, DeviceError when another engine than the CPU was taken.
        """
        self._session = _load(path, _options(n_threads), [(_CPU, {})])
        _check_both_ends(path.name, self._session, inputs, outputs)
        self._output_names = list(outputs)

    def run(self, **inputs: np.ndarray[Any, Any]) -> Arrays:
        """Arrays by the graph's input names to arrays by its output names."""
        values = self._session.run(self._output_names, inputs)
        return dict(zip(self._output_names, values, strict=True))


class OnnxBoundSession(FixedSession):
    """ONNX Runtime on an accelerator: fixed shapes, buffers on the device made once."""

    def __init__(self, path: Path, network: Network, providers: list[Provider], memory: str = "cuda") -> None:
        """Load `path` with the first of `providers`, the others for what it does not take.

        memory: where the buffers lie, as ONNX Runtime names it. Raises BundleError for another graph than expected,
        DeviceError where the first provider did not load.
        """
        super().__init__(network)
        options = _options(1)
        for name, n_rows in _free_sizes(path, network).items():
            options.add_free_dimension_override_by_name(name, n_rows)
        self._session = _load(path, options, providers)
        _check_both_ends(path.name, self._session, network.fixed_inputs, network.fixed_outputs)
        try:
            self._binding = self._session.io_binding()
            self._inputs = {
                name: ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32), memory, 0)
                for name, shape in network.fixed_inputs.items()
            }
            self._outputs = {
                name: ort.OrtValue.ortvalue_from_shape_and_type(list(shape), np.float32, memory, 0)
                for name, shape in network.fixed_outputs.items()
            }
            for name, value in self._inputs.items():
                self._binding.bind_ortvalue_input(name, value)
            for name, value in self._outputs.items():
                self._binding.bind_ortvalue_output(name, value)
        except Exception as error:  # ONNX Runtime raises bare C++ exceptions of no common base
            raise DeviceError(f"no memory on the accelerator for {network.name}: {_first_line(error)}") from error

    def _run_fixed(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
        try:
            for name, values in inputs.items():
                self._inputs[name].update_inplace(np.ascontiguousarray(values))
            self._binding.synchronize_inputs()
            self._session.run_with_iobinding(self._binding)
            self._binding.synchronize_outputs()
            return {name: np.array(value.numpy()) for name, value in self._outputs.items()}
        except Exception as error:  # as above
            raise DeviceError(f"the accelerator failed in {self._network.name}: {_first_line(error)}") from error


def cuda_provider() -> list[Provider]:
    """CUDA with whole float32 sums: TF32 would round the landmarks' inputs to 10 bits."""
    return [("CUDAExecutionProvider", {"device_id": 0, "use_tf32": 0})]


def tensorrt_provider(cache: Path) -> list[Provider]:
    """TensorRT with its engines kept in `cache`, CUDA for what it does not take.

    The precision is the graph's own: TensorRT is not to lower it. `cache` must be of one graph, version and GPU.
    """
    options = {
        "device_id": 0,
        "trt_fp16_enable": False,
        "trt_int8_enable": False,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(cache),
    }
    return [("TensorrtExecutionProvider", options), *cuda_provider()]


def require_provider(name: str, graph: Path) -> None:
    """Raises DeviceError unless `graph` really loads on the provider of a device, `cuda` or `tensorrt`."""
    with tempfile.TemporaryDirectory() as cache:
        _load(graph, _options(1), cuda_provider() if name == "cuda" else tensorrt_provider(Path(cache)))


def _load(path: Path, options: Any, providers: list[Provider]) -> Any:
    wanted = providers[0][0]
    if wanted not in ort.get_available_providers():
        raise DeviceError(
            f"this ONNX Runtime has no {wanted}: install onnxruntime-gpu in its place, or use --device cpu"
        )
    try:
        session = ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime raises bare C++ exceptions of no common base
        if wanted != _CPU:
            _load(path, _options(1), [(_CPU, {})])  # raises BundleError where it is the graph's own fault
            raise DeviceError(f"{wanted} does not load {path.name}: {_first_line(error)}; use --device cpu") from error
        raise BundleError(f"{path.name} does not load ({_first_line(error)}): build the bundle anew") from error
    found = session.get_providers()
    if found[:1] != [wanted] or (wanted == _CPU and len(found) > 1):
        raise DeviceError(
            f"asked for {wanted}, ONNX Runtime took {', '.join(found)}: check the NVIDIA driver and the CUDA "
            "libraries, or use --device cpu"
        )
    return session


def _options(n_threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A spinning pool burns the core that the decoder needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _free_sizes(path: Path, network: Network) -> dict[str, int]:
    """The names of the graph's free sizes, and what each is fixed to. Raises BundleError where it does not load."""
    nodes = _load(path, _options(1), [(_CPU, {})]).get_inputs()
    return {
        size: fixed
        for node in nodes
        for size, fixed in zip(node.shape, network.fixed_inputs.get(node.name, ()), strict=False)
        if isinstance(size, str)
    }


def _check_both_ends(name: str, session: Any, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> None:
    for end, nodes, expected in (("input", session.get_inputs(), inputs), ("output", session.get_outputs(), outputs)):
        check_ends(name, end, [(node.name, node.shape, node.type) for node in nodes], expected, _FLOAT)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
