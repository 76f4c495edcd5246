"""Does this box still measure rightly? The phantom through the whole chain, and each network on its golden vectors.

A reference is made once, when a bundle is installed on a box that is known to be fit (`--record`); for the demo bundle
it lies in `fidgety/demo`. The outcome is kept with its time, start of the system and bundle, so that a recorder may ask
for a test of today (`selftest_is_current`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.resources import as_file, files
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fidgety import __version__
from fidgety.bundle import Bundle
from fidgety.device.clock import boot_id as boot_id_now
from fidgety.device.golden import TOLERANCES, Arrays, differences, golden_inputs, golden_outputs
from fidgety.device.state import state_folder
from fidgety.durable import faults, write_bytes
from fidgety.errors import BundleError, DeviceError
from fidgety.records import Characteristics
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.pipeline import Job, Watcher, assess_recording
from fidgety.runtime.source import open_source

__all__ = [
    "TRUE_FMS_FREQUENCY",
    "Check",
    "Measured",
    "Outcome",
    "Reference",
    "as_reference",
    "daily_test",
    "demo_path",
    "find_reference",
    "judge",
    "keep_outcome",
    "measure",
    "measurement_of",
    "record_reference",
    "reference_path",
    "run_selftest",
    "selftest_is_current",
    "write_reference",
]

SAMPLE = "sample.mp4"
TRUE_FMS_FREQUENCY = 0.625  # of the whole sample: 10 of its 16 instances (sample.truth.json)
# Another engine's rounding may move one window over the threshold. The demo bundle misses one window of the truth, so
# against the truth it is two of 16.
_WINDOWS_APART, _TRUTH_APART = 1, 2.1 / 16
# How far the noise floor may be from the reference's: what makes poses noisier (a wrong colour plane, a lossy engine)
# or smooths movement away shows here first.
_NOISE_LOW, _NOISE_HIGH = 0.5, 1.5
_INFANT = Characteristics(13.0, 39.3, "female", 3300.0)
_OUTCOME_FILE = "selftest.json"
_DEMO_REFERENCE = "selftest.npz"
_CLOCK_TOLERANCE_S = 120.0


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


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a fit box measured with a bundle."""

    measurement: str  # hash of all that the figures depend on
    max_duration_s: float | None  # of the sample; None = all of it
    n_fms: int
    n_instances: int
    noise_floor_mm: float
    inputs: Arrays
    outputs: Arrays


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What this box makes of sample and golden inputs now."""

    max_duration_s: float | None  # of the sample; None = all of it
    n_fms: int  # instances with FMs
    n_instances: int
    noise_floor_mm: float
    why_not: str  # the sample could not be assessed: codes; else nothing
    outputs: Arrays


def demo_path(name: str) -> Path:
    """A file that the installation brings. Raises BundleError where it does not."""
    with as_file(files("fidgety") / "demo" / name) as path:
        if not path.is_file():
            raise BundleError(f"this installation holds no {name}: install fidgety anew")
        return path


def measurement_of(bundle: Bundle) -> str:
    """A hash of what the figures depend on: where the pose network comes from, the other graphs, what is decided with
    them. The pose graphs' own bytes are left out: they differ by the exporter's version alone."""
    manifest = bundle.manifest
    graphs = (manifest.lifter.graph, manifest.mam.window_graph, manifest.mam.bag_graph, manifest.mam.info_graph)
    parts = [
        manifest.pose.variant,
        manifest.provenance.pose_source,
        *(manifest.files[graph] for graph in graphs),
        f"{manifest.probability.clip_temperature:.6f}",
        f"{manifest.probability.risk_slope:.6f} {manifest.probability.risk_intercept:.6f}",
        f"{manifest.operating_point.fms_threshold:.6f}",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def reference_path(state: Path, bundle: Bundle) -> Path:
    """Where this box keeps the reference for a bundle."""
    return state / f"selftest-{measurement_of(bundle)[:16]}.npz"


def find_reference(state: Path, bundle: Bundle) -> Reference:
    """The reference that this box recorded for the bundle, else the demo's. Raises BundleError where there is none."""
    wanted = measurement_of(bundle)
    own = reference_path(state, bundle)
    for path in (own, demo_path(_DEMO_REFERENCE)):
        if path.is_file() and (reference := _read_reference(path)).measurement == wanted:
            return reference
    raise BundleError(
        f"there is no self-test reference for {bundle.label}: on a box that `fidgety device doctor` calls fit, run "
        "`fidgety device selftest --record` once"
    )


def measure(
    bundle: Bundle,
    inputs: Arrays,
    max_duration_s: float | None = None,
    device: Device = CPU,
    watch: Watcher | None = None,
) -> Measured:
    """Run the sample through the chain and the inputs through each network. Raises BundleError, DeviceError."""
    sample = demo_path(SAMPLE)
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


def as_reference(bundle: Bundle, measured: Measured, inputs: Arrays) -> Reference:
    """Take what was measured as right. Raises DeviceError where the sample could not be assessed."""
    if measured.why_not:
        raise DeviceError(f"the sample cannot be assessed here, so there is nothing to record: {measured.why_not}")
    return Reference(
        measurement_of(bundle),
        measured.max_duration_s,
        measured.n_fms,
        measured.n_instances,
        measured.noise_floor_mm,
        inputs,
        measured.outputs,
    )


def record_reference(bundle: Bundle, device: Device = CPU) -> Reference:
    """Take what this box measures now as right. Raises BundleError, DeviceError."""
    inputs = golden_inputs(demo_path(SAMPLE), bundle)
    return as_reference(bundle, measure(bundle, inputs, device=device), inputs)


def write_reference(path: Path, reference: Reference) -> None:
    """Write a reference, whole or not at all. Raises DeviceError."""
    figures = {
        "measurement": reference.measurement,
        "max_duration_s": reference.max_duration_s,
        "n_fms": reference.n_fms,
        "n_instances": reference.n_instances,
        "noise_floor_mm": round(reference.noise_floor_mm, 4),
    }
    raw = BytesIO()
    inputs = {f"input.{name}": array for name, array in reference.inputs.items()}
    outputs = {f"output.{name}": array for name, array in reference.outputs.items()}
    np.savez_compressed(raw, figures=np.array(json.dumps(figures)), **inputs, **outputs)  # type: ignore[arg-type]
    _write(path, raw.getvalue())


def run_selftest(bundle: Bundle, reference: Reference, device: Device = CPU, watch: Watcher | None = None) -> Outcome:
    """The whole test. Raises BundleError, DeviceError or SourceError where it cannot even be run."""
    begin_s = time.monotonic()
    checks = judge(measure(bundle, reference.inputs, reference.max_duration_s, device, watch), reference, bundle)
    return Outcome(
        all(check.is_passed for check in checks),
        time.time(),
        boot_id_now(),
        bundle.label,
        bundle.sha256,
        __version__,
        round(time.monotonic() - begin_s, 1),
        checks,
        device.settings(),
    )


def daily_test(
    folder: Path, device_for: Callable[[Bundle], Device], say: Callable[[str], None], watch: Watcher | None = None
) -> Callable[[Bundle], str | None]:
    """A check for a service: None where the bundle's self-test is current or passes now, else what failed.

    Outcomes are kept in `folder`. The reference is the one in `folder`, which a service may read whoever it runs as,
    else the user's own or the demo's. `watch` sees every pose; what it raises goes through. Else as `run_selftest`.
    """

    def test(bundle: Bundle) -> str | None:
        device = device_for(bundle)
        if selftest_is_current(folder, bundle, device):
            return None
        say(f"self-test of {bundle.label} before the first infant")
        place = folder if reference_path(folder, bundle).is_file() else state_folder()
        outcome = run_selftest(bundle, find_reference(place, bundle), device, watch)
        keep_outcome(folder, outcome)
        say(f"self-test {'passed' if outcome.is_passed else 'FAILED'} in {outcome.took_s:.0f} s")
        return "; ".join(check.sentence for check in outcome.checks if not check.is_passed) or None

    return test


def judge(measured: Measured, reference: Reference, bundle: Bundle) -> tuple[Check, ...]:
    """Every question, answered by what was measured."""
    return (*_golden_checks(measured, reference), *_chain_checks(measured, reference, bundle))


def keep_outcome(state: Path, outcome: Outcome) -> None:
    """Remember an outcome. Raises DeviceError."""
    _write(state / _OUTCOME_FILE, (json.dumps(asdict(outcome), indent=1) + "\n").encode())


def selftest_is_current(
    state: Path, bundle: Bundle, device: Device = CPU, now_s: float | None = None, boot_id: str | None = None
) -> bool:
    """True when the last self-test passed, with this very bundle, program and device, since the system was started,
    and today.

    Both are asked for: the day, since a box may run for weeks, and the start, since a clock may be wrong.
    """
    try:
        kept = json.loads((state / _OUTCOME_FILE).read_text(encoding="utf-8"))
        tested_s, now = float(kept["time_s"]), time.time() if now_s is None else now_s
        return (
            kept["is_passed"] is True
            and kept["bundle_sha256"] == bundle.sha256
            and kept["fidgety"] == __version__
            and kept["device"] == device.settings()
            and kept["boot_id"] == (boot_id or boot_id_now())
            and tested_s <= now + _CLOCK_TOLERANCE_S
            and time.localtime(tested_s)[:3] == time.localtime(now)[:3]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False  # none yet, or not readable: then it is not current


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


def _read_reference(path: Path) -> Reference:
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            figures: dict[str, Any] = json.loads(str(kept["figures"]))
            arrays = {name: kept[name] for name in kept.files if name != "figures"}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise BundleError(f"the self-test reference {path} is damaged ({error}): record it anew") from error
    return Reference(
        **figures,
        inputs={name.removeprefix("input."): a for name, a in arrays.items() if name.startswith("input.")},
        outputs={name.removeprefix("output."): a for name, a in arrays.items() if name.startswith("output.")},
    )


def _write(path: Path, raw: bytes) -> None:
    with faults(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, raw)
