"""Who is at work in a store: each process holds a locked file, and the kernel lets go of it however the process ends.

A process id would do until it is given to another process, or is read in another container; a lock cannot be mistaken.
"""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["Owner", "alone", "is_at_work", "name_of", "sweep"]

FOLDER = "owners"


class Owner:
    """This process's mark in one store. Close it; a kill closes it too."""

    def __init__(self, store: Path) -> None:
        """Raises OSError."""
        self.token = secrets.token_hex(8)
        self._path = _path(store, self.token)
        early = self._path.with_suffix(".new")  # nobody may find it before it is locked
        self._stream: BinaryIO = early.open("xb")
        fcntl.flock(self._stream, fcntl.LOCK_EX)
        early.rename(self._path)

    def part(self, folder: Path, end: str = "") -> Path:
        """A new place in a folder for a file that this process is at."""
        return folder / f"{self.token}-{secrets.token_hex(6)}{end}"

    def close(self) -> None:
        """Let go."""
        self._path.unlink(missing_ok=True)
        self._stream.close()


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """One process at a time, the others wait. Raises OSError."""
    with (store / FOLDER / "in-order").open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def name_of(part: Path) -> str:
    """The owner of such a file."""
    return part.name.partition("-")[0]


def is_at_work(store: Path, token: str | None) -> bool:
    """Whether the process that goes by this token still runs. Raises OSError."""
    if token is None:
        return False
    try:
        stream = _path(store, token).open("rb")
    except FileNotFoundError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def sweep(store: Path) -> None:
    """Remove the marks of processes that are gone. Raises OSError."""
    for path in (store / FOLDER).glob("*.lock"):
        if not is_at_work(store, path.stem):
            path.unlink(missing_ok=True)


def _path(store: Path, token: str) -> Path:
    return store / FOLDER / f"{token}.lock"
