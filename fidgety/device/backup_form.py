"""How a backup is laid out, for `backup.py`, which makes it, and `restore.py`, which makes a store of it.

    BACKUP/store.db            the database at one moment; its name appears when all that it names is there
           audit-000123.jsonl  the log up to that moment
           watched-0a1b2c3d4e5f.jsonl  what came out of the watched folder until then, named by its hash
           kept.json           which files were read back, and their hashes
           recordings/         as in the store

Encrypted files are copied as they are; the key is not in a backup.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fidgety.device.holdings import StoredFile, id_of
from fidgety.device.schema import database_faults
from fidgety.device.shelf import read_file

__all__ = ["LEDGER_KEY", "Copied", "Watch", "ledger_name", "log_place", "named_files", "place_of", "present_files"]

LEDGER_KEY = "watched_sha256"  # a setting of the copied database alone: the ledger that belongs to it
Watch = Callable[[str], None]  # is told of each file that was copied


@dataclass(frozen=True, slots=True)
class Copied:
    """What a backup or a restored store holds, and what of it is new."""

    n_files: int
    n_new: int
    head: str  # of the log: number and hash of its last line


def named_files(database: Path) -> list[tuple[int, StoredFile]]:
    """The files that a copied database names, with the numbers of their recordings."""
    with (
        database_faults(database),
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as rows,
    ):
        rows.row_factory = sqlite3.Row
        return [
            (row["recording"], read_file(row)) for row in rows.execute("SELECT * FROM files ORDER BY recording, name")
        ]


def present_files(named: list[tuple[int, StoredFile]]) -> list[tuple[int, StoredFile]]:
    """Those that the store still held."""
    return [(number, file) for number, file in named if file.gone is None]


def place_of(number: int, file: StoredFile) -> str:
    """Path of a file below the backup, and below the store."""
    return f"recordings/{id_of(number)}/{file.stored_name}"


def ledger_name(sha256: str) -> str:
    """Name of the watched folder's memory with this hash."""
    return f"watched-{sha256[:12]}.jsonl"


def log_place(database: Path) -> tuple[int, int]:
    """Number of the log's last line that belongs to a copied database, and the log's length in bytes up to its end."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as rows:
        told = dict(rows.execute("SELECT key, value FROM settings WHERE key IN ('log_seq', 'log_bytes')").fetchall())
    return int(told.get("log_seq", 0)), int(told.get("log_bytes", 0))
