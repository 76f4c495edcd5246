"""ONNX Runtime's bound session, on the one memory that every machine has; and that no other provider stands in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from fidgety.errors import BundleError, DeviceError
from fidgety.runtime.networks import Graph
from fidgety.runtime.onnx_session import OnnxBoundSession, cuda_provider, require_provider, tensorrt_provider
from fidgety.runtime.session import Network

MakeGraph = Callable[..., Graph]
ON_CPU = [("CPUExecutionProvider", {})]
B = np.array([[1, 2, 3]], np.float32)


def test_bound_session_of_any_number_of_rows_and_no_array_twice(make_graph: MakeGraph) -> None:
    graph = make_graph()
    session = OnnxBoundSession(graph.path, graph.network, ON_CPU, memory="cpu")
    kept = []
    for n_rows in (4, 1, 9, 4):
        x = np.full((n_rows, 3), n_rows, np.float32)
        kept.append((session.run(x=x, b=B)["y"], 2 * x + B))
    assert all(found.tolist() == wanted.tolist() for found, wanted in kept)
    assert not np.shares_memory(kept[0][0], kept[3][0])


def test_bound_session_of_a_graph_that_leaves_height_and_width_open(tmp_path: Path) -> None:
    """As networks of the user's own are exported: each open size becomes its own number, not the number of rows."""
    onnx = pytest.importorskip("onnx", reason="graphs are made with the onnx package (extra 'export')")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    crop = helper.make_tensor_value_info("crop", kind, ["n", 3, "height", "width"])
    halved = helper.make_tensor_value_info("halved", kind, ["n", 3, "h", "w"])
    pool = helper.make_node("MaxPool", ["crop"], ["halved"], kernel_shape=[2, 2], strides=[2, 2])
    graph = helper.make_graph([pool], "open", [crop], [halved])
    path = tmp_path / "open.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    network = Network("open", {"crop": (1, 3, 8, 6)}, {"halved": (1, 3, 4, 3)})
    given = np.arange(144, dtype=np.float32).reshape(1, 3, 8, 6)
    found = OnnxBoundSession(path, network, ON_CPU, memory="cpu").run(crop=given)["halved"]
    assert found.tolist() == given[:, :, 1::2, 1::2].tolist()


class _Elsewhere:
    """A session as ONNX Runtime gives it where the provider did not load: without a word."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


@pytest.mark.parametrize("providers", [cuda_provider(), tensorrt_provider(Path("cache"))])
def test_open_refuses_a_silent_fallback(
    make_graph: MakeGraph, monkeypatch: pytest.MonkeyPatch, providers: list[tuple[str, dict[str, object]]]
) -> None:
    graph, name = make_graph(), providers[0][0]
    monkeypatch.setattr(ort, "get_available_providers", lambda: [name, "CPUExecutionProvider"])
    with monkeypatch.context() as patched:
        patched.setattr(ort, "InferenceSession", _Elsewhere)
        with pytest.raises(DeviceError, match=f"asked for {name}, ONNX Runtime took CPUExecutionProvider"):
            require_provider("cuda" if name.startswith("CUDA") else "tensorrt", graph.path)


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_open_without_the_provider_is_refused(make_graph: MakeGraph) -> None:
    graph = make_graph()
    with pytest.raises(DeviceError, match="has no CUDAExecutionProvider: install onnxruntime-gpu"):
        OnnxBoundSession(graph.path, graph.network, cuda_provider())


def test_open_damaged_graph_is_the_bundles_fault(make_graph: MakeGraph) -> None:
    graph = make_graph()
    graph.path.write_bytes(b"not a graph")
    with pytest.raises(BundleError, match="does not load"):
        OnnxBoundSession(graph.path, graph.network, ON_CPU, memory="cpu")


def test_tensorrt_is_not_to_lower_the_precision() -> None:
    (name, options), (second, more) = tensorrt_provider(Path("cache"))
    assert name == "TensorrtExecutionProvider" and options["trt_engine_cache_path"] == "cache"
    assert not options["trt_fp16_enable"] and not options["trt_int8_enable"]
    assert second == "CUDAExecutionProvider" and more["use_tf32"] == 0
