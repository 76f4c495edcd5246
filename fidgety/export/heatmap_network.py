"""Trained weights of our heat-map network -> ONNX and its description, ready for `fidgety bundle build --pose`.

    in: crop (1, 3, 192, 192) RGB in [0, 1]    out: heatmaps (1, 17, 48, 48), peaks of 1 where a joint is plainly seen

Batch norms are folded into the convolutions before them. `as_simcc` makes the same network speak as RTMPose does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from fidgety.export.graph_writer import GraphWriter
from fidgety.training.pose.network import CELL_PX, CROP_PX, N_JOINTS, PEAK, SIGMA_CELLS, lay

__all__ = ["export_heatmap_network", "heatmap_graph"]

_EPSILON = 1e-5  # of torch's batch norms
Array = NDArray[np.float32]

_DESCRIPTION = """\
# What the pose network beside this file reads and gives (fidgety bundle build --pose pose.onnx).
family = "{family}"
width_px = {crop}
height_px = {crop}
colours = "rgb"
mean = [0.0, 0.0, 0.0]
sd = [255.0, 255.0, 255.0]
input = "crop"
outputs = {outputs}
keypoints = "coco17"
values = "likelihood"
{more}
may_be_mirrored = true
crop_margin = 1.25
hidden_peak = 0.25
plain_peak = 0.75
trained_on = "{trained_on}"
licence = "Apache-2.0"
source = "{source}"
"""


def export_heatmap_network(
    weights: Mapping[str, Array], out_dir: Path, *, source: str, trained_on: str, is_simcc: bool = False
) -> Path:
    """Write pose.onnx and pose.toml. Same weights, same bytes."""
    graph = heatmap_graph(weights, is_simcc=is_simcc)
    path = out_dir / "pose.onnx"
    path.write_bytes(graph.SerializeToString(deterministic=True))
    text = _DESCRIPTION.format(
        family="simcc" if is_simcc else "heatmap",
        crop=CROP_PX,
        outputs='["simcc_x", "simcc_y"]' if is_simcc else '["heatmaps"]',
        more=f"split_ratio = {1 / CELL_PX}" if is_simcc else 'grid = "corner"',
        trained_on=trained_on,
        source=source.replace("\\", "/").replace('"', "'"),
    )
    (out_dir / "pose.toml").write_text(text, encoding="utf-8")
    return path


def heatmap_graph(weights: Mapping[str, Array], *, is_simcc: bool = False) -> onnx.ModelProto:
    """The graph; `is_simcc`: with the sums of each heat map along its columns and rows as outputs."""
    graph = GraphWriter()
    layers = _GraphLayers(graph, weights)
    scaled = graph.node("Mul", "crop", graph.constant("four", 4.0))
    logits = lay(layers, graph.node("Sub", scaled, graph.constant("two", 2.0)))
    cells = CROP_PX // CELL_PX
    flat = graph.node("Softmax", graph.reshape(logits, 1, N_JOINTS, cells * cells), axis=2)
    inputs = {"crop": (1, 3, CROP_PX, CROP_PX)}
    if not is_simcc:
        peaked = graph.node("Mul", flat, graph.constant("peak", PEAK))
        shape = graph.constant("heatmaps_shape", (1, N_JOINTS, cells, cells), np.int64)
        graph.node("Reshape", peaked, shape, output="heatmaps")
        return graph.model("heatmap_pose", inputs, {"heatmaps": (1, N_JOINTS, cells, cells)})
    maps = graph.reshape(flat, 1, N_JOINTS, cells, cells)
    peak = graph.constant("peak", np.sqrt(2 * np.pi) * SIGMA_CELLS)  # of a Gaussian along one axis
    for name, axis in (("simcc_x", 2), ("simcc_y", 3)):
        total = graph.node("ReduceSum", maps, graph.constant(f"axis_{axis}", [axis], np.int64), keepdims=0)
        graph.node("Mul", total, peak, output=name)
    shape_of_ends = (1, N_JOINTS, cells)
    return graph.model("simcc_pose", inputs, {"simcc_x": shape_of_ends, "simcc_y": shape_of_ends})


class _GraphLayers:
    """Writes each layer of `lay` as nodes."""

    def __init__(self, graph: GraphWriter, weights: Mapping[str, Array]) -> None:
        self._graph, self._weights = graph, weights

    def convolve(self, name: str, values: str, n_in: int, n_out: int, kernel: int, stride: int, norm: bool) -> str:
        weight = self._weights[f"convolutions.{name}.weight"]
        if norm:
            parts = ("weight", "bias", "running_mean", "running_var")
            gain, shift, mean, variance = (self._weights[f"norms.{name}.{part}"] for part in parts)
            scale = gain / np.sqrt(variance + np.float32(_EPSILON))
            weight, bias = weight * scale[:, None, None, None], shift - mean * scale
        else:
            bias = self._weights[f"convolutions.{name}.bias"]
        assert weight.shape == (n_out, n_in, kernel, kernel), name
        constants = [self._graph.constant(f"{name}_weight", weight), self._graph.constant(f"{name}_bias", bias)]
        pads = [kernel // 2] * 4
        return self._graph.node(
            "Conv", values, *constants, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=pads
        )

    def relu(self, values: str) -> str:
        return self._graph.node("Relu", values)

    def add(self, one: str, other: str) -> str:
        return self._graph.node("Add", one, other)

    def enlarge(self, values: str, factor: int) -> str:
        scales = self._graph.constant(f"enlarged_{factor}", (1.0, 1.0, factor, factor))
        return self._graph.node(
            "Resize",
            values,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
