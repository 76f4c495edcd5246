"""One entry for every stage: a graph, on the device that was chosen, as a session."""

from __future__ import annotations

from pathlib import Path

from fidgety.errors import DeviceError
from fidgety.runtime.devices import CPU, Device, engine_key
from fidgety.runtime.engine_files import read_engine
from fidgety.runtime.networks import Graph
from fidgety.runtime.onnx_session import OnnxBoundSession, OnnxSession, cuda_provider, tensorrt_provider
from fidgety.runtime.session import Network, Session

__all__ = ["open_graph", "open_session"]


def open_graph(graph: Graph, device: Device = CPU, n_threads: int = 1) -> Session:
    """A bundle's graph as a session on `device`. Raises as `open_session` does."""
    return open_session(graph.path, graph.network, device, n_threads, graph.precision)


def open_session(
    path: Path, network: Network, device: Device = CPU, n_threads: int = 1, precision: str = "fp32"
) -> Session:
    """The graph at `path` as a session on `device`, its ends checked.

    n_threads: on the CPU. Raises BundleError where it is not the graph that `network` describes, DeviceError where the
    device does not take it or its engine is not the one that was chosen.
    """
    if device.name == "cpu":
        return OnnxSession(path, network.inputs, network.outputs, n_threads)
    if device.is_native:
        return _open_engine(Graph(network, path, precision), device)
    if device.name == "cuda":
        return OnnxBoundSession(path, network, cuda_provider())
    if device.folder is None:
        raise DeviceError("no folder for TensorRT's engines")
    try:
        device.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(f"{device.folder} cannot be written: {error.strerror}; set $FIDGETY_ENGINES") from error
    return OnnxBoundSession(path, network, tensorrt_provider(device.folder))


def _open_engine(graph: Graph, device: Device) -> Session:
    from fidgety.runtime.tensorrt_session import TensorRTSession, load_nvidia

    if device.gpu is None or device.folder is None:
        raise DeviceError("a device of provisioned engines names its GPU and their folder")
    engine = read_engine(device.folder, engine_key(graph, device.gpu))
    if engine.record.engine_sha256 != device.engines.get(graph.network.name):
        raise DeviceError(f"the engine of {graph.network.name} was exchanged meanwhile: start again")
    nvidia = load_nvidia()
    if nvidia.gpu() != device.gpu:
        raise DeviceError("the GPU is another one than a moment ago: start again")
    return TensorRTSession(nvidia, engine.content, graph.network)
