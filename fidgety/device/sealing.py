"""Encryption is turned on for a store that holds recordings already: file by file, to be taken up again after a kill.

Each file is sealed beside its place and put there in one transaction; only then is the plain one removed. From the
first moment on everything new is sealed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from fidgety.device.books import Change
from fidgety.device.holdings import Recording, StoredFile, id_of
from fidgety.device.intake import write_infant
from fidgety.device.owners import is_at_work
from fidgety.device.shelf import Shelf
from fidgety.device.vault import Key
from fidgety.durable import faults
from fidgety.errors import DeviceError, UsageError

__all__ = ["n_plain", "turn_on"]


def turn_on(shelf: Shelf, key: Key) -> Iterator[tuple[str, str]]:
    """Encrypt the store with `key`, or go on with it; gives (recording, file) after each.

    What is being scored at the moment is left for the next call (`n_plain` counts). Raises UsageError while somebody
    records, DeviceError where the store has another key or the disk lets us down; what is done is done.
    """
    _begin(shelf, key)
    for recording in shelf.recordings():
        if recording.state in ("recording", "scoring"):
            continue
        for file in recording.files:
            if file.key_id is None and file.gone is None and _seal_file(shelf, recording, file):
                yield recording.id, file.name
    _seal_infants(shelf)
    with faults(f"{shelf.folder} cannot be tidied"):
        shelf.books.forget_deleted()


def n_plain(shelf: Shelf) -> int:
    """How many files are not encrypted."""
    return int(shelf.books.read("SELECT COUNT(*) AS n FROM files WHERE key_id IS NULL AND gone IS NULL")[0]["n"])


def _begin(shelf: Shelf, key: Key) -> None:
    if shelf.key_id not in (None, key.id):
        raise DeviceError(f"{shelf.folder} is encrypted with the key {shelf.key_id}, the key given is {key.id}")
    for row in shelf.books.read("SELECT number, owner FROM recordings WHERE state = 'recording'"):
        if is_at_work(shelf.folder, row["owner"]):
            raise UsageError(f"{id_of(row['number'])} is being recorded: wait for its end, then encrypt")
    shelf.take_key(key)
    if shelf.key_id is None:
        with shelf.books.change() as change:
            change.set("key_id", key.id)
            change.note("encryption-turned-on", key=key.id)


def _seal_file(shelf: Shelf, recording: Recording, file: StoredFile) -> bool:
    plain = shelf.path_of(recording.number, file)
    with faults(f"{plain} cannot be encrypted"):
        with plain.open("rb") as stream:
            piece = shelf.stage(stream, file.kind)
        try:
            if piece.file.sha256 != file.sha256:
                raise DeviceError(f"{plain} was changed since it came in: bring it back from a backup, then go on")
            with shelf.books.change() as change:
                if not _is_unclaimed(change, recording.number, file):
                    return False
                shelf.place(change, recording.number, piece, file.name)
            plain.unlink(missing_ok=True)  # another start may have seen that it is the plain twin
        finally:
            piece.part.unlink(missing_ok=True)
    return True


def _is_unclaimed(change: Change, number: int, file: StoredFile) -> bool:
    row = change.run(
        "SELECT state FROM recordings JOIN files ON recording = number WHERE number = ? AND name = ? AND gone IS NULL "
        "AND files.key_id IS NULL AND state != 'scoring'",
        number,
        file.name,
    ).fetchone()
    return row is not None


def _seal_infants(shelf: Shelf) -> None:
    with shelf.books.change() as change:
        for row in change.run("SELECT * FROM infants WHERE key_id IS NULL").fetchall():
            write_infant(shelf, change, row["id"], json.loads(row["content"]))
