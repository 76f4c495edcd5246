"""Where bundles are kept. A link names the one in use; what it names never changes.

    PATH -> PATH.kept/0007-3f9a0c21b7de/       in use
            PATH.kept/0006-b81d22c0aa41/       the one before: `fidgety bundle rollback` goes there

A new one is staged inside PATH.kept, synced, renamed to its number and hash, and put into use by replacing the link,
which the file system does in one step. So a kill at any moment leaves the old bundle in use or the new one, and whoever
has one open keeps it. All but two are removed afterwards. One process changes them at a time.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fidgety.durable import hold, sync
from fidgety.errors import BundleError, DeviceError

__all__ = ["Staged", "adding", "changing", "in_use", "kept", "one_before", "switch_to"]

_STAGED, _LOCK = ".staged", ".lock"
_NUMBERED = re.compile(r"(\d{4,})-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Staged:
    """A bundle that is not in use yet."""

    folder: Path  # empty at first
    path: Path

    def keep(self, sha256: str) -> Path:
        """Sync all that was put into the folder and give it its number; its place from now on. Raises OSError."""
        for one in self.folder.iterdir():
            sync(one)
        sync(self.folder)
        place = self.folder.with_name(f"{_next_number(self.path):04d}-{sha256[:12]}")
        self.folder.rename(place)
        sync(place.parent)
        return place


@contextmanager
def changing(path: Path) -> Iterator[Path]:
    """Nobody else changes the bundles of `path` meanwhile; gives the folder where they are kept.

    Raises DeviceError where somebody else does, or where the folder cannot be made.
    """
    folder = _folder(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("w")
    except OSError as error:
        raise DeviceError(f"{folder} cannot be written: {error.strerror}") from error
    with lock:
        hold(lock, f"another bundle is being put into {folder}: wait for it, then try again")
        yield folder


@contextmanager
def adding(path: Path) -> Iterator[Staged]:
    """An empty folder for a new bundle of `path`; what is not kept is removed. Raises DeviceError, OSError."""
    with changing(path) as folder:
        staged = folder / _STAGED
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        try:
            yield Staged(staged, path)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def switch_to(path: Path, place: Path) -> None:
    """Put the kept bundle at `place` into use, in one step, and remove all but it and the one before. Raises OSError.

    A plain folder at `path`, as older programs made it, is kept like any other.
    """
    if path.is_dir() and not path.is_symlink():
        path.rename(place.with_name(f"0000-{'0' * 12}"))
    former = in_use(path)
    spare = _before(path, place) if former in (None, place) else former
    link = path.with_name(f"{path.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(place.relative_to(path.parent))
    link.replace(path)
    sync(path.parent)
    for _, one in kept(path):
        if one not in (place, spare):
            shutil.rmtree(one, ignore_errors=True)


def one_before(path: Path) -> Path:
    """The kept bundle that came before the one in use. Raises BundleError where there is none."""
    found = _before(path, in_use(path))
    if found is None:
        raise BundleError(f"no earlier bundle is kept for {path}: install one")
    return found


def in_use(path: Path) -> Path | None:
    """The kept bundle that the link names; None where there is no such link."""
    return path.parent / path.readlink() if path.is_symlink() else None


def kept(path: Path) -> list[tuple[int, Path]]:
    """Number and place of all that are kept, in the order in which they came."""
    folder = _folder(path)
    names = [_NUMBERED.fullmatch(one.name) for one in folder.iterdir()] if folder.is_dir() else []
    return sorted((int(name[1]), folder / name[0]) for name in names if name is not None)


def _before(path: Path, place: Path | None) -> Path | None:
    """The last that came before the one at `place`; the last of all where that is none of them."""
    numbers = {one: number for number, one in kept(path)}
    earlier = [one for one, number in numbers.items() if place not in numbers or number < numbers[place]]
    return earlier[-1] if earlier else None


def _next_number(path: Path) -> int:
    return max((number for number, _ in kept(path)), default=0) + 1


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.kept")
