"""Numbers on recorded inputs: a good variant passes, a doctored one is told, and a gate that cannot run fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.calibration.networks import Network, networks_of
from fidgety.calibration.recorded_inputs import RecordedInputs
from fidgety.errors import BundleError
from fidgety.export.candidates import Candidate, stage, write_judged
from fidgety.export.network_parity import measure_network
from fidgety.export.speed import measure_speed

pytestmark = pytest.mark.bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


def network(name: str, bundle: Bundle) -> Network:
    return next(one for one in networks_of(bundle.manifest) if one.name == name)


@pytest.fixture(scope="module")
def halves(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Candidate]:
    folder = tmp_path_factory.mktemp("halves")
    names = ("landmarks", "detector", "lifter", "mam_window", "mam_bag", "mam_info")
    pairs = [(name, network(name, bundle)) for name in names]
    return {name: stage(one, bundle.file(one.file), "fp16", None, folder) for name, one in pairs}


@pytest.mark.parametrize("name", ["landmarks", "detector", "lifter", "mam_window", "mam_bag", "mam_info"])
def test_measure_network_float16_is_within_all_limits(
    name: str, halves: dict[str, Candidate], bundle: Bundle, recorded_clip: RecordedInputs
) -> None:
    one = halves[name]
    base = bundle.file(one.network.file)
    found = measure_network(one.network.name, base, one.judged, recorded_clip.inputs[one.network.name], bundle.manifest)
    assert found and all(difference.is_within for difference in found)
    if base.stat().st_size > 100_000:
        assert one.path.stat().st_size < 0.6 * base.stat().st_size


@pytest.mark.parametrize(("name", "layer"), [("landmarks", "weight_half"), ("mam_window", "value_weight_half")])
def test_measure_network_one_weight_doctored(
    name: str, layer: str, halves: dict[str, Candidate], bundle: Bundle, recorded_clip: RecordedInputs, tmp_path: Path
) -> None:
    one = halves[name]
    model = onnx.load(one.path)
    constant = next(c for c in model.graph.initializer if c.name.endswith(layer))
    values = numpy_helper.to_array(constant).copy()
    values.flat[np.abs(values).argmax()] *= -8
    constant.CopyFrom(numpy_helper.from_array(values, constant.name))
    path = tmp_path / "doctored.onnx"
    onnx.save(model, path)
    base = bundle.file(one.network.file)
    judged = write_judged(path, onnx.load(base))
    found = measure_network(one.network.name, base, judged, recorded_clip.inputs[one.network.name], bundle.manifest)
    assert not all(difference.is_within for difference in found)


def test_measure_network_that_ignores_its_input(bundle: Bundle, recorded_clip: RecordedInputs, tmp_path: Path) -> None:
    base = bundle.file(bundle.manifest.mam.info_graph)
    model = onnx.load(base)
    spread = next(c for c in model.graph.initializer if c.name == "sd")
    spread.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(spread), 1e9), "sd"))
    onnx.save(model, tmp_path / "deaf.onnx")
    with pytest.raises(BundleError, match="mam_info ignores its input"):
        measure_network("mam_info", base, tmp_path / "deaf.onnx", recorded_clip.inputs["mam_info"], bundle.manifest)


def test_measure_network_without_inputs(bundle: Bundle) -> None:
    base = bundle.file(bundle.manifest.mam.info_graph)
    with pytest.raises(BundleError, match="the parity gate has 0 recorded inputs for mam_info"):
        measure_network("mam_info", base, base, [], bundle.manifest)


def test_measure_network_nan_is_not_within(bundle: Bundle, recorded_clip: RecordedInputs, tmp_path: Path) -> None:
    base = bundle.file(bundle.manifest.mam.info_graph)
    model = onnx.load(base)
    mean = next(c for c in model.graph.initializer if c.name == "mean")
    mean.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(mean), np.nan), "mean"))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(BundleError, match="ignores its input"):
        measure_network("mam_info", base, tmp_path / "nan.onnx", recorded_clip.inputs["mam_info"], bundle.manifest)


def test_measure_speed_counts_from_the_first_graph(bundle: Bundle, recorded_clip: RecordedInputs) -> None:
    window, bag = (bundle.file(name) for name in (bundle.manifest.mam.info_graph, bundle.manifest.mam.info_graph))
    found = measure_speed({"fp32": window, "same": bag}, recorded_clip.inputs["mam_info"], 1, 5)
    assert found["fp32"].ratio == 1.0 and found["same"].ms > 0


def test_measure_network_that_sees_nobody_has_compared_nothing(bundle: Bundle) -> None:
    base = bundle.file(bundle.manifest.pose.landmarks)
    rng = np.random.default_rng(3)
    empty = [{"crop": np.full((1, 3, 256, 256), rng.uniform(0.2, 0.8), np.float32)} for _ in range(3)]
    with pytest.raises(BundleError, match="compared nothing of landmarks: nobody is seen in its 3 inputs"):
        measure_network("landmarks", base, base, empty, bundle.manifest)
