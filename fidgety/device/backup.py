"""A store's double on another disk: made while the store is at work, added to the next time, proved before it is said.

`backup_form.py` shows what lies there. The watched folder's memory is read before the database: a file that it calls
taken has its recording there.
"""

from __future__ import annotations

import hashlib
import json
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
from fidgety.device.holdings import StoredFile
from fidgety.device.log_check import verify
from fidgety.device.schema import database_faults
from fidgety.device.store import MARK, Store
from fidgety.device.watch_folder import LEDGER_NAME
from fidgety.durable import Sink, copy, faults, hash_on_disk, staged, sync, write_bytes
from fidgety.errors import DeviceError, UsageError

__all__ = ["back_up"]

_ROUNDS = 5  # files may be deleted or encrypted while they are copied: then once more
_KEPT = "kept.json"


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
            named = named_files(target / "store.db.part")
            n_copied = _copy_files(store, named, target, kept, watch)
            if n_copied is not None:
                n_new += n_copied
                break
        else:
            raise DeviceError(f"{store.folder} changes faster than it is copied: back up when less is going on")
        head = _publish(store, target, kept, ledger)
        if is_pruned:
            _prune(target, named)
    return Copied(len(present_files(named)), n_new, head)


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
            target.execute("INSERT INTO settings VALUES (?, ?)", (LEDGER_KEY, hashlib.sha256(ledger).hexdigest()))
            target.commit()
    sync(part)


def _copy_files(
    store: Store, named: list[tuple[int, StoredFile]], target: Path, kept: dict[str, str], watch: Watch
) -> int | None:
    """Copy what the backup lacks and read it back; None where the store changed meanwhile, else the number of files."""
    n_new = 0
    for number, file in present_files(named):
        place = place_of(number, file)
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
    seq, n_bytes = log_place(part)
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
    place = target / ledger_name(sha256)
    write_bytes(place, ledger)
    if hash_on_disk(place) != sha256:
        place.unlink()
        raise DeviceError(f"{place} does not read as it was written: that disk is failing, use another")
    return place.name


def _log_bytes(log: Path, n_bytes: int) -> bytes:
    if not log.is_file():
        return b""
    with log.open("rb") as stream:
        return stream.read(n_bytes)


def _prune(target: Path, named: list[tuple[int, StoredFile]]) -> None:
    for number, file in named:
        if file.gone == "deleted":
            (target / place_of(number, file)).unlink(missing_ok=True)
