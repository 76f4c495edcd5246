"""What `fidgety score` prints and leaves of one recording or many, and the exit code that sums them up."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from fidgety.batch.infants import match_infants, read_infants
from fidgety.batch.many import Engine, Outcome, Pace, Task, one_after_another, score_many, summary_of
from fidgety.batch.one import Outputs, Request, score_one
from fidgety.batch.recordings import Listing, Recording, find_recordings
from fidgety.commands.options import log, needs_extras
from fidgety.errors import FidgetyError, NotAssessable, SourceError, UsageError
from fidgety.progress import Progress
from fidgety.records import Assessment, Characteristics
from fidgety.report.table import assessment_to_json, write_csv
from fidgety.report.text import format_assessment, format_line, format_summary
from fidgety.report.wording import clean_name

__all__ = ["Output", "score_all"]


@dataclass(frozen=True, slots=True)
class Output:
    """How results are to be given."""

    is_json: bool
    csv: Path | None


def score_all(names: list[str], request: Request, infants: Path | None, cluster: str | None, output: Output) -> None:
    """Score all that `names` mean, print, and end with the exit code. Raises FidgetyError."""
    listing = find_recordings(names, request.folder)
    told = _told(infants, listing, request)
    if len(listing.recordings) == 1 and not listing.has_folders and cluster is None:
        _score_single(listing.recordings[0], request, told, output)
    else:
        _score_listing(listing, request, told, cluster, output)


def _told(infants: Path | None, listing: Listing, request: Request) -> Mapping[str, Characteristics]:
    """What is told of each recording's infant, and a word where it may not be what was meant."""
    if infants is None:
        if len(listing.recordings) > 1 and request.characteristics.corrected_age_weeks is not None:
            log("note: the same infant's age and characteristics are used for all recordings of this call")
        return {}
    if request.characteristics != Characteristics():
        raise UsageError(
            "--infants tells of every infant: leave out --born, --recorded, --gestation, --age-weeks, "
            "--sex and --birth-weight"
        )
    table = read_infants(infants)
    told = match_infants(table, listing.recordings)
    if without := [one.shown for one in listing.recordings if one.address not in told]:
        log(f"note: {_some(without)} without a row in {infants}: the age is not known, so not assessable")
    if len(told) < len(table.by_name):
        log(f"note: {len(table.by_name) - len(told)} rows of {infants} name no recording of this call")
    return told


def _score_single(recording: Recording, request: Request, told: Mapping[str, Characteristics], output: Output) -> None:
    infant = told.get(recording.address, request.characteristics)
    outputs = _score_with_bar(Task(1, recording, replace(request, characteristics=infant)))
    if output.is_json:
        _print_json(outputs)
        _say_live_place(outputs)
    else:
        print(format_assessment(outputs.assessment))
        _print_report_place(outputs)
    if output.csv is not None:
        write_csv(output.csv, [outputs.assessment])
    if not outputs.assessment.is_assessable:
        raise typer.Exit(NotAssessable.exit_code)


def _score_listing(
    listing: Listing,
    request: Request,
    told: Mapping[str, Characteristics],
    cluster: str | None,
    output: Output,
) -> None:
    results: list[tuple[int, Assessment]] = []
    unreadable = list(listing.unreadable)
    for problem in unreadable:
        log(f"fidgety: {problem}")
    pace = Pace(listing.recordings)
    n_done, n = 0, len(listing.recordings)
    try:
        for outcome in _outcomes(listing, request, told, cluster):
            n_done += 1
            _print_outcome(outcome, pace.step(outcome), output)
            summary = summary_of(outcome)
            if summary is None:
                unreadable.append(str(outcome.error))
            else:
                results.append((outcome.task.number, summary))
    except FidgetyError:
        log(f"note: {n_done} of {n} recordings are done and kept; call again to go on from there")
        raise
    results.sort(key=lambda pair: pair[0])
    _print_end([result for _, result in results], unreadable, output)


def _outcomes(
    listing: Listing, request: Request, told: Mapping[str, Characteristics], cluster: str | None
) -> Iterator[Outcome]:
    with ExitStack() as opened:
        engine: Engine
        if cluster is None:
            engine = one_after_another(_score_with_bar)
        else:
            with needs_extras("--cluster", "cluster"):
                from fidgety.batch.cluster import Cluster
            engine = opened.enter_context(Cluster(cluster, log)).run
        yield from score_many(listing.recordings, told, request, engine)


def _score_with_bar(task: Task) -> Outputs:
    with Progress() as progress:
        return score_one(task.recording.address, task.request, progress.start)


def _print_outcome(outcome: Outcome, pace: str, output: Output) -> None:
    if outcome.outputs is None:
        log(f"fidgety: {outcome.error}")
    elif output.is_json:
        _print_json(outcome.outputs)
    else:
        print(format_line(outcome.outputs.assessment), flush=True)
    if outcome.outputs is not None:
        _say_live_place(outcome.outputs)
    if sys.stderr.isatty() or outcome.task.number % 10 == 0:
        log(f"[{pace}]")


def _print_end(results: list[Assessment], unreadable: list[str], output: Output) -> None:
    """Table, CSV and the exit code of many recordings."""
    if output.csv is not None:
        write_csv(output.csv, results)
    if not output.is_json:
        print(format_summary(results))
        if unreadable:
            print(f"{len(unreadable)} not readable:")
            print("\n".join(f"  {problem}" for problem in unreadable))
    if unreadable:
        raise typer.Exit(SourceError.exit_code)
    if any(not result.is_assessable for result in results):
        raise typer.Exit(NotAssessable.exit_code)


def _print_json(outputs: Outputs) -> None:
    print(json.dumps(assessment_to_json(outputs.assessment), allow_nan=False), flush=True)


def _print_report_place(outputs: Outputs) -> None:
    if outputs.report is not None:
        again = "" if outputs.is_new else " (scored before; --force scores again)"
        print(f"Report     {outputs.report}{again}")


def _say_live_place(outputs: Outputs) -> None:
    """A camera's result has a name of its own every time: whoever watched it must be told where it is."""
    assessment = outputs.assessment
    if outputs.report is not None and assessment.recording_sha256 is None:
        log(f"note: the result of {clean_name(assessment.recording)} is {outputs.report}")


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest + (" is" if len(names) == 1 else " are")
