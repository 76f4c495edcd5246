"""`fidgety store ...`: the recordings that a device keeps, what was found of them, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands import store_safety
from fidgety.commands.options import KeyFile, StorePath, log, note_undated_age, open_store
from fidgety.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from fidgety.device.holdings import Recording
    from fidgety.device.store import Store

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Recordings on this device: kept, scored, overridden, deleted by rule.")
for _name, _command in store_safety.COMMANDS.items():
    app.command(_name)(_command)

RecordingId = Annotated[str, typer.Argument(help="Its id, for example R000012.")]
Staff = Annotated[str, typer.Option("--staff", help="Who: a staff id, no name.")]


@app.command()
def add(
    recordings: Annotated[list[Path], typer.Argument(help="Videos, .poses or .npz; they are copied.")],
    infant: Annotated[
        str | None, typer.Option(help="The infant's pseudonym: letters, digits, . _ - and no name.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="Id of the visit.")] = None,
    born: Annotated[str | None, typer.Option(help="Date of birth, YYYY-MM-DD.")] = None,
    recorded: Annotated[str | None, typer.Option(help="Date of the recording, YYYY-MM-DD (default: today).")] = None,
    gestation: Annotated[str | None, typer.Option(help="Gestation at birth: weeks, or weeks+days as 39+2.")] = None,
    age_weeks: Annotated[
        float | None, typer.Option(help="Corrected age in weeks on the day of the recording, instead of dates.")
    ] = None,
    sex: Annotated[str | None, typer.Option(help="female or male.")] = None,
    birth_weight: Annotated[float | None, typer.Option(help="Birth weight in grams.")] = None,
    is_queued: Annotated[bool, typer.Option("--queue/--no-queue", help="Ask for a score at once.")] = True,
    store: StorePath = None,
    key_file: KeyFile = None,
) -> None:
    """Copy recordings into the store; the same content is kept once."""
    from fidgety.device.holdings import About, Infant
    from fidgety.infant import parse_date

    told = (born, gestation, sex, birth_weight, age_weeks)
    if infant is None and any(value is not None for value in told):
        raise UsageError("--infant is missing: whose dates or age is it?")
    if recorded is not None:
        parse_date(recorded, "recorded")
    about = About(None if infant is None else Infant(infant, *told), session, recorded)
    with open_store(store, key_file, is_made=True) as opened:
        if age_weeks is not None and recorded is None:
            note_undated_age(opened)
        for path in recordings:
            added = opened.add(path, about, is_queued=is_queued)
            print(f"{added.id}  {path}{'' if added.is_new else '  (was there already)'}", flush=True)


@app.command("list")
def list_recordings(
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    is_json: Annotated[bool, typer.Option("--json", help="One line of JSON per recording.")] = False,
    store: StorePath = None,
    key_file: KeyFile = None,
) -> None:
    """List the recordings in the order in which they came."""
    from fidgety.device.holdings import STATES

    if state is not None and state not in STATES:
        raise UsageError(f"--state {state!r}: write one of {', '.join(STATES)}")
    with open_store(store, key_file) as opened:
        for recording in opened.shelf.recordings(state):
            print(json.dumps(asdict(recording) | {"id": recording.id}) if is_json else _line(recording))


@app.command()
def show(
    recording: Annotated[str | None, typer.Argument(help="Its id; without one: the whole store.")] = None,
    store: StorePath = None,
    key_file: KeyFile = None,
) -> None:
    """Show one recording with its files, results and overrides, or how the store is."""
    with open_store(store, key_file) as opened:
        if recording is None:
            _print_store(opened)
        else:
            _print_recording(opened, opened.recording(recording))


@app.command()
def queue(
    recordings: Annotated[list[str], typer.Argument(help="Ids, or `all` for those that nobody has asked to score.")],
    store: StorePath = None,
    key_file: KeyFile = None,
) -> None:
    """Ask for a score, or for another one; earlier results stay."""
    with open_store(store, key_file) as opened:
        ids = [one.id for one in opened.recordings("recorded")] if recordings == ["all"] else recordings
        for one in ids:
            opened.enqueue(one)
            print(f"{opened.recording(one).id} waits for its score")


@app.command()
def override(
    recording: RecordingId,
    staff: Staff,
    finding: Annotated[str, typer.Option(help="What staff hold instead, for example 'FMs present'.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    store: StorePath = None,
    key_file: KeyFile = None,
) -> None:
    """Keep another finding beside a result, which itself stays as it is."""
    with open_store(store, key_file) as opened:
        number = opened.override(recording, staff, finding, reason)
        print(f"override {number} of {opened.recording(recording).id} by {staff} is kept; the result stays beside it")


@app.command()
def confirm(recording: RecordingId, staff: Staff, store: StorePath = None) -> None:
    """Confirm that a recording's video may be deleted; `purge` does it once poses and a result are kept."""
    from fidgety.device.retention import confirm as do_confirm

    with open_store(store) as opened:
        do_confirm(opened.shelf, recording, staff)
        print(f"{opened.recording(recording).id}: its video goes with the next `fidgety store purge --yes`")


@app.command()
def rule(
    video_days: Annotated[
        str | None,
        typer.Option("--video-days", help="Days after the last result that a video is kept, or `never` deleted."),
    ] = None,
    store: StorePath = None,
) -> None:
    """Show or set how long videos are kept. Poses, results and the log always stay."""
    from fidgety.device.retention import Rule, set_rule
    from fidgety.device.retention import rule as read_rule

    if video_days is not None and video_days != "never" and not video_days.isdigit():
        raise UsageError(f"--video-days {video_days!r}: write a number of days, or never")
    with open_store(store) as opened:
        if video_days is not None:
            set_rule(opened.shelf, Rule(None if video_days == "never" else int(video_days)))
        days = read_rule(opened.shelf).video_days
    print(
        "videos are kept until staff confirm" if days is None else f"videos are kept {days} days after the last result"
    )


@app.command()
def purge(
    is_meant: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")] = False,
    store: StorePath = None,
) -> None:
    """Show which videos the rule and confirmations would delete, and with --yes delete them."""
    from fidgety.device.retention import plan
    from fidgety.device.retention import purge as do_purge

    with open_store(store) as opened:
        found = plan(opened.shelf)
        if found.doubt is not None:
            log(f"nothing is deleted by days: {found.doubt}")
        for recording_id, reason in found.waiting:
            log(f"{recording_id} stays: {reason}")
        for due in found.due:
            if is_meant:
                do_purge(opened.shelf, due)
            print(f"{due.recording.id}  {due.n_bytes / 1e6:9.1f} MB  {due.reason}{'  deleted' if is_meant else ''}")
    if found.due and not is_meant:
        log("nothing was deleted: --yes does it")
    if not found.due:
        log("nothing is due")


@app.command()
def check(store: StorePath = None) -> None:
    """Read every file and compare it with the hash that it was kept under; check the log too."""
    from fidgety.device.inspection import inspect
    from fidgety.device.log_check import verify

    n_files, faults = 0, []
    with open_store(store) as opened:
        for recording, file, fault in inspect(opened.shelf):
            n_files += 1
            if fault is not None:
                faults.append(f"{recording.id}/{file.name}: {fault}")
        faults += verify(opened.shelf.books).faults
    for fault in faults:
        print(fault)
    if faults:
        raise DeviceError(f"{len(faults)} faults in {opened.folder}: bring back what they name from a backup")
    print(f"{n_files} files and the log, each as it was kept")


def _line(recording: Recording) -> str:
    doubt = " " if recording.is_clock_trusted else "?"
    length = "" if recording.duration_s is None else f"{recording.duration_s:.0f} s"
    notes = [recording.reason or "", "cut short" if recording.is_cut_short else ""]
    if recording.videos and not recording.kept("video"):
        notes.append("video deleted" if recording.videos[0].gone == "deleted" else "video missing")
    told = "; ".join(note for note in notes if note)
    return (
        f"{recording.id}  {recording.recorded_at[:16]}{doubt} {recording.infant_id or '-':16s} {recording.state:14s} "
        f"{length:>6s}  {told}"
    ).rstrip()


def _print_recording(store: Store, recording: Recording) -> None:
    print(_line(recording))
    print(f"  content   {recording.sha256 or 'not whole yet'}")
    for file in recording.files:
        state = file.gone or ("sealed" if file.key_id else "")
        print(f"  {file.kind:8s}  {file.name:34s} {file.n_bytes:12d}  {state}".rstrip())
    for result in store.results(recording.id):
        print(f"  result {result.id}  {result.made_at[:16]}  {result.outcome}  by {result.bundle}")
    for one in store.overrides(recording.id) if store.shelf.has_key else []:
        print(f"  override {one.id}  {one.made_at[:16]}  {one.staff}: {one.finding} ({one.reason})")


def _print_store(store: Store) -> None:
    from collections import Counter

    from fidgety.device.audit_log import n_pending
    from fidgety.device.retention import rule as read_rule
    from fidgety.device.sealing import n_plain

    shelf, states = store.shelf, Counter(one.state for one in store.recordings())
    days, doubt = read_rule(shelf).video_days, shelf.books.look_at_clock()[1]
    print(f"Store       {store.folder}")
    print(f"Recordings  {sum(states.values())}: " + ", ".join(f"{n} {state}" for state, n in states.items()))
    print(f"Encryption  {'off' if shelf.key_id is None else f'key {shelf.key_id}, {n_plain(shelf)} files still plain'}")
    print(f"Videos      {'kept until staff confirm' if days is None else f'kept {days} days after the last result'}")
    print(f"Clock       {doubt or 'nothing speaks against it'}")
    waiting = n_pending(shelf.books.database)
    if waiting:
        print(f"Log         {waiting} lines wait to be written: {shelf.books.log_fault}")
    leftovers = sum(1 for _ in (store.folder / "lost+found").iterdir())
    if leftovers:
        print(f"lost+found  {leftovers} leftovers of kills, never encrypted later: look at them, then delete them")
