"""The service's own corner of the store: one service at a time, emptied at its start, a folder for the one in work."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from fidgety.device.holdings import Recording, StoredFile
from fidgety.durable import faults
from fidgety.errors import DeviceError, SourceError

__all__ = ["Scratch", "pictures_of"]

FOLDER = "service"
_AT_WORK = "at-work"


class Scratch:
    """Held while the service runs; a kill lets go of it. Use it with `with`."""

    def __init__(self, store_folder: Path) -> None:
        """Raises DeviceError where another service is at work in this store."""
        self._folder = store_folder / FOLDER
        with faults(f"{self._folder} cannot be made"):
            self._folder.mkdir(exist_ok=True, mode=0o700)
            self._lock: BinaryIO = (self._folder / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise DeviceError(f"another `fidgety serve` is at work in {store_folder}: stop it first") from None
        shutil.rmtree(self._folder / _AT_WORK, ignore_errors=True)  # what a kill left

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    @contextmanager
    def place(self) -> Iterator[Path]:
        """An empty folder, gone afterwards. Raises DeviceError."""
        place = self._folder / _AT_WORK
        with faults(f"{place} cannot be made"):
            place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def pictures_of(recording: Recording) -> tuple[StoredFile, ...]:
    """What there is to score: its videos in their order, else the poses that came in, else those of the last score.

    Raises SourceError where none of them is left.
    """
    present = [one for one in recording.files if one.gone is None]
    if videos := tuple(one for one in present if one.kind == "video"):
        return videos
    poses = [one for one in present if one.kind == "poses"]
    came_in = [one for one in poses if not one.name.startswith(f"{recording.id}-")]
    if not poses:
        raise SourceError(f"{recording.id} has neither video nor poses any more: restore them from a backup")
    return tuple(came_in[:1] or poses[-1:])
