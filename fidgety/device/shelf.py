"""The files of an open store: staged where nobody looks, then put into a recording's folder by one rename each.

    staged/<owner>-<random>  ->  recordings/R000012/R000012.mp4

What is placed is placed within the transaction that names it. A kill in between leaves a whole file without a row,
which the next start registers (recovery.py).
"""

from __future__ import annotations

import io
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from fidgety.device.books import Books, Change
from fidgety.device.chunks import CHUNK_BYTES
from fidgety.device.holdings import Kind, Recording, StoredFile, id_of, number_of
from fidgety.device.owners import Owner
from fidgety.device.vault import KEY_FILE, Key, open_sealed, seal
from fidgety.durable import Heed, Sink, Tally, copy, faults, move, sync
from fidgety.errors import DeviceError, UsageError

__all__ = ["Piece", "Shelf", "read_file"]


LOST = "lost+found"


@dataclass(frozen=True, slots=True)
class Piece:
    """A file on its way into a recording's folder."""

    file: StoredFile
    part: Path  # where it lies until then


class Shelf:
    """Folder, books, key and owner's mark of one open store."""

    def __init__(self, folder: Path, books: Books, key: Key | None) -> None:
        """Raises DeviceError where the store is encrypted with another key than this."""
        self.folder = folder
        self.books = books
        self._owner: Owner | None = None
        self._given = key
        if key is not None and self.key_id not in (None, key.id):
            raise DeviceError(f"{folder} is encrypted with the key {self.key_id}, the key given is {key.id}")

    @property
    def key_id(self) -> str | None:
        """The key that this store is encrypted with; None: it is not."""
        return self.books.setting("key_id")

    def take_key(self, key: Key) -> None:
        """Use this key from now on."""
        self._given = key

    @property
    def has_key(self) -> bool:
        """Whether all that is kept can be written and read: there is no encryption, or the key was given."""
        return self.key_id is None or self._given is not None

    @property
    def key(self) -> Key | None:
        """The key to write with; None where the store is not encrypted. Raises DeviceError where it was not given."""
        key_id = self.key_id
        if key_id is not None and self._given is None:
            raise DeviceError(f"{self.folder} is encrypted: name the file of the key {key_id} with ${KEY_FILE}")
        return None if key_id is None else self._given

    @property
    def owner(self) -> Owner:
        """This process's mark, made when it is first needed. Raises OSError."""
        if self._owner is None:
            self._owner = Owner(self.folder)
        return self._owner

    def close(self) -> None:
        """Let go of what this process was at."""
        if self._owner is not None:
            self._owner.close()
        self.books.close()

    def folder_of(self, number: int) -> Path:
        """Where a recording's files are."""
        return self.folder / "recordings" / id_of(number)

    def path_of(self, number: int, file: StoredFile) -> Path:
        """Where one of them lies."""
        return self.folder_of(number) / file.stored_name

    def stage(self, source: BinaryIO, kind: Kind, heed: Heed | None = None) -> Piece:
        """Copy a stream to a staged file, encrypted where the store is, synced; its name comes later.

        Raises OSError, DeviceError and what `heed` raises between two blocks; then nothing is left.
        """
        key, part = self.key, self.owner.part(self.folder / "staged")
        try:
            with part.open("xb") as stream:
                content, stored = Tally(source, heed), Sink(stream)
                if key is None:
                    copy(content, stored)
                else:
                    seal(content, stored, key)
            sync(part)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        file = StoredFile("", kind, content.sha256, content.n_bytes, stored.sha256, None if key is None else key.id)
        return Piece(file, part)

    def place(self, change: Change, number: int, piece: Piece, name: str) -> StoredFile:
        """Put a staged file into a recording's folder under its name, and name it in the books. Raises OSError."""
        folder, file = self.folder_of(number), replace(piece.file, name=name)
        if not folder.is_dir():
            folder.mkdir()
            sync(folder.parent)
        move(piece.part, folder / file.stored_name)
        self.register(change, number, file)
        return file

    def register(self, change: Change, number: int, file: StoredFile) -> None:
        """Name a file that lies in its place, or say what became of one that is named."""
        change.run(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (recording, name) DO UPDATE SET "
            "sha256 = excluded.sha256, n_bytes = excluded.n_bytes, stored_sha256 = excluded.stored_sha256, "
            "key_id = excluded.key_id, gone = excluded.gone",
            number,
            file.name,
            file.kind,
            file.sha256,
            file.n_bytes,
            file.stored_sha256,
            file.key_id,
            file.gone,
        )

    def read(self, number: int, file: StoredFile) -> BinaryIO:
        """The content of a file as a stream that can be read from any place, decrypted as it is read.

        Raises DeviceError where it is gone, changed, or needs another key.
        """
        path = self.path_of(number, file)
        if file.gone is not None:
            raise DeviceError(f"{id_of(number)}/{file.name} is {file.gone}")
        if file.key_id is not None:
            return io.BufferedReader(open_sealed(path, self._given), CHUNK_BYTES)
        with faults(f"{path} cannot be read"):
            return path.open("rb")

    def open_words(self, content: bytes, key_id: str | None, place: str) -> bytes:
        """Words of the database, decrypted where they are encrypted. Raises DeviceError."""
        if key_id is None:
            return content
        if self._given is None or self._given.id != key_id:
            raise DeviceError(f"{place} is encrypted: name the file of the key {key_id} with ${KEY_FILE}")
        return self._given.open_words(content, place)

    def lose(self, path: Path, prefix: str = "") -> str:
        """Move something to lost+found, under a name that is free there; gives the name. Raises OSError."""
        number, name = 1, f"{prefix}{path.name}"
        while (target := self.folder / LOST / name).exists():
            number += 1
            name = f"{prefix}{path.name}.{number}"
        move(path, target)
        return name

    def recording(self, recording_id: str) -> Recording:
        """One recording. Raises UsageError where there is none of this id."""
        number = number_of(recording_id)
        rows = self.books.read("SELECT * FROM recordings WHERE number = ?", number)
        if not rows:
            raise UsageError(f"there is no recording {id_of(number)} in {self.folder} (`fidgety store list`)")
        return self._read_recording(rows[0])

    def recordings(self, state: str | None = None) -> list[Recording]:
        """All recordings, or those in one state, in the order in which they came."""
        condition, values = ("", ()) if state is None else ("WHERE state = ?", (state,))
        rows = self.books.read(f"SELECT * FROM recordings {condition} ORDER BY number", *values)
        return [self._read_recording(row) for row in rows]

    def _read_recording(self, row: sqlite3.Row) -> Recording:
        files = self.books.read("SELECT * FROM files WHERE recording = ? ORDER BY name", row["number"])
        return Recording(
            number=row["number"],
            sha256=row["sha256"],
            infant_id=row["infant_id"],
            session_id=row["session_id"],
            recorded_at=row["recorded_at"],
            is_clock_trusted=bool(row["is_clock_trusted"]),
            recorded_on=row["recorded_on"],
            duration_s=row["duration_s"],
            n_dropped_frames=row["n_dropped_frames"],
            is_cut_short=bool(row["is_cut_short"]),
            state=row["state"],
            reason=row["reason"],
            n_tries=row["n_tries"],
            is_deletion_confirmed=bool(row["is_deletion_confirmed"]),
            files=tuple(read_file(file) for file in files),
        )


def read_file(row: sqlite3.Row) -> StoredFile:
    """A row of `files`."""
    return StoredFile(
        row["name"], row["kind"], row["sha256"], row["n_bytes"], row["stored_sha256"], row["key_id"], row["gone"]
    )
