"""A bundle -> a new version of it that holds networks in other precisions, each of which earned its place.

    float32 graphs --half, quantise--> candidates, staged
      -> numbers on recorded inputs -> speed, side by side -> whole recordings -> what is kept, all together -> bundle

What is kept is decided by RULE and nothing else; every figure goes into the report that the bundle keeps. Nothing is
written before the last gate has passed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from fidgety.bundle import Bundle, GraphVariant, sha256_of_file, write_bundle
from fidgety.bundle.derived import derived_manifest
from fidgety.bundle.manifest import PRECISION_REPORT, Precision
from fidgety.calibration.activation_ranges import ActivationRanges
from fidgety.calibration.networks import NetworkName, networks_of
from fidgety.errors import BundleError, SourceError, UsageError
from fidgety.export.candidates import DEVICES, Candidate, stage
from fidgety.export.chain_parity import ChainDifference
from fidgety.export.network_parity import NetworkDifference, measure_network
from fidgety.export.precision_report import PrecisionReport, Row, report_to_json
from fidgety.export.reference import Reference, make_reference
from fidgety.export.speed import Speed, measure_speed
from fidgety.export.together import Passed, settle

__all__ = ["MIN_SPEED_UP", "MIN_TIME_SHARE", "RULE", "Request", "export_precisions"]

# A second file is fetched, checked at each start and proved at each export. A fifth pays for that, less does not.
MIN_SPEED_UP = 1.2
# An accelerator's speed cannot be measured here, but what it could gain at most can: the network's share of the time.
MIN_TIME_SHARE = 0.02
RULE = (
    "A variant is kept if it is within the limits on recorded inputs and on whole recordings (keypoints: on those "
    "where fp32 itself keeps them for pictures one grey level brighter), and earns its place: its "
    f"network takes at least {MIN_TIME_SHARE:g} of the networks' time for a second of recording (fp32, CPU), since no "
    f"precision can win back more than that; and on the CPU it runs at least {MIN_SPEED_UP:g} times faster than fp32 "
    "with 1 thread, side by side. Where a device's variants pass one by one and fail together, the one that changes "
    "most by itself leaves, until the rest passes. Whether an accelerator's engine of it is faster is measured on the "
    "device that builds it. Sizes larger than the loop runs are made and proved to load, and not kept."
)
# Runs of each network for a second of recording at 25 frames: four looks every .4 s while nobody is held, chunks of 25
# rows, windows at two strides (20 and 150 frames); of 3 minutes one info and 2001 bags, taken one by one: upper bounds.
_RUNS_A_SECOND: Mapping[NetworkName, float] = {
    "detector": 10.0,
    "landmarks": 25.0,
    "lifter": 1.0,
    "mam_window": 1.4,
    "mam_bag": 2001 / 180,
    "mam_info": 1 / 180,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be exported, and what it is measured on."""

    bundle: Bundle
    precisions: tuple[Precision, ...]
    ranges: ActivationRanges | None  # needed for int8
    ranges_sha256: str | None
    recordings: tuple[Path, ...]  # of the parity gate
    machine: str
    n_frames: int = 40  # of each recording, whose inputs are compared
    n_rounds: int = 41  # in which the graphs' speeds are compared
    is_complete: bool = False  # whole recordings for every variant, also for those that are out already: the table


def export_precisions(request: Request, out: Path, log: Callable[[str], None]) -> tuple[Bundle, PrecisionReport]:
    """Make, prove and decide; then write the new bundle to `out`.

    Raises SourceError for a recording that cannot be read; UsageError where ranges are missing, another bundle's, or
    measured on the gate's own recordings; BundleError where a gate cannot run, or a pose network of the user's own
    leaves its sizes open; DeviceError where `out` cannot be written. Then nothing has changed there.
    """
    hashes = _require_disjoint(request)
    _require_fixed_sizes(request.bundle)
    with tempfile.TemporaryDirectory(prefix="fidgety-") as folder:
        place = Path(folder)
        reference = make_reference(request.bundle, request.recordings, request.n_frames, place, log)
        rows, passed = _judge(request, reference, place, log)
        settled = settle(reference, passed, place, log)
        report = PrecisionReport(
            request.bundle.label,
            request.machine,
            request.ranges_sha256,
            hashes,
            RULE,
            reference.controls,
            tuple(_settled_row(row, settled.left.get(path)) for path, row in rows),
            tuple(settled.together),
        )
        return _write(request.bundle, settled.kept, report, place, out), report


def _require_disjoint(request: Request) -> tuple[tuple[str, str], ...]:
    """Name and hash of the gate's recordings, none of which the ranges have seen."""
    try:
        hashes = tuple((path.name, sha256_of_file(path)) for path in request.recordings)
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from error
    if not hashes:
        raise UsageError("the parity gate needs recordings: name some")
    needs_ranges = any(precision.startswith("int8") for precision in request.precisions)
    if needs_ranges and request.ranges is None:
        raise UsageError(
            "int8 needs activation ranges: make them with `fidgety calibrate ranges`, name them with --ranges"
        )
    if request.ranges is not None:
        seen = {used.sha256 for used in request.ranges.recordings}
        if both := [name for name, sha256 in hashes if sha256 in seen]:
            raise UsageError(f"{both[0]} was used for the ranges: the parity gate must judge by other recordings")
        for network in networks_of(request.bundle.manifest):
            measured = request.ranges.graphs.get(network.name)
            if measured is None or measured.graph_sha256 != request.bundle.manifest.files[network.file]:
                raise UsageError(f"these ranges were measured on another {network.file}: measure them anew")
    return hashes


def _require_fixed_sizes(bundle: Bundle) -> None:
    """Of a pose network of the user's own: what its open sizes are called, nobody tells."""
    pose = bundle.manifest.pose
    if pose.network is None:
        return
    graph = onnx.load(bundle.file(pose.landmarks), load_external_data=False).graph
    for value in (*graph.input, *graph.output):
        if any(not axis.HasField("dim_value") for axis in value.type.tensor_type.shape.dim):
            raise BundleError(
                f"{pose.landmarks} leaves sizes of {value.name!r} open: export your network to ONNX with fixed sizes, "
                "batch 1, and build the bundle anew"
            )


def _judge(
    request: Request, reference: Reference, place: Path, log: Callable[[str], None]
) -> tuple[list[tuple[Path, Row]], list[Passed]]:
    """A row for each graph file, and the candidates that passed by themselves."""
    rows, passed, plain = list[tuple[Path, Row]](), list[Passed](), reference.bundle
    shares = _time_shares(reference, min(request.n_rounds, 11))
    for network in networks_of(plain.manifest):
        given, base = reference.given(network), plain.file(network.file)
        candidates = [stage(network, base, precision, request.ranges, place) for precision in request.precisions]
        graphs: dict[str, Path] = {"fp32": base, **{one.precision: one.path for one in candidates}}
        speeds = [measure_speed(graphs, given, n_threads, request.n_rounds) for n_threads in (1, 2)]
        rows.append((base, _row_of(network.name, "fp32", base, speeds, reason="the reference", is_kept=True)))
        for one in candidates:
            row = _row(one, speeds, request, reference, shares[network.name])
            log(f"{network.name} {one.precision}: {row.reason}")
            rows.append((one.path, row))
            if row.is_kept:
                passed.append(Passed(one, row.chain))
    return rows, passed


def _settled_row(row: Row, left: str | None) -> Row:
    return row if left is None else replace(row, is_kept=False, reason=left)


def _row(
    one: Candidate, speeds: Sequence[Mapping[str, Speed]], request: Request, reference: Reference, share: float
) -> Row:
    """Numbers first, then whether it earns its place, then whole recordings: the first no decides."""
    name, plain = one.network.name, reference.bundle
    numbers = measure_network(
        name, plain.file(one.network.file), one.judged, reference.given(one.network), plain.manifest
    )
    beyond = [d for d in numbers if not d.is_within]
    reason = ""
    if beyond:
        d = beyond[0]
        reason = (
            f"{d.quantity} {d.median:.3g} (median) and {d.p95:.3g} (p95) {d.unit} off, "
            f"at most {d.limit_median:g} and {d.limit_p95:g}"
        )
    elif one.precision == "int8-x86" and speeds[0][one.precision].ratio < MIN_SPEED_UP:
        reason = f"{speeds[0][one.precision].ratio:.2f} times as fast as fp32, {MIN_SPEED_UP:g} is the least"
    elif share < MIN_TIME_SHARE:
        reason = f"the network takes {share:.2%} of the time, {MIN_TIME_SHARE:.0%} is the least"
    chain: tuple[ChainDifference, ...] = ()
    if not reason or request.is_complete:
        try:
            chain = reference.chain([one], one.path.with_suffix(".chain"))
        except BundleError as error:  # the reference could be scored: it is the variant that loses the infant
            reason = reason or f"recordings can no longer be scored with it: {error}"
        else:
            reason = reason or next(iter(reference.faults(chain)), "")
    is_kept = not reason
    return _row_of(name, one.precision, one.path, speeds, numbers, chain, reason or "within all limits", is_kept)


def _row_of(
    name: str,
    precision: Precision,
    path: Path,
    speeds: Sequence[Mapping[str, Speed]],
    numbers: tuple[NetworkDifference, ...] = (),
    chain: tuple[ChainDifference, ...] = (),
    reason: str = "",
    is_kept: bool = False,
) -> Row:
    one, two = (speed[precision] for speed in speeds)
    return Row(
        name, precision, path.stat().st_size, (one.ms, two.ms), (one.ratio, two.ratio), numbers, chain, is_kept, reason
    )


def _time_shares(reference: Reference, n_rounds: int) -> dict[NetworkName, float]:
    """Each network's share of the networks' time for a second of recording, float32 on this CPU."""
    plain = reference.bundle
    ms: dict[NetworkName, float] = {
        network.name: measure_speed({"fp32": plain.file(network.file)}, reference.given(network), 1, n_rounds)[
            "fp32"
        ].ms
        * _RUNS_A_SECOND[network.name]
        for network in networks_of(plain.manifest)
    }
    return {name: value / sum(ms.values()) for name, value in ms.items()}


def _write(parent: Bundle, kept: Sequence[Candidate], report: PrecisionReport, place: Path, out: Path) -> Bundle:
    """The parent's files but for its own variants, those that are kept, and the report."""
    former = {variant.file for variant in parent.manifest.variants} | {PRECISION_REPORT}
    contents = {name: parent.file(name) for name in parent.manifest.files if name not in former}
    variants = []
    for one in kept:
        sizes = {} if one.precision == "int8-x86" else dict(one.network.sizes[0])
        variants.append(GraphVariant(one.network.file, one.path.name, one.precision, sizes, DEVICES[one.precision]))
        contents[one.path.name] = one.path
    path = place / PRECISION_REPORT
    path.write_text(report_to_json(report), encoding="utf-8")
    contents[PRECISION_REPORT] = path
    return write_bundle(out, derived_manifest(parent, variants=tuple(variants)), contents)
