"""Trained lifter weights (.npz) -> one streaming ONNX graph: a chunk of rows in, as many lifted rows out, later.

    in:  features (T, 51), in_plane (T, 17, 2), what layers, slow means and delays remember: cache_0 ..,
         cache_slow_0 .., cache_turn, cache_plane
    out: joints (T, 17, 3), new_cache_0 .., new_cache_plane

Each layer keeps the last rows of its input that the next chunk needs, so that nothing is computed twice and any
chunking gives what one run over everything gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from fidgety.errors import BundleError
from fidgety.export.graph_writer import GraphWriter
from fidgety.runtime.lifter_form import (
    MOST_FACTOR,
    N_BONES,
    N_SLOW,
    OUTPUTS,
    SLOW_REACH,
    SLOW_ROWS,
    SOFTNESS,
    bone_sums,
    bone_vectors,
    cache_shapes,
    reach_of,
    whole_reach,
)

__all__ = ["export_lifter", "lifter_shape"]

_J = 17
_LENGTH, _TURN, _END = (sum(OUTPUTS[:n]) for n in (2, 3, 4))  # where in a row they begin

Array = NDArray[np.float32]
Weights = Mapping[str, Array]


def export_lifter(weights_path: Path, out: Path) -> Path:
    """Write the graph. Same weights, same bytes. Raises BundleError where the weights are missing or not a lifter's."""
    weights = _read_weights(weights_path)
    out.write_bytes(_graph(weights).SerializeToString(deterministic=True))
    return out


def lifter_shape(weights_path: Path) -> tuple[int, tuple[int, ...]]:
    """Channels and dilations of trained weights. Raises BundleError as `export_lifter` does."""
    weights = _read_weights(weights_path)
    return weights["enter.weight"].shape[0], tuple(int(d) for d in weights["dilations"])


def _read_weights(path: Path) -> Weights:
    if not path.is_file():
        raise BundleError(f"no lifter weights at {path}: train them with `fidgety train-lifter`")
    with np.load(path, allow_pickle=False) as saved:
        weights = {name: saved[name].astype(np.float32) for name in saved.files}
    if not {"enter.weight", "enter.bias", "leave.weight", "dilations"} <= set(weights):
        raise BundleError(f"{path} holds no lifter: train it with `fidgety train-lifter`")
    if len(weights["leave.weight"]) != sum(OUTPUTS) or "trunk_weight" not in weights:
        raise BundleError(f"{path} holds a lifter of another form: train it anew with `fidgety train-lifter`")
    return weights


def _graph(weights: Weights) -> onnx.ModelProto:
    graph = GraphWriter()
    channels, n_features = weights["enter.weight"].shape[:2]
    dilations = tuple(int(d) for d in weights["dilations"])
    reach = whole_reach(dilations)
    rows = graph.node("Unsqueeze", graph.node("Transpose", "features", perm=[1, 0]), _axes(graph, 0))  # (1, 51, T)
    values = _convolve(graph, _remember(graph, rows, 0, dilations[0]), "enter", weights, dilations[0])
    for i, dilation in enumerate(dilations[1:]):
        wide = _remember(graph, values, i + 1, dilation)
        mean = graph.node("AveragePool", wide, kernel_shape=[dilation])
        inside = _convolve(graph, mean, f"blocks.{i}.wide", weights, dilation)
        inside = _convolve(graph, inside, f"blocks.{i}.point", weights, 1)
        values = graph.node("Add", _cut(graph, wide, reach_of(dilation), -reach_of(dilation), axis=2), inside)
    constants = [graph.constant(f"leave.{part}", weights[f"leave.{part}"]) for part in ("weight", "bias")]
    raw = graph.node("Conv", values, *constants, kernel_shape=[1])
    raw = _rows(graph, raw)  # (T, 81)
    constants = [graph.constant(f"trunk_{part}", weights[f"trunk_{part}"]) for part in ("weight", "bias")]
    trunk = _rows(graph, graph.node("Conv", values, *constants, kernel_shape=[1]))  # (T, 1)
    remembered = graph.node("Concat", "cache_plane", "in_plane", axis=0)
    _cut(graph, remembered, -reach, 1 << 30, axis=0, output="new_cache_plane")
    # The network's rows lie SLOW_REACH after the lifted ones: so much its slow corrections still look ahead.
    near = _cut(graph, remembered, SLOW_REACH, SLOW_REACH - reach, axis=0)
    correction, scale, length = _slowly(graph, raw, trunk, near)
    plane = graph.node("Mul", _cut(graph, remembered, 0, -reach, axis=0), scale)
    plane = graph.node("Add", plane, correction)
    turn = graph.node("Concat", "cache_turn", _cut(graph, raw, _TURN, _END, axis=1), axis=0)
    _cut(graph, turn, -SLOW_REACH, 1 << 30, axis=0, output="new_cache_turn")
    depth = _depths(graph, plane, length, _cut(graph, turn, 0, -SLOW_REACH, axis=0))
    graph.node("Concat", plane, depth, axis=2, output="joints")
    caches = cache_shapes(channels, dilations)
    inputs = {"features": ("T", n_features), "in_plane": ("T", _J, 2), **caches}
    outputs = {"joints": ("T", _J, 3), **{f"new_{name}": shape for name, shape in caches.items()}}
    return graph.model("lifter", inputs, outputs)


def _slowly(graph: GraphWriter, raw: str, trunk: str, near: str) -> tuple[str, str, str]:
    """What the network corrects in the plane (T, 17, 2), how long the seen trunk is (T, 1, 1) and the bones' lengths
    (T, 15), all averaged over seconds."""
    factor = graph.node("Mul", graph.node("Tanh", _cut(graph, raw, 0, _J, axis=1)), graph.constant("most", MOST_FACTOR))
    added = graph.node("Sub", graph.node("Exp", trunk), graph.constant("one", 1.0))
    factor = graph.node("Sub", factor, added)
    scaled = graph.node("Mul", near, graph.node("Unsqueeze", factor, _axes(graph, 2)))
    offset = graph.reshape(_cut(graph, raw, _J, 3 * _J, axis=1), -1, _J, 2)
    correction = graph.reshape(graph.node("Add", scaled, offset), -1, 2 * _J)
    length = _cut(graph, raw, _LENGTH, _TURN, axis=1)
    slow = graph.node("Transpose", graph.node("Concat", correction, trunk, length, axis=1), perm=[1, 0])
    slow = graph.node("Unsqueeze", slow, _axes(graph, 0))  # (1, 50, T)
    for i, n in enumerate(SLOW_ROWS):
        whole = graph.node("Concat", f"cache_slow_{i}", slow, axis=2)
        _cut(graph, whole, 1 - n, 1 << 30, axis=2, output=f"new_cache_slow_{i}")
        slow = graph.node("AveragePool", whole, kernel_shape=[n])
    slow = _rows(graph, slow)
    lengths = graph.node("Exp", _cut(graph, slow, 2 * _J, N_SLOW, axis=1))
    return (
        graph.reshape(_cut(graph, slow, 0, 2 * _J, axis=1), -1, _J, 2),
        graph.node("Unsqueeze", _cut(graph, lengths, 0, 1, axis=1), _axes(graph, 2)),
        _cut(graph, lengths, 1, 1 + N_BONES, axis=1),
    )


def _depths(graph: GraphWriter, plane: str, length: str, turn: str) -> str:
    """Depths (T, 17, 1): what a bone's length in the plane leaves of its length, turned towards or away, summed up."""
    bones = graph.node("MatMul", graph.constant("bone_vectors", bone_vectors()), plane)  # (T, 15, 2)
    flat = graph.node("ReduceSum", graph.node("Mul", bones, bones), _axes(graph, 2), keepdims=0)
    left = graph.node("Relu", graph.node("Sub", graph.node("Mul", length, length), flat))
    left = graph.node("Sqrt", graph.node("Add", left, graph.constant("softness", SOFTNESS**2)))
    deep = graph.node("Mul", graph.node("Tanh", turn), left)
    summed = graph.node("MatMul", deep, graph.constant("bone_sums", bone_sums().T))
    return graph.node("Unsqueeze", summed, _axes(graph, 2))


def _rows(graph: GraphWriter, values: str) -> str:
    """(1, C, T) -> (T, C)."""
    return graph.node("Transpose", graph.node("Squeeze", values, _axes(graph, 0)), perm=[1, 0])


def _remember(graph: GraphWriter, values: str, layer: int, dilation: int) -> str:
    """The cache before the chunk's values, (1, C, 2 reach + T); its last 2 reach columns are the next chunk's cache."""
    whole = graph.node("Concat", f"cache_{layer}", values, axis=2)
    _cut(graph, whole, -2 * reach_of(dilation), 1 << 30, axis=2, output=f"new_cache_{layer}")
    return whole


def _convolve(graph: GraphWriter, values: str, name: str, weights: Weights, dilation: int) -> str:
    """Convolution, then ReLU."""
    kernel, bias = (weights[f"{name}.{part}"] for part in ("weight", "bias"))
    constants = [graph.constant(f"{name}_weight", kernel), graph.constant(f"{name}_bias", bias)]
    convolved = graph.node("Conv", values, *constants, kernel_shape=[kernel.shape[2]], dilations=[dilation])
    return graph.node("Relu", convolved)


def _axes(graph: GraphWriter, axis: int) -> str:
    return graph.constant(f"axis_{axis}", [axis], np.int64)


def _cut(graph: GraphWriter, values: str, start: int, end: int, *, axis: int, output: str | None = None) -> str:
    ends = [graph.constant(f"place_{place}".replace("-", "m"), [place], np.int64) for place in (start, end)]
    return graph.node("Slice", values, *ends, _axes(graph, axis), output=output)
