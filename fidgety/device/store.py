"""The store: every recording, result and word of staff on one device, none of them lost to a kill or a power cut.

    with Store.open(folder) as store:
        added = store.add(Path("visit.mp4"), About(Infant("A-17", born="2026-01-02", gestation="39+2")))
        while claim := store.claim_next("scorer"):
            ...
            store.finish(claim, Result("scored", json_bytes, bundle.label, bundle.sha256))

    STORE/store.json        says that this is a store, and which
          store.db          who, what, when, in which state (schema.py)
          audit.jsonl       the audit log (audit_log.py)
          watched.jsonl     what came out of a watched folder (watch_folder.py)
          recordings/       R000012/: R000012.mp4, about.json, R000012-3-result.json, R000012-3-poses.poses ...
          staged/           files on their way
          lost+found/       leftovers of kills; a person may delete them
          opened/           decrypted copies while they are read (opened.py)
          owners/           marks of the processes at work here (owners.py)

Any number of processes may have it open at once (recorder, service, commands); one object belongs to one thread.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from fidgety.device import intake, queue, results
from fidgety.device.books import Books
from fidgety.device.clock import Clock
from fidgety.device.holdings import (
    About,
    Added,
    Begun,
    Claim,
    Infant,
    KeptResult,
    Override,
    Recording,
    Result,
    State,
    StoredFile,
)
from fidgety.device.opened import opened
from fidgety.device.owners import FOLDER as OWNERS
from fidgety.device.owners import alone
from fidgety.device.recovery import OPENED, Recovery, recover
from fidgety.device.schema import create
from fidgety.device.shelf import LOST, Shelf
from fidgety.device.vault import Key
from fidgety.durable import Heed, faults, write_bytes
from fidgety.errors import DeviceError, UsageError

__all__ = ["Store", "default_store_path"]

MARK = "store.json"
_FOLDERS = ("recordings", "staged", LOST, OPENED, OWNERS)


def default_store_path() -> Path:
    """`$FIDGETY_STORE`, else the user's data folder."""
    if chosen := os.environ.get("FIDGETY_STORE"):
        return Path(chosen)
    data_home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data_home) / "fidgety" / "store"


class Store:
    """An open store. Use it with `with`; made by `Store.open`."""

    def __init__(self, shelf: Shelf, recovery: Recovery) -> None:
        self.shelf = shelf
        self.recovery = recovery  # what the start found and did

    @classmethod
    def open(cls, folder: Path, *, key: Key | None = None, is_made: bool = True, clock: Clock | None = None) -> Store:
        """Open the store in `folder`, put in order what a kill left, and say so in `recovery`.

        key: of an encrypted store (`vault.read_key_file`); without it what is kept can be listed, and no more.
        is_made: a folder that is empty or not there becomes a new store. Raises UsageError where there is none and none
        is to be made; DeviceError where the key is another one's, where the database is damaged (it is moved aside),
        missing or newer than this program, and where the disk lets us down.
        """
        with faults(f"the store {folder} cannot be opened"):
            _make(folder, is_made)
            books = Books(folder, clock or Clock())
        try:
            shelf = Shelf(folder, books, key)
            return cls(shelf, recover(shelf))
        except BaseException:
            books.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it. What was claimed or begun and not ended falls to the next one that opens the store."""
        self.shelf.close()

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.shelf.folder

    # Recordings come in

    def add(
        self, source: Path, about: About | None = None, *, is_queued: bool = True, heed: Heed | None = None
    ) -> Added:
        """Copy a recording (video or poses) into the store; the same content twice gives the same id.

        Its name is not kept. heed: called between two blocks. Raises SourceError where it cannot be read, UsageError
        where what is told of the infant contradicts what is known, DeviceError where the disk lets us down, and what
        `heed` raises; then the store is as it was.
        """
        return intake.add(self.shelf, source, about or About(), is_queued, heed)

    def begin(self, about: About | None = None) -> Begun:
        """Begin a recording: gives its id and the folder (`Begun.folder`) into which the recorder writes its files.

        Videos (.mkv, .mp4 ...) are read in the order of their names. Should this process die, the next `open` makes a
        recording of what is there (`is_cut_short`). Raises UsageError, DeviceError.
        """
        return intake.begin(self.shelf, about or About())

    def finish_recording(self, recording_id: str, about: About | None = None, *, is_queued: bool = True) -> Added:
        """The recording is whole: sync, hash and name its files. `about`: its length and lost frames, now known.

        Raises UsageError where it holds no video or is the copy of another; DeviceError where the disk lets us down:
        then it is still `recording` and this can be called again.
        """
        return intake.finish_recording(self.shelf, recording_id, about or About(), is_queued, is_cut_short=False)

    # Recordings are scored

    def claim_next(self, worker: str, lease_s: float = queue.LEASE_S) -> Claim | None:
        """Claim the recording that waits longest, in the order in which they came; None where none waits.

        Failed ones whose time has come follow. The claim ends when this process does (kill -9 included) or when
        `lease_s` passes without `renew`. Raises DeviceError.
        """
        return queue.claim_next(self.shelf, worker, lease_s)

    def renew(self, claim: Claim, lease_s: float = queue.LEASE_S) -> None:
        """Say that the worker gets on. Raises DeviceError where the claim was given to another."""
        queue.renew(self.shelf, claim, lease_s)

    def finish(self, claim: Claim, result: Result) -> int:
        """Keep a result, its files, and the state `scored` or `not-assessable`, all or none; gives the result's id.

        Raises DeviceError where the claim was given to another (nothing is kept), or the disk lets us down (the claim
        stands, and this can be called again).
        """
        return queue.finish(self.shelf, claim, result)

    def fail(self, claim: Claim, reason: str, retry_in_s: float | None) -> None:
        """An outside reason (heat, a full disk) kept it from a score: try again after so long, or None: when asked."""
        queue.fail(self.shelf, claim, reason, retry_in_s)

    def set_aside(self, claim: Claim, reason: str) -> None:
        """The recording is damaged: it stays, a person has to look at it."""
        queue.set_aside(self.shelf, claim, reason)

    def hand_back(self, claim: Claim) -> None:
        """Stop on purpose: it waits at its old place again."""
        queue.hand_back(self.shelf, claim)

    def enqueue(self, recording_id: str) -> None:
        """Ask for a score, or another one; earlier results stay. Raises UsageError while it is being made or scored."""
        queue.enqueue(self.shelf, recording_id)

    # What is there

    def recording(self, recording_id: str) -> Recording:
        """One recording by its id. Raises UsageError where there is none."""
        return self.shelf.recording(recording_id)

    def recordings(self, state: State | None = None) -> list[Recording]:
        """All recordings, or those in one state, in the order in which they came."""
        return self.shelf.recordings(state)

    def results(self, recording_id: str) -> list[KeptResult]:
        """All results of a recording, the oldest first; the last one holds."""
        return results.results(self.shelf, recording_id)

    def result_content(self, result: KeptResult) -> bytes:
        """A result's JSON. Raises DeviceError where it is gone, changed, or needs the key."""
        return results.content(self.shelf, result)

    def override(self, recording_id: str, staff: str, finding: str, reason: str) -> int:
        """Staff, by their id, hold another finding than the last result, which stays; gives the override's id."""
        return results.override(self.shelf, recording_id, staff, finding, reason)

    def overrides(self, recording_id: str) -> list[Override]:
        """What staff said against a recording's results, the oldest first. Raises DeviceError as `result_content`."""
        return results.overrides(self.shelf, recording_id)

    def opened(self, recording: Recording, file: StoredFile, heed: Heed | None = None) -> AbstractContextManager[Path]:
        """A plain path to one of a recording's files while the block lasts, decrypted where need be (opened.py).

        heed: called between two blocks that are decrypted. Raises DeviceError where it is gone, changed, or needs the
        key, and what `heed` raises.
        """
        return opened(self.shelf, recording.number, file, heed)

    def infant(self, infant_id: str) -> Infant:
        """What is known of an infant. Raises UsageError where there is none of this id."""
        return intake.read_infant(self.shelf, infant_id)


def _make(folder: Path, is_made: bool) -> None:
    """See that there is a store in `folder`. Raises UsageError, DeviceError, OSError."""
    mark, database = folder / MARK, folder / "store.db"
    if not is_made and not mark.is_file() and not database.is_file():
        raise UsageError(f"there is no store in {folder}: name one with --store, or add a recording")
    if mark.is_file() and database.is_file() and all((folder / name).is_dir() for name in _FOLDERS):
        return
    (folder / OWNERS).mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(folder):
        _require_database(folder)
        for name in _FOLDERS:
            if name != "recordings" or not mark.is_file():  # lost, it is never made anew in silence
                (folder / name).mkdir(exist_ok=True, mode=0o700)
        if not database.is_file():
            create(database)
        if not mark.is_file():
            told = {"format": 1, "id": secrets.token_hex(8)}
            write_bytes(mark, (json.dumps(told) + "\n").encode())


def _require_database(folder: Path) -> None:
    """Raises DeviceError where there was a store and its database is gone: a new one would hide what is there."""
    recordings = folder / "recordings"
    has_recordings = recordings.is_dir() and any(recordings.iterdir())
    if not (folder / "store.db").is_file() and ((folder / MARK).is_file() or has_recordings):
        raise DeviceError(
            f"the store {folder} has lost its database: get a backup (`fidgety store restore BACKUP NEW-FOLDER`), or "
            f"make the list anew from the recordings (`fidgety store rebuild --store {folder}`)"
        )
