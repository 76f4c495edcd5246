"""A backup -> a store in a new place, proved before it gets its name."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from fidgety.device.audit_log import LOG_NAME
from fidgety.device.backup_form import (
    LEDGER_KEY,
    Copied,
    Watch,
    ledger_name,
    log_place,
    named_files,
    place_of,
    present_files,
)
from fidgety.device.books import Books
from fidgety.device.clock import Clock
from fidgety.device.log_check import verify
from fidgety.device.recovery import OPENED
from fidgety.device.schema import database_faults
from fidgety.device.shelf import LOST
from fidgety.device.store import MARK
from fidgety.device.watch_folder import LEDGER_NAME
from fidgety.durable import copy, faults, hash_on_disk, staged, sync, write_bytes
from fidgety.errors import DeviceError, UsageError

__all__ = ["restore"]


def restore(backup: Path, target: Path, watch: Watch, has_gaps: bool = False) -> Copied:
    """Make a store at `target`, which must be empty or not there, from a backup; gives what it holds.

    Every file is compared with its hash, the database is checked and the log verified before the store gets its name.
    has_gaps: files that are damaged in the backup are left out, the store says that they are missing, and a log that is
    not as it was written is taken as it is. Without the watched folder's memory what lies there is looked at again, and
    found by its content. Raises UsageError where there is no backup or `target` is in use; DeviceError where something
    is damaged or the disk lets us down: then there is nothing at `target`.
    """
    if not (backup / "store.db").is_file():
        raise UsageError(f"there is no backup in {backup}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already: restore into a new folder")
    part = target.with_name(f".{target.name}.restored")
    with faults(f"the store cannot be brought back to {target}"):
        shutil.rmtree(part, ignore_errors=True)
        for name in ("recordings", "staged", LOST, OPENED, "owners"):
            (part / name).mkdir(parents=True, mode=0o700)
        try:
            damaged = _bring_files(backup, part, watch)
            lacking = [*damaged, *_bring_ledger(backup, part)]
            if lacking and not has_gaps:
                raise DeviceError(
                    f"{len(lacking)} files of the backup are damaged or gone ({', '.join(lacking[:5])}): use another "
                    "backup, or take the rest with --with-gaps"
                )
            head = _check(part, has_gaps)
            if target.exists():
                target.rmdir()
            part.rename(target)
            sync(target.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    n_files = len(present_files(named_files(target / "store.db"))) - len(damaged)
    return Copied(n_files, n_files, head)


def _bring_files(backup: Path, part: Path, watch: Watch) -> list[str]:
    """Copy database, log and files; gives those that are damaged. Raises OSError, DeviceError."""
    for source, name in ((backup / "store.db", "store.db"), (backup / MARK, MARK)):
        shutil.copyfile(source, part / name)
    seq, _ = log_place(part / "store.db")
    log = backup / f"audit-{seq:06d}.jsonl"
    if log.is_file():
        shutil.copyfile(log, part / LOG_NAME)
    damaged = []
    for number, file in present_files(named_files(part / "store.db")):
        place = place_of(number, file)
        if (backup / place).is_file():
            with (backup / place).open("rb") as stream:
                (part / place).parent.mkdir(exist_ok=True, mode=0o700)
                with staged(part / place) as target:
                    copy(stream, target)
        if not (part / place).is_file() or hash_on_disk(part / place) != file.stored_sha256:
            damaged.append(place)
            (part / place).unlink(missing_ok=True)
        watch(place)
    return damaged


def _bring_ledger(backup: Path, part: Path) -> list[str]:
    """Copy the ledger that the database names, where it names one; gives its name where it is damaged or gone."""
    with database_faults(part / "store.db"), closing(sqlite3.connect(part / "store.db")) as database:
        row = database.execute("SELECT value FROM settings WHERE key = ?", (LEDGER_KEY,)).fetchone()
        database.execute("DELETE FROM settings WHERE key = ?", (LEDGER_KEY,))
        database.commit()
    if row is None:
        return []
    source, target = backup / ledger_name(row[0]), part / LEDGER_NAME
    if source.is_file():
        write_bytes(target, source.read_bytes())
        if hash_on_disk(target) == row[0]:
            return []
        target.unlink()
    return [source.name]


def _check(part: Path, has_gaps: bool) -> str:
    """Look at database and log of a store that has no name yet; gives the log's head. Raises DeviceError."""
    for name in ("store.db", MARK):
        sync(part / name)
    books = Books(part, Clock())  # which checks the database
    try:
        found = verify(books)
    finally:
        books.close()
    if found.faults and not has_gaps:
        raise DeviceError(f"the log in the backup is not as it was written: {'; '.join(found.faults[:3])}")
    return found.head
