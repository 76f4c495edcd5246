"""What may be deleted, and when: videos only, never unasked, never before the poses and a result are safe.

A site sets how many days after the last result a video is kept (by default for ever), or staff confirm one recording.
Poses, results, reports and the log are never deleted. Days are counted only while both clocks that count them were to
be believed; a confirmation needs no clock. Each deletion is in the log, before it is done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from fidgety.device.books import Change
from fidgety.device.holdings import Recording, StoredFile, check_id, number_of
from fidgety.device.results import results
from fidgety.device.shelf import Shelf
from fidgety.durable import faults, hash_stream, sync
from fidgety.errors import DeviceError, UsageError

__all__ = ["Due", "Plan", "Rule", "confirm", "plan", "purge", "rule", "set_rule"]

_DAY_S = 86400.0
_SETTING = "retention"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a site has set."""

    video_days: int | None = None  # after the last result; None: kept until somebody confirms


@dataclass(frozen=True, slots=True)
class Due:
    """A recording whose videos may go."""

    recording: Recording
    videos: tuple[StoredFile, ...]
    reason: str

    @property
    def n_bytes(self) -> int:
        """What their going frees, about."""
        return sum(file.n_bytes for file in self.videos)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would go, what was asked for and has to wait, and why days cannot be counted (None: they can)."""

    due: tuple[Due, ...]
    waiting: tuple[tuple[str, str], ...]  # recording, what it waits for
    doubt: str | None


def rule(shelf: Shelf) -> Rule:
    """The rule that holds."""
    text = shelf.books.setting(_SETTING)
    return Rule() if text is None else Rule(**json.loads(text))


def set_rule(shelf: Shelf, new: Rule) -> None:
    """Set how long videos are kept. Raises UsageError for less than a day, DeviceError."""
    if new.video_days is not None and new.video_days < 1:
        raise UsageError(f"videos kept for {new.video_days} days: write 1 or more, or never")
    with shelf.books.change() as change:
        change.set(_SETTING, json.dumps({"video_days": new.video_days}))
        change.note("retention-rule", video_days=new.video_days)


def confirm(shelf: Shelf, recording_id: str, staff: str) -> None:
    """Staff, by their id, confirm that a recording's video may go. Raises UsageError, DeviceError."""
    check_id(staff, "staff")
    recording = shelf.recording(recording_id)
    with shelf.books.change() as change:
        change.run("UPDATE recordings SET is_deletion_confirmed = 1 WHERE number = ?", number_of(recording_id))
        change.note("deletion-confirmed", recording=recording.id, staff=staff)


def plan(shelf: Shelf) -> Plan:
    """What the rule and the confirmations ask for at this moment; nothing is deleted. Raises DeviceError."""
    now, doubt = shelf.books.look_at_clock()
    video_days, due, waiting = rule(shelf).video_days, [], []
    for recording in shelf.recordings():
        videos = recording.kept("video")
        if not videos:
            continue
        reason = "confirmed" if recording.is_deletion_confirmed else None
        kept = results(shelf, recording.id)
        if reason is None and video_days is not None and kept and doubt is None:
            age_days = (now.wall_s - kept[-1].made_s) / _DAY_S
            if age_days >= video_days and kept[-1].is_clock_trusted:
                reason = f"scored {age_days:.0f} days ago"
            elif not kept[-1].is_clock_trusted:
                waiting.append(
                    (recording.id, "its day is not known, the clock was wrong when it was scored: confirm it")
                )
        if reason is not None:
            lacking = _lacking(recording, bool(kept))
            if lacking is None:
                due.append(Due(recording, videos, reason))
            else:
                waiting.append((recording.id, lacking))
    return Plan(tuple(due), tuple(waiting), doubt if video_days is not None else None)


def purge(shelf: Shelf, due: Due) -> None:
    """Delete the videos of one recording that is due, once its poses and its result were read and are whole.

    Raises DeviceError where they are not, or where the recording changed meanwhile; then nothing is deleted.
    """
    with faults(f"{due.recording.id} cannot be deleted"):
        for kind in ("poses", "result"):
            for file in due.recording.kept(kind):
                _require_whole(shelf, due.recording, file)
        with shelf.books.change() as change:
            _require_unchanged(shelf, change, due)
            for file in due.videos:
                change.run(
                    "UPDATE files SET gone = 'deleted' WHERE recording = ? AND name = ?",
                    due.recording.number,
                    file.name,
                )
                change.note(
                    "deleted", recording=due.recording.id, name=file.name, sha256=file.sha256, reason=due.reason
                )
        for file in due.videos:
            shelf.path_of(due.recording.number, file).unlink(missing_ok=True)
        sync(shelf.folder_of(due.recording.number))


def _lacking(recording: Recording, has_result: bool) -> str | None:
    """What a recording's videos wait for; None where they may go."""
    if recording.state not in ("scored", "not-assessable"):
        return f"it is {recording.state}"
    if not has_result or not recording.kept("result"):
        return "it has no result"
    return None if recording.kept("poses") else "its poses are not kept"


def _require_whole(shelf: Shelf, recording: Recording, file: StoredFile) -> None:
    """By the bytes on the disk: no key is needed to delete. Raises DeviceError, OSError."""
    with shelf.path_of(recording.number, file).open("rb") as stream:
        if hash_stream(stream)[0] != file.stored_sha256:
            raise DeviceError(f"{recording.id}/{file.name} is damaged: the video stays until it is back from a backup")


def _require_unchanged(shelf: Shelf, change: Change, due: Due) -> None:
    now = shelf.recording(due.recording.id)
    reason = _lacking(now, has_result=True)
    if reason is not None or now.kept("video") != due.videos:
        raise DeviceError(f"{due.recording.id} changed meanwhile ({reason or 'its videos'}): look at it again")
    if due.reason != "confirmed" and change.doubt is not None:
        raise DeviceError(f"nothing is deleted by days: {change.doubt}")
