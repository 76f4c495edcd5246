"""NVIDIA's own parser and builder take every graph that is made for accelerators, strongly typed, on the CPU.

`tensorrt-rtx` is TensorRT's sibling with a CPU-only builder: it proves that the parser takes the graph, and makes no
engine of a Jetson.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx
import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.bundle.manifest import Precision
from fidgety.calibration.activation_ranges import ActivationRanges, GraphRanges, measure_ranges
from fidgety.calibration.networks import Network, networks_of
from fidgety.calibration.recorded_inputs import RecordedInputs
from fidgety.demo_files import demo_file
from fidgety.export.candidates import convert
from fidgety.export.own_pose import OwnPose, read_own_pose
from fidgety.export.precision import fixed
from fidgety.export.tensorrt import build_engine
from fidgety.runtime.blazepose import Region
from fidgety.runtime.keypoint_network import input_picture
from fidgety.runtime.networks import Graph, keypoint_network
from fidgety.runtime.source import open_source

# The wheels' own name for the module, where the package that gives it the short one is not installed.
_MODULE = "tensorrt_rtx" if find_spec("tensorrt_rtx") else "tensorrt_rtx_bindings"
_MISSING = "NVIDIA's parser is missing: pip install tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings"
trt: Any = pytest.importorskip(_MODULE, reason=_MISSING)
pytestmark = pytest.mark.bundle
MakeOwn = Callable[[bool], OwnPose]
NETWORKS = ("detector", "landmarks", "lifter", "mam_window", "mam_bag", "mam_info")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


@pytest.fixture
def heatmap_onnx(tmp_path: Path) -> MakeOwn:
    """heatmap_onnx(is_simcc): the network that `fidgety train-pose` trains, not trained, as it is exported."""
    torch = pytest.importorskip("torch", reason="our own pose network is made with torch (extra 'train')")
    from fidgety.export.heatmap_network import export_heatmap_network
    from fidgety.training.pose.network import HeatmapNetwork

    def make(is_simcc: bool) -> OwnPose:
        torch.manual_seed(5)
        weights = {name: value.numpy() for name, value in HeatmapNetwork().eval().state_dict().items()}
        path = export_heatmap_network(weights, tmp_path, source="a test", trained_on="phantom", is_simcc=is_simcc)
        return read_own_pose(path, tmp_path / "pose.toml")

    return make


@pytest.fixture(scope="module")
def ranges(bundle: Bundle, recorded_clip: RecordedInputs) -> ActivationRanges:
    graphs = {
        n.name: GraphRanges("", measure_ranges(onnx.load(bundle.file(n.file)), recorded_clip.inputs[n.name][:2]))
        for n in networks_of(bundle.manifest)
    }
    return ActivationRanges("", (), "", graphs)


def refusals(content: bytes) -> list[str]:
    """What the parser and the builder say against a graph; none: an engine was built."""
    log = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(content):
        return [str(parser.get_error(i).desc()) for i in range(parser.num_errors)]
    config = builder.create_builder_config()
    config.builder_optimization_level = 0  # whether it can be built, not how fast it is
    engine = builder.build_serialized_network(network, config)
    return [] if engine is not None else ["the builder gives no engine"]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-tensorrt"])
@pytest.mark.parametrize("name", NETWORKS)
def test_parser_takes_every_graph_for_accelerators(
    name: str, precision: Precision, bundle: Bundle, ranges: ActivationRanges
) -> None:
    network = next(one for one in networks_of(bundle.manifest) if one.name == name)
    model = onnx.load(bundle.file(network.file))
    made = model if precision == "fp32" else convert(model, network, precision, ranges)
    sizes = network.sizes[-1] if precision == "fp16" else network.sizes[0]
    assert refusals(fixed(made, sizes).SerializeToString()) == []


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-tensorrt"])
@pytest.mark.parametrize("is_simcc", [False, True])
def test_parser_takes_our_own_pose_network(heatmap_onnx: MakeOwn, is_simcc: bool, precision: Precision) -> None:
    own = heatmap_onnx(is_simcc)
    model, network = onnx.load(own.path), Network("landmarks", own.path.name, ({},))
    with open_source(str(demo_file("sample.mp4"))) as source:
        frame = next(iter(source.frames()))
    whole = Region(frame.width_px / 2, frame.height_px / 2, float(frame.height_px), 0.0)
    seen = [{own.network.input: input_picture(frame, whole.turned(turns), own.network)} for turns in (0, 1)]
    found = ActivationRanges("", (), "", {"landmarks": GraphRanges("", measure_ranges(model, seen))})
    made = model if precision == "fp32" else convert(model, network, precision, found)
    assert refusals(fixed(made, {}).SerializeToString()) == []


@pytest.mark.parametrize("is_simcc", [False, True])
@pytest.mark.parametrize("is_open", [False, True])
def test_build_engine_of_our_own_pose_network(heatmap_onnx: MakeOwn, is_simcc: bool, is_open: bool) -> None:
    """is_open: it is exported with open sizes, which become the manifest's."""
    own = heatmap_onnx(is_simcc)
    if is_open:
        model = onnx.load(own.path)
        for axis, name in zip(model.graph.input[0].type.tensor_type.shape.dim, "nchw", strict=True):
            if name != "c":
                axis.dim_param = name
        onnx.save(model, str(own.path))
    content = build_engine(trt, trt.Logger(trt.Logger.ERROR), Graph(keypoint_network(own.network), own.path))
    assert len(content) > 1_000_000


def test_parser_refuses_onnx_runtimes_own_int8(bundle: Bundle, ranges: ActivationRanges) -> None:
    network = next(one for one in networks_of(bundle.manifest) if one.name == "lifter")
    made = convert(onnx.load(bundle.file(network.file)), network, "int8-x86", ranges)
    assert refusals(fixed(made, network.sizes[0]).SerializeToString())
