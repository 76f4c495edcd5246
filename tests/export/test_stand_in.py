"""The stand-in rounds where the accelerator's graph does: by hand for float16, and as exact products do for int8."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from fidgety.errors import BundleError
from fidgety.export.graph_writer import GraphWriter
from fidgety.export.precision import fixed, half
from fidgety.export.quantise import quantise
from fidgety.export.stand_in import stand_in


def three_layers() -> onnx.ModelProto:
    rng = np.random.default_rng(2)
    graph = GraphWriter()
    value = "x"
    for i in range(3):
        weight, bias = rng.normal(size=(16, 16)).astype(np.float32), rng.normal(size=16).astype(np.float32)
        value = graph.linear(value, f"layer_{i}", weight, bias, output="y" if i == 2 else None)
        value = value if i == 2 else graph.node("Relu", value)
    return fixed(graph.model("small", {"x": ("B", 16)}, {"y": ("B", 16)}), {"B": 4})


def run(model: onnx.ModelProto, x: np.ndarray, *, is_plain: bool = False) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if is_plain:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(4, 16)).astype(np.float32)


def test_stand_in_rounds_to_float16_after_every_inner_node(x: np.ndarray) -> None:
    base = three_layers()
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in base.graph.initializer}

    def rounded(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float16).astype(np.float32)

    value = x  # the first layer's way in: the input itself is rounded where a float16 layer reads it
    for i in (0, 1):
        weight, bias = (rounded(constants[f"layer_{i}_{part}"]) for part in ("weight", "bias"))
        value = np.maximum(rounded(rounded(value) @ weight + bias), 0)
    expected = value @ constants["layer_2_weight"] + constants["layer_2_bias"]
    got = run(stand_in(half(base)), x)
    exact = run(base, x)
    assert np.abs(got - expected).max() < 1e-5 < np.abs(got - exact).max()


@pytest.mark.parametrize("flavour", ["x86", "tensorrt"])
def test_stand_in_of_int8_is_exact_products_of_rounded_values(flavour: str, x: np.ndarray) -> None:
    base = three_layers()
    ranges = {"x": (-3.0, 3.0), "y": (-60.0, 60.0)}
    ranges |= {node.output[0]: (-20.0, 20.0) for node in base.graph.node if node.output[0] != "y"}
    model = quantise(base, ranges, flavour)  # type: ignore[arg-type]
    judged = stand_in(model)
    assert not {node.op_type for node in judged.graph.node} & {"QuantizeLinear", "DequantizeLinear"}
    expected, got, exact = run(model, x, is_plain=True), run(judged, x), run(base, x)
    assert np.abs(got - expected).max() < 1e-3 < np.abs(got - exact).max()


def test_stand_in_refuses_what_it_cannot_follow() -> None:
    model = quantise(three_layers(), {"x": (-3.0, 3.0), "y": (-9.0, 9.0), **_inner()}, "tensorrt")
    first = next(node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "x")
    reader = next(node for node in model.graph.node if first.output[0] in node.input)
    place = list(model.graph.node).index(reader)
    model.graph.node.insert(place, helper.make_node("Neg", [first.output[0]], ["negative"], "neg"))
    reader.input[0] = "negative"
    with pytest.raises(BundleError, match="neg: Neg of quantised values cannot be followed"):
        stand_in(model)


def _inner() -> dict[str, tuple[float, float]]:
    return {node.output[0]: (-20.0, 20.0) for node in three_layers().graph.node if node.output[0] != "y"}
