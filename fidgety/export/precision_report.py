"""What `fidgety export` measured and decided, as the bundle keeps it: a row for each network and precision."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fidgety.export.chain_parity import ChainDifference
from fidgety.export.network_parity import NetworkDifference

__all__ = ["PrecisionReport", "Row", "format_chain", "format_rows", "report_to_json"]


@dataclass(frozen=True, slots=True)
class Row:
    """One network in one precision."""

    network: str
    precision: str
    size_bytes: int  # of the graph as the loop runs it
    ms: tuple[float, float]  # a run on this CPU with 1 and 2 threads
    ratio: tuple[float, float]  # times faster than fp32, each in one run
    numbers: tuple[NetworkDifference, ...]  # on recorded inputs
    chain: tuple[ChainDifference, ...]  # on whole recordings; none: it was out before
    is_kept: bool
    reason: str


@dataclass(frozen=True, slots=True)
class PrecisionReport:
    """All rows, and what they were measured on."""

    parent: str  # label of the bundle
    machine: str
    ranges_sha256: str | None  # of what `calibrate ranges` wrote
    recordings: tuple[tuple[str, str], ...]  # of the parity gate: name, sha256
    rule: str
    controls: tuple[ChainDifference, ...]  # fp32 against itself, pictures one grey level brighter
    rows: tuple[Row, ...]
    together: tuple[tuple[str, tuple[ChainDifference, ...]], ...]  # device -> all that it would load, at once


def report_to_json(report: PrecisionReport) -> str:
    """Readable, the same for the same report; infinite differences as text. `table`: what `bundle show` prints."""
    table = [report.machine, report.rule, *format_rows(report.rows)]
    return json.dumps({"table": table, **_plain(dataclasses.asdict(report))}, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if abs(value) < float("inf") else str(value)
    return value


def format_rows(rows: Sequence[Row]) -> Iterator[str]:
    """The table, a line for each row."""
    yield (
        f"{'network':<11}{'precision':<15}{'MB':>6}{'ms 1':>8}{'ms 2':>8}{'x 1':>6}{'x 2':>6}  "
        f"{'numbers: median / p95':<40}{'chain px':>9}{'FMs':>7}{'risk':>7}  kept"
    )
    for row in rows:
        yield (
            f"{row.network:<11}{row.precision:<15}{row.size_bytes / 1e6:6.2f}{row.ms[0]:8.2f}{row.ms[1]:8.2f}"
            f"{row.ratio[0]:6.2f}{row.ratio[1]:6.2f}  {_numbers(row):<40}{_chain(row)}  "
            f"{'yes' if row.is_kept else 'no'}: {row.reason}"
        )


def format_chain(title: str, chain: Sequence[ChainDifference]) -> Iterator[str]:
    """A line for each whole recording."""
    for d in chain:
        yield (
            f"{title}, {d.recording}: {d.n_frames} frames, keypoints {d.keypoints_median_px:.3f} / "
            f"{d.keypoints_p95_px:.3f} px ({d.keypoints_median_mm:.3f} / {d.keypoints_p95_mm:.3f} mm), P(FMs) "
            f"{d.probability_median:.4f} / {d.probability_p95:.4f}, FMs {d.n_fms_reference} -> {d.n_fms} of "
            f"{d.n_instances}, risk {d.risk_reference:.4f} -> {d.risk:.4f}"
        )


def _numbers(row: Row) -> str:
    return ", ".join(f"{d.quantity} {d.median:.2g} / {d.p95:.2g} {d.unit}" for d in row.numbers[:1])


def _chain(row: Row) -> str:
    if not row.chain:
        return f"{'-':>9}{'-':>7}{'-':>7}"
    n = sum(d.n_instances for d in row.chain)
    fms = sum(abs(d.n_fms - d.n_fms_reference) for d in row.chain) / n
    px = max(d.keypoints_median_px for d in row.chain)
    return f"{px:9.3f}{fms:7.3f}{max(abs(d.risk - d.risk_reference) for d in row.chain):7.3f}"
