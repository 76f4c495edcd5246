"""Heat-map and SimCC bundles made of a network whose worth is known: BlazePose's own heat maps.

    python benchmarks/own_pose_heads.py OUT

Takes the landmark network of the default bundle, keeps its 64 x 64 heat maps (and, for SimCC, their maxima along
columns and rows), writes both with their descriptions into OUT. Then, for each:

    fidgety bundle build --pose OUT/heatmap.onnx --bundle OUT/heatmap-bundle
    fidgety score fidgety/demo/sample.mp4 --bundle OUT/heatmap-bundle --age-weeks 12
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.skeleton import BLAZEPOSE_33

__all__ = ["write_heads"]

_CELLS, _N = 64, 39


def write_heads(bundle: Bundle, out: Path) -> list[Path]:
    """heatmap.onnx and simcc.onnx with their .toml, from a bundle that holds BlazePose."""
    source = bundle.file(bundle.manifest.pose.landmarks)
    paths = []
    for family in ("heatmap", "simcc"):
        model = onnx.load(str(source))
        graph = model.graph
        graph.node.append(helper.make_node("Sigmoid", ["heatmaps"], ["likelihoods"]))
        ends = {"likelihoods": [1, _N, _CELLS, _CELLS]}
        if family == "simcc":
            for name, axis in (("simcc_x", 2), ("simcc_y", 3)):
                graph.node.append(helper.make_node("ReduceMax", ["likelihoods"], [name], axes=[axis], keepdims=0))
            ends = {"simcc_x": [1, _N, _CELLS], "simcc_y": [1, _N, _CELLS]}
        del graph.output[:]
        graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in ends.items())
        onnx.checker.check_model(model, full_check=True)
        path = out / f"{family}.onnx"
        onnx.save(model, str(path))
        path.with_suffix(".toml").write_text(_description(family, list(ends), bundle), encoding="utf-8")
        paths.append(path)
    return paths


def _description(family: str, outputs: list[str], bundle: Bundle) -> str:
    size = bundle.manifest.pose.crop_size_px
    keys = {
        "family": family,
        "width_px": size,
        "height_px": size,
        "colours": "rgb",
        "mean": [0.0, 0.0, 0.0],
        "sd": [255.0, 255.0, 255.0],
        "input": "crop",
        "outputs": outputs,
        "keypoints": [*BLAZEPOSE_33.keypoints, *(f"auxiliary_{i}" for i in range(_N - len(BLAZEPOSE_33)))],
        "values": "likelihood",
        **({"grid": "corner"} if family == "heatmap" else {"split_ratio": _CELLS / size}),
        "may_be_mirrored": True,
        "crop_margin": 1.25,
        "hidden_peak": 0.2,
        "plain_peak": 0.5,
        "trained_on": "recordings",
        "licence": "Apache-2.0",
        "source": f"the heat maps of {bundle.manifest.provenance.pose_source}",
    }
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for written in write_heads(open_bundle(default_bundle_path()), folder):
        print(written)
