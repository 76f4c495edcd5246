"""The store's database: its tables, how older ones are brought forward, and what is done with a damaged one.

SQLite with a write-ahead log and `synchronous=FULL`: what was committed survives a power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from fidgety.durable import explain, sync
from fidgety.errors import DeviceError

__all__ = ["MIGRATIONS", "connect", "create", "database_faults"]

BUSY_S = 30.0

_FIRST = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (id TEXT PRIMARY KEY, started_at TEXT NOT NULL, is_clock_trusted INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE infants (id TEXT PRIMARY KEY, content BLOB NOT NULL, key_id TEXT) WITHOUT ROWID;
CREATE TABLE recordings (
  number INTEGER PRIMARY KEY,
  sha256 TEXT UNIQUE,
  infant_id TEXT REFERENCES infants (id),
  session_id TEXT REFERENCES sessions (id),
  recorded_at TEXT NOT NULL,
  is_clock_trusted INTEGER NOT NULL,
  recorded_on TEXT,
  duration_s REAL,
  n_dropped_frames INTEGER,
  is_cut_short INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state IN ('recording', 'recorded', 'queued', 'scoring', 'scored', 'not-assessable',
    'failed', 'set-aside')),
  reason TEXT,
  n_tries INTEGER NOT NULL DEFAULT 0,
  n_kills INTEGER NOT NULL DEFAULT 0,
  next_try_boot_id TEXT,
  next_try_s REAL,
  owner TEXT,
  worker TEXT,
  claim TEXT,
  lease_boot_id TEXT,
  lease_until_s REAL,
  is_deletion_confirmed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX recordings_by_state ON recordings (state, number);
CREATE TABLE files (
  recording INTEGER NOT NULL REFERENCES recordings (number),
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('about', 'video', 'times', 'poses', 'result', 'report', 'override', 'other')),
  sha256 TEXT NOT NULL,
  n_bytes INTEGER NOT NULL,
  stored_sha256 TEXT NOT NULL,
  key_id TEXT,
  gone TEXT CHECK (gone IN ('deleted', 'missing')),
  PRIMARY KEY (recording, name)
) WITHOUT ROWID;
CREATE TABLE results (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  recording INTEGER NOT NULL REFERENCES recordings (number),
  name TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('scored', 'not-assessable')),
  bundle TEXT NOT NULL,
  bundle_sha256 TEXT NOT NULL,
  engines TEXT NOT NULL,
  program TEXT NOT NULL,
  made_at TEXT NOT NULL,
  made_s REAL NOT NULL,
  is_clock_trusted INTEGER NOT NULL,
  FOREIGN KEY (recording, name) REFERENCES files (recording, name)
);
CREATE TABLE overrides (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  recording INTEGER NOT NULL REFERENCES recordings (number),
  result INTEGER REFERENCES results (id),
  name TEXT NOT NULL,
  staff TEXT NOT NULL,
  made_at TEXT NOT NULL,
  is_clock_trusted INTEGER NOT NULL,
  FOREIGN KEY (recording, name) REFERENCES files (recording, name)
);
CREATE TABLE events (seq INTEGER PRIMARY KEY, line TEXT NOT NULL);
CREATE TRIGGER results_stay BEFORE DELETE ON results BEGIN SELECT RAISE(ABORT, 'results are never deleted'); END;
CREATE TRIGGER results_never_change BEFORE UPDATE ON results
  BEGIN SELECT RAISE(ABORT, 'results are never changed'); END;
CREATE TRIGGER overrides_stay BEFORE DELETE ON overrides BEGIN SELECT RAISE(ABORT, 'overrides are never deleted'); END;
CREATE TRIGGER overrides_never_change BEFORE UPDATE ON overrides
  BEGIN SELECT RAISE(ABORT, 'overrides are never changed'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)  # the n-th brings version n to n + 1; none of them ever changes


def create(path: Path, lines: Sequence[str] = (), settings: Mapping[str, str] | None = None) -> None:
    """A new database at `path`, whole or not at all, with the lines of a log and some settings. Raises DeviceError."""
    part = path.with_name(f"{path.name}.new")
    with database_faults(path):
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(part, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=FULL")
            _migrate(database)
            database.execute("BEGIN")
            database.executemany("INSERT INTO events VALUES (?, ?)", enumerate(lines, 1))
            database.executemany("INSERT INTO settings VALUES (?, ?)", (settings or {}).items())
            database.execute("COMMIT")
        sync(part)
        part.rename(path)
        sync(path.parent)


def connect(path: Path) -> sqlite3.Connection:
    """Open the database at `path`, which must be there; an older one is brought forward, a copy of it kept.

    Raises DeviceError for a newer one, which is left alone, for a damaged one, which is moved aside, and where the disk
    lets us down.
    """
    with database_faults(path):
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None
        )
        try:
            database.row_factory = sqlite3.Row
            _require_sound(database, path)
            version = int(database.execute("PRAGMA user_version").fetchone()[0])
            if version > len(MIGRATIONS):
                raise DeviceError(
                    f"{path} was written by a newer fidgety (its schema is {version}, this program knows "
                    f"{len(MIGRATIONS)}): update this program; nothing was changed"
                )
            if version < 1:
                _put_aside(database, path, "it holds no tables")
            for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
                database.execute(f"PRAGMA {setting}")
            if version < len(MIGRATIONS):
                _copy(database, path.with_name(f"{path.name}.schema-{version}"))
                _migrate(database)
        except BaseException:
            database.close()
            raise
    return database


@contextmanager
def database_faults(path: Path) -> Iterator[None]:
    """What the disk does to SQLite or to a file inside becomes a DeviceError that says what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        told = str(error)
        if "full" in told:
            told = "the disk is full; free some space"
        elif "readonly" in told or "unable to open" in told:
            told += "; the folder may be read-only, gone, or too many files are open"
        elif "locked" in told:
            told = f"another program held it for more than {BUSY_S:.0f} s; wait for it, then try again"
        raise DeviceError(f"the database {path} let us down: {told}") from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise  # ours to repair, not the user's
    except sqlite3.DatabaseError as error:
        raise DeviceError(
            f"the database {path} is damaged ({error}): open the store anew, it says what to do"
        ) from error
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {explain(error)}") from error


def _copy(database: sqlite3.Connection, target: Path) -> None:
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(target)) as copy:
        database.backup(copy)
    sync(target)


def _migrate(database: sqlite3.Connection) -> None:
    """Bring a database forward, one version after another; another process may do the same at this moment."""
    for number, script in enumerate(MIGRATIONS, 1):
        database.execute("BEGIN IMMEDIATE")
        try:
            if int(database.execute("PRAGMA user_version").fetchone()[0]) < number:
                for statement in _statements(script):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version={number}")
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script in which each ends a line."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), statement


def _require_sound(database: sqlite3.Connection, path: Path) -> None:
    try:
        found = [str(row[0]) for row in database.execute("PRAGMA integrity_check(3)")]
    except sqlite3.OperationalError:
        raise  # the disk, not the file
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        _put_aside(database, path, "; ".join(found).replace("\n", " "))


def _put_aside(database: sqlite3.Connection, path: Path, fault: str) -> None:
    """Move a damaged database and its journal out of the way, so that nothing is written on top. Raises DeviceError."""
    database.close()
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    sync(path.parent)
    raise DeviceError(
        f"the database {path} is damaged ({fault}) and was moved to {aside.name}; the recordings are untouched. Bring "
        f"back a backup (`fidgety store restore BACKUP NEW-FOLDER`), or make the list anew from the recordings "
        f"(`fidgety store rebuild --store {path.parent}`)"
    )
