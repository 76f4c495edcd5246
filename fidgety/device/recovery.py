"""What a start does before anything else: it brings folder and database together again after a kill or a power cut.

    lines of the log that only the database has      are copied to the file
    staged files whose process is gone               -> lost+found/
    a recording whose recorder is gone               -> recorded, with what had been written
    a claim whose worker is gone                     -> queued again (queue.py)
    a recording's folder without a row               -> a row (`recorded`)
    files that the database does not name            -> lost+found/
    named files that are not there                   are marked and said; marked ones that came back are taken again

Nothing is deleted but what was to be: the plain twin of an encrypted file, a video that the log says is deleted, a
decrypted copy. Files are put in place within the transaction that names them, so that whoever holds the next
transaction sees both or a leftover, never half of another's work.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fidgety.bundle import sha256_of_file
from fidgety.device.holdings import About, Recording, StoredFile, id_of
from fidgety.device.intake import finish_recording
from fidgety.device.owners import alone, is_at_work, name_of, sweep
from fidgety.device.queue import reclaim
from fidgety.device.registration import register_folders
from fidgety.device.shelf import LOST, Shelf
from fidgety.device.vault import SEALED
from fidgety.durable import faults
from fidgety.errors import DeviceError, UsageError

__all__ = ["Recovery", "recover"]

OPENED = "opened"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a start found and did; ids of recordings, names of files."""

    n_log_lines: int = 0  # that an earlier process had not got to copying
    cut_short: tuple[str, ...] = ()  # recordings that now end where the power went
    reclaimed: tuple[str, ...] = ()
    registered: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    lost_and_found: tuple[str, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Nothing was out of order."""
        return not any(getattr(self, field.name) for field in fields(self))

    def lines(self) -> list[str]:
        """One sentence for each kind of thing that was done."""
        told = {
            "recorded up to the moment when power or program went": self.cut_short,
            "queued again, their worker is gone": self.reclaimed,
            "found without an entry, entered": self.registered,
            "FILES MISSING": self.missing,
            "back again": self.returned,
            f"unfinished files moved to {LOST}": self.lost_and_found,
        }
        found = [f"{what}: {', '.join(which)}" for what, which in told.items() if which]
        return ([f"{self.n_log_lines} lines of the log completed"] if self.n_log_lines else []) + found


def recover(shelf: Shelf) -> Recovery:
    """Bring the store in order; safe beside other processes at work in it. Raises DeviceError."""
    recordings = shelf.folder / "recordings"
    if not recordings.is_dir():
        raise DeviceError(f"{recordings} is not there: is its disk mounted? Nothing was changed")
    with faults(f"{shelf.folder} cannot be put in order"), alone(shelf.folder):
        n_log_lines = shelf.books.copy_log()
        reclaimed = reclaim(shelf)
        lost = _collect_staged(shelf)
        sweep(shelf.folder)
        _forget_opened(shelf)
        cut_short = _end_recordings(shelf) if shelf.has_key else []
        registered = register_folders(shelf, lost) if shelf.has_key else []
        missing, returned = _compare(shelf, lost)
    done = Recovery(
        n_log_lines, tuple(cut_short), tuple(reclaimed), tuple(registered), tuple(missing), tuple(returned), tuple(lost)
    )
    if not done.is_quiet:
        with shelf.books.change() as change:
            change.note("recovered", what=done.lines())
    return done


def _forget_opened(shelf: Shelf) -> None:
    """Decrypted copies for readers that are gone (opened.py) are removed: they must not outlive them."""
    for copy in (shelf.folder / OPENED).iterdir():
        if not is_at_work(shelf.folder, name_of(copy)):
            copy.unlink(missing_ok=True)


def _collect_staged(shelf: Shelf) -> list[str]:
    names = []
    for part in sorted((shelf.folder / "staged").iterdir()):
        if not is_at_work(shelf.folder, name_of(part)) and part.exists():
            names.append(shelf.lose(part))
    return names


def _end_recordings(shelf: Shelf) -> list[str]:
    """Recordings whose recorder is gone end with what it had written; without a byte of video they are set aside."""
    ended = []
    for row in shelf.books.read("SELECT number, owner FROM recordings WHERE state = 'recording'"):
        if is_at_work(shelf.folder, row["owner"]):
            continue
        recording_id = id_of(row["number"])
        try:
            finish_recording(shelf, recording_id, _mended(shelf, row["number"]), is_queued=False, is_cut_short=True)
            ended.append(recording_id)
        except UsageError as error:
            with shelf.books.change() as change:
                change.run(
                    "UPDATE recordings SET state = 'set-aside', owner = NULL, is_cut_short = 1, reason = ? "
                    "WHERE number = ? AND state = 'recording'",
                    str(error),
                    row["number"],
                )
                change.note("set-aside", recording=recording_id, reason=str(error))
    return ended


def _mended(shelf: Shelf, number: int) -> About:
    """Have the recorder's files put in order, a torn end cut off; what is now known of them."""
    from fidgety.device.leftovers import finish, is_unfinished

    folder = shelf.folder_of(number)
    if not is_unfinished(folder):
        return About()
    found = finish(folder)
    return About(duration_s=found.duration_s, n_dropped_frames=found.drops.n_lost)


def _compare(shelf: Shelf, lost: list[str]) -> tuple[list[str], list[str]]:
    """Files that are named against files that are there; looked at once more where a change is needed."""
    if not any(_difference(shelf, recording) for recording in shelf.recordings()):
        return [], []
    missing: list[str] = []
    returned: list[str] = []
    with shelf.books.change() as change:
        for recording in shelf.recordings():
            for file, gone in _difference(shelf, recording):
                if isinstance(file, Path):
                    if _is_sealed_twin(recording, file) or _is_deleted(recording, file):
                        file.unlink(missing_ok=True)
                        continue
                    lost.append(shelf.lose(file, f"{recording.id}-"))
                    continue
                shelf.register(change, recording.number, replace(file, gone=gone))
                (missing if gone else returned).append(f"{recording.id}/{file.name}")
                change.note("file-missing" if gone else "file-back", recording=recording.id, name=file.name)
                if gone and file.kind == "video" and recording.state in ("recorded", "queued", "failed"):
                    reason = f"{file.stored_name} is missing"
                    change.run(
                        "UPDATE recordings SET state = 'set-aside', reason = ? WHERE number = ?",
                        reason,
                        recording.number,
                    )
    return missing, returned


def _is_deleted(recording: Recording, path: Path) -> bool:
    """Whether this was to be deleted (retention.py): the kill came in between."""
    return any(file.stored_name == path.name and file.gone == "deleted" for file in recording.files)


def _is_sealed_twin(recording: Recording, path: Path) -> bool:
    """Whether this is what a file was before it was encrypted: the kill came before it was removed."""
    twin = path.with_name(path.name + SEALED)
    is_named = any(file.stored_name == twin.name and file.gone is None for file in recording.files)
    return is_named and path.is_file() and twin.is_file()


def _difference(shelf: Shelf, recording: Recording) -> list[tuple[StoredFile | Path, Any]]:
    """(file, "missing" or None) for what is to be marked; (path, None) for what nobody names."""
    folder = shelf.folder_of(recording.number)
    present = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    found: list[tuple[StoredFile | Path, Any]] = []
    for file in recording.files:
        if file.gone == "deleted":
            continue  # if it is there after all, it is one that nobody names
        is_there = present.pop(file.stored_name, None) is not None
        if not is_there and file.gone is None:
            found.append((file, "missing"))
        elif (
            is_there
            and file.gone == "missing"
            and sha256_of_file(shelf.path_of(recording.number, file)) == file.stored_sha256
        ):
            found.append((file, None))
    if recording.state != "recording":
        found += [(path, None) for path in present.values()]
    return found
