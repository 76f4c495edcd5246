"""What is written lies on the disk whole, or is not there at all: staged beside its place, synced, renamed, synced."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from fidgety.errors import DeviceError

__all__ = ["copy_hashed", "explain", "faults", "move", "staged", "sync", "write_bytes"]

_BLOCK_BYTES = 1 << 20


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


@contextmanager
def staged(target: Path, part: Path | None = None) -> Iterator[BinaryIO]:
    """A stream whose bytes appear at `target` in one step when the block ends, and are gone where it raises.

    part: where they wait, on the same file system (default: beside the target). Raises OSError.
    """
    place = part or target.with_name(f".fidgety-{secrets.token_hex(6)}.part")
    try:
        with place.open("xb") as stream:
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


def copy_hashed(source: Reader, target: Writer | None) -> tuple[str, int]:
    """Copy (None: read only) to the end; gives the hex SHA-256 and the number of bytes. Raises OSError."""
    digest, n_bytes = hashlib.sha256(), 0
    while block := source.read(_BLOCK_BYTES):
        digest.update(block)
        n_bytes += len(block)
        if target is not None:
            target.write(block)
    return digest.hexdigest(), n_bytes


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
