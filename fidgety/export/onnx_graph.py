"""Writes a TFLite graph as ONNX in NCHW, pruned to the outputs asked for.

Every rank-4 tensor of the source (NHWC) becomes NCHW under its node's name; a Transpose is written only where a
RESHAPE flattens more than one pixel, because there the order of the elements is part of the meaning. Zero padding
in front of a convolution moves into the convolution, fused activations become Clip or Relu behind it (ONNX Runtime
and TensorRT fuse them back). Names and bytes depend on the file only, so the same file gives the same ONNX bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fidgety.export.tflite_graph import Operator, TfliteGraph, UnsupportedGraphError, needed_operators

__all__ = ["IR_VERSION", "OPSET", "convert_graph"]

OPSET = 17  # the newest that ONNX Runtime 1.20 and TensorRT 10.3 (JetPack 6.2) both take whole
IR_VERSION = 8  # the one that belongs to opset 17
_NCHW = (0, 3, 1, 2)  # axis of the NHWC source for each NCHW axis
_NCHW_FROM_NHWC_AXIS = {0: 0, 1: 2, 2: 3, 3: 1}


def convert_graph(
    graph: TfliteGraph, name: str, input_name: str, outputs: Mapping[str, str], doc: str
) -> onnx.ModelProto:
    """The ONNX model that computes `outputs` (TFLite output name -> ONNX name) of a one-input network.

    Raises UnsupportedGraphError, naming operator and position, for whatever the converter does not know.
    """
    if len(graph.inputs) != 1:
        raise UnsupportedGraphError(f"a network with one input is expected, got {len(graph.inputs)}")
    wanted = {graph.output_named(source): target for source, target in outputs.items()}
    writer = _Writer(graph, {graph.inputs[0]: input_name, **wanted}, needed_operators(graph, list(wanted)))
    writer.write_all()
    body = helper.make_graph(
        writer.nodes,
        name,
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, writer.shape(graph.inputs[0]))],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, writer.shape(i)) for i, n in wanted.items()],
        initializer=list(writer.constants.values()),
        doc_string=doc,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="fidgety")
    model.ir_version = IR_VERSION
    return model


class _Writer:
    """Collects nodes and constants of one graph. Values are NCHW where the source is rank 4, else unchanged."""

    def __init__(self, graph: TfliteGraph, names: Mapping[int, str], operators: list[Operator]) -> None:
        self.graph = graph
        self.operators = operators
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._names = dict(names)
        self._pads: dict[int, tuple[int, tuple[int, int, int, int]]] = {}  # padded tensor -> source, t l b r
        self._consumers: dict[int, list[Operator]] = {}
        for operator in operators:
            for index in operator.inputs:
                self._consumers.setdefault(index, []).append(operator)

    def write_all(self) -> None:
        """Write every operator in execution order."""
        for operator in self.operators:
            write = _WRITERS.get(operator.kind)
            if write is None:
                raise UnsupportedGraphError(
                    f"the TFLite operator {operator.kind} at position {operator.position} is not known here; "
                    f"known are {', '.join(sorted(_WRITERS))}"
                )
            if len(operator.outputs) != 1:
                raise UnsupportedGraphError(f"{operator.kind} at {operator.position} has more than one output")
            write(self, operator)

    def source_shape(self, index: int) -> tuple[int, ...]:
        """Shape in the TFLite file."""
        return self.graph.tensors[index].shape

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape in the ONNX graph."""
        shape = self.source_shape(index)
        return tuple(shape[axis] for axis in _NCHW) if len(shape) == 4 else shape

    def values(self, index: int) -> np.ndarray:
        """The values of a constant, in TFLite's layout."""
        tensor = self.graph.tensors[index]
        if tensor.values is None:
            raise UnsupportedGraphError(f"the tensor {tensor.name} has to be a constant and is not")
        return tensor.values

    def value(self, index: int) -> str:
        """Name of the ONNX value that holds a computed tensor."""
        if index not in self._names:
            raise UnsupportedGraphError(f"the tensor {self.graph.tensors[index].name} is used before it is computed")
        return self._names[index]

    def constant(self, name: str, values: np.ndarray) -> str:
        """Register a constant once and give its name."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def emit(self, operator: Operator, kind: str, inputs: list[str], **attributes: Any) -> None:
        """Write one node for the operator, followed by its fused activation, under the operator's name."""
        output = self.output_name(operator)
        if operator.activation == "NONE":
            self.node(kind, inputs, output, **attributes)
            return
        self.node(kind, inputs, f"{output}_linear", **attributes)
        self.activate(operator.activation, f"{output}_linear", output)

    def activate(self, activation: str, source: str, target: str) -> None:
        if activation == "RELU":
            self.node("Relu", [source], target)
            return
        low, high = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}[activation]
        bounds = [self.constant(f"limit_{v:g}", np.array(v, np.float32)) for v in (low, high)]
        self.node("Clip", [source, *bounds], target)

    def output_name(self, operator: Operator) -> str:
        """Name of the operator's value: the graph's own output name, else kind and place, as conv_012."""
        return self._names.setdefault(operator.outputs[0], _stem(operator))

    def defer_pad(self, operator: Operator, pads: tuple[int, int, int, int]) -> bool:
        """Leave a zero PAD to the convolutions behind it, if nothing else reads it."""
        consumers = self._consumers.get(operator.outputs[0], [])
        kinds = {consumer.kind for consumer in consumers}
        if operator.outputs[0] in self._names or not consumers or not kinds <= {"CONV_2D", "DEPTHWISE_CONV_2D"}:
            return False
        self._pads[operator.outputs[0]] = (operator.inputs[0], pads)
        return True

    def unpadded(self, index: int) -> tuple[int, tuple[int, int, int, int]]:
        """The tensor in front of a deferred PAD and that PAD (top, left, bottom, right); else the tensor itself."""
        return self._pads.get(index, (index, (0, 0, 0, 0)))


def _stem(operator: Operator) -> str:
    words = {"CONV_2D": "conv", "DEPTHWISE_CONV_2D": "depthwise"}
    return f"{words.get(operator.kind, operator.kind.lower())}_{operator.position:03d}"


def _same_pads(shape: tuple[int, ...], kernel: tuple[int, int], operator: Operator) -> tuple[int, int, int, int]:
    """TFLite's SAME padding of an NHWC shape: the odd row or column goes to the bottom right."""
    if operator.padding == "VALID":
        return (0, 0, 0, 0)
    options = operator.options
    begin, end = [], []
    for axis, (size, width) in enumerate(zip(shape[1:3], kernel, strict=True)):
        stride = options[("StrideH", "StrideW")[axis]]
        reach = (width - 1) * options.get(("DilationHFactor", "DilationWFactor")[axis], 1) + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        begin.append(total // 2)
        end.append(total - total // 2)
    return (begin[0], begin[1], end[0], end[1])


def _write_convolution(writer: _Writer, operator: Operator) -> None:
    options, stem = operator.options, _stem(operator)
    weights = writer.values(operator.inputs[1])
    kernel = (int(weights.shape[1]), int(weights.shape[2]))
    source, extra = writer.unpadded(operator.inputs[0])
    n_channels = writer.source_shape(source)[3]
    if operator.kind == "DEPTHWISE_CONV_2D":
        # (1, h, w, C * multiplier): output c * multiplier + m reads channel c, which is ONNX's grouped order.
        weights, groups = weights.transpose(3, 0, 1, 2), n_channels
    else:
        weights, groups = weights.transpose(0, 3, 1, 2), n_channels // int(weights.shape[3])
    same = _same_pads(writer.source_shape(operator.inputs[0]), kernel, operator)
    inputs = [writer.value(source), writer.constant(f"{stem}_weight", weights)]
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        inputs.append(writer.constant(f"{stem}_bias", writer.values(operator.inputs[2])))
    writer.emit(
        operator,
        "Conv",
        inputs,
        kernel_shape=kernel,
        strides=(options["StrideH"], options["StrideW"]),
        dilations=(options["DilationHFactor"], options["DilationWFactor"]),
        pads=tuple(a + b for a, b in zip(same, extra, strict=True)),
        group=groups,
    )


def _write_pool(writer: _Writer, operator: Operator) -> None:
    options = operator.options
    kernel = (options["FilterHeight"], options["FilterWidth"])
    attributes: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": (options["StrideH"], options["StrideW"]),
        "pads": _same_pads(writer.source_shape(operator.inputs[0]), kernel, operator),
    }
    kind = "MaxPool" if operator.kind == "MAX_POOL_2D" else "AveragePool"  # both leave padding out of the sum
    writer.emit(operator, kind, [writer.value(operator.inputs[0])], **attributes)


def _write_pad(writer: _Writer, operator: Operator) -> None:
    amounts = writer.values(operator.inputs[1]).astype(np.int64)
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    if not amounts[[0, 3]].any() and writer.defer_pad(operator, (top, left, bottom, right)):
        return
    nchw = amounts[list(_NCHW)].T.reshape(-1)  # all begins, then all ends
    pads = writer.constant(f"{_stem(operator)}_amounts", nchw)
    writer.emit(operator, "Pad", [writer.value(operator.inputs[0]), pads], mode="constant")


def _write_arithmetic(writer: _Writer, operator: Operator) -> None:
    kind = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "PRELU": "PRelu"}[operator.kind]
    rank = len(writer.source_shape(operator.outputs[0]))
    writer.emit(operator, kind, [_operand(writer, operator, i, rank) for i in operator.inputs])


def _operand(writer: _Writer, operator: Operator, index: int, rank: int) -> str:
    """A computed value, or a constant turned so that it broadcasts in NCHW as it did in NHWC."""
    values = writer.graph.tensors[index].values
    if values is None:
        if len(writer.source_shape(index)) != rank:
            raise UnsupportedGraphError(f"{operator.kind} at {operator.position} mixes tensors of unlike rank")
        return writer.value(index)
    if rank == 4:
        values = values.reshape((1,) * (4 - values.ndim) + values.shape).transpose(_NCHW)
    return writer.constant(f"{_stem(operator)}_operand", values)


def _write_unary(writer: _Writer, operator: Operator) -> None:
    source, target = writer.value(operator.inputs[0]), writer.output_name(operator)
    if operator.kind == "LOGISTIC":
        writer.node("Sigmoid", [source], target)
    else:
        writer.activate(operator.kind, source, target)


def _write_resize(writer: _Writer, operator: Operator) -> None:
    _, height, width, _ = writer.source_shape(operator.inputs[0])
    _, new_height, new_width, _ = writer.source_shape(operator.outputs[0])
    if operator.options["AlignCorners"]:
        mode = "align_corners"
    else:
        mode = "half_pixel" if operator.options["HalfPixelCenters"] else "asymmetric"
    scales = np.array([1, 1, new_height / height, new_width / width], np.float32)
    inputs = [writer.value(operator.inputs[0]), "", writer.constant(f"{_stem(operator)}_scales", scales)]
    writer.emit(operator, "Resize", inputs, mode="linear", coordinate_transformation_mode=mode)


def _write_depth_to_space(writer: _Writer, operator: Operator) -> None:
    source = writer.value(operator.inputs[0])
    writer.emit(operator, "DepthToSpace", [source], blocksize=operator.options["BlockSize"], mode="DCR")


def _write_concatenation(writer: _Writer, operator: Operator) -> None:
    rank = len(writer.source_shape(operator.outputs[0]))
    axis = operator.options["Axis"] % rank
    inputs = [writer.value(index) for index in operator.inputs]
    writer.emit(operator, "Concat", inputs, axis=_NCHW_FROM_NHWC_AXIS[axis] if rank == 4 else axis)


def _write_reshape(writer: _Writer, operator: Operator) -> None:
    stem, source = _stem(operator), writer.value(operator.inputs[0])
    old, new = writer.source_shape(operator.inputs[0]), writer.source_shape(operator.outputs[0])
    if len(old) == 4 and old[3] > 1 and old[1] * old[2] > 1:  # else both layouts list the elements alike
        writer.node("Transpose", [source], f"{stem}_nhwc", perm=(0, 2, 3, 1))
        source = f"{stem}_nhwc"
    target = writer.constant(f"{stem}_shape", np.array(new, np.int64))
    if len(new) == 4:
        writer.node("Reshape", [source, target], f"{stem}_flat")
        writer.node("Transpose", [f"{stem}_flat"], writer.output_name(operator), perm=_NCHW)
        return
    writer.node("Reshape", [source, target], writer.output_name(operator))


_WRITERS: dict[str, Callable[[_Writer, Operator], None]] = {
    "CONV_2D": _write_convolution,
    "DEPTHWISE_CONV_2D": _write_convolution,
    "MAX_POOL_2D": _write_pool,
    "AVERAGE_POOL_2D": _write_pool,
    "PAD": _write_pad,
    "ADD": _write_arithmetic,
    "SUB": _write_arithmetic,
    "MUL": _write_arithmetic,
    "PRELU": _write_arithmetic,
    "LOGISTIC": _write_unary,
    "RELU": _write_unary,
    "RELU6": _write_unary,
    "RESIZE_BILINEAR": _write_resize,
    "DEPTH_TO_SPACE": _write_depth_to_space,
    "CONCATENATION": _write_concatenation,
    "RESHAPE": _write_reshape,
}
