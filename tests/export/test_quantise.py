"""int8: the two flavours' types, what NVIDIA's parser would refuse, and ranges that do not fit."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from fidgety.calibration.activation_ranges import measure_ranges
from fidgety.demo_files import demo_file
from fidgety.errors import BundleError
from fidgety.export.precision import kept_float32
from fidgety.export.quantise import Flavour, Ranges, quantise

CODES = {"x86": TensorProto.UINT8, "tensorrt": TensorProto.INT8}


@pytest.fixture(scope="module")
def lifter() -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(onnx.load(demo_file("lifter.onnx")))


@pytest.fixture(scope="module")
def ranges(lifter: onnx.ModelProto) -> Ranges:
    rng = np.random.default_rng(5)
    sizes = [[axis.dim_value or 25 for axis in value.type.tensor_type.shape.dim] for value in lifter.graph.input]
    names = [value.name for value in lifter.graph.input]
    given = [
        {name: rng.normal(size=size).astype(np.float32) for name, size in zip(names, sizes, strict=True)}
        for _ in range(3)
    ]
    return measure_ranges(lifter, given)


@pytest.mark.parametrize("flavour", ["x86", "tensorrt"])
def test_quantise_types_inside_and_float32_at_the_ends(
    flavour: Flavour, lifter: onnx.ModelProto, ranges: Ranges
) -> None:
    model = quantise(lifter, ranges, flavour, kept_float32(lifter))
    ends = [*model.graph.input, *model.graph.output]
    assert all(value.type.tensor_type.elem_type == TensorProto.FLOAT for value in ends)
    constants = {c.name: c for c in model.graph.initializer}
    zeros = [constants[n.input[2]] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    activations = [zero.data_type for zero in zeros if not zero.dims]
    assert activations and set(activations) == {CODES[flavour]}


def test_quantise_for_tensorrt_dequantises_no_int32_and_has_no_zero_points(
    lifter: onnx.ModelProto, ranges: Ranges
) -> None:
    model = quantise(lifter, ranges, "tensorrt", kept_float32(lifter))
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert constants.get(node.input[0], np.int8(0)).dtype != np.int32
        assert not np.any(constants[node.input[2]])


def test_quantise_for_x86_has_weights_of_seven_bits(lifter: onnx.ModelProto, ranges: Ranges) -> None:
    most = {}
    for is_reduced in (True, False):
        model = quantise(lifter, ranges, "x86", kept_float32(lifter), is_reduced=is_reduced)
        codes = [numpy_helper.to_array(c) for c in model.graph.initializer if c.data_type == TensorProto.INT8]
        most[is_reduced] = max(int(np.abs(c.astype(int)).max()) for c in codes if c.size > 1000)
    assert most[True] <= 64 < most[False] <= 127


def test_quantise_leaves_out_what_it_is_told_to(lifter: onnx.ModelProto, ranges: Ranges) -> None:
    every = [node.name for node in lifter.graph.node]
    with pytest.raises(BundleError, match="holds no layer that int8 would do for"):
        quantise(lifter, ranges, "x86", every)


def test_quantise_ranges_of_another_graph(lifter: onnx.ModelProto, ranges: Ranges) -> None:
    with pytest.raises(BundleError, match="these ranges are another graph's"):
        quantise(lifter, {**ranges, "stray": (0.0, 1.0)}, "x86")


def test_quantise_ranges_that_lack_a_value(lifter: onnx.ModelProto, ranges: Ranges) -> None:
    fewer = {name: value for name, value in ranges.items() if name != "features"}
    del fewer[next(name for name in fewer if name.startswith("relu"))]
    with pytest.raises(BundleError, match="measure its ranges anew"):
        quantise(lifter, fewer, "x86", kept_float32(lifter))
