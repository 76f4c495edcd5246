"""The audit log: one JSON line per event, each with the hash of the line before, so that none can be changed unseen.

    {"seq": 7, "time": ..., "is_clock_trusted": ..., "boot": ..., "kind": "scored", "details": {}, "before": "9f.."}

Lines are born in the database, in the transaction of what they tell of, and copied to `audit.jsonl` right after. So a
power cut never leaves a change without its line, and the two are each other's witness: whoever rewrites the file, even
with new hashes from end to end, has to rewrite the database too. Against somebody who can do both, write the last
hash down elsewhere (`fidgety log verify --head`); packages and backups carry it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from fidgety.device.clock import Now

__all__ = ["FIRST", "LOG_NAME", "append_pending", "digest", "make_line", "n_pending", "write_event"]

LOG_NAME = "audit.jsonl"
FIRST = "0" * 64  # stands for the line before the first

Details = Mapping[str, str | int | float | bool | None | list[str]]


def digest(line: str) -> str:
    """The hash by which the next line names this one."""
    return hashlib.sha256(line.encode("utf-8")).hexdigest()


def make_line(seq: int, now: Now, is_clock_trusted: bool, kind: str, details: Details, before: str) -> str:
    """One line, without its end."""
    told = {
        "seq": seq,
        "time": now.text,
        "is_clock_trusted": is_clock_trusted,
        "boot": now.boot_id,
        "kind": kind,
        "details": dict(details),
        "before": before,
    }
    return json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def write_event(database: sqlite3.Connection, now: Now, is_clock_trusted: bool, kind: str, details: Details) -> None:
    """Add a line to the database, inside the caller's transaction."""
    last = database.execute("SELECT seq, line FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    seq, before = (last["seq"] + 1, digest(last["line"])) if last is not None else (1, FIRST)
    line = make_line(seq, now, is_clock_trusted, kind, details, before)
    database.execute("INSERT INTO events (seq, line) VALUES (?, ?)", (seq, line))


def n_pending(database: sqlite3.Connection) -> int:
    """Lines that the file does not have yet."""
    return int(database.execute("SELECT COUNT(*) FROM events WHERE seq > ?", (_copied(database)[0],)).fetchone()[0])


def append_pending(database: sqlite3.Connection, path: Path) -> int:
    """Copy to the file what is only in the database, sync it, and remember how far it goes; gives the number of lines
    that an earlier process had left half-written or unwritten.

    A file that is shorter or longer than it was left, and not by such a line, is not repaired: `verify` tells of it.
    Raises OSError; then the lines wait in the database.
    """
    with path.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        seq, n_bytes = _copied(database)
        rows = database.execute("SELECT seq, line FROM events WHERE seq > ? ORDER BY seq", (seq,)).fetchall()
        if not rows:
            return 0
        pending = "".join(f"{row['line']}\n" for row in rows).encode("utf-8")
        n_done = _half_written(path, stream, n_bytes, pending)
        stream.write(pending[n_done:])
        stream.flush()
        os.fsync(stream.fileno())
        database.executemany(
            "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [("log_seq", str(rows[-1]["seq"])), ("log_bytes", str(stream.tell()))],
        )
    return len(rows)


def _half_written(path: Path, stream: BinaryIO, n_bytes: int, pending: bytes) -> int:
    """How many bytes of `pending` stand at the file's end already; a strange tail is closed with a line end."""
    size = stream.seek(0, os.SEEK_END)
    with path.open("rb") as reader:
        reader.seek(min(n_bytes, size))
        extra = reader.read(len(pending) + 1)
        if size >= n_bytes and pending.startswith(extra):
            return len(extra)
        reader.seek(max(0, size - 1))
        if size and reader.read(1) != b"\n":
            stream.write(b"\n")
    return 0


def _copied(database: sqlite3.Connection) -> tuple[int, int]:
    """Sequence number of the last line that the file has, and the file's length with it."""
    rows = database.execute("SELECT key, value FROM settings WHERE key IN ('log_seq', 'log_bytes')")
    told = {row["key"]: int(row["value"]) for row in rows}
    return told.get("log_seq", 0), told.get("log_bytes", 0)
