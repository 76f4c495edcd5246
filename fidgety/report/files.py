"""Results reach the disk whole or not at all: staged beside their place, synced, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from fidgety.errors import DeviceError, UsageError

__all__ = ["write_bytes", "write_text"]


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one rename; a kill at any moment leaves the old file or the new one.

    Raises UsageError when the folder is not there, DeviceError when the disk is full, read-only or fails.
    """
    staged = path.with_name(f".fidgety-{secrets.token_hex(6)}.part")
    try:
        try:
            _write_synced(staged, content)
            staged.replace(path)
            _sync_folder(path.parent)
        finally:
            staged.unlink(missing_ok=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path} cannot be written: {path.parent} is no folder; make it first") from error
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {_explain(error)}") from error


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space or choose another folder"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "the folder may not be written to; choose another one"
    return f"{(error.strerror or 'unknown fault').lower()}; check the disk or choose another folder"
