"""Bytes on their way to the disk, in a thread of their own: a card that takes a second to sync holds nothing up.

Files only grow. Once a second everything is synced, so that a power cut costs the last second and a half. A disk that
is full is noticed here; what was written stays.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Disk", "free_mb", "raise_priority"]

_SYNC_EVERY_S = 1.0
_NICENESS = -10
_MOST_WAITING = 4096  # pieces; 32 kB each at most: 128 MB
_BALLAST_BYTES = 1 << 20  # given back when the disk is full, so that the log's last lines have a place


class Disk:
    """Appends to the files of one recording."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        """Raises OSError when the files cannot be made."""
        self.error: OSError | None = None  # the first one; nothing is written to the video after it
        self.is_behind = False
        self._folder = folder
        self._files = {name: os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640) for name in names}
        self._ballast = folder / ".ballast"
        self._ballast.write_bytes(bytes(_BALLAST_BYTES))
        self._waiting: queue.Queue[tuple[str, bytes] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    def append(self, name: str, data: bytes) -> None:
        """Have `data` written at the end of the file, soon. Waits only when the disk is 128 MB behind."""
        self.is_behind = self._waiting.qsize() > _MOST_WAITING // 2
        self._waiting.put((name, data))

    def close(self) -> None:
        """Write and sync what waits. Errors are told in `error`."""
        self._waiting.put(None)
        self._thread.join()
        for descriptor in self._files.values():
            os.close(descriptor)
        with suppress(OSError):
            self._ballast.unlink()

    def _work(self) -> None:
        raise_priority()
        next_sync_s = time.monotonic() + _SYNC_EVERY_S
        while True:
            try:
                item = self._waiting.get(timeout=max(0.01, next_sync_s - time.monotonic()))
            except queue.Empty:
                item = ("", b"")
            if item is None:
                self._sync()
                return
            name, data = item
            if name:
                self._write(name, data)
            if time.monotonic() >= next_sync_s:
                self._sync()
                next_sync_s = time.monotonic() + _SYNC_EVERY_S

    def _write(self, name: str, data: bytes) -> None:
        if self.error is not None and name.endswith(".mp4"):
            return
        left = memoryview(data)
        for _ in range(2):
            try:
                while left:
                    left = left[os.write(self._files[name], left) :]
                return
            except OSError as error:
                self.error = self.error or error
                with suppress(OSError):
                    self._ballast.unlink()
                if name.endswith(".mp4"):
                    return  # a torn end, which is cut off afterwards

    def _sync(self) -> None:
        for descriptor in self._files.values():
            try:
                os.fsync(descriptor)
            except OSError as error:
                self.error = self.error or error


def raise_priority() -> None:
    """Have this thread run before others, where the system allows it (a service of root, or LimitNICE)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)  # on Linux of the calling thread alone


def free_mb(folder: Path) -> float:
    """What this user may still write there, in MB. Raises OSError."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize / 1e6
