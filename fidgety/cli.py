"""The command line: parse, call one function, print. stdout is the result, stderr the log.

Exit codes: 0 scored, 2 usage or unreadable recording, 3 not assessable, 4 device or storage, 5 bundle, 130 stopped.
Heavy imports wait inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fidgety.commands import bundle, calibrate, cohort, evaluate, phantom, train, train_cohort, train_pose
from fidgety.commands.options import BundlePath, load_bundle, log
from fidgety.errors import FidgetyError, NotAssessable, Stopped

if TYPE_CHECKING:
    from fidgety.batch import Outputs, Request
    from fidgety.bundle import Bundle
    from fidgety.records import Characteristics

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fidgety movements from a camera recording of an infant: FMs frequency and risk.",
)
app.add_typer(bundle.app, name="bundle")
app.add_typer(calibrate.app, name="calibrate")
app.add_typer(cohort.app, name="cohort")
app.add_typer(phantom.app, name="phantom")
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
        list[str], typer.Argument(help="Videos, cameras (0, /dev/video0, rtsp://...), .poses or .npz.")
    ],
    born: Born = None,
    recorded: Recorded = None,
    gestation: Gestation = None,
    age_weeks: AgeWeeks = None,
    sex: Sex = None,
    birth_weight: BirthWeight = None,
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
) -> None:
    """Score recordings: FMs frequency, risk, when FMs were seen, and whether it can be assessed at all."""
    from fidgety.batch import Request, make_folder
    from fidgety.infant import characteristics

    infant = characteristics(born, recorded, gestation, age_weeks, sex, birth_weight)
    if len(recordings) > 1 and infant.corrected_age_weeks is not None:
        log("note: the same infant's age and characteristics are used for all recordings of this call")
    model = _with_limit(load_bundle(bundle_path), min_assessable_s)
    request = Request(model, infant, make_folder(out), is_forced, fps, seconds, threads, min_assessable_s)
    _print_results(recordings, request, is_json, csv)


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
) -> None:
    """Judge the recordings' quality only: keep or repeat, and why. The age is judged where it is given."""
    from fidgety.infant import characteristics

    infant = characteristics(born, recorded, gestation, age_weeks)
    model = _with_limit(load_bundle(bundle_path), min_assessable_s)
    codes = [_check_one(address, infant, model, seconds, threads) for address in recordings]
    if any(codes):
        raise typer.Exit(2 if 2 in codes else NotAssessable.exit_code)


@app.command()
def pose(
    recording: Annotated[str, typer.Argument(help="Video or camera.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Pose track to write (default: beside the recording).")
    ] = None,
    seconds: Seconds = None,
    bundle_path: BundlePath = None,
    threads: Threads = 2,
) -> None:
    """Turn a recording into a pose track, which `score` takes in its place."""
    from fidgety.batch import write_poses
    from fidgety.progress import Progress

    model = load_bundle(bundle_path)
    target = out or Path(recording).with_suffix(".poses")
    with Progress() as progress:
        n = write_poses(recording, target, model, seconds, threads, progress.start)
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


def _with_limit(bundle: Bundle, min_assessable_s: float | None) -> Bundle:
    """The bundle with its duration rule set anew for this run."""
    from dataclasses import replace

    if min_assessable_s is None:
        return bundle
    quality = replace(bundle.manifest.quality, min_assessable_s=min_assessable_s)
    return replace(bundle, manifest=replace(bundle.manifest, quality=quality))


def _print_results(recordings: list[str], request: Request, is_json: bool, csv: Path | None) -> None:
    import json

    from fidgety.batch import score_one
    from fidgety.errors import SourceError
    from fidgety.progress import Progress
    from fidgety.report.table import assessment_to_json, write_csv
    from fidgety.report.text import format_assessment, format_line, format_summary

    done: list[Outputs] = []
    n_unreadable = 0
    for address in recordings:
        try:
            with Progress() as progress:
                outputs = score_one(address, request, progress.start)
        except SourceError as error:
            if len(recordings) == 1:
                raise
            log(f"fidgety: {error}")
            n_unreadable += 1
            continue
        done.append(outputs)
        if is_json:
            print(json.dumps(assessment_to_json(outputs.assessment), allow_nan=False), flush=True)
        elif len(recordings) == 1:
            print(format_assessment(outputs.assessment))
            _print_report_place(outputs)
        else:
            print(format_line(outputs.assessment), flush=True)
    results = [outputs.assessment for outputs in done]
    if csv is not None:
        write_csv(csv, results)
    if len(recordings) > 1 and not is_json:
        print(format_summary(results))
    if n_unreadable:
        raise typer.Exit(SourceError.exit_code)
    if any(not result.is_assessable for result in results):
        raise typer.Exit(NotAssessable.exit_code)


def _print_report_place(outputs: Outputs) -> None:
    if outputs.report is not None:
        again = "" if outputs.is_new else " (scored before; --force scores again)"
        print(f"Report     {outputs.report}{again}")


def _check_one(address: str, infant: Characteristics, bundle: Bundle, seconds: float | None, threads: int) -> int:
    from fidgety.batch import check_one
    from fidgety.errors import SourceError
    from fidgety.progress import Progress
    from fidgety.report.text import format_quality

    try:
        with Progress() as progress:
            quality = check_one(address, infant, bundle, seconds, threads, progress.start)
    except SourceError as error:
        log(f"fidgety: {error}")
        return SourceError.exit_code
    print(format_quality(address, quality))
    return 0 if quality.is_assessable else NotAssessable.exit_code


if __name__ == "__main__":
    main()
