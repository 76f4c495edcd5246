"""`fidgety export` of a bundle with a pose network of the user's own: BlazePose's heat maps, fed with 0 to 255."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from fidgety.bundle import Bundle, default_bundle_path, open_bundle, write_bundle
from fidgety.calibration.networks import Network, networks_of
from fidgety.calibration.recorded_inputs import Given, _Listener
from fidgety.demo_files import demo_file
from fidgety.errors import BundleError
from fidgety.export.candidates import stage, write_judged
from fidgety.export.network_parity import measure_network
from fidgety.export.own_pose import read_own_pose
from fidgety.export.variants import Request, export_precisions
from fidgety.runtime.source import open_source

pytestmark = pytest.mark.bundle
HEADS = Path(__file__).resolve().parents[2] / "benchmarks" / "own_pose_heads.py"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle that `make test` builds, with such a network in BlazePose's place."""
    spec = importlib.util.spec_from_file_location("own_pose_heads", HEADS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    blazepose, folder = open_bundle(default_bundle_path()), tmp_path_factory.mktemp("own")
    path = module.write_heads(blazepose, folder)[0]
    model = onnx.load(path)
    model.graph.input[0].name = "picture"
    model.graph.initializer.append(numpy_helper.from_array(np.array(1 / 255, np.float32), "scale"))
    model.graph.node.insert(0, helper.make_node("Mul", ["picture", "scale"], ["crop"], "scaled"))
    onnx.save(model, str(path))
    text = path.with_suffix(".toml").read_text(encoding="utf-8")
    text = text.replace('input = "crop"', 'input = "picture"').replace("sd = [255.0, 255.0, 255.0]", "sd = [1, 1, 1]")
    path.with_suffix(".toml").write_text(text, encoding="utf-8")
    network = read_own_pose(path, path.with_suffix(".toml")).network
    manifest = blazepose.manifest
    pose = replace(manifest.pose, family="heatmap", skeleton="coco17", landmarks="own.onnx", network=network)
    files = {name: blazepose.file(name) for name in manifest.files if name != manifest.pose.landmarks}
    return write_bundle(folder / "bundle", replace(manifest, pose=pose), {**files, "own.onnx": path})


@pytest.fixture(scope="module")
def crops(own: Bundle) -> list[Given]:
    """What its pose network is given in four frames of the sample."""
    with open_source(str(demo_file("sample.mp4"))) as source:
        frames = [frame for frame, _ in zip(source.frames(), range(91), strict=False)][::30]
    listener = _Listener(own, 0.0, 1)
    assert not any(pose.is_missing for pose in listener.poses(frames))
    return listener.crops()


def landmarks_of(own: Bundle) -> Network:
    return next(one for one in networks_of(own.manifest) if one.name == "landmarks")


def test_crops_are_kept_as_the_network_reads_them(crops: list[Given]) -> None:
    assert len(crops) == 4 and all(list(one) == ["picture"] for one in crops)
    assert all(one["picture"].shape == (1, 3, 256, 256) and one["picture"].max() > 100 for one in crops)


def test_float16_of_an_own_network_is_judged_by_its_keypoints(own: Bundle, crops: list[Given], tmp_path: Path) -> None:
    network, graph = landmarks_of(own), own.file("own.onnx")
    half = stage(network, graph, "fp16", None, tmp_path)
    found = measure_network("landmarks", graph, half.judged, crops, own.manifest)
    assert [one.quantity for one in found] == ["keypoints", "keypoint scores", "presence"]
    assert all(one.is_within for one in found), found

    model = onnx.load(half.path)
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    weights = next(one for one in model.graph.initializer if one.name == first.input[1])
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float16(1.15), weights.name))
    onnx.save(model, str(tmp_path / "doctored.onnx"))
    judged = write_judged(tmp_path / "doctored.onnx", onnx.load(graph))
    assert not all(one.is_within for one in measure_network("landmarks", graph, judged, crops, own.manifest))


def test_export_of_an_own_network_with_open_sizes_is_refused(own: Bundle, tmp_path: Path) -> None:
    model = onnx.load(own.file("own.onnx"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, str(tmp_path / "open.onnx"))
    files = {name: own.file(name) for name in own.manifest.files} | {"own.onnx": tmp_path / "open.onnx"}
    opened = write_bundle(tmp_path / "open", own.manifest, files)
    request = Request(opened, ("fp16",), None, None, (demo_file("sample.mp4"),), "a machine")
    with pytest.raises(BundleError, match=r"own\.onnx leaves sizes of 'picture' open: export .* with fixed sizes"):
        export_precisions(request, tmp_path / "bundle", lambda _: None)
    assert not (tmp_path / "bundle").exists()
