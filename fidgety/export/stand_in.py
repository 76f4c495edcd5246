"""A graph for an accelerator -> a float32 graph that rounds where the accelerator does: its stand-in on the CPU.

ONNX Runtime's CPU must not judge these graphs as they are. It computes a float16 graph in float32 throughout, with no
rounding in between (landmarks .04 px off, where rounding makes it .6 px, at most), and its S8S8 products saturate
without VNNI (18 px off, where exact products give 1.9). So the parity gate runs the stand-in: values are rounded to
float16, or to their int8 steps, by plain operators; products are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fidgety.errors import BundleError

__all__ = ["stand_in"]

_Array = NDArray[Any]


def stand_in(model: onnx.ModelProto) -> onnx.ModelProto:
    """The float32 graph that rounds as `model`, float16 or Q/DQ, does. Raises BundleError for what it cannot follow."""
    kinds = {node.op_type for node in model.graph.node}
    writer = _Rounder(model)
    if "QuantizeLinear" in kinds:
        return writer.written(writer.follow_int8)
    return writer.written(writer.follow_half)


class _Rounder:
    """Writes a graph anew, node by node."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
        self._halves = {v.name for v in model.graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT16}
        self._nodes: list[onnx.NodeProto] = []
        self._codes: dict[str, _Array] = {}  # constants that were quantised: their codes
        self._whole: set[str] = set()  # values that are whole steps, zero point taken off

    def written(self, follow: Callable[[onnx.NodeProto], None]) -> onnx.ModelProto:
        """The whole graph, checked."""
        for node in self._model.graph.node:
            follow(node)
        made = onnx.ModelProto()
        made.CopyFrom(self._model)
        del made.graph.node[:], made.graph.value_info[:], made.graph.initializer[:]
        made.graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        for name, values in self._constants.items():
            if name in used:
                plain = values.astype(np.float32) if values.dtype == np.float16 else values
                made.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(plain), name))
        onnx.checker.check_model(made, full_check=True)
        return made

    def follow_half(self, node: onnx.NodeProto) -> None:
        """A float16 node computes in float32, and its result is rounded; so accelerators do, which sum in float32."""
        new = _copy(node)
        if node.op_type == "Cast":
            new = helper.make_node("Identity", list(node.input), list(node.output), node.name)
        rounded = [name for name in node.output if name in self._halves]
        for place, name in enumerate(node.output):
            if name in self._halves:
                new.output[place] = f"{name}_exact"
        self._nodes.append(new)
        for name in rounded:
            self._nodes.append(helper.make_node("Cast", [f"{name}_exact"], [f"{name}_16"], to=TensorProto.FLOAT16))
            self._nodes.append(helper.make_node("Cast", [f"{name}_16"], [name], to=TensorProto.FLOAT))

    def follow_int8(self, node: onnx.NodeProto) -> None:
        """Quantised constants are worked out here; quantised values are rounded to their steps."""
        if node.op_type == "QuantizeLinear":
            self._quantise(node)
        elif node.op_type == "DequantizeLinear":
            self._dequantise(node)
        elif any(name in self._whole for name in node.input):
            self._hand_on(node)
        else:
            self._nodes.append(_copy(node))

    def _quantise(self, node: onnx.NodeProto) -> None:
        name, scale, zero, low, high = self._step(node)
        if name in self._constants:
            codes = np.round(self._constants[name] / _along(scale, self._constants[name], node)) + zero
            self._codes[node.output[0]] = np.clip(codes, low, high)
            return
        if scale.size != 1:
            raise BundleError(f"{node.name}: a value with a scale for each channel cannot be followed")
        whole = node.output[0]
        ends = [self._constant(f"{whole}_{i}", end - float(zero)) for i, end in enumerate((low, high))]
        self._nodes.append(helper.make_node("Div", [name, self._constant(f"{whole}_s", float(scale))], [f"{whole}_d"]))
        self._nodes.append(helper.make_node("Round", [f"{whole}_d"], [f"{whole}_r"]))
        self._nodes.append(helper.make_node("Clip", [f"{whole}_r", *ends], [whole]))
        self._whole.add(whole)

    def _dequantise(self, node: onnx.NodeProto) -> None:
        name, scale, zero, _, _ = self._step(node)
        codes = self._codes.get(name, self._constants.get(name))
        if codes is not None:
            values = (codes.astype(np.float64) - zero) * _along(scale, codes, node)
            self._constants[node.output[0]] = values.astype(np.float32)
            return
        step = self._constant(f"{node.output[0]}_s", float(scale))
        self._nodes.append(helper.make_node("Mul", [name, step], [node.output[0]]))

    def _hand_on(self, node: onnx.NodeProto) -> None:
        """A node between QuantizeLinear and DequantizeLinear that only moves values about."""
        if node.op_type not in ("Reshape", "Transpose", "MaxPool", "Squeeze", "Unsqueeze", "Slice", "Gather", "Concat"):
            raise BundleError(f"{node.name}: {node.op_type} of quantised values cannot be followed")
        self._nodes.append(_copy(node))
        for name in node.output:
            self._whole.add(name)

    def _step(self, node: onnx.NodeProto) -> tuple[str, _Array, _Array, int, int]:
        """What is (de)quantised, with which scale and zero point, and between which codes."""
        scale = self._constants[node.input[1]].astype(np.float64)
        zero = self._constants[node.input[2]] if len(node.input) > 2 else np.zeros((), np.uint8)
        if np.any(zero != zero.flat[0]):
            raise BundleError(f"{node.name}: a zero point for each channel cannot be followed")
        limits = np.iinfo(zero.dtype)
        return node.input[0], scale, np.float64(zero.flat[0]), int(limits.min), int(limits.max)

    def _constant(self, name: str, value: float) -> str:
        self._constants[name] = np.array(value, np.float32)
        return name


def _along(scale: _Array, values: _Array, node: onnx.NodeProto) -> _Array:
    """The scale in the shape that meets the values' axis."""
    if scale.size == 1:
        return scale.reshape(())
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = [1] * values.ndim
    shape[axis] = -1
    return scale.reshape(shape)


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    new = onnx.NodeProto()
    new.CopyFrom(node)
    return new
