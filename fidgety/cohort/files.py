"""The recordings that a table names: inside the folder, readable, what they hold and how long they last."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fidgety.bundle import sha256_of_file
from fidgety.cohort.tracks import track_facts
from fidgety.errors import SourceError
from fidgety.runtime.posefile import POSE_SUFFIXES, open_poses
from fidgety.runtime.source import open_source

__all__ = ["FileFacts", "inspect_file"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a recording without watching it."""

    path: Path
    sha256: str  # of the file's bytes
    duration_s: float | None  # None: a video that does not state it
    other_hashes: frozenset[str] = frozenset()  # of a track: its content's, and that of the video it was made of

    @property
    def hashes(self) -> frozenset[str]:
        """All by which the same recording is recognised."""
        return self.other_hashes | {self.sha256}


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
        sha256 = sha256_of_file(path)
        if path.suffix in POSE_SUFFIXES:
            return _track_facts(path, sha256)
        with open_source(str(path)) as source:
            return FileFacts(path, sha256, source.info.duration_s)
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


def _track_facts(path: Path, sha256: str) -> FileFacts:
    recording = open_poses(path)
    facts = track_facts(recording)
    hashes = (facts.content_sha256, _source_sha256(recording.about))
    return FileFacts(path, sha256, facts.duration_s, frozenset(one for one in hashes if one is not None))


def _source_sha256(about: Mapping[str, Any]) -> str | None:
    """The hash of the video, where the header tells one: a camera has none, nor had `fidgety pose` at first."""
    told = about.get("recording_sha256")
    return told if isinstance(told, str) and re.fullmatch(r"[0-9a-f]{64}", told) else None
