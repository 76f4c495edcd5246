"""Each operator by itself: a one-operator TFLite file in the TFLite interpreter against its ONNX form."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from fidgety.export.onnx_graph import OPSET, convert_graph
from fidgety.export.tflite_graph import Operator, Tensor, TfliteGraph, UnsupportedGraphError, read_tflite

RNG = np.random.default_rng(3)
SAME, VALID = 0, 1
RELU, RELU_N1_TO_1, RELU6 = 1, 2, 3


def _floats(*shape: int) -> np.ndarray:
    return RNG.normal(0, 3, shape).astype(np.float32)


def _conv(padding: int, stride: int, activation: int = 0, dilation: int = 1) -> dict[str, int]:
    return {
        "Padding": padding,
        "StrideH": stride,
        "StrideW": stride,
        "DilationHFactor": dilation,
        "DilationWFactor": dilation,
        "FusedActivationFunction": activation,
    }


def _pool(padding: int, size: int, stride: int) -> dict[str, int]:
    return {"Padding": padding, "StrideH": stride, "StrideW": stride, "FilterHeight": size, "FilterWidth": size}


# kind, input, output, constants, options, options class: all in TFLite's NHWC
PADS = np.array([[0, 0], [1, 2], [0, 1], [0, 3]], np.int32)
CASES: dict[str, tuple[Any, ...]] = {
    "conv same, stride 2, odd size, relu6": (
        "CONV_2D", (1, 7, 9, 4), (1, 4, 5, 6), [_floats(6, 3, 3, 4), _floats(6)],
        _conv(SAME, 2, RELU6), "Conv2DOptions",
    ),
    "conv same, stride 2, even size": (
        "CONV_2D", (1, 8, 6, 4), (1, 4, 3, 6), [_floats(6, 3, 3, 4), _floats(6)], _conv(SAME, 2), "Conv2DOptions",
    ),
    "conv valid, dilated, relu": (
        "CONV_2D", (1, 9, 9, 4), (1, 5, 5, 2), [_floats(2, 3, 3, 4), _floats(2)],
        _conv(VALID, 1, RELU, 2), "Conv2DOptions",
    ),
    "depthwise same, relu -1..1": (
        "DEPTHWISE_CONV_2D", (1, 6, 5, 4), (1, 6, 5, 4), [_floats(1, 5, 5, 4), _floats(4)],
        {**_conv(SAME, 1, RELU_N1_TO_1), "DepthMultiplier": 1}, "DepthwiseConv2DOptions",
    ),
    "depthwise valid, multiplier 2": (
        "DEPTHWISE_CONV_2D", (1, 6, 5, 3), (1, 4, 3, 6), [_floats(1, 3, 3, 6), _floats(6)],
        {**_conv(VALID, 1), "DepthMultiplier": 2}, "DepthwiseConv2DOptions",
    ),
    "max pool same, odd size": ("MAX_POOL_2D", (1, 7, 5, 3), (1, 4, 3, 3), [], _pool(SAME, 2, 2), "Pool2DOptions"),
    "average pool same, odd size": (
        "AVERAGE_POOL_2D", (1, 7, 5, 3), (1, 4, 3, 3), [], _pool(SAME, 3, 2), "Pool2DOptions",
    ),
    "pad space and channels": ("PAD", (1, 4, 4, 2), (1, 7, 5, 5), [PADS], None, None),
    "add channel constant, relu6": (
        "ADD", (1, 4, 5, 3), (1, 4, 5, 3), [_floats(3)], {"FusedActivationFunction": RELU6}, "AddOptions",
    ),
    "mul full constant": ("MUL", (1, 4, 5, 3), (1, 4, 5, 3), [_floats(1, 4, 5, 3)], {}, "MulOptions"),
    "sub one number": ("SUB", (1, 4, 5, 3), (1, 4, 5, 3), [_floats(1)], {}, "SubOptions"),
    "prelu": ("PRELU", (1, 4, 5, 3), (1, 4, 5, 3), [_floats(1, 1, 3)], None, None),
    "logistic": ("LOGISTIC", (1, 4, 5, 3), (1, 4, 5, 3), [], None, None),
    "relu": ("RELU", (1, 4, 5, 3), (1, 4, 5, 3), [], None, None),
    "relu6": ("RELU6", (1, 4, 5, 3), (1, 4, 5, 3), [], None, None),
    "resize half pixel": (
        "RESIZE_BILINEAR", (1, 4, 5, 3), (1, 8, 10, 3), [np.array([8, 10], np.int32)],
        {"AlignCorners": 0, "HalfPixelCenters": 1}, "ResizeBilinearOptions",
    ),
    "resize aligned corners": (
        "RESIZE_BILINEAR", (1, 4, 5, 3), (1, 8, 10, 3), [np.array([8, 10], np.int32)],
        {"AlignCorners": 1, "HalfPixelCenters": 0}, "ResizeBilinearOptions",
    ),
    "resize asymmetric": (
        "RESIZE_BILINEAR", (1, 4, 5, 3), (1, 8, 10, 3), [np.array([8, 10], np.int32)],
        {"AlignCorners": 0, "HalfPixelCenters": 0}, "ResizeBilinearOptions",
    ),
    "depth to space": ("DEPTH_TO_SPACE", (1, 3, 2, 12), (1, 6, 4, 3), [], {"BlockSize": 2}, "DepthToSpaceOptions"),
    "reshape flattens pixels": ("RESHAPE", (1, 3, 2, 4), (1, 12, 2), [np.array([1, 12, 2], np.int32)], None, None),
    "reshape one pixel": ("RESHAPE", (1, 1, 1, 4), (1, 4), [np.array([1, 4], np.int32)], None, None),
    "reshape to picture": ("RESHAPE", (1, 24), (1, 3, 2, 4), [np.array([1, 3, 2, 4], np.int32)], None, None),
}  # fmt: skip


def _reference(content: bytes, given: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
    interpreter.invoke()
    result: np.ndarray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return result


def _run(model: onnx.ModelProto, given: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [result] = session.run(["out"], {"in": given})
    return np.asarray(result)


@pytest.mark.parametrize("case", CASES)
def test_convert_graph_one_operator(case: str, one_operator_file: Any) -> None:
    kind, shape, result_shape, constants, options, options_class = CASES[case]
    content = one_operator_file(kind, shape, result_shape, constants, options, options_class)
    given = _floats(*shape)
    expected = _reference(content, given)
    model = convert_graph(read_tflite(content), "one", "in", {"result": "out"}, "")
    got = _run(model, given.transpose(0, 3, 1, 2) if given.ndim == 4 else given)
    if expected.ndim == 4:
        expected = expected.transpose(0, 3, 1, 2)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    assert np.ptp(expected) > 0
    assert model.opset_import[0].version == OPSET


def _chain(*operators: Operator, tensors: dict[int, Tensor]) -> TfliteGraph:
    ordered = tuple(tensors[i] for i in range(len(tensors)))
    return TfliteGraph(ordered, operators, (0,), (len(tensors) - 1,))


def test_convert_graph_pad_moves_into_convolution() -> None:
    pads = np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32)
    weights, options = _floats(2, 3, 3, 1), _conv(VALID, 2)
    graph = _chain(
        Operator("PAD", 0, (0, 1), (2,), {}),
        Operator("CONV_2D", 1, (2, 3, -1), (4,), options),
        tensors={
            0: Tensor("given", (1, 4, 4, 1), None),
            1: Tensor("pads", (4, 2), pads),
            2: Tensor("padded", (1, 5, 5, 1), None),
            3: Tensor("weights", weights.shape, weights),
            4: Tensor("result", (1, 2, 2, 2), None),
        },
    )
    model = convert_graph(graph, "chain", "in", {"result": "out"}, "")
    given = _floats(1, 1, 4, 4)
    padded = np.pad(given[0, 0], ((0, 1), (0, 1)))
    expected = [
        [[float((padded[y : y + 3, x : x + 3] * w[:, :, 0]).sum()) for x in (0, 2)] for y in (0, 2)] for w in weights
    ]
    assert [node.op_type for node in model.graph.node] == ["Conv"]
    np.testing.assert_allclose(_run(model, given)[0], expected, rtol=1e-4, atol=1e-4)


def test_convert_graph_concatenation_joins_channels() -> None:
    extra = {"Axis": 3, "FusedActivationFunction": 0}
    graph = _chain(
        Operator("RELU", 0, (0,), (1,), {}),
        Operator("CONCATENATION", 1, (0, 1), (2,), extra),
        tensors={
            0: Tensor("given", (1, 2, 3, 2), None),
            1: Tensor("positive", (1, 2, 3, 2), None),
            2: Tensor("result", (1, 2, 3, 4), None),
        },
    )
    given = _floats(1, 2, 2, 3)
    got = _run(convert_graph(graph, "chain", "in", {"result": "out"}, ""), given)
    np.testing.assert_array_equal(got, np.concatenate([given, np.maximum(given, 0)], axis=1))


def test_convert_graph_unknown_operator_is_named(one_operator_file: Any) -> None:
    graph = read_tflite(one_operator_file("TANH", (1, 2, 2, 1), (1, 2, 2, 1)))
    with pytest.raises(UnsupportedGraphError, match=r"TANH at position 0 .*CONV_2D"):
        convert_graph(graph, "one", "in", {"result": "out"}, "")


def test_convert_graph_missing_output_is_named(one_operator_file: Any) -> None:
    graph = read_tflite(one_operator_file("RELU", (1, 2, 2, 1), (1, 2, 2, 1)))
    with pytest.raises(UnsupportedGraphError, match="no output 'mask', only result"):
        convert_graph(graph, "one", "in", {"mask": "out"}, "")


def test_convert_graph_weights_computed_at_run_time(one_operator_file: Any) -> None:
    content = one_operator_file(
        "CONV_2D", (1, 3, 3, 1), (1, 1, 1, 1), [_floats(1, 3, 3, 1), _floats(1)], _conv(VALID, 1), "Conv2DOptions"
    )
    graph = read_tflite(content)
    bare = [Tensor(t.name, t.shape, None) if t.name == "constant_0" else t for t in graph.tensors]
    with pytest.raises(UnsupportedGraphError, match="constant_0 has to be a constant"):
        convert_graph(
            TfliteGraph(tuple(bare), graph.operators, graph.inputs, graph.outputs), "one", "in", {"result": "out"}, ""
        )


def test_read_tflite_other_content() -> None:
    with pytest.raises(UnsupportedGraphError, match="not a TFLite file"):
        read_tflite(b"PK\x03\x04 this is a zip")


def test_read_tflite_half_precision_constant_is_widened(one_operator_file: Any) -> None:
    values = np.array([0.5, -2.25, 1e-3], np.float16)
    graph = read_tflite(one_operator_file("ADD", (1, 1, 1, 3), (1, 1, 1, 3), [values], {}, "AddOptions"))
    [constant] = [t.values for t in graph.tensors if t.values is not None]
    assert constant.dtype == np.float32
    np.testing.assert_array_equal(constant, values.astype(np.float32))
