"""The self-test: a fit box passes, a network that says something else is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fidgety.bundle import Bundle, default_bundle_path, open_bundle, write_bundle
from fidgety.demo_files import demo_file
from fidgety.device import golden, selftest
from fidgety.device.daily_test import keep_outcome, selftest_is_current
from fidgety.device.golden import TOLERANCES, differences, movement_outputs, picture_outputs
from fidgety.device.selftest import TRUE_FMS_FREQUENCY, Check, judge, measure, run_selftest
from fidgety.device.selftest_reference import (
    Measured,
    Reference,
    as_reference,
    find_reference,
    reference_path,
    write_reference,
)
from fidgety.errors import BundleError
from fidgety.phantom.fidgety_movements import true_fms_frequency
from fidgety.phantom.truth import read_truth
from fidgety.records import Frame

CUT_S = 11.6  # one instance, and the fewest stretches for a noise floor

pytestmark = pytest.mark.bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


@pytest.fixture(scope="module")
def demo(bundle: Bundle) -> Reference:
    return find_reference(Path("/nowhere"), bundle)


@pytest.fixture(scope="module")
def measured(bundle: Bundle, demo: Reference) -> Measured:
    """A cut of the sample through the chain, the demo's golden inputs through each network."""
    return measure(bundle, demo.inputs, CUT_S)


def failed(checks: tuple[Check, ...]) -> set[str]:
    return {check.name for check in checks if not check.is_passed}


def test_demo_reference_is_of_the_demo_bundle_and_the_truth(demo: Reference) -> None:
    truth = read_truth(demo_file("sample.mp4"))
    assert demo.max_duration_s is None
    assert true_fms_frequency(truth.bouts, len(truth.times_s) / 25.0) == pytest.approx(TRUE_FMS_FREQUENCY)
    assert abs(demo.n_fms / demo.n_instances - TRUE_FMS_FREQUENCY) <= 0.1


def test_golden_vectors_of_the_demo_hold_here(demo: Reference, measured: Measured) -> None:
    apart = differences(measured.outputs, demo.outputs)
    assert set(apart) == set(TOLERANCES)
    assert all(apart[name] <= limit for name, (limit, _) in TOLERANCES.items()), apart


def test_run_selftest_passes_on_what_was_recorded_here(
    bundle: Bundle, demo: Reference, measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reference(reference_path(tmp_path, bundle), as_reference(bundle, measured, demo.inputs))
    kept = find_reference(tmp_path, bundle)  # the box's own comes before the demo's
    assert (kept.max_duration_s, kept.n_instances) == (CUT_S, 1)
    monkeypatch.setattr(selftest, "measure", lambda *_: measured)  # as it came out a moment ago
    outcome = run_selftest(bundle, kept)
    assert outcome.is_passed, outcome.checks
    named = {*(f"golden-{name}" for name in TOLERANCES), "assessable", "fms-frequency", "noise-floor"}
    assert {check.name for check in outcome.checks} == named
    keep_outcome(tmp_path, outcome)
    assert selftest_is_current(tmp_path, bundle)


def test_judge_names_what_is_off(bundle: Bundle, demo: Reference, measured: Measured) -> None:
    right = as_reference(bundle, measured, demo.inputs)
    assert failed(judge(measured, right, bundle)) == set()
    assert failed(judge(replace(measured, noise_floor_mm=2 * right.noise_floor_mm), right, bundle)) == {"noise-floor"}
    assert failed(judge(replace(measured, noise_floor_mm=0.1), right, bundle)) == {"noise-floor"}
    assert failed(judge(replace(measured, n_instances=2), right, bundle)) == {"fms-frequency"}
    assert failed(judge(replace(measured, why_not="no-infant"), right, bundle)) == {"assessable"}


@pytest.mark.parametrize(
    ("n_fms", "expected"),
    [(9, set()), (10, set()), (11, set()), (8, {"fms-frequency"}), (7, {"fms-frequency", "truth"})],
)
def test_judge_holds_the_whole_sample_against_reference_and_truth(
    n_fms: int, expected: set[str], bundle: Bundle, demo: Reference
) -> None:
    found = Measured(None, n_fms, 16, demo.noise_floor_mm, "", demo.outputs)
    assert failed(judge(found, demo, bundle)) == expected


def with_scaled_weights(bundle: Bundle, graphs: tuple[str, ...], place: Path) -> Bundle:
    """The same bundle, whole and valid, the weights of some networks a fiftieth larger."""
    place.mkdir()
    files = {}
    for name in bundle.manifest.files:
        files[name] = place / name
        shutil.copy(bundle.file(name), files[name])
    for graph in graphs:
        model = onnx.load(files[graph])
        for weights in model.graph.initializer:
            values = numpy_helper.to_array(weights)
            if values.dtype == np.float32 and values.ndim > 1:
                weights.CopyFrom(numpy_helper.from_array(values * np.float32(1.02), weights.name))
        onnx.save(model, files[graph])
    return write_bundle(place / "bundle", bundle.manifest, files)


@pytest.mark.parametrize(
    ("graphs", "caught_by"),
    [(("lifter.onnx",), {"joints"}), (("mam_window.onnx", "mam_bag.onnx"), {"logits", "risk"})],
    ids=["lifter", "mam"],
)
def test_golden_vectors_name_the_network_that_changed(
    graphs: tuple[str, ...], caught_by: set[str], bundle: Bundle, demo: Reference, tmp_path: Path
) -> None:
    other = with_scaled_weights(bundle, graphs, tmp_path / "other")
    apart = differences(movement_outputs(other, demo.inputs), demo.outputs)
    assert {name for name in apart if apart[name] > TOLERANCES[name][0]} == caught_by
    with pytest.raises(BundleError, match="--record"):
        find_reference(tmp_path, other)  # another network needs another reference


def test_golden_vectors_of_one_window_still_hold(bundle: Bundle, demo: Reference) -> None:
    """Boxes keep references that were recorded with one window (frames, 17, 3)."""
    inputs = {**demo.inputs, "window": demo.inputs["window"][1]}
    apart = differences(movement_outputs(bundle, inputs), {**demo.outputs, "logits": demo.outputs["logits"][1]})
    assert max(apart.values()) < 1e-3


def test_differences_see_a_missing_value_and_a_shape(demo: Reference) -> None:
    outputs = dict(demo.outputs)
    lost = {**outputs, "joints": np.full_like(outputs["joints"], np.nan)}
    short = {**outputs, "logits": outputs["logits"][:1]}
    assert differences(lost, outputs)["joints"] == differences(short, outputs)["logits"] == float("inf")


def with_chroma_swapped(frame: Frame) -> Frame:
    return replace(frame, chroma_u=frame.chroma_v, chroma_v=frame.chroma_u)


def with_rounding_noise(frame: Frame) -> Frame:
    """One grey level more in one pixel of a hundred: what another processor's rounding may do."""
    more = np.random.default_rng(0).random(frame.luma.shape) < 0.01
    return replace(frame, luma=np.where(more & (frame.luma < 255), frame.luma + 1, frame.luma).astype(np.uint8))


@pytest.mark.parametrize(("change", "is_caught"), [(with_chroma_swapped, True), (with_rounding_noise, False)])
def test_golden_landmarks_catch_wrong_pictures_and_no_rounding(
    change: Callable[[Frame], Frame], is_caught: bool, bundle: Bundle, demo: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = list(golden._frames(demo_file("sample.mp4")))
    monkeypatch.setattr(golden, "_frames", lambda _: map(change, right))
    apart = differences(picture_outputs(demo_file("sample.mp4"), bundle, demo.inputs), demo.outputs)
    off = {name for name in apart if apart[name] > TOLERANCES[name][0]}
    assert off == ({"found_px", "landmarks_px"} if is_caught else set())
