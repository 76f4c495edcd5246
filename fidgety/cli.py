"""The command line: parse, call one function, print. stdout is the result, stderr the log.

Exit codes: 0 scored, 2 usage or unreadable recording, 3 not assessable, 4 device or storage, 5 bundle, 130 stopped.
Heavy imports wait inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fidgety import __version__
from fidgety.commands import (
    bundle,
    calibrate,
    cohort,
    device,
    evaluate,
    export,
    phantom,
    record,
    serve,
    store,
    train,
    train_cohort,
    train_pose,
)
from fidgety.commands import log as log_command
from fidgety.commands.options import BundlePath, DeviceName, DeviceOption, load_bundle, load_device, log, with_limit
from fidgety.errors import FidgetyError, NotAssessable, Stopped

if TYPE_CHECKING:
    from fidgety.bundle import Bundle
    from fidgety.records import Characteristics
    from fidgety.runtime.devices import Device

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fidgety movements from a camera recording of an infant: FMs frequency and risk.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"fidgety {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the program's version.")
    ] = False,
) -> None: ...


app.add_typer(bundle.app, name="bundle")
app.add_typer(calibrate.app, name="calibrate")
app.add_typer(cohort.app, name="cohort")
app.add_typer(log_command.app, name="log")
app.add_typer(device.app, name="device")
app.add_typer(phantom.app, name="phantom")
app.command("serve")(serve.serve)
app.add_typer(store.app, name="store")
app.command("record")(record.record)
app.command("export")(export.export)
app.command("train")(train_cohort.train)
app.command("train-apply")(train_cohort.train_apply)
app.command("evaluate")(evaluate.evaluate)
app.command("agree")(evaluate.agree)
app.command("train-align")(train.train_align)
app.command("train-lifter")(train.train_lifter)
app.command("train-pose")(train_pose.train_pose)


Threads = Annotated[int, typer.Option("--threads", min=1, max=64, help="CPU threads for the pose network.")]
Born = Annotated[str | None, typer.Option(help="Date of birth, YYYY-MM-DD.")]
Recorded = Annotated[str | None, typer.Option(help="Date of the recording, YYYY-MM-DD.")]
Gestation = Annotated[str | None, typer.Option(help="Gestation at birth: weeks, or weeks+days as 39+2.")]
AgeWeeks = Annotated[float | None, typer.Option(help="Corrected age in weeks, instead of dates.")]
Sex = Annotated[str | None, typer.Option(help="female or male.")]
BirthWeight = Annotated[float | None, typer.Option(help="Birth weight in grams.")]
MinAssessable = Annotated[
    float | None,
    typer.Option("--min-assessable-s", min=0.0, help="Lower the 60 s rule (for tests; said in the result)."),
]
Seconds = Annotated[float | None, typer.Option("--seconds", min=1.0, help="Watch a camera for so long.")]


@app.command()
def score(
    recordings: Annotated[
        list[str],
        typer.Argument(help="Videos, folders of videos, cameras (0, /dev/video0, rtsp://...), .poses or .npz."),
    ],
    born: Born = None,
    recorded: Recorded = None,
    gestation: Gestation = None,
    age_weeks: AgeWeeks = None,
    sex: Sex = None,
    birth_weight: BirthWeight = None,
    infants: Annotated[
        Path | None,
        typer.Option(help="CSV: recording, born, recorded, gestation, sex, birth_weight or age_weeks; a row each."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for result, report and poses.")] = Path("fidgety-results"),
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line per recording.")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write one row per recording.")] = None,
    is_forced: Annotated[bool, typer.Option("--force", help="Score again what has a result.")] = False,
    fps: Annotated[
        float | None, typer.Option("--fps", min=1.0, help="Frame rate of .npz tracks that do not say.")
    ] = None,
    min_assessable_s: MinAssessable = None,
    seconds: Seconds = None,
    bundle_path: BundlePath = None,
    threads: Threads = 2,
    device_name: DeviceOption = DeviceName.auto,
    cluster: Annotated[
        str | None,
        typer.Option(help="Hand recordings to the Dask scheduler at this address (opens a connection to it)."),
    ] = None,
) -> None:
    """Score recordings: FMs frequency, risk, when FMs were seen, and whether it can be assessed at all.

    A folder is searched for recordings. What has a result is not scored again: call again to go on after a stop.
    Exit code: 2 if any cannot be read, else 3 if any is not assessable, else 0.
    """
    from fidgety.batch import Request, make_folder
    from fidgety.commands.results import Output, score_all
    from fidgety.infant import characteristics

    infant = characteristics(born, recorded, gestation, age_weeks, sex, birth_weight)
    model = with_limit(load_bundle(bundle_path), min_assessable_s)
    folder, chosen = make_folder(out), load_device(device_name, model)
    request = Request(model, infant, folder, is_forced, fps, seconds, threads, min_assessable_s, chosen)
    score_all(recordings, request, infants, cluster, Output(is_json, csv))


@app.command()
def check(
    recordings: Annotated[list[str], typer.Argument(help="Videos or cameras.")],
    age_weeks: AgeWeeks = None,
    born: Born = None,
    recorded: Recorded = None,
    gestation: Gestation = None,
    min_assessable_s: MinAssessable = None,
    seconds: Seconds = None,
    bundle_path: BundlePath = None,
    threads: Threads = 2,
    device_name: DeviceOption = DeviceName.auto,
) -> None:
    """Judge the recordings' quality only: keep or repeat, and why.

    The age is judged where it is given; where it is not, that is a warning: scoring will want it.
    """
    from fidgety.infant import characteristics

    infant = characteristics(born, recorded, gestation, age_weeks)
    model = with_limit(load_bundle(bundle_path), min_assessable_s)
    chosen = load_device(device_name, model)
    codes = [_check_one(address, infant, model, seconds, threads, chosen) for address in recordings]
    if any(codes):
        raise typer.Exit(2 if 2 in codes else NotAssessable.exit_code)


@app.command()
def pose(
    recording: Annotated[str, typer.Argument(help="Video or camera.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Pose track to write (default: beside the recording; a camera's here)."),
    ] = None,
    seconds: Seconds = None,
    bundle_path: BundlePath = None,
    threads: Threads = 2,
    device_name: DeviceOption = DeviceName.auto,
) -> None:
    """Turn a recording into a pose track, which `score` takes in its place."""
    from fidgety.batch import default_track, write_poses
    from fidgety.progress import Progress

    model = load_bundle(bundle_path)
    chosen = load_device(device_name, model)
    target = out or default_track(recording)
    with Progress() as progress:
        n = write_poses(recording, target, model, seconds, threads, progress.start, chosen)
    print(f"{n} poses written to {target}")


def main() -> NoReturn:
    """Entry point: run the command, turn our errors into one sentence and their exit code."""
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, _stop)
    try:
        app(standalone_mode=True)
    except FidgetyError as error:
        log(f"fidgety: {error}")
        raise SystemExit(error.exit_code) from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(0)


def _stop(*_: object) -> NoReturn:
    raise Stopped("stopped; the recording is untouched and nothing half-done was kept")


def _check_one(
    address: str, infant: Characteristics, bundle: Bundle, seconds: float | None, threads: int, chosen: Device
) -> int:
    from fidgety.batch import check_one
    from fidgety.errors import SourceError
    from fidgety.progress import Progress
    from fidgety.report.text import format_quality
    from fidgety.runtime.address import shown_address

    try:
        with Progress() as progress:
            quality = check_one(address, infant, bundle, seconds, threads, progress.start, chosen)
    except SourceError as error:
        log(f"fidgety: {error}")
        return SourceError.exit_code
    print(format_quality(shown_address(address), quality))
    return 0 if quality.is_assessable else NotAssessable.exit_code


if __name__ == "__main__":
    main()
