"""Where a recording goes: into the store, which queues it for scoring, or into a plain folder.

    OUT/2026-11-28T03-15-09/    video.mp4, frame-times.log (leftovers.py)
        guidance.png            while a recorder is at work
        .recorder.lock          one recorder at a time; in a store as well

What a kill left is finished when the next recorder starts, before anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fidgety.device.leftovers import PICTURE, Finished, held, mark, repair_all
from fidgety.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from fidgety.device.holdings import About
    from fidgety.device.store import Store

__all__ = ["Place", "folder_place", "store_place"]

_LOCK = ".recorder.lock"
_WORTH_SCORING_S = 60.0
Say = Callable[[str], None]


class Place(Protocol):
    """Keeps one recording."""

    parent: Path  # what must have room
    picture: Path  # of the guidance

    def begin(self) -> Path:
        """The folder for the recording's files. Raises DeviceError."""

    def end(self, finished: Finished) -> str:
        """The recording is whole; says where it is. Raises DeviceError."""


class _FolderPlace:
    def __init__(self, parent: Path, stack: ExitStack) -> None:
        self.parent, self.picture, self._stack = parent, parent / PICTURE, stack

    def begin(self) -> Path:
        name = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")  # a name; nothing is ordered or measured by it
        folder, number = self.parent / name, 1
        while folder.exists():
            number += 1
            folder = self.parent / f"{name}-{number}"
        try:
            folder.mkdir()
        except OSError as error:
            raise DeviceError(f"{folder} cannot be made: {error.strerror}; name another folder") from error
        self._stack.enter_context(mark(folder))
        return folder

    def end(self, finished: Finished) -> str:
        return str(finished.video)


class _StorePlace:
    def __init__(self, store: Store, about: About, stack: ExitStack) -> None:
        self.parent, self.picture = store.folder, store.folder / PICTURE
        self._store, self._about, self._stack = store, about, stack
        self._id = ""

    def begin(self) -> Path:
        begun = self._store.begin(self._about)
        self._id = begun.id
        self._stack.enter_context(mark(begun.folder))
        return begun.folder

    def end(self, finished: Finished) -> str:
        from fidgety.device.holdings import About

        if finished.n_frames == 0:
            return self._id  # the store sets it aside at its next start
        known = About(duration_s=finished.duration_s, n_dropped_frames=finished.drops.n_lost)
        self._store.finish_recording(self._id, known)
        return f"{self._id} (queued for scoring)"


@contextmanager
def folder_place(parent: Path, say: Say) -> Iterator[Place]:
    """A plain folder. Raises UsageError, DeviceError."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{parent} is no folder: name another one") from None
    except OSError as error:
        raise DeviceError(f"{parent} cannot be made: {error.strerror}; name another folder") from error
    with ExitStack() as stack:
        stack.enter_context(_one_recorder(parent))
        for one in repair_all(parent):
            say(f"finished what was cut off before: {one.video} ({one.n_frames} frames, {one.duration_s:.0f} s)")
        yield _FolderPlace(parent, stack)


@contextmanager
def store_place(store: Store, about: About, say: Say) -> Iterator[Place]:
    """The store; recordings that a kill cut short are asked to be scored now. Raises UsageError, DeviceError."""
    with ExitStack() as stack:
        stack.enter_context(_one_recorder(store.folder))
        for recording_id in store.recovery.cut_short:
            known = store.recording(recording_id)
            if (known.duration_s or 0.0) >= _WORTH_SCORING_S:
                store.enqueue(recording_id)
                say(f"{recording_id} was cut short after {known.duration_s:.0f} s: queued for scoring")
        yield _StorePlace(store, about, stack)


@contextmanager
def _one_recorder(folder: Path) -> Iterator[None]:
    """No other recorder is at work there meanwhile; no picture of an earlier one stays. Raises DeviceError."""
    with held(folder / _LOCK, f"another recorder is at work in {folder}"):
        try:
            (folder / PICTURE).unlink(missing_ok=True)
            yield
        finally:
            (folder / PICTURE).unlink(missing_ok=True)
