"""Names on the command line -> the recordings that they mean: folders are searched, everything else is taken as it is.

In a folder, all its folders included, these are left out: what is hidden, what is still being written (`.part`), pose
tracks and truth beside the video that they belong to, results of earlier calls, and the folder of results itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fidgety.errors import UsageError
from fidgety.runtime.address import is_network_camera, shown_address
from fidgety.runtime.posefile import POSE_SUFFIXES

__all__ = ["VIDEO_SUFFIXES", "Listing", "Recording", "find_recordings", "is_recording_name"]

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mts", ".m2ts", ".ts", ".mpg", ".mpeg", ".3gp", ".wmv", ".flv",
    ".h264", ".hevc",
))
# fmt: on


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of a call."""

    address: str  # path, camera index or stream, with the user and password of a network camera
    shown: str  # its name in the table: the path below the folder it was found in; an address without them
    n_bytes: int  # 0: not a file


@dataclass(frozen=True, slots=True)
class Listing:
    """What a call is about. `unreadable`: folders that could not be searched, and why."""

    recordings: tuple[Recording, ...]
    unreadable: tuple[str, ...]
    has_folders: bool


def find_recordings(names: Sequence[str], results: Path | None) -> Listing:
    """Every recording once, those of a folder sorted by their path below it. `results`: never looked into.

    Raises UsageError where a folder that was named holds none.
    """
    found: dict[str, Recording] = {}
    unreadable: list[str] = []
    has_folders = False
    for name in names:
        if not Path(name).is_dir():
            shown = shown_address(name) if is_network_camera(name) else Path(name).name or name
            found.setdefault(name, Recording(name, shown, _size(Path(name))))
            continue
        has_folders = True
        before = len(unreadable)
        inside = list(_inside(Path(name), results, unreadable))
        if not inside and len(unreadable) == before:
            raise UsageError(f"the folder {name} holds no recordings: videos ({_known()}) or pose tracks")
        for one in inside:
            found.setdefault(one.address, one)
    return Listing(tuple(found.values()), tuple(unreadable), has_folders)


def is_recording_name(name: str) -> bool:
    """A name that a video or pose track has once it is written."""
    suffix = Path(name).suffix.lower()
    return not name.startswith(".") and (suffix in VIDEO_SUFFIXES or suffix in POSE_SUFFIXES)


def _inside(folder: Path, results: Path | None, unreadable: list[str]) -> Iterator[Recording]:
    left_out = None if results is None else results.resolve()

    def note(error: OSError) -> None:
        unreadable.append(f"the folder {error.filename} cannot be searched: {error.strerror}")

    paths: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=note):
        here = Path(place)
        folders[:] = [one for one in folders if not one.startswith(".") and (here / one).resolve() != left_out]
        paths += [here / one for one in _recordings_among(files)]
    for path in sorted(paths, key=lambda path: path.relative_to(folder).as_posix()):
        yield Recording(str(path), path.relative_to(folder).as_posix(), _size(path))


def _recordings_among(files: Iterable[str]) -> Iterator[str]:
    """Of the names in one folder, those that stand for a recording of their own."""
    names = [Path(name) for name in files if not name.startswith(".")]
    video_stems = {name.stem for name in names if name.suffix.lower() in VIDEO_SUFFIXES}
    result_stems = {name.stem for name in names if name.suffix == ".json"} & {
        name.stem for name in names if name.suffix == ".html"
    }
    for name in names:
        if not is_recording_name(name.name):
            continue
        is_track = name.suffix.lower() in POSE_SUFFIXES
        belongs = video_stems & {name.stem, name.stem.removesuffix(".truth")} or name.stem in result_stems
        if not (is_track and belongs):
            yield name.name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def _known() -> str:
    return ", ".join(sorted(VIDEO_SUFFIXES))
