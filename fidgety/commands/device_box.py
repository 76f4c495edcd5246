"""`fidgety device show/doctor/bench/selftest`: what this box is, whether it is fit, how fast, how right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands.options import (
    BundlePath,
    DeviceName,
    DeviceOption,
    StorePath,
    bundle_place,
    load_bundle,
    load_device,
    log,
    store_place,
)
from fidgety.errors import DeviceError

if TYPE_CHECKING:
    from fidgety.device.probe import Box
    from fidgety.device.tree import SystemTree

__all__ = ["bench", "doctor", "selftest", "show"]

Root = Annotated[Path, typer.Option("--root", help="Root of another system, such as a mounted disk.", hidden=True)]
IsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show(is_json: IsJson = False, store: StorePath = None, root: Root = Path("/")) -> None:
    """What this box is: model, cores, memory, heat, clock, cameras, and the engines that really load."""
    import json

    from fidgety.device.box_text import box_to_json, format_box

    box, _ = _probe(root, store)
    print(json.dumps(box_to_json(box), indent=1, allow_nan=False) if is_json else format_box(box))


def doctor(
    is_json: IsJson = False, store: StorePath = None, root: Root = Path("/"), bundle_path: BundlePath = None
) -> None:
    """Whether this box is fit: every known trap with what to do about it. Exit code 4 where something must be fixed."""
    import json
    from dataclasses import asdict

    from fidgety.device.box_text import format_findings
    from fidgety.device.clock import note_time
    from fidgety.device.doctor import examine, read_software
    from fidgety.device.state import state_folder
    from fidgety.runtime.engine_files import default_engine_folder

    box, tree = _probe(root, store)
    findings = examine(box, read_software(), tree, bundle_place(bundle_path), default_engine_folder())
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


def bench(
    recording: Annotated[Path | None, typer.Argument(help="Recording to score (default: the phantom sample).")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the account to this file.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=2.0, help="Only the first seconds.")] = None,
    bundle_path: BundlePath = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="CPU threads for the pose network.")] = 2,
    device: DeviceOption = DeviceName.auto,
) -> None:
    """How fast this box scores: frames a second, each stage's time, memory, heat. No infant's data in the account."""
    import json

    from fidgety.demo_files import demo_file
    from fidgety.device.bench import bench_recording, benchmark_to_json, format_benchmark

    bundle = load_bundle(bundle_path)
    found = bench_recording(
        str(recording or demo_file("sample.mp4")), bundle, threads, seconds, device=load_device(device, bundle)
    )
    print(f"{bundle.label}\n{format_benchmark(found)}")
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(benchmark_to_json(found, bundle), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise DeviceError(f"{json_path} cannot be written: {error.strerror}") from error


def selftest(
    is_json: IsJson = False,
    is_recorded: Annotated[
        bool, typer.Option("--record", help="Take what this box measures now as right (once, for a new bundle).")
    ] = False,
    target: Annotated[
        Path | None, typer.Option("--to", help="With --record: this file, in place of the box's own.")
    ] = None,
    bundle_path: BundlePath = None,
    device: DeviceOption = DeviceName.auto,
) -> None:
    """The phantom through the whole chain, each network on its golden vectors. Exit code 4 where one is off."""
    import json
    from dataclasses import asdict

    from fidgety.device.daily_test import keep_outcome
    from fidgety.device.selftest import record_reference, run_selftest
    from fidgety.device.selftest_reference import find_reference, reference_path, write_reference
    from fidgety.device.state import state_folder

    bundle, state = load_bundle(bundle_path), state_folder()
    used = load_device(device, bundle)
    if is_recorded:
        path = target or reference_path(state, bundle)
        write_reference(path, record_reference(bundle, used))
        print(f"{bundle.label}: what this box measures is the reference now, in {path}")
        return
    outcome = run_selftest(bundle, find_reference(state, bundle), used)
    keep_outcome(state, outcome)
    if is_json:
        print(json.dumps(asdict(outcome), indent=1, allow_nan=False))
    else:
        for check in outcome.checks:
            print(f"{'ok  ' if check.is_passed else 'FAIL'}  {check.name}: {check.sentence}")
        verdict = "passed" if outcome.is_passed else "FAILED: score no infant on this box; run `fidgety device doctor`"
        print(f"{bundle.label}: self-test {verdict} ({outcome.took_s:.0f} s)")
    if not outcome.is_passed:
        raise typer.Exit(DeviceError.exit_code)


def _probe(root: Path, store: Path | None) -> tuple[Box, SystemTree]:
    from fidgety.device.probe import probe_box
    from fidgety.device.state import state_folder
    from fidgety.device.tree import SystemTree

    tree = SystemTree(root)
    return probe_box(tree, store_place(store), state_folder()), tree
