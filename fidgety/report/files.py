"""Results reach the disk whole or not at all."""

from __future__ import annotations

from pathlib import Path

from fidgety.durable import explain, write_bytes
from fidgety.errors import DeviceError, UsageError

__all__ = ["write_content", "write_text"]


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, as `write_content` does."""
    write_content(path, text.encode("utf-8"))


def write_content(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one rename; a kill at any moment leaves the old file or the new one.

    Raises UsageError when the folder is not there, DeviceError when the disk is full, read-only or fails.
    """
    try:
        write_bytes(path, content)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path} cannot be written: {path.parent} is no folder; make it first") from error
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {explain(error)}") from error
