"""Where the results of a camera lie: what it showed comes once, so nothing of it ever takes the place of anything else.

Files are named by their content; a camera has none yet when its poses are first written. Its results are called
`name-hash8-2026-11-28T03-15-09`: the end of the camera's address, the hash of the whole one (cameras of one brand all
end in `/live`), and when it began. User and password of an address are in neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from fidgety.errors import DeviceError
from fidgety.runtime.address import camera_name

__all__ = ["default_track", "held_place", "plain_name"]

_LONGEST_NAME = 60  # the end of an address
_RESULTS = (".poses", ".html", ".json")


def default_track(address: str) -> Path:
    """Where a pose track goes if nobody says: beside the recording; a camera's into this folder."""
    camera = camera_name(address)
    if camera is None:
        return Path(address).with_suffix(".poses")
    tracks = (stem.with_name(f"{stem.name}.poses") for stem in _stems(Path(), camera))
    return next(track for track in tracks if not track.exists())


@contextmanager
def held_place(folder: Path, camera: str) -> Iterator[Path]:
    """A free place for a camera's results, without their suffix, and nobody else's meanwhile. Raises DeviceError."""
    stem = next(stem for stem in _stems(folder, camera) if _take(stem))
    try:
        yield stem
    finally:
        with suppress(OSError):  # the disk is gone: there is nothing to tidy up
            _holder(stem).unlink(missing_ok=True)


def plain_name(name: str) -> str:
    """A name that every file system takes."""
    return "".join(c if c.isalnum() or c in "-_. " else "_" for c in name)


def _stems(folder: Path, camera: str) -> Iterator[Path]:
    """The first is named by the time, which is a name and no more: after a clock that was set back come the others."""
    name = camera.partition("?")[0].rstrip("/").rpartition("/")[2][:_LONGEST_NAME]
    digest = hashlib.sha256(camera.encode()).hexdigest()[:8]
    stem = plain_name(f"{name}-{digest}-{datetime.now():%Y-%m-%dT%H-%M-%S}")
    yield folder / stem
    for number in count(2):
        yield folder / f"{stem}-{number}"


def _take(stem: Path) -> bool:
    """Hold a place, then look whether it is free: who held it just now has left his poses there. Raises DeviceError."""
    try:
        _holder(stem).open("xb").close()
    except FileExistsError:
        return False
    except OSError as error:
        raise DeviceError(f"results cannot be written to {stem.parent}: {error.strerror}") from error
    is_free = not any(stem.with_name(stem.name + suffix).exists() for suffix in _RESULTS)
    if not is_free:
        _holder(stem).unlink(missing_ok=True)
    return is_free


def _holder(stem: Path) -> Path:
    """The file that the poses go into while they come."""
    return stem.with_name(f"{stem.name}.poses.part")
