"""A store's double on another disk: made while the store is at work, added to the next time, proved before it is said.

    BACKUP/store.db            the database at one moment; its name appears when all that it names is there
           audit-000123.jsonl  the log up to that moment
           watched-0a1b2c3d4e5f.jsonl  what came out of the watched folder until then, named by its hash
           kept.json           which files were read back, and their hashes
           recordings/         as in the store

Encrypted files are copied as they are; the key is not in a backup. The watched folder's memory holds names of files,
which are not encrypted in the store either. It is read before the database: a file that it calls taken has its
recording there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fidgety.device.audit_log import LOG_NAME
from fidgety.device.books import Books
from fidgety.device.clock import Clock
from fidgety.device.holdings import StoredFile, id_of
from fidgety.device.log_check import verify
from fidgety.device.recovery import OPENED
from fidgety.device.schema import database_faults
from fidgety.device.shelf import LOST, read_file
from fidgety.device.store import MARK, Store
from fidgety.device.watch_folder import LEDGER_NAME
from fidgety.durable import Sink, copy, faults, hash_on_disk, staged, sync, write_bytes
from fidgety.errors import DeviceError, UsageError

__all__ = ["Copied", "back_up", "restore"]

_ROUNDS = 5  # files may be deleted or encrypted while they are copied: then once more
_KEPT = "kept.json"
_LEDGER_KEY = "watched_sha256"  # a setting of the copied database alone: the ledger that belongs to it
Watch = Callable[[str], None]  # is told of each file that was copied


@dataclass(frozen=True, slots=True)
class Copied:
    """What a backup or a restored store holds, and what of it is new."""

    n_files: int
    n_new: int
    head: str  # of the log: number and hash of its last line


def back_up(store: Store, target: Path, watch: Watch, is_pruned: bool = False) -> Copied:
    """Bring the backup in `target` up to date; gives what it holds now.

    Each file is copied once, by its hash, and read back. What the store deleted since stays in the backup unless
    `is_pruned`. Raises UsageError where `target` holds something else; DeviceError where a file is damaged (it is not
    copied) or a disk lets us down: the backup is then what it was, and the next call goes on.
    """
    with faults(f"the backup in {target} cannot be written"):
        _require_same(store, target)
        kept, n_new = _read_kept(target), 0
        for _ in range(_ROUNDS):
            ledger = _read_ledger(store)
            _copy_database(store, target / "store.db.part", ledger)
            named = _named(target / "store.db.part")
            n_copied = _copy_files(store, named, target, kept, watch)
            if n_copied is not None:
                n_new += n_copied
                break
        else:
            raise DeviceError(f"{store.folder} changes faster than it is copied: back up when less is going on")
        head = _publish(store, target, kept, ledger)
        if is_pruned:
            _prune(target, named)
    return Copied(len(_present(named)), n_new, head)


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
    n_files = len(_present(_named(target / "store.db"))) - len(damaged)
    return Copied(n_files, n_files, head)


def _require_same(store: Store, target: Path) -> None:
    """Raises UsageError where a backup of this store may not be written into `target`."""
    if target.resolve() == store.folder.resolve():
        raise UsageError(f"{target} is the store itself: name a folder on another disk")
    mark = target / MARK
    content = (store.folder / MARK).read_bytes()
    if mark.is_file():
        if json.loads(mark.read_bytes()).get("id") != json.loads(content).get("id"):
            raise UsageError(f"{target} is the backup of another store: name another folder")
        return
    if target.is_dir() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty and no backup: name another folder")
    (target / "recordings").mkdir(parents=True, mode=0o700)
    write_bytes(mark, content)


def _read_kept(target: Path) -> dict[str, str]:
    """Path in the backup -> hash of what was read back there."""
    try:
        told = json.loads((target / _KEPT).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(path): str(sha256) for path, sha256 in told.items()} if isinstance(told, dict) else {}


def _read_ledger(store: Store) -> bytes | None:
    """The watched folder's memory; None where no folder was ever watched. Raises OSError."""
    try:
        return (store.folder / LEDGER_NAME).read_bytes()
    except FileNotFoundError:
        return None


def _copy_database(store: Store, part: Path, ledger: bytes | None) -> None:
    """The database at this moment, which names the ledger that was read before it."""
    part.unlink(missing_ok=True)
    with database_faults(part), closing(sqlite3.connect(part)) as target:
        store.shelf.books.database.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        if ledger is not None:
            target.execute("INSERT INTO settings VALUES (?, ?)", (_LEDGER_KEY, hashlib.sha256(ledger).hexdigest()))
            target.commit()
    sync(part)


def _named(database: Path) -> list[tuple[int, StoredFile]]:
    """The files that a copied database names, with the numbers of their recordings."""
    with (
        database_faults(database),
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as rows,
    ):
        rows.row_factory = sqlite3.Row
        return [
            (row["recording"], read_file(row)) for row in rows.execute("SELECT * FROM files ORDER BY recording, name")
        ]


def _present(named: list[tuple[int, StoredFile]]) -> list[tuple[int, StoredFile]]:
    return [(number, file) for number, file in named if file.gone is None]


def _place(number: int, file: StoredFile) -> str:
    return f"recordings/{id_of(number)}/{file.stored_name}"


def _copy_files(
    store: Store, named: list[tuple[int, StoredFile]], target: Path, kept: dict[str, str], watch: Watch
) -> int | None:
    """Copy what the backup lacks and read it back; None where the store changed meanwhile, else the number of files."""
    n_new = 0
    for number, file in _present(named):
        place = _place(number, file)
        if (target / place).is_file() and (kept.get(place) or hash_on_disk(target / place)) == file.stored_sha256:
            kept[place] = file.stored_sha256
            continue
        try:
            _copy_file(store.folder / place, target / place, file.stored_sha256)
        except FileNotFoundError:
            return None
        kept[place] = file.stored_sha256
        n_new += 1
        watch(place)
    return n_new


def _copy_file(source: Path, target: Path, sha256: str) -> None:
    """Copy one file whole, and read it back. Raises DeviceError where the source is damaged, OSError."""
    with source.open("rb") as stream:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with staged(target) as part:
            sink = Sink(part)
            copy(stream, sink)
            if sink.sha256 != sha256:
                raise DeviceError(f"{source} is not what came in: it is damaged, and was not copied")
    if hash_on_disk(target) != sha256:
        target.unlink()
        raise DeviceError(f"{target} does not read as it was written: that disk is failing, use another")


def _publish(store: Store, target: Path, kept: dict[str, str], ledger: bytes | None) -> str:
    """Give the new database its name, once log and ledger that belong to it lie beside it; gives the log's head."""
    part = target / "store.db.part"
    seq, n_bytes = _log_place(part)
    with staged(target / f"audit-{seq:06d}.jsonl") as log:
        log.write(_log_bytes(store.folder / LOG_NAME, n_bytes))
    wanted = {f"audit-{seq:06d}.jsonl"}
    if ledger is not None:
        wanted.add(_keep_ledger(target, ledger))
    write_bytes(target / _KEPT, (json.dumps(kept, indent=0) + "\n").encode())
    part.replace(target / "store.db")
    sync(target)
    for path in (*target.glob("audit-*.jsonl"), *target.glob("watched-*.jsonl")):
        if path.name not in wanted:
            path.unlink()
    return verify(store.shelf.books).head


def _keep_ledger(target: Path, ledger: bytes) -> str:
    """Write the ledger under the name that its hash gives it, and read it back; gives the name. Raises DeviceError."""
    sha256 = hashlib.sha256(ledger).hexdigest()
    place = target / _ledger_name(sha256)
    write_bytes(place, ledger)
    if hash_on_disk(place) != sha256:
        place.unlink()
        raise DeviceError(f"{place} does not read as it was written: that disk is failing, use another")
    return place.name


def _ledger_name(sha256: str) -> str:
    return f"watched-{sha256[:12]}.jsonl"


def _log_place(database: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as rows:
        told = dict(rows.execute("SELECT key, value FROM settings WHERE key IN ('log_seq', 'log_bytes')").fetchall())
    return int(told.get("log_seq", 0)), int(told.get("log_bytes", 0))


def _log_bytes(log: Path, n_bytes: int) -> bytes:
    if not log.is_file():
        return b""
    with log.open("rb") as stream:
        return stream.read(n_bytes)


def _prune(target: Path, named: list[tuple[int, StoredFile]]) -> None:
    for number, file in named:
        if file.gone == "deleted":
            (target / _place(number, file)).unlink(missing_ok=True)


def _bring_files(backup: Path, part: Path, watch: Watch) -> list[str]:
    """Copy database, log and files; gives those that are damaged. Raises OSError, DeviceError."""
    for source, name in ((backup / "store.db", "store.db"), (backup / MARK, MARK)):
        shutil.copyfile(source, part / name)
    seq, _ = _log_place(part / "store.db")
    log = backup / f"audit-{seq:06d}.jsonl"
    if log.is_file():
        shutil.copyfile(log, part / LOG_NAME)
    damaged = []
    for number, file in _present(_named(part / "store.db")):
        place = _place(number, file)
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
        row = database.execute("SELECT value FROM settings WHERE key = ?", (_LEDGER_KEY,)).fetchone()
        database.execute("DELETE FROM settings WHERE key = ?", (_LEDGER_KEY,))
        database.commit()
    if row is None:
        return []
    source, target = backup / _ledger_name(row[0]), part / LEDGER_NAME
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
