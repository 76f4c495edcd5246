"""Trained MAM weights (.npz) -> three ONNX graphs, opset 17, written node by node: no torch, no tracing, the same
bytes every time.

    mam_window.onnx  windows (B, 240, 17, 3) float32, raw -> logits (B, 2) (FMs, non-FMs), embedding (B, 64)
    mam_bag.onnx     class_probabilities (B, N, 2), mask (B, N) float32, 1 = counts -> bag (B, 2) (normal, risk)
    mam_info.onnx    characteristics (B, 4): sex (1 = male), gestation weeks, birth weight g, corrected age weeks ->
    info (B, 2)

Normalising and differences ride in the window graph. What is fixed once the weights are is worked out here: the
first convolution becomes one matrix of the joints, the temporal convolution applied twice becomes one of kernel 19,
the softmax scale goes into the query weights. The tests compare the graphs with the torch modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from fidgety.errors import BundleError
from fidgety.export.graph_writer import GraphWriter
from fidgety.skeleton import H36M_17

__all__ = ["BAG_GRAPH", "INFO_GRAPH", "WINDOW_GRAPH", "export_mam", "read_weights"]

WINDOW_GRAPH, BAG_GRAPH, INFO_GRAPH = "mam_window.onnx", "mam_bag.onnx", "mam_info.onnx"
_FRAMES, _JOINTS, _D, _HEADS, _KERNEL = 240, len(H36M_17), 64, 4, 10
_MOVEMENT_GAIN = 10.0
_STRIDE = 2  # every second frame goes through the encoder (READ_STRIDE of the torch module)
_ENCODED = -(-(_FRAMES - 2 * (_KERNEL - 1)) // _STRIDE)
_HIP, _THORAX = H36M_17.indices("hip", "thorax")
_LEFT, _RIGHT = H36M_17.indices("left_shoulder", "left_hip"), H36M_17.indices("right_shoulder", "right_hip")

Array = NDArray[np.float32]
Weights = Mapping[str, Array]


def _median_over_frames(graph: GraphWriter, value: str, width: int) -> str:
    """(B, 240, width) -> (B, width), lower median."""
    n_largest = _FRAMES // 2 + 1
    k = graph.constant("median_k", [n_largest], np.int64)
    turned = graph.node("Transpose", value, perm=[0, 2, 1])
    largest = graph.node("TopK", turned, k, n_outputs=2, axis=2, largest=1, sorted=1)
    last = graph.node("Gather", largest, graph.constant("median_place", n_largest - 1, np.int64), axis=2)
    return graph.reshape(last, -1, width)


def _squared_norm(graph: GraphWriter, value: str) -> str:
    return graph.node(
        "ReduceSum", graph.node("Mul", value, value), graph.constant("last_axis", [-1], np.int64), keepdims=1
    )


def _unit(graph: GraphWriter, value: str) -> str:
    length = graph.node("Sqrt", graph.node("Add", _squared_norm(graph, value), graph.constant("tiny", 1e-6)))
    return graph.node("Div", value, length)


def _cross(graph: GraphWriter, a: str, b: str) -> str:
    """Cross product of (B, 3) and (B, 3)."""
    turn = [graph.constant("yzx", [1, 2, 0], np.int64), graph.constant("zxy", [2, 0, 1], np.int64)]
    parts = [[graph.node("Gather", v, t, axis=1) for t in turn] for v in (a, b)]
    plus = graph.node("Mul", parts[0][0], parts[1][1])
    minus = graph.node("Mul", parts[0][1], parts[1][0])
    return graph.node("Sub", plus, minus)


def _normalise(graph: GraphWriter, windows: str) -> str:
    """(B, 240, 17, 3) raw -> (B x 240, 51) normalised (training/networks/normalise.py)."""
    root = graph.node("Gather", windows, graph.constant("hip", [_HIP], np.int64), axis=2)
    seen = graph.node("Sub", windows, root)
    mean = graph.node("ReduceMean", seen, axes=[1], keepdims=1)
    in_plane = graph.node("Mul", graph.node("Sub", seen, mean), graph.constant("in_plane", [1.0, 1.0, 0.0]))
    rooted = graph.node("Add", in_plane, mean)  # depth holds posture, not movement
    # One constant matrix takes thorax and left-minus-right out of the 17 joints.
    picks = np.zeros((2, _JOINTS), dtype=np.float32)
    picks[0, _THORAX] = 1.0
    picks[1, _LEFT], picks[1, _RIGHT] = 1.0, -1.0
    trunk = graph.reshape(graph.node("MatMul", graph.constant("trunk_of_joints", picks), rooted), -1, _FRAMES, 6)
    halves = [graph.constant(f"half_{i}", [3 * i, 3 * i + 1, 3 * i + 2], np.int64) for i in (0, 1)]
    length = graph.node("Sqrt", _squared_norm(graph, graph.node("Gather", trunk, halves[0], axis=2)))
    torso = graph.node("Add", _median_over_frames(graph, length, 1), graph.constant("no_torso", 1e-12))
    trunk = graph.node("Div", _median_over_frames(graph, trunk, 6), torso)
    up, left = (graph.node("Gather", trunk, half, axis=1) for half in halves)
    y = _unit(graph, up)
    along = graph.node("ReduceSum", graph.node("Mul", left, y), graph.constant("last_axis", [-1], np.int64), keepdims=1)
    x = _unit(graph, graph.node("Sub", left, graph.node("Mul", along, y)))
    axes = [graph.reshape(axis, -1, 3, 1) for axis in (x, y, _cross(graph, x, y))]
    rotation = graph.node("Concat", *axes, axis=2)
    gain = graph.node("Div", graph.constant("movement_gain", _MOVEMENT_GAIN), graph.reshape(torso, -1, 1, 1, 1))
    movement = graph.reshape(graph.node("Mul", in_plane, gain), -1, _FRAMES * _JOINTS, 3)
    return graph.reshape(graph.node("MatMul", movement, rotation), -1, _JOINTS * 3)


def _pair_matrix(weights: Weights) -> tuple[Array, Array]:
    """The first convolution on the differences p_i - p_j as a matrix (17 x 64, 51) of the joints, and its bias (17
    x 64,).
    """
    weight = weights["clip.pairs.weight"].astype(np.float64)  # (64, 3, 16)
    matrix = np.zeros((_JOINTS, _D, _JOINTS, 3))
    for joint in range(_JOINTS):
        others = [other for other in range(_JOINTS) if other != joint]
        matrix[joint][:, others] = -weight.transpose(0, 2, 1)
        matrix[joint, :, joint] = weight.sum(axis=2)
    bias = np.tile(weights["clip.pairs.bias"], _JOINTS)
    return matrix.reshape(_JOINTS * _D, _JOINTS * 3).astype(np.float32), bias.astype(np.float32)


def _temporal_kernel(weights: Weights) -> tuple[Array, Array]:
    """The temporal convolution applied twice as one of kernel 19: weight (64, 64, 19), bias (64,)."""
    weight, bias = (weights[f"clip.temporal.{part}"].astype(np.float64) for part in ("weight", "bias"))
    composed = np.zeros((_D, _D, 2 * _KERNEL - 1))
    for first in range(_KERNEL):
        for second in range(_KERNEL):
            composed[:, :, first + second] += weight[:, :, second] @ weight[:, :, first]
    return composed.astype(np.float32), (bias + weight.sum(axis=2) @ bias).astype(np.float32)


def _linear(graph: GraphWriter, rows: str, source: str, weights: Weights, output: str | None = None) -> str:
    """A linear layer of the network, by its name."""
    return graph.linear(rows, source, weights[f"{source}.weight"], weights[f"{source}.bias"], output=output)


def _attend(graph: GraphWriter, tokens: str, source: str, weights: Weights, length: int) -> str:
    """Multi-head self-attention within groups of `length` rows, (N x length, 64)."""
    qkv, bias = weights[f"{source}.qkv.weight"].copy(), weights[f"{source}.qkv.bias"].copy()
    qkv[:_D] *= (_D // _HEADS) ** -0.5
    bias[:_D] *= (_D // _HEADS) ** -0.5
    heads = []
    for i, (part, perm) in enumerate((("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3]))):
        rows = slice(i * _D, (i + 1) * _D)
        whole = graph.linear(tokens, f"{source}.{part}", qkv[rows], bias[rows])
        heads.append(graph.node("Transpose", graph.reshape(whole, -1, length, _HEADS, _D // _HEADS), perm=perm))
    shares = graph.node("Softmax", graph.node("MatMul", heads[0], heads[1]), axis=-1)
    mixed = graph.node("Transpose", graph.node("MatMul", shares, heads[2]), perm=[0, 2, 1, 3])
    return _linear(graph, graph.reshape(mixed, -1, _D), f"{source}.projection", weights)


def _normalise_layer(graph: GraphWriter, value: str, source: str, weights: Weights) -> str:
    scale, bias = (graph.constant(f"{source}.{part}", weights[f"{source}.{part}"]) for part in ("weight", "bias"))
    return graph.node("LayerNormalization", value, scale, bias, axis=-1, epsilon=1e-5)


def _encode(graph: GraphWriter, tokens: str, weights: Weights, length: int) -> str:
    """The Transformer encoder on groups of `length` rows, (N x length, 64)."""
    for layer in range(2):
        source = f"clip.encoder.layers.{layer}"
        attended = graph.node("Add", tokens, _attend(graph, tokens, source, weights, length))
        tokens = _normalise_layer(graph, attended, f"{source}.norm_attention", weights)
        wide = graph.node("Relu", _linear(graph, tokens, f"{source}.widen", weights))
        narrow = _linear(graph, wide, f"{source}.narrow", weights)
        tokens = _normalise_layer(graph, graph.node("Add", tokens, narrow), f"{source}.norm_ffn", weights)
    return tokens


def _pool(
    graph: GraphWriter, items: str, source: str, weights: Weights, shape: tuple[int, int], output: str | None = None
) -> str:
    """Additive attention over groups of L rows, (N x L, width) -> (N, width); `shape` is (L, width)."""
    scores = graph.reshape(_pool_scores(graph, items, source, weights), -1, shape[0], 1)
    shares = graph.node("Softmax", scores, axis=1)
    weighted = graph.node("Mul", shares, graph.reshape(items, -1, *shape))
    return graph.node("ReduceSum", weighted, graph.constant("item_axis", [1], np.int64), keepdims=0, output=output)


def _pool_scores(graph: GraphWriter, items: str, source: str, weights: Weights) -> str:
    """Scores (rows, 1) of (rows, width)."""
    value = items
    for layer in (0, 2, 4):
        name = f"{source}.score.{layer}"
        value = _linear(graph, value, name, weights)
        value = graph.node("Tanh", value) if layer < 4 else value
    return value


def _sinusoids() -> Array:
    """Sinusoidal positions of the encoded frames (111, 64)."""
    angle = _STRIDE * np.arange(_ENCODED)[:, None] * np.exp(np.arange(0, _D, 2) * (-np.log(10000.0) / _D))
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(_ENCODED, _D).astype(np.float32)


def _window_graph(weights: Weights) -> onnx.ModelProto:
    graph = GraphWriter()
    joints = _normalise(graph, "windows")
    features = graph.node("Relu", graph.linear(joints, "pairs", *_pair_matrix(weights)))
    features = graph.reshape(features, -1, _FRAMES, _JOINTS, _D)
    features = graph.reshape(graph.node("Transpose", features, perm=[0, 2, 3, 1]), -1, _D, _FRAMES)
    kernel, bias = _temporal_kernel(weights)
    constants = [graph.constant("temporal_weight", kernel), graph.constant("temporal_bias", bias)]
    features = graph.node("Conv", features, *constants, kernel_shape=[2 * _KERNEL - 1], strides=[_STRIDE])
    turned = graph.node("Transpose", graph.reshape(features, -1, _JOINTS, _D, _ENCODED), perm=[0, 3, 1, 2])
    joints = _encode(graph, graph.reshape(turned, -1, _D), weights, _JOINTS)  # rows: windows, frames, joints
    frames = _pool(graph, joints, "clip.pool", weights, (_JOINTS, _D))
    frames = graph.node("Add", graph.reshape(frames, -1, _ENCODED, _D), graph.constant("positions", _sinusoids()))
    encoded = _encode(graph, graph.reshape(frames, -1, _D), weights, _ENCODED)
    embedding = _pool(graph, encoded, "clip.pool", weights, (_ENCODED, _D), output="embedding")
    _linear(graph, embedding, "clip.head", weights, output="logits")
    inputs = {"windows": ("B", _FRAMES, _JOINTS, 3)}
    return graph.model("mam_window", inputs, {"logits": ("B", 2), "embedding": ("B", _D)})


def _bag_graph(weights: Weights) -> onnx.ModelProto:
    graph = GraphWriter()
    scores = _pool_scores(graph, graph.reshape("class_probabilities", -1, 2), "bag.pool", weights)
    missing = graph.node("Sub", graph.constant("one", 1.0), "mask")
    penalty = graph.node("Mul", missing, graph.constant("out_of_bag", 1e4))
    scores = graph.node("Sub", graph.node("Reshape", scores, graph.node("Shape", "mask")), penalty)
    shares = graph.node("Unsqueeze", graph.node("Softmax", scores, axis=1), graph.constant("last_axis", [2], np.int64))
    weighted = graph.node("Mul", shares, "class_probabilities")
    graph.node("ReduceSum", weighted, graph.constant("item_axis", [1], np.int64), keepdims=0, output="bag")
    inputs = {"class_probabilities": ("B", "N", 2), "mask": ("B", "N")}
    return graph.model("mam_bag", inputs, {"bag": ("B", 2)})


def _info_graph(weights: Weights) -> onnx.ModelProto:
    graph = GraphWriter()
    centred = graph.node("Sub", "characteristics", graph.constant("mean", weights["info.mean"]))
    scaled = graph.node("Div", centred, graph.constant("sd", weights["info.sd"]))
    hidden = graph.node("Relu", _linear(graph, scaled, "info.hidden", weights))
    out = _linear(graph, hidden, "info.out", weights)
    graph.node("Softmax", out, output="info", axis=-1)
    return graph.model("mam_info", {"characteristics": ("B", 4)}, {"info": ("B", 2)})


def read_weights(path: Path) -> dict[str, Array]:
    """Weights by torch's names. Raises BundleError where the file is missing or holds no MAM."""
    if not path.is_file():
        raise BundleError(f"no MAM weights at {path}: train them with `fidgety train`")
    with np.load(path, allow_pickle=False) as saved:
        weights = {name: saved[name].astype(np.float32) for name in saved.files}
    if "clip.pairs.weight" not in weights or "bag.pool.score.0.weight" not in weights:
        raise BundleError(f"{path} holds no MAM weights: train them with `fidgety train`")
    return weights


def export_mam(weights_path: Path, out_dir: Path) -> dict[str, Path]:
    """Write the three graphs into `out_dir`; gives name -> path. Same weights, same bytes.

    Raises BundleError as `read_weights` does; onnx's own checker errors mean a fault of this module.
    """
    weights = read_weights(weights_path)
    out_dir.mkdir(parents=True, exist_ok=True)
    graphs = {WINDOW_GRAPH: _window_graph, BAG_GRAPH: _bag_graph, INFO_GRAPH: _info_graph}
    paths = {}
    for name, write in graphs.items():
        paths[name] = out_dir / name
        paths[name].write_bytes(write(weights).SerializeToString(deterministic=True))
    return paths
