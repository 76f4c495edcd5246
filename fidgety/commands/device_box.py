"""`fidgety device show/doctor/bench/selftest`: what this box is, whether it is fit, how fast, how right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands.options import BundlePath, bundle_place, log
from fidgety.errors import DeviceError

if TYPE_CHECKING:
    from fidgety.device.probe import Box
    from fidgety.device.tree import SystemTree

__all__ = ["doctor", "show"]

DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Folder of recordings (default: $FIDGETY_DATA or the user's data folder).")
]
Root = Annotated[Path, typer.Option("--root", help="Root of another system, such as a mounted disk.", hidden=True)]
IsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show(is_json: IsJson = False, data: DataFolder = None, root: Root = Path("/")) -> None:
    """What this box is: model, cores, memory, heat, clock, cameras, and the engines that really load."""
    import json

    from fidgety.device.box_text import box_to_json, format_box

    box, _ = _probe(root, data)
    print(json.dumps(box_to_json(box), indent=1, allow_nan=False) if is_json else format_box(box))


def doctor(
    is_json: IsJson = False, data: DataFolder = None, root: Root = Path("/"), bundle_path: BundlePath = None
) -> None:
    """Whether this box is fit: every known trap with what to do about it. Exit code 4 where something must be fixed."""
    import json
    from dataclasses import asdict

    from fidgety.device.box_text import format_findings
    from fidgety.device.doctor import examine, read_software
    from fidgety.device.system_clock import note_time, state_folder

    box, tree = _probe(root, data)
    findings = examine(box, read_software(), tree, bundle_place(bundle_path))
    if is_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        print(format_findings(findings))
    if box.clock.is_trustworthy:
        try:
            note_time(state_folder())
        except OSError as error:
            log(f"note: the time is not remembered in {state_folder()}: {error.strerror}")
    if any(finding.is_fault for finding in findings):
        raise typer.Exit(DeviceError.exit_code)


def _probe(root: Path, data: Path | None) -> tuple[Box, SystemTree]:
    from fidgety.device.probe import data_folder, probe_box
    from fidgety.device.system_clock import state_folder
    from fidgety.device.tree import SystemTree

    tree = SystemTree(root)
    return probe_box(tree, data or data_folder(), state_folder()), tree
