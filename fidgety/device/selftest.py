"""Does this box still measure rightly? The phantom through the whole chain, and each network on its golden vectors.

What comes out is judged by what a fit box measured with the bundle (selftest_reference.py) and, for a bundle that was
trained on phantoms, by the truth. daily_test.py knows how long an outcome holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fidgety import __version__
from fidgety.bundle import Bundle
from fidgety.demo_files import demo_file
from fidgety.device.clock import boot_id
from fidgety.device.golden import TOLERANCES, Arrays, differences, golden_inputs, golden_outputs
from fidgety.device.selftest_reference import Measured, Reference, as_reference
from fidgety.errors import DeviceError
from fidgety.records import Characteristics
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.pipeline import Job, Watcher, assess_recording
from fidgety.runtime.source import open_source

__all__ = ["TRUE_FMS_FREQUENCY", "Check", "Outcome", "judge", "measure", "record_reference", "run_selftest"]

SAMPLE = "sample.mp4"
TRUE_FMS_FREQUENCY = 0.625  # of the whole sample: 10 of its 16 instances (sample.truth.json)
# Another engine's rounding may move one window over the threshold. The demo bundle misses one window of the truth, so
# against the truth it is two of 16.
_WINDOWS_APART, _TRUTH_APART = 1, 2.1 / 16
# How far the noise floor may be from the reference's: what makes poses noisier (a wrong colour plane, a lossy engine)
# or smooths movement away shows here first.
_NOISE_LOW, _NOISE_HIGH = 0.5, 1.5
_INFANT = Characteristics(13.0, 39.3, "female", 3300.0)


@dataclass(frozen=True, slots=True)
class Check:
    """One question that the self-test asked."""

    name: str
    is_passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of the self-test."""

    is_passed: bool
    time_s: float  # since 1970, UTC
    boot_id: str
    bundle: str  # label
    bundle_sha256: str
    fidgety: str
    took_s: float
    checks: tuple[Check, ...]
    device: Mapping[str, Any]  # where the networks ran, as a result says it


def measure(
    bundle: Bundle,
    inputs: Arrays,
    max_duration_s: float | None = None,
    device: Device = CPU,
    watch: Watcher | None = None,
) -> Measured:
    """Run the sample through the chain and the inputs through each network. Raises BundleError, DeviceError."""
    sample = demo_file(SAMPLE)
    limits = bundle.manifest.quality
    if max_duration_s is not None:  # a cut sample is too short by the bundle's own rule
        limits = replace(limits, min_assessable_s=min(limits.min_assessable_s, 0.5 * max_duration_s))
    used = replace(bundle, manifest=replace(bundle.manifest, quality=limits))
    with open_source(str(sample)) as source:
        job = Job(SAMPLE, _INFANT, max_duration_s=max_duration_s, device=device)
        result = assess_recording(source, used, job, watch)
    outputs = golden_outputs(sample, bundle, inputs, device)
    noise_mm = result.quality.measures.get("noise_floor_mm")
    if result.frequency is None or noise_mm is None:
        blocking = "; ".join(one.code for one in result.quality.reasons if one.is_blocking)
        return Measured(max_duration_s, 0, 0, 0.0, blocking or "no noise floor", outputs)
    return Measured(max_duration_s, result.frequency.n_fms, result.frequency.n_instances, noise_mm, "", outputs)


def record_reference(bundle: Bundle, device: Device = CPU) -> Reference:
    """Take what this box measures now as right.

    Raises BundleError, DeviceError; the latter also where it is so far from the truth that every self-test would fail.
    """
    inputs = golden_inputs(demo_file(SAMPLE), bundle)
    measured = measure(bundle, inputs, device=device)
    reference = as_reference(bundle, measured, inputs)
    faults = [check.sentence for check in judge(measured, reference, bundle) if not check.is_passed]
    if faults:
        raise DeviceError(f"what {bundle.label} measures here cannot be a reference: {'; '.join(faults)}")
    return reference


def run_selftest(bundle: Bundle, reference: Reference, device: Device = CPU, watch: Watcher | None = None) -> Outcome:
    """The whole test. Raises BundleError, DeviceError or SourceError where it cannot even be run."""
    begin_s = time.monotonic()
    checks = judge(measure(bundle, reference.inputs, reference.max_duration_s, device, watch), reference, bundle)
    return Outcome(
        all(check.is_passed for check in checks),
        time.time(),
        boot_id(),
        bundle.label,
        bundle.sha256,
        __version__,
        round(time.monotonic() - begin_s, 1),
        checks,
        device.settings(),
    )


def judge(measured: Measured, reference: Reference, bundle: Bundle) -> tuple[Check, ...]:
    """Every question, answered by what was measured."""
    return (*_golden_checks(measured, reference), *_chain_checks(measured, reference, bundle))


def _golden_checks(measured: Measured, reference: Reference) -> Iterator[Check]:
    for name, apart in differences(measured.outputs, reference.outputs).items():
        limit, what = TOLERANCES[name]
        yield Check(f"golden-{name}", apart <= limit, f"{what}: {apart:.2g} from the reference (at most {limit:g})")


def _chain_checks(measured: Measured, reference: Reference, bundle: Bundle) -> Iterator[Check]:
    if measured.why_not:
        yield Check("assessable", False, f"the sample cannot be assessed: {measured.why_not}")
        return
    n_fms, n_instances, noise_mm = measured.n_fms, measured.n_instances, measured.noise_floor_mm
    value, expected = n_fms / n_instances, reference.n_fms / reference.n_instances
    is_near = n_instances == reference.n_instances and abs(n_fms - reference.n_fms) <= _WINDOWS_APART
    yield Check("assessable", True, "the sample can be assessed")
    yield Check(
        "fms-frequency",
        is_near,
        f"FMs frequency {n_fms}/{n_instances} = {value:.2f}, the reference {reference.n_fms}/{reference.n_instances} "
        f"= {expected:.2f} (at most {_WINDOWS_APART} window apart)",
    )
    if bundle.manifest.provenance.trained_on == "phantom" and reference.max_duration_s is None:
        # A bundle trained on infants need not see a phantom's movements as FMs; one trained on phantoms must.
        yield Check(
            "truth",
            abs(value - TRUE_FMS_FREQUENCY) <= _TRUTH_APART,
            f"FMs frequency {value:.2f}, in truth {TRUE_FMS_FREQUENCY:.2f} (at most {_TRUTH_APART:.2f} apart)",
        )
    low, high = _NOISE_LOW * reference.noise_floor_mm, _NOISE_HIGH * reference.noise_floor_mm
    yield Check(
        "noise-floor", low <= noise_mm <= high, f"noise floor {noise_mm:.2f} mm (between {low:.2f} and {high:.2f})"
    )
