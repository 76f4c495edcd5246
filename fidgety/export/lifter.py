"""Trained lifter weights (.npz) -> one streaming ONNX graph: a chunk of rows in, as many lifted rows out, 121 later.

    in:  features (T, 51), in_plane (T, 17, 2), cache_0 .. cache_4 (1, C, 2 d), cache_plane (121, 17, 2)
    out: joints (T, 17, 3), new_cache_0 .. new_cache_4, new_cache_plane

Each layer keeps the last rows of its input that the next chunk needs, so that nothing is computed twice and any
chunking gives what one run over everything gives. Batch norms are folded into the convolutions before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from fidgety.errors import BundleError
from fidgety.export.graph_writer import GraphWriter

__all__ = ["DILATIONS", "export_lifter"]

DILATIONS = (1, 3, 9, 27, 81)
REACH = sum(DILATIONS)
_J = 17
_MOST = 0.5  # as in training/networks/lifter.py
_EPSILON = 1e-5  # of torch's batch norms

Array = NDArray[np.float32]
Weights = Mapping[str, Array]


def export_lifter(weights_path: Path, out: Path) -> Path:
    """Write the graph. Same weights, same bytes. Raises BundleError where the weights are missing or not a lifter's."""
    if not weights_path.is_file():
        raise BundleError(f"no lifter weights at {weights_path}: train them with `fidgety train-lifter`")
    with np.load(weights_path, allow_pickle=False) as saved:
        weights = {name: saved[name].astype(np.float32) for name in saved.files}
    if "enter.weight" not in weights or "leave.weight" not in weights:
        raise BundleError(f"{weights_path} holds no lifter: train it with `fidgety train-lifter`")
    out.write_bytes(_graph(weights).SerializeToString(deterministic=True))
    return out


def _graph(weights: Weights) -> onnx.ModelProto:
    graph = GraphWriter()
    channels, n_features = weights["enter.weight"].shape[:2]
    rows = graph.node("Unsqueeze", graph.node("Transpose", "features", perm=[1, 0]), _axes(graph, 0))  # (1, 51, T)
    values = _convolve(graph, _remember(graph, rows, 0), "enter", "enter_norm", weights, 1)
    for i, dilation in enumerate(DILATIONS[1:]):
        wide = _remember(graph, values, i + 1)
        inside = _convolve(graph, wide, f"blocks.{i}.wide", f"blocks.{i}.wide_norm", weights, dilation)
        inside = _convolve(graph, inside, f"blocks.{i}.point", f"blocks.{i}.point_norm", weights, 1)
        values = graph.node("Add", _cut(graph, wide, dilation, -dilation, axis=2), inside)
    constants = [graph.constant(f"leave.{part}", weights[f"leave.{part}"]) for part in ("weight", "bias")]
    raw = graph.node("Conv", values, *constants, kernel_shape=[1])
    raw = graph.node("Transpose", graph.node("Squeeze", raw, _axes(graph, 0)), perm=[1, 0])  # (T, 68)
    factor = graph.node("Tanh", _cut(graph, raw, 0, _J, axis=1))
    factor = graph.node("Add", graph.node("Mul", factor, graph.constant("most", _MOST)), graph.constant("one", 1.0))
    offset = graph.reshape(_cut(graph, raw, _J, 4 * _J, axis=1), -1, _J, 3)
    remembered = graph.node("Concat", "cache_plane", "in_plane", axis=0)
    _cut(graph, remembered, -REACH, 1 << 30, axis=0, output="new_cache_plane")
    plane = graph.node(
        "Mul", _cut(graph, remembered, 0, -REACH, axis=0), graph.node("Unsqueeze", factor, _axes(graph, 2))
    )
    padded = graph.node("Pad", plane, graph.constant("pads", [0, 0, 0, 0, 0, 1], np.int64))
    graph.node("Add", padded, offset, output="joints")
    sizes = [n_features, *[channels] * (len(DILATIONS) - 1)]
    caches = {f"cache_{i}": (1, c, 2 * d) for i, (c, d) in enumerate(zip(sizes, DILATIONS, strict=True))}
    caches["cache_plane"] = (REACH, _J, 2)
    inputs = {"features": ("T", n_features), "in_plane": ("T", _J, 2), **caches}
    outputs = {"joints": ("T", _J, 3), **{f"new_{name}": shape for name, shape in caches.items()}}
    return graph.model("lifter", inputs, outputs)


def _remember(graph: GraphWriter, values: str, layer: int) -> str:
    """The cache before the chunk's values, (1, C, 2 d + T); its last 2 d columns are the next chunk's cache."""
    whole = graph.node("Concat", f"cache_{layer}", values, axis=2)
    _cut(graph, whole, -2 * DILATIONS[layer], 1 << 30, axis=2, output=f"new_cache_{layer}")
    return whole


def _convolve(graph: GraphWriter, values: str, name: str, norm: str, weights: Weights, dilation: int) -> str:
    """Convolution with its batch norm folded in, then ReLU."""
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + np.float32(_EPSILON))
    kernel = weights[f"{name}.weight"] * scale[:, None, None]
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    constants = [graph.constant(f"{name}_weight", kernel), graph.constant(f"{name}_bias", bias)]
    convolved = graph.node("Conv", values, *constants, kernel_shape=[kernel.shape[2]], dilations=[dilation])
    return graph.node("Relu", convolved)


def _axes(graph: GraphWriter, axis: int) -> str:
    return graph.constant(f"axis_{axis}", [axis], np.int64)


def _cut(graph: GraphWriter, values: str, start: int, end: int, *, axis: int, output: str | None = None) -> str:
    ends = [graph.constant(f"place_{place}".replace("-", "m"), [place], np.int64) for place in (start, end)]
    return graph.node("Slice", values, *ends, _axes(graph, axis), output=output)
