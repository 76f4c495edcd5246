"""Files in a folder -> the store, once each, when they are whole. The folder is only read, nothing in it is changed.

A file is whole when its size and time have stood still for `settle_s` on the monotonic clock, or at once where an empty
`<name>.done` lies beside it. What came in is written down in `watched.jsonl` in the store, so that no start copies it
again; a file that changes later is taken in again, as another recording. Its name, which may be an infant's, is written
as a hash: the store may be encrypted, and this is not.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fidgety.durable import faults
from fidgety.errors import DeviceError

__all__ = ["Arrival", "State", "WatchFolder", "is_recording_name"]

LEDGER_NAME = "watched.jsonl"
_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mts", ".ts", ".mpg", ".mpeg", ".poses", ".npz")
)
State = tuple[int, int]  # bytes, time of the last change in ns


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that is whole and not in the store yet."""

    path: Path
    name: str  # below the folder
    state: State

    @property
    def alias(self) -> str:
        """What the log calls it: its name may be an infant's."""
        return f"file {_hash(self.name)[:8]} ({self.state[0]} bytes)"


class WatchFolder:
    """One folder, and what came out of it. Raises DeviceError where its ledger cannot be read."""

    def __init__(
        self, folder: Path, store_folder: Path, settle_s: float, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self._ledger = store_folder / LEDGER_NAME
        self._settle_s = settle_s
        self._clock_s = clock_s
        self._since: dict[str, tuple[State, float]] = {}  # name -> state, when it was first seen so
        with faults(f"{self._ledger} cannot be read"):
            self._taken = dict(_read_ledger(self._ledger))  # by the hash of its name

    def arrivals(self) -> list[Arrival]:
        """What is whole and new, in the order of names. Raises DeviceError where the folder cannot be read."""
        with faults(f"the watched folder {self.folder} cannot be read"):
            if not self.folder.is_dir():
                raise DeviceError(f"the watched folder {self.folder} is not there: mount it or make it")
            found = dict(self._look())
        self._since = {name: seen for name, seen in self._since.items() if name in found}
        now_s, ready = self._clock_s(), []
        for name, state in sorted(found.items()):
            if self._taken.get(_hash(name)) == state:
                continue
            known, since_s = self._since.get(name, (None, now_s))
            if known != state:
                since_s = now_s
                self._since[name] = (state, since_s)
            path = self.folder / name
            if now_s - since_s >= self._settle_s or path.with_name(f"{path.name}.done").exists():
                ready.append(Arrival(path, name, state))
        return ready

    def is_unchanged(self, arrival: Arrival) -> bool:
        """Whether it still is what it was when it was found."""
        try:
            found = arrival.path.stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == arrival.state

    def wait_again(self, arrival: Arrival) -> None:
        """It was not whole after all: its time begins anew."""
        self._since.pop(arrival.name, None)

    def taken(self, arrival: Arrival, outcome: str) -> None:
        """Write down what became of it: a recording's id, or why it was refused. Raises DeviceError."""
        line = json.dumps({"name_sha256": _hash(arrival.name), "state": arrival.state, "outcome": outcome})
        with faults(f"{self._ledger} cannot be written"), self._ledger.open("ab") as stream:
            if stream.tell() and not _ends_line(self._ledger):
                stream.write(b"\n")  # a kill tore the last line
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._taken[_hash(arrival.name)] = arrival.state

    def _look(self) -> Iterator[tuple[str, State]]:
        for place, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(place) / name for name in files if is_recording_name(name)):
                with suppress(FileNotFoundError):  # taken away between two looks
                    state = path.stat()
                    yield path.relative_to(self.folder).as_posix(), (state.st_size, state.st_mtime_ns)


def is_recording_name(name: str) -> bool:
    """Neither hidden nor `.part`: a name that a video or pose track has once it is written."""
    return not name.startswith(".") and Path(name).suffix.lower() in _SUFFIXES


def _read_ledger(path: Path) -> Iterator[tuple[str, State]]:
    """Hashes of names, and states. A line that a kill tore is skipped: its file is looked at again, and found in the
    store by its content.
    """
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            n_bytes, time_ns = told["state"]
            yield str(told["name_sha256"]), (int(n_bytes), int(time_ns))


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def _ends_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
