"""The self-test: a fit box passes, a network that says something else is named, an outcome is worth one day."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fidgety import __version__
from fidgety.bundle import Bundle, default_bundle_path, open_bundle, write_bundle
from fidgety.device import golden, selftest
from fidgety.device.golden import TOLERANCES, differences, movement_outputs, picture_outputs
from fidgety.device.selftest import (
    TRUE_FMS_FREQUENCY,
    Check,
    Measured,
    Outcome,
    Reference,
    as_reference,
    daily_test,
    demo_path,
    find_reference,
    judge,
    keep_outcome,
    measure,
    measurement_of,
    reference_path,
    run_selftest,
    selftest_is_current,
    write_reference,
)
from fidgety.errors import BundleError, DeviceError
from fidgety.phantom.fidgety_movements import true_fms_frequency
from fidgety.phantom.truth import read_truth
from fidgety.records import Frame
from fidgety.runtime.devices import CPU

CUT_S = 11.6  # one instance, and the fewest stretches for a noise floor
NOW_S = 1_800_000_000.0

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
    truth = read_truth(demo_path("sample.mp4"))
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
    [(9, set()), (10, set()), (8, set()), (11, {"fms-frequency"}), (7, {"fms-frequency", "truth"})],
)
def test_judge_holds_the_whole_sample_against_reference_and_truth(
    n_fms: int, expected: set[str], bundle: Bundle, demo: Reference
) -> None:
    found = Measured(None, n_fms, 16, demo.noise_floor_mm, "", demo.outputs)
    assert failed(judge(found, demo, bundle)) == expected


def test_as_reference_refuses_what_could_not_be_assessed(bundle: Bundle, demo: Reference, measured: Measured) -> None:
    with pytest.raises(DeviceError, match="too-dark"):
        as_reference(bundle, replace(measured, why_not="too-dark"), demo.inputs)


def with_scaled_weights(bundle: Bundle, graphs: tuple[str, ...], place: Path) -> Bundle:
    """The same bundle, whole and valid, the weights of some networks a tenth larger."""
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
                weights.CopyFrom(numpy_helper.from_array(values * np.float32(1.1), weights.name))
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
    right = list(golden._frames(demo_path("sample.mp4")))
    monkeypatch.setattr(golden, "_frames", lambda _: map(change, right))
    apart = differences(picture_outputs(demo_path("sample.mp4"), bundle, demo.inputs), demo.outputs)
    off = {name for name in apart if apart[name] > TOLERANCES[name][0]}
    assert off == ({"found_px", "landmarks_px"} if is_caught else set())


BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def outcome_of(bundle: Bundle, **changes: object) -> Outcome:
    made = Outcome(True, NOW_S, "this-boot", bundle.label, bundle.sha256, "0.1.0", 20.0, (), CPU.settings())
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "is_current"),
    [
        ({}, True),
        ({"is_passed": False}, False),
        ({"time_s": NOW_S - 86_400.0}, False),  # yesterday
        ({"time_s": NOW_S + 3_600.0}, False),  # the clock went back
        ({"boot_id": "another"}, False),
        ({"bundle_sha256": "0" * 64}, False),
        ({"fidgety": "0.0.9"}, False),
        ({"device": {"device": "tensorrt", "engine": "TensorRT 10.3"}}, False),
    ],
)
def test_selftest_is_current(changes: dict[str, object], is_current: bool, bundle: Bundle, tmp_path: Path) -> None:
    keep_outcome(tmp_path, outcome_of(bundle, **changes))
    assert selftest_is_current(tmp_path, bundle, CPU, NOW_S, "this-boot") is is_current


def test_daily_test_runs_once_and_says_what_failed(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Path] = []
    said: list[str] = []
    failed = selftest.Check("truth", False, "FMs frequency .94, in truth .62")
    outcomes = [
        outcome_of(bundle, is_passed=False, checks=(failed,), time_s=time.time(), boot_id=BOOT_ID),
        outcome_of(bundle, time_s=time.time(), boot_id=BOOT_ID, fidgety=__version__),
    ]

    def find(place: Path, _bundle: Bundle) -> Path:
        runs.append(place)
        return place

    monkeypatch.setenv("FIDGETY_STATE", str(tmp_path / "user"))
    monkeypatch.setattr(selftest, "find_reference", find)
    monkeypatch.setattr(selftest, "run_selftest", lambda *_: outcomes[len(runs) - 1])
    test = daily_test(tmp_path / "service", lambda _: CPU, said.append)
    assert test(bundle) == "FMs frequency .94, in truth .62"  # and it is asked again
    (tmp_path / "service").mkdir(exist_ok=True)
    reference_path(tmp_path / "service", bundle).write_bytes(b"of the service")
    assert test(bundle) is None and test(bundle) is None  # passed: not run a third time
    assert runs == [tmp_path / "user", tmp_path / "service"]
    assert [line for line in said if "FAILED" in line] and said[-1].startswith("self-test passed")


def test_selftest_is_not_current_without_or_with_a_damaged_outcome(bundle: Bundle, tmp_path: Path) -> None:
    assert not selftest_is_current(tmp_path, bundle)
    (tmp_path / "selftest.json").write_text('{"is_passed": tr')
    assert not selftest_is_current(tmp_path, bundle)


def test_find_reference_that_is_damaged(bundle: Bundle, tmp_path: Path) -> None:
    reference_path(tmp_path, bundle).write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(BundleError, match="damaged"):
        find_reference(tmp_path, bundle)


def test_keep_outcome_where_nothing_can_be_written(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(DeviceError, match="check the disk or choose another folder"):
        keep_outcome(tmp_path / "state", outcome_of(bundle))


def test_measurement_does_not_depend_on_the_quality_limits(bundle: Bundle) -> None:
    manifest = bundle.manifest
    stricter = replace(manifest, quality=replace(manifest.quality, max_noise_floor_mm=1.0))
    other = replace(manifest, operating_point=replace(manifest.operating_point, fms_threshold=0.6))
    assert measurement_of(replace(bundle, manifest=stricter)) == measurement_of(bundle)
    assert measurement_of(replace(bundle, manifest=other)) != measurement_of(bundle)
