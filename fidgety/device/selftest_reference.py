"""What a box measures with a bundle, and the measurement of a fit one that it is held against.

A reference is made once, on a machine that is known to be fit: by the bundle's maker, who puts it into the bundle, or
on the box itself, which keeps it in its state folder. For the demo bundle it lies in `fidgety/demo`. It holds for all
bundles whose figures depend on the same things, and for no other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fidgety.bundle import Bundle, write_bundle
from fidgety.bundle.manifest import SELFTEST_REFERENCE
from fidgety.demo_files import demo_file
from fidgety.device.golden import Arrays
from fidgety.durable import faults, write_bytes
from fidgety.errors import BundleError, DeviceError

__all__ = [
    "Measured",
    "Reference",
    "as_reference",
    "brings_reference",
    "find_reference",
    "measurement_of",
    "put_reference",
    "reference_path",
    "write_reference",
]


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


def measurement_of(bundle: Bundle) -> str:
    """A hash of what the figures depend on: where the pose network comes from, the other graphs, what is decided with
    them. The pose graphs' own bytes are left out: they differ by the exporter's version alone."""
    manifest = bundle.manifest
    graphs = (manifest.lifter.graph, manifest.mam.window_graph, manifest.mam.bag_graph, manifest.mam.info_graph)
    parts = [
        manifest.pose.variant,
        manifest.provenance.pose_source,
        f"follows picture: {manifest.pose.follows_picture}",
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
    """The reference that this box recorded for the bundle, else the bundle's own or the demo's.

    Raises BundleError where there is none, or where one is damaged.
    """
    found = _first_that_fits(bundle, reference_path(state, bundle), *_brought(bundle))
    if found is not None:
        return found
    raise BundleError(
        f"there is no self-test reference for {bundle.label}: on a box that `fidgety device doctor` calls fit, run "
        "`fidgety device selftest --record` once"
    )


def brings_reference(bundle: Bundle) -> bool:
    """Whether every box that installs the bundle can test itself. Raises BundleError for a damaged reference."""
    return _first_that_fits(bundle, *_brought(bundle)) is not None


def put_reference(path: Path, bundle: Bundle, reference: Reference) -> Bundle:
    """Write the bundle anew with the reference in it, and put it into use at `path`. Its signature no longer holds.

    Raises DeviceError when the disk lets us down; then nothing has changed at `path`.
    """
    with TemporaryDirectory(prefix="fidgety-") as staging:
        source = Path(staging) / SELFTEST_REFERENCE
        write_reference(source, reference)
        files = {name: bundle.file(name) for name in bundle.manifest.files}
        return write_bundle(path, bundle.manifest, {**files, SELFTEST_REFERENCE: source})


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
    with faults(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, raw.getvalue())


def _brought(bundle: Bundle) -> Iterator[Path]:
    """Where the bundle's own reference and the demo's lie."""
    if SELFTEST_REFERENCE in bundle.manifest.files:
        yield bundle.file(SELFTEST_REFERENCE)
    yield demo_file(SELFTEST_REFERENCE)


def _first_that_fits(bundle: Bundle, *places: Path) -> Reference | None:
    wanted = measurement_of(bundle)
    for path in places:
        if path.is_file() and (reference := _read_reference(path)).measurement == wanted:
            return reference
    return None


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
