"""`fidgety export`: a bundle's networks in other precisions, each proved on recordings and kept where it earns it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands.options import BundlePath, load_bundle, log, needs_extras
from fidgety.errors import UsageError

if TYPE_CHECKING:
    from fidgety.bundle.manifest import Precision

__all__ = ["export"]


def export(
    out: Annotated[Path, typer.Option("--out", help="Folder for the new bundle.")],
    recordings: Annotated[
        list[Path] | None, typer.Argument(help="More recordings for the parity gate than the sample.")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="fp16, int8-x86, int8-tensorrt, joined by commas, or all.")
    ] = "all",
    ranges: Annotated[
        Path | None, typer.Option("--ranges", help="activation_ranges.json of `calibrate ranges`; int8 needs it.")
    ] = None,
    is_complete: Annotated[
        bool, typer.Option("--complete", help="Whole recordings for every variant, also those that are out already.")
    ] = False,
    bundle_path: BundlePath = None,
) -> None:
    """Make the networks in other precisions; keep those that are as good on recordings and earn their place."""
    with needs_extras("exporting", "export"):
        from fidgety.calibration.activation_ranges import read_ranges
        from fidgety.demo_files import demo_file
        from fidgety.export.machine import describe_cpu
        from fidgety.export.precision_report import format_rows
        from fidgety.export.variants import Request, export_precisions
    from fidgety.batch import make_folder
    from fidgety.bundle import sha256_of_file

    request = Request(
        load_bundle(bundle_path),
        _precisions(precision),
        None if ranges is None else read_ranges(ranges),
        None if ranges is None else sha256_of_file(ranges),
        (demo_file("sample.mp4"), *(recordings or [])),
        describe_cpu(),
        is_complete=is_complete,
    )
    made, report = export_precisions(request, make_folder(out) / "bundle", log)
    print(report.machine)
    for line in format_rows(report.rows):
        print(line)
    print(f"bundle {made.label} written to {out / 'bundle'}: {len(made.manifest.variants)} variants kept")
    print("put it into use with `fidgety bundle sign` and `install`, or name it with --bundle")


def _precisions(text: str) -> tuple[Precision, ...]:
    from fidgety.export.candidates import PRECISIONS

    named = [part.strip() for part in text.split(",")]
    if named == ["all"]:
        return PRECISIONS
    if unknown := [name for name in named if name not in PRECISIONS]:
        raise UsageError(f"--precision {unknown[0]!r}: one of {', '.join(PRECISIONS)}, joined by commas, or all")
    return tuple(name for name in PRECISIONS if name in named)
