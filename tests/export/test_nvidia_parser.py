"""NVIDIA's own parser and builder take every graph that is made for accelerators, strongly typed, on the CPU.

`tensorrt-rtx` is TensorRT's sibling with a CPU-only builder: it proves that the parser takes the graph, and makes no
engine of a Jetson.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import onnx
import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.bundle.manifest import Precision
from fidgety.calibration.activation_ranges import ActivationRanges, GraphRanges, measure_ranges
from fidgety.calibration.networks import networks_of
from fidgety.calibration.recorded_inputs import RecordedInputs
from fidgety.export.candidates import convert
from fidgety.export.precision import fixed

# The wheels' own name for the module, where the package that gives it the short one is not installed.
_MODULE = "tensorrt_rtx" if find_spec("tensorrt_rtx") else "tensorrt_rtx_bindings"
_MISSING = "NVIDIA's parser is missing: pip install tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings"
trt: Any = pytest.importorskip(_MODULE, reason=_MISSING)
pytestmark = pytest.mark.bundle
NETWORKS = ("detector", "landmarks", "lifter", "mam_window", "mam_bag", "mam_info")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


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


def test_parser_refuses_onnx_runtimes_own_int8(bundle: Bundle, ranges: ActivationRanges) -> None:
    network = next(one for one in networks_of(bundle.manifest) if one.name == "lifter")
    made = convert(onnx.load(bundle.file(network.file)), network, "int8-x86", ranges)
    assert refusals(fixed(made, network.sizes[0]).SerializeToString())
