"""The recordings that a table names: inside the folder, readable, what they hold and how long they last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fidgety.bundle import sha256_of_file
from fidgety.cohort.tracks import track_duration_s
from fidgety.errors import SourceError
from fidgety.runtime.posefile import POSE_SUFFIXES, open_poses
from fidgety.runtime.source import open_source

__all__ = ["FileFacts", "inspect_file"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a recording without watching it."""

    path: Path
    sha256: str
    duration_s: float | None  # None: a video that does not state it


def inspect_file(folder: Path, file: str) -> FileFacts:
    """Look at the recording `file` of a cohort. A pose track is read through, of a video the header alone.

    Raises SourceError where it is missing, empty, damaged, or lies outside of the folder.
    """
    path = _locate(folder, file)
    try:
        if not path.is_file():
            raise SourceError(f"there is no file {file} in the folder: copy it there or correct the name")
        if path.stat().st_size == 0:
            raise SourceError(f"{file} is empty (0 bytes): copy it from its source again")
        return FileFacts(path, sha256_of_file(path), _duration_s(path))
    except OSError as error:
        raise SourceError(f"{file} cannot be read ({error.strerror}): check its rights and its name") from error
    except SourceError as error:
        raise SourceError(_in_words_of_the_table(str(error), path, file)) from error


def _locate(folder: Path, file: str) -> Path:
    """Links are followed: what a cohort holds must travel with its folder."""
    try:
        path = (folder / file).resolve()
    except (OSError, RuntimeError) as error:
        raise SourceError(f"{file} cannot be found ({error}): correct the name") from error
    if not path.is_relative_to(folder.resolve()):
        raise SourceError(f"{file} lies outside of the cohort's folder: copy the recording into it")
    return path


def _in_words_of_the_table(message: str, path: Path, file: str) -> str:
    """The table's name of the file, not the machine's; and a table has no options."""
    return message.replace(str(path), file).replace("give it with --fps", "store it in the file as 'fps'")


def _duration_s(path: Path) -> float | None:
    if path.suffix in POSE_SUFFIXES:
        return track_duration_s(open_poses(path))
    with open_source(str(path)) as source:
        return source.info.duration_s
