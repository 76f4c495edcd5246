"""Where a recording goes: a plain folder. What a kill left there is finished when the next recording begins.

OUT/2026-11-28T03-15-09/    video.mp4, frame-times.log (leftovers.py)
    .recorder.lock          one recorder at a time
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from fidgety.device.leftovers import Finished, held, mark, repair_all
from fidgety.errors import DeviceError, UsageError

__all__ = ["folder_place", "one_recorder"]

_LOCK = ".recorder.lock"


@contextmanager
def one_recorder(folder: Path) -> Iterator[None]:
    """No other recorder writes to `folder` meanwhile. Raises UsageError, DeviceError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{folder} is no folder: name another one") from None
    except OSError as error:
        raise DeviceError(f"{folder} cannot be made: {error.strerror}; name another folder") from error
    with held(folder / _LOCK, f"another recorder is at work in {folder}"):
        yield


@contextmanager
def folder_place(parent: Path) -> Iterator[tuple[Path, list[Finished]]]:
    """A new recording's folder in `parent`, and what was left there by kills, finished now. Raises DeviceError."""
    repaired = repair_all(parent)
    name = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")  # a name; nothing is ordered or measured by it
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    try:
        folder.mkdir()
    except OSError as error:
        raise DeviceError(f"{folder} cannot be made: {error.strerror}; name another folder") from error
    with mark(folder):
        yield folder, repaired
