"""A store's database and audit log, which only change together.

    with books.change() as change:
        change.run("UPDATE recordings SET ...", ...)
        change.note("scored", recording="R000007")

One transaction holds the change, the line that tells of it, and what was seen of the clock. An error inside leaves no
trace of any of them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from fidgety.device.audit_log import LOG_NAME, append_pending, write_event
from fidgety.device.clock import Clock, Now, Seen, judge
from fidgety.device.schema import connect, database_faults
from fidgety.durable import explain

__all__ = ["Books", "Change", "Value"]

Value = str | int | float | bytes | None
_SEEN = "clock_seen"


class Change:
    """One transaction under way."""

    def __init__(self, database: sqlite3.Connection, now: Now, doubt: str | None) -> None:
        self.now = now
        self.doubt = doubt  # why the wall clock is not to be believed; None: it is
        self._database = database

    @property
    def is_clock_trusted(self) -> bool:
        """Whether `now` is a date that may be reckoned with."""
        return self.doubt is None

    def run(self, sql: str, *values: Value) -> sqlite3.Cursor:
        """One statement."""
        return self._database.execute(sql, values)

    def note(self, kind: str, **details: str | int | float | bool | None | list[str]) -> None:
        """A line for the audit log: what happened, to what, by whom. No name of an infant, no result."""
        write_event(self._database, self.now, self.is_clock_trusted, kind, details)

    def set(self, key: str, value: str | None) -> None:
        """Keep a setting; None takes it away."""
        if value is None:
            self.run("DELETE FROM settings WHERE key = ?", key)
        else:
            self.run(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value
            )


class Books:
    """The database and the log of the store in `folder`. Raises DeviceError as `schema.connect` does."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.log_path = folder / LOG_NAME
        self.log_fault: str | None = None  # why lines wait in the database, where they do
        self._path = folder / "store.db"
        self._clock = clock
        self._database = connect(self._path)

    @property
    def database(self) -> sqlite3.Connection:
        """The open database, for copies and checks of it as a whole."""
        return self._database

    def close(self) -> None:
        """Close the database; committed is committed."""
        self._database.close()

    def read(self, sql: str, *values: Value) -> list[sqlite3.Row]:
        """The rows of one query. Raises DeviceError."""
        with database_faults(self._path):
            return self._database.execute(sql, values).fetchall()

    def setting(self, key: str) -> str | None:
        """A kept setting."""
        rows = self.read("SELECT value FROM settings WHERE key = ?", key)
        return str(rows[0]["value"]) if rows else None

    def look_at_clock(self) -> tuple[Now, str | None]:
        """The time, and why it is not to be believed (None: it is)."""
        now = self._clock.read()
        doubt = judge(now, self._seen())
        return now, None if doubt is None else doubt.words

    @contextmanager
    def change(self) -> Iterator[Change]:
        """A transaction that no other process writes beside. Raises DeviceError; then nothing has changed."""
        with database_faults(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                now, doubt = self.look_at_clock()
                change = Change(self._database, now, doubt)
                yield change
                self._keep_seen(change)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        self.copy_log()

    def copy_log(self) -> int:
        """Bring the log file up to date; gives the number of lines written. A full disk is no error: they wait."""
        try:
            n_lines = append_pending(self._database, self.log_path)
        except (OSError, sqlite3.OperationalError) as error:
            self.log_fault = explain(error) if isinstance(error, OSError) else str(error)
            return 0
        self.log_fault = None
        return n_lines

    def forget_deleted(self) -> None:
        """Leave nothing in the database's files of what was deleted or replaced. Raises DeviceError."""
        with database_faults(self._path):
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def accept_clock(self) -> Now:
        """Somebody says that the clock is right now."""
        with self.change() as change:
            change.doubt = None
            change.note("clock-accepted", time=change.now.text)
        return change.now

    def _seen(self) -> Seen | None:
        text = self.setting(_SEEN)
        return None if text is None else Seen(**json.loads(text))

    def _keep_seen(self, change: Change) -> None:
        now, seen = change.now, self._seen()
        if change.doubt is None:
            change.set(_SEEN, json.dumps(asdict(Seen(now.wall_s, now.boot_id, now.boot_s))))
        elif seen is not None and seen.boot_id == now.boot_id and seen.doubt is None and now.wall_s > seen.wall_s:
            leapt = Seen(seen.wall_s, seen.boot_id, seen.boot_s, change.doubt)
            change.set(_SEEN, json.dumps(asdict(leapt)))
