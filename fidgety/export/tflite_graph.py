"""Reads a TFLite file into a plain graph: tensors, operators with their options, constants unpacked to float32.

Takes the bytes of a `.tflite` file, gives a `TfliteGraph` in TFLite's own layout (NHWC; weights as stored). The
published pose networks keep their weights as float16 (DEQUANTIZE nodes) and partly as sparse rows (DENSIFY nodes);
both are undone here, so that what is left is only arithmetic. Nothing here knows ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tflite

from fidgety.errors import BundleError

__all__ = ["Operator", "Tensor", "TfliteGraph", "UnsupportedGraphError", "needed_operators", "read_tflite"]

FILE_IDENTIFIER = b"TFL3"
ACTIVATIONS: dict[int, str] = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
PADDINGS: dict[int, str] = {0: "SAME", 1: "VALID"}
DTYPES: dict[int, type[np.generic]] = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}

# For each operator: the flatbuffers class that holds its options, and the options that change what it computes.
_CONV = ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor", "FusedActivationFunction")
_POOL = ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction")
_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", _CONV),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_CONV, "DepthMultiplier")),
    "ADD": ("AddOptions", ("FusedActivationFunction",)),
    "SUB": ("SubOptions", ("FusedActivationFunction",)),
    "MUL": ("MulOptions", ("FusedActivationFunction",)),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ("AlignCorners", "HalfPixelCenters")),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", ("BlockSize",)),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", "FusedActivationFunction")),
}
_FOLDED = ("DENSIFY", "DEQUANTIZE")


class UnsupportedGraphError(BundleError):
    """A TFLite file holds something that the converter does not know. Nothing is guessed."""


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of the graph; `values` only for constants, float16 already widened to float32."""

    name: str
    shape: tuple[int, ...]
    values: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Operator:
    """One arithmetic operator. `inputs` and `outputs` index the graph's tensors; -1 stands for an absent input."""

    kind: str  # TFLite's own name, as "CONV_2D"
    position: int  # place in the file's execution order
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int]  # flatbuffers names, as "StrideH"

    @property
    def activation(self) -> str:
        """Name of the fused activation, "NONE" without one."""
        code = self.options.get("FusedActivationFunction", 0)
        return str(_lookup(ACTIVATIONS, code, f"activation of {self.kind}"))

    @property
    def padding(self) -> Literal["SAME", "VALID"]:
        """How a convolution or pooling treats the border."""
        name = _lookup(PADDINGS, self.options["Padding"], f"padding of {self.kind}")
        return "SAME" if name == "SAME" else "VALID"


@dataclass(frozen=True, slots=True)
class TfliteGraph:
    """A network in TFLite's layout, constants unpacked, operators in execution order."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def output_named(self, name: str) -> int:
        """Index of the output tensor called `name`. Raises UnsupportedGraphError if there is none."""
        for index in self.outputs:
            if self.tensors[index].name == name:
                return index
        names = ", ".join(self.tensors[index].name for index in self.outputs)
        raise UnsupportedGraphError(f"the TFLite network has no output '{name}', only {names}")


def read_tflite(content: bytes) -> TfliteGraph:
    """Parse a single-subgraph TFLite file.

    Raises UnsupportedGraphError for content that is no TFLite file, for several subgraphs, and for tensor types or
    sparse layouts that the published pose networks do not use. Unknown operators are kept: whether they matter is
    known only once the graph is pruned to the outputs asked for.
    """
    if content[4:8] != FILE_IDENTIFIER:
        raise UnsupportedGraphError("not a TFLite file: the mark 'TFL3' is missing at byte 4")
    model = tflite.Model.GetRootAsModel(content, 0)
    if model.SubgraphsLength() != 1:
        raise UnsupportedGraphError(f"a TFLite file with one subgraph is expected, got {model.SubgraphsLength()}")
    subgraph = model.Subgraphs(0)
    tensors = [_read_tensor(model, subgraph.Tensors(i)) for i in range(subgraph.TensorsLength())]
    operators: list[Operator] = []
    for position in range(subgraph.OperatorsLength()):
        operator = _read_operator(model, subgraph.Operators(position), position)
        source = tensors[operator.inputs[0]] if operator.inputs else None
        if operator.kind in _FOLDED and source is not None and source.values is not None:
            # Sparse rows and float16 were undone when the constant was read: hand its values on.
            target = tensors[operator.outputs[0]]
            tensors[operator.outputs[0]] = Tensor(target.name, target.shape, source.values)
        else:
            operators.append(operator)
    return TfliteGraph(
        tuple(tensors), tuple(operators), _indices(subgraph.InputsAsNumpy()), _indices(subgraph.OutputsAsNumpy())
    )


def needed_operators(graph: TfliteGraph, outputs: Sequence[int]) -> list[Operator]:
    """The operators that the given output tensors depend on, in execution order; all other heads fall away."""
    wanted = set(outputs)
    kept: list[Operator] = []
    for operator in reversed(graph.operators):
        if wanted.intersection(operator.outputs):
            wanted.update(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def _indices(array: Any) -> tuple[int, ...]:
    """A flatbuffers index vector as plain integers; an absent vector is given as the integer 0."""
    return () if isinstance(array, int) else tuple(int(i) for i in array)


def _read_operator(model: Any, raw: Any, position: int) -> Operator:
    code = model.OperatorCodes(raw.OpcodeIndex())
    # Files older than 2020 carry the code in the one-byte field only; the larger of the two is right for both.
    kind = _OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    options: dict[str, int] = {}
    if kind in _OPTIONS and raw.BuiltinOptions() is not None:
        class_name, names = _OPTIONS[kind]
        table = getattr(tflite, class_name)()
        table.Init(raw.BuiltinOptions().Bytes, raw.BuiltinOptions().Pos)
        options = {name: int(getattr(table, name)()) for name in names}
    return Operator(kind, position, _indices(raw.InputsAsNumpy()), _indices(raw.OutputsAsNumpy()), options)


def _read_tensor(model: Any, raw: Any) -> Tensor:
    name = raw.Name().decode("utf-8")
    shape = _indices(raw.ShapeAsNumpy())
    stored = model.Buffers(raw.Buffer())
    if stored.DataLength() == 0:
        return Tensor(name, shape, None)
    dtype = _lookup(DTYPES, raw.Type(), f"type of the constant {name}")
    values = np.frombuffer(stored.DataAsNumpy().tobytes(), dtype=np.dtype(dtype).newbyteorder("<"))
    if dtype is np.float16:
        values = values.astype(np.float32)
    if raw.Sparsity() is not None:
        return Tensor(name, shape, _densify(values, shape, raw.Sparsity(), name))
    return Tensor(name, shape, values.reshape(shape))


def _densify(values: np.ndarray, shape: tuple[int, ...], sparsity: Any, name: str) -> np.ndarray:
    """Sparse rows (all axes dense but the last, which is compressed) as a dense array of `shape`."""
    formats = [sparsity.DimMetadata(i).Format() for i in range(sparsity.DimMetadataLength())]
    in_order = _indices(sparsity.TraversalOrderAsNumpy()) == tuple(range(len(shape)))
    if not in_order or sparsity.BlockMapLength() or formats != [0] * (len(shape) - 1) + [1]:
        raise UnsupportedGraphError(f"the constant {name} is sparse in a layout other than compressed rows")
    last = sparsity.DimMetadata(len(shape) - 1)
    starts = _sparse_vector(last.ArraySegmentsType(), last.ArraySegments(), name)
    columns = _sparse_vector(last.ArrayIndicesType(), last.ArrayIndices(), name)
    n_rows = math.prod(shape[:-1])
    if len(starts) != n_rows + 1 or len(columns) != len(values) or starts[-1] != len(values):
        raise UnsupportedGraphError(f"the sparse constant {name} does not fit its shape {shape}")
    dense = np.zeros((n_rows, shape[-1]), np.float32)
    dense[np.repeat(np.arange(n_rows), np.diff(starts)), columns] = values
    return dense.reshape(shape)


def _sparse_vector(kind: int, table: Any, name: str) -> np.ndarray:
    classes: dict[int, Callable[[], Any]] = {
        1: tflite.Int32Vector,
        2: tflite.Uint16Vector,
        3: tflite.Uint8Vector,
    }
    vector = _lookup(classes, kind, f"index type of the sparse constant {name}")()
    vector.Init(table.Bytes, table.Pos)
    values: np.ndarray = vector.ValuesAsNumpy().astype(np.int64)
    return values


def _lookup(table: Mapping[int, Any], key: int, what: str) -> Any:
    if key not in table:
        raise UnsupportedGraphError(f"the {what} has the unknown code {key} (known: {sorted(table)})")
    return table[key]


_OPERATOR_NAMES: dict[int, str] = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)
}
