"""The native session, against the stand-in of NVIDIA's packages: what it checks, and that nothing of a run remains."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fidgety.errors import BundleError, DeviceError
from fidgety.export.tensorrt import build_engine
from fidgety.runtime.networks import Graph
from fidgety.runtime.tensorrt_session import Nvidia, TensorRTSession, load_nvidia

LoadStandIn = Callable[..., Nvidia]
MakeGraph = Callable[..., Graph]
B = np.array([[1, 2, 3]], np.float32)


def _x(n_rows: int, start: float = 0.0) -> np.ndarray:
    return np.arange(3 * n_rows, dtype=np.float32).reshape(n_rows, 3) + np.float32(start)


@pytest.fixture
def engine(load_stand_in: LoadStandIn, make_graph: MakeGraph) -> tuple[Nvidia, bytes, Graph]:
    nvidia, graph = load_stand_in(), make_graph()
    return nvidia, build_engine(nvidia.tensorrt, nvidia.logger(), graph), graph


@pytest.mark.parametrize("n_rows", [1, 3, 4, 5, 8, 11])
def test_run_of_any_number_of_rows(engine: tuple[Nvidia, bytes, Graph], n_rows: int) -> None:
    nvidia, content, graph = engine
    with TensorRTSession(nvidia, content, graph.network) as session:
        found = session.run(x=_x(n_rows), b=B)
    assert found["y"].tolist() == (2 * _x(n_rows) + B).tolist()


def test_run_never_hands_out_an_array_twice(engine: tuple[Nvidia, bytes, Graph]) -> None:
    nvidia, content, graph = engine
    with TensorRTSession(nvidia, content, graph.network) as session:
        first = session.run(x=_x(4), b=B)["y"]
        kept = first.copy()
        second = session.run(x=_x(4, 100.0), b=B)["y"]
    assert not np.shares_memory(first, second)
    assert first.tolist() == kept.tolist() != second.tolist()


def test_run_of_an_array_that_does_not_lie_in_one_piece(engine: tuple[Nvidia, bytes, Graph]) -> None:
    nvidia, content, graph = engine
    turned = np.asfortranarray(_x(4))
    with TensorRTSession(nvidia, content, graph.network) as session:
        assert session.run(x=turned, b=B)["y"].tolist() == (2 * _x(4) + B).tolist()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": _x(4)}, "takes x, b, got x"),
        ({"x": _x(4), "b": B, "c": B}, "takes x, b, got x, b, c"),
        ({"x": _x(4).astype(np.float64), "b": B}, "float64, expected"),
        ({"x": _x(4)[:, :2], "b": B}, r"\[4, 2\] float32, expected \[4, 3\]"),
        ({"x": _x(0), "b": B}, "at least one"),
    ],
)
def test_run_of_other_inputs_is_refused(
    engine: tuple[Nvidia, bytes, Graph], given: dict[str, np.ndarray], message: str
) -> None:
    nvidia, content, graph = engine
    with TensorRTSession(nvidia, content, graph.network) as session, pytest.raises(ValueError, match=message):
        session.run(**given)


def test_run_of_a_network_that_remembers_is_never_filled_up(engine: tuple[Nvidia, bytes, Graph]) -> None:
    """An output without a free size is what is remembered: of rows that were filled in, too."""
    nvidia, content, graph = engine
    network = replace(graph.network, outputs={"y": (4, 3)})
    with (
        TensorRTSession(nvidia, content, network) as session,
        pytest.raises(ValueError, match="runs 4 rows at a time, got 3"),
    ):
        session.run(x=_x(3), b=B)


def test_open_with_another_output_that_is_not_float32(load_stand_in: LoadStandIn, make_graph: MakeGraph) -> None:
    """Graphs of the user's own may give more than is read, and a buffer of float32's size would not fit it."""
    onnx = pytest.importorskip("onnx", reason="graphs are made with the onnx package (extra 'export')")
    nvidia, graph = load_stand_in(), make_graph()
    model, half = onnx.load(str(graph.path)), onnx.TensorProto.FLOAT16
    model.graph.node.append(onnx.helper.make_node("Cast", ["y"], ["rounded"], to=half))
    model.graph.output.append(onnx.helper.make_tensor_value_info("rounded", half, ("N", 3)))
    onnx.save(model, str(graph.path))
    content = build_engine(nvidia.tensorrt, nvidia.logger(), graph)
    with pytest.raises(BundleError, match=r"the engine of small also gives 'rounded', .*HALF \[4, 3\], which nobody"):
        TensorRTSession(nvidia, content, graph.network)
    assert not nvidia.cuda.MEMORY and not nvidia.cuda.STREAMS


def test_device_memory_is_given_back(engine: tuple[Nvidia, bytes, Graph]) -> None:
    nvidia, content, graph = engine
    session = TensorRTSession(nvidia, content, graph.network)
    assert len(nvidia.cuda.MEMORY) == 3 and len(nvidia.cuda.STREAMS) == 1
    del session
    gc.collect()
    assert not nvidia.cuda.MEMORY and not nvidia.cuda.STREAMS
    with TensorRTSession(nvidia, content, graph.network) as session:
        pass
    with pytest.raises(DeviceError, match="is closed"):
        session.run(x=_x(4), b=B)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("deserialise", "TensorRT refuses the engine of small"),
        ("context", "no memory on the GPU to run small"),
        ("no-memory", "cudaMalloc: out of memory"),
    ],
)
def test_open_where_the_device_fails(
    engine: tuple[Nvidia, bytes, Graph], monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    nvidia, content, graph = engine
    monkeypatch.setenv("STAND_IN_FAULT", fault)
    with pytest.raises(DeviceError, match=message):
        TensorRTSession(nvidia, content, graph.network)
    assert not nvidia.cuda.MEMORY and not nvidia.cuda.STREAMS


@pytest.mark.parametrize(
    ("fault", "message"), [("execute", "could not run small"), ("copy", "cudaMemcpyAsync: invalid argument")]
)
def test_run_where_the_device_fails(
    engine: tuple[Nvidia, bytes, Graph], monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    nvidia, content, graph = engine
    with TensorRTSession(nvidia, content, graph.network) as session:
        monkeypatch.setenv("STAND_IN_FAULT", fault)
        with pytest.raises(DeviceError, match=message):
            session.run(x=_x(4), b=B)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": {"z": (None, 3), "b": (1, 3)}}, "wants an input 'x'"),
        ({"outputs": {"z": (None, 3)}}, "has no output 'z'"),
        ({"n_rows": 5}, r"input 'x' has the shape \[4, 3\], expected \[5, 3\]"),
    ],
)
def test_open_an_engine_with_other_ends_is_refused(
    engine: tuple[Nvidia, bytes, Graph], changes: dict[str, object], message: str
) -> None:
    nvidia, content, graph = engine
    with pytest.raises(BundleError, match=message):
        TensorRTSession(nvidia, content, replace(graph.network, **changes))


def test_gpu_is_named(load_stand_in: LoadStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia = load_stand_in("11.0.1", "Thor")
    gpu = nvidia.gpu()
    assert (gpu.name, gpu.compute_capability, gpu.tensorrt) == ("Thor", "8.7", "11.0.1")
    monkeypatch.setenv("STAND_IN_FAULT", "no-gpu")
    with pytest.raises(DeviceError, match="no NVIDIA GPU"):
        nvidia.gpu()
    monkeypatch.setenv("STAND_IN_FAULT", "no-driver")
    with pytest.raises(DeviceError, match="cudaGetDeviceCount: CUDA driver version is insufficient"):
        nvidia.gpu()


def test_load_nvidia_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)
    with pytest.raises(DeviceError, match=r"TensorRT cannot be loaded .*system-site-packages"):
        load_nvidia()
