"""What is written lies on the disk whole, or is not there at all: staged beside its place, synced, renamed, synced."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

from fidgety.errors import DeviceError

__all__ = [
    "Heed",
    "Reader",
    "Sink",
    "Tally",
    "Writer",
    "copy",
    "explain",
    "faults",
    "hash_on_disk",
    "hash_stream",
    "hold",
    "move",
    "staged",
    "sync",
    "write_bytes",
]

_BLOCK_BYTES = 1 << 20
_BEHIND_BYTES = 64 << 20  # seconds of a slow card: the disk is never further behind what was written
Heed = Callable[[], None]  # called between two blocks of a long file; what it raises goes through


class Reader(Protocol):
    """Anything that bytes can be read from."""

    def read(self, n: int, /) -> bytes: ...


class Writer(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> int: ...


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk before going on. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Rename within one file system, and have both folders' names on the disk. Raises OSError."""
    source.replace(target)
    sync(target.parent)
    if source.parent != target.parent:
        sync(source.parent)


def hold(stream: IO[Any], busy: str) -> None:
    """Lock an open file until it is closed or this process ends, however it ends.

    Raises DeviceError with the sentence `busy` where another process holds it.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DeviceError(busy) from None


@contextmanager
def staged(target: Path, part: Path | None = None) -> Iterator[BinaryIO]:
    """A stream whose bytes appear at `target` in one step when the block ends, and are gone where it raises.

    part: where they wait, on the same file system (default: beside the target). Raises OSError.
    """
    place = part or target.with_name(f".fidgety-{secrets.token_hex(6)}.part")
    try:
        with _KeepingPace(place.open("xb", buffering=0)) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        move(place, target)
    finally:
        with suppress(OSError):  # the disk is gone: there is nothing to tidy up
            place.unlink(missing_ok=True)


def write_bytes(target: Path, content: bytes, part: Path | None = None) -> None:
    """As `staged`, of bytes that are at hand."""
    with staged(target, part) as stream:
        stream.write(content)


def copy(source: Reader, target: Writer) -> None:
    """Copy to the end. Raises OSError."""
    while block := source.read(_BLOCK_BYTES):
        target.write(block)


def hash_stream(source: Reader, heed: Heed | None = None) -> tuple[str, int]:
    """Read to the end; gives the hex SHA-256 and the number of bytes. Raises OSError and what `heed` raises."""
    tally = Tally(source, heed)
    while tally.read(_BLOCK_BYTES):
        pass
    return tally.sha256, tally.n_bytes


def hash_on_disk(path: Path) -> str:
    """Hex SHA-256 of a synced file as the disk gives it, not as memory remembers it. Raises OSError."""
    with path.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hash_stream(stream)[0]


class _KeepingPace(io.BufferedWriter):
    """Has the disk keep pace with what is written: one fsync of gigabytes at the end would take minutes, in which
    nobody feeds the watchdog.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._n_behind = 0

    def write(self, data: Any, /) -> int:
        n = super().write(data)
        self._n_behind += n
        if self._n_behind >= _BEHIND_BYTES:
            self.flush()
            os.fdatasync(self.fileno())
            self._n_behind = 0
        return n


class Tally:
    """A stream that is hashed and counted as it is read; `heed` is called before each block."""

    def __init__(self, source: Reader, heed: Heed | None = None) -> None:
        self._source = source
        self._heed = heed
        self._digest = hashlib.sha256()
        self.n_bytes = 0

    @property
    def sha256(self) -> str:
        """Hex, of what was read so far."""
        return self._digest.hexdigest()

    def read(self, n: int, /) -> bytes:
        if self._heed is not None:
            self._heed()
        block = self._source.read(n)
        self._digest.update(block)
        self.n_bytes += len(block)
        return block


class Sink:
    """A stream that is hashed and counted as it is written."""

    def __init__(self, target: Writer) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.n_bytes = 0

    @property
    def sha256(self) -> str:
        """Hex, of what was written so far."""
        return self._digest.hexdigest()

    def write(self, data: bytes, /) -> int:
        self._digest.update(data)
        self.n_bytes += len(data)
        return self._target.write(data)


@contextmanager
def faults(what: str) -> Iterator[None]:
    """An OSError inside becomes a DeviceError: `what` went wrong, why, what to do."""
    try:
        yield
    except OSError as error:
        raise DeviceError(f"{what}: {explain(error)}") from error


def explain(error: OSError) -> str:
    """What went wrong and what to do, in plain words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; free some space or choose another folder"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "the folder may not be written to; choose another one"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open; close other programs or raise the limit (ulimit -n)"
    return f"{(error.strerror or 'unknown fault').lower()}; check the disk or choose another folder"
