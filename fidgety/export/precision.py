"""A float32 graph -> the same network in half precision, and graphs whose every size is fixed.

    graph --fixed--> B, N, T become numbers --half--> float16 inside, float32 at every input and output

What stays float32 is told by the form of the graph, not by names. Before the first weighted layer lie coordinates that
are yet to be made small (the MAM window graph normalises there: float16 would lose its 1e-12 and 1e-6). From the last
weighted layer on lie the answers: crop px up to 255, where float16 steps by .125, or logits. In the lifter it is the
way of the joints in the plane, through which movement passes untouched.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fidgety.errors import BundleError

__all__ = ["FORBIDDEN_OPERATORS", "fixed", "half", "kept_float32", "weighted_nodes"]

_LAYERS = ("Conv", "ConvTranspose", "Gemm")
_MIN_WEIGHTS = 1024  # a constant matrix below is a rule of geometry (bones, trunk), not a layer
# Where a spread of values is summed or its largest are picked: float16 costs accuracy there and gains nothing.
_ALWAYS_FLOAT32 = ("TopK", "LayerNormalization", "ReduceMean")
_FLOAT32_INPUTS = {"Resize": (1, 2)}  # roi and scales are float32 by the standard, whatever the picture is
# What TensorRT's parser does not take, or runs on the host, and what draws at random. None of ours needs it.
FORBIDDEN_OPERATORS = frozenset(
    {"Loop", "If", "Scan", "NonZero", "Unique", "StringNormalizer", "RandomNormal", "RandomUniform", "Bernoulli"}
)


def fixed(model: onnx.ModelProto, sizes: Mapping[str, int]) -> onnx.ModelProto:
    """The graph with its named sizes as numbers: TensorRT builds no other, and CUDA graphs replay no other.

    Raises BundleError where a size has no number, or where an operator is in it that accelerators do not take.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if found := sorted({node.op_type for node in copy.graph.node} & FORBIDDEN_OPERATORS):
        raise BundleError(f"{copy.graph.name} holds {', '.join(found)}, which accelerators do not take: export it anew")
    for value in (*copy.graph.input, *copy.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.HasField("dim_param"):
                if axis.dim_param not in sizes:
                    raise BundleError(f"{copy.graph.name}: {value.name} has the size {axis.dim_param!r}: say how large")
                axis.dim_value = sizes[axis.dim_param]
    del copy.graph.value_info[:]
    return _inferred(copy)


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    """float16 inside, float32 at the ends; see the module for what stays as it is. `model`: of fixed sizes.

    Ours, since the one that comes with ONNX Runtime writes casts behind the nodes that read them, which is no valid
    graph, and does not leave whole stretches as they are. Raises BundleError for a weight that float16 cannot hold.
    """
    keeps = kept_float32(model)
    writer = _HalfWriter(model)
    for node in model.graph.node:
        writer.add(node, is_half=node.name not in keeps and node.op_type not in _ALWAYS_FLOAT32)
    return writer.finish()


class _HalfWriter:
    """Writes the nodes of a float32 graph anew, each in its precision, with casts where two of them meet."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
        self._floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
        self._constants = {c.name: c for c in model.graph.initializer if c.data_type == TensorProto.FLOAT}
        self._halves: set[str] = set()  # values that are float16
        self._made: set[str] = set()  # names of casts and converted constants
        self._nodes: list[onnx.NodeProto] = []
        self._new_constants: list[onnx.TensorProto] = []

    def add(self, node: onnx.NodeProto, *, is_half: bool) -> None:
        """Write one node; its inputs are there already."""
        new = onnx.NodeProto()
        new.CopyFrom(node)
        always = _FLOAT32_INPUTS.get(node.op_type, ())
        for place, name in enumerate(node.input):
            if name in self._constants and is_half and place not in always:
                new.input[place] = self._constant(name)
            elif name in self._floats and place not in always:
                new.input[place] = self._cast(name, is_half)
        outputs = {value.name for value in self._model.graph.output}
        for place, name in enumerate(node.output):
            if is_half and name in self._floats:
                if name in outputs:
                    new.output[place] = f"{name}_half"
                    self._floats.add(new.output[place])
                self._halves.add(new.output[place])
        self._nodes.append(new)
        for name in node.output:
            if is_half and name in outputs and name in self._floats:
                end = helper.make_node("Cast", [f"{name}_half"], [name], f"{name}_end", to=TensorProto.FLOAT)
                self._nodes.append(end)

    def finish(self) -> onnx.ModelProto:
        """The whole graph, checked."""
        if not self._halves:
            raise BundleError(f"{self._model.graph.name} holds no layer that float16 would do for")
        model = _copy(self._model)
        del model.graph.node[:], model.graph.value_info[:]
        model.graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        constants = [c for c in model.graph.initializer if c.name in used]
        del model.graph.initializer[:]
        model.graph.initializer.extend([*constants, *self._new_constants])
        return _inferred(model)

    def _cast(self, name: str, is_half: bool) -> str:
        if (name in self._halves) == is_half:
            return name
        cast = f"{name}_as_{'half' if is_half else 'float'}"
        if cast not in self._made:
            kind = TensorProto.FLOAT16 if is_half else TensorProto.FLOAT
            self._nodes.append(helper.make_node("Cast", [name], [cast], cast, to=kind))
            self._made.add(cast)
        return cast

    def _constant(self, name: str) -> str:
        new = f"{name}_half"
        if new not in self._made:
            values = numpy_helper.to_array(self._constants[name])
            if values.size and np.abs(values).max() > np.finfo(np.float16).max:
                raise BundleError(f"{self._model.graph.name}: {name} reaches {np.abs(values).max():g}, beyond float16")
            self._new_constants.append(numpy_helper.from_array(values.astype(np.float16), new))
            self._made.add(new)
        return new


def kept_float32(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the nodes before the first weighted layer, and from the last one on, on every way through the graph."""
    layers = set(weighted_nodes(model))
    nodes = model.graph.node
    makers = {output: node for node in nodes for output in node.output}
    after: set[str] = set()  # values that a weighted layer has had its hand in
    for node in nodes:
        if node.name in layers or any(name in after for name in node.input):
            after.update(node.output)
    before: set[str] = set()  # values that a weighted layer is yet to read
    for node in reversed(nodes):
        if node.name in layers or any(name in before for name in node.output):
            before.update(name for name in node.input if name in makers)
    return frozenset(
        node.name
        for node in nodes
        if not any(name in before for name in node.output)
        or (node.name not in layers and not any(name in after for name in node.input))
    )


def weighted_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the layers, in order: convolutions, Gemm, and products with a learnt matrix."""
    sizes = {value.name: int(np.prod(value.dims)) for value in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in _LAYERS
        or (node.op_type == "MatMul" and any(sizes.get(name, 0) >= _MIN_WEIGHTS for name in node.input))
    ]


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise BundleError(f"{model.graph.name} does not fit these sizes: {error}") from error
    onnx.checker.check_model(inferred, full_check=True)
    return inferred


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
