"""The folder of one recording, from its first byte on, and how one is finished whose recorder is gone.

    video.mp4          fragments, half a second each
    frame-times.log    frame_log.py
    .unfinished        held by the recorder's process; without a holder: a kill, a power cut

A clean end and a repair are the same steps: cut off what is torn, keep of the frame log what the video holds, take the
mark away. They may be repeated, so a kill during a repair costs nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fidgety.device.fragments import cut_torn_end, whole_bytes
from fidgety.device.frame_log import (
    Drops,
    Event,
    FrameLog,
    FrameRow,
    count_drops,
    event_line,
    frame_line,
    head_line,
    read_frame_log,
)
from fidgety.device.video_writer import TIMES, VIDEO
from fidgety.durable import hold
from fidgety.errors import DeviceError, SourceError

__all__ = ["MARK", "PICTURE", "Finished", "finish", "held", "is_unfinished", "mark", "repair_all"]

MARK, PICTURE, BALLAST = ".unfinished", "guidance.png", ".ballast"
_SAME_US = 12  # half a tick of the video's 90 kHz, and rounding


@dataclass(frozen=True, slots=True)
class Finished:
    """A recording whose files are in order."""

    folder: Path
    n_frames: int
    n_lost_at_end: int  # frames that were captured and had not reached the disk
    n_unlogged: int  # frames of the video that the log does not know: a damaged log
    duration_s: float
    drops: Drops
    events: tuple[Event, ...]

    @property
    def video(self) -> Path:
        return self.folder / VIDEO


@contextmanager
def held(path: Path, what: str) -> Iterator[IO[str]]:
    """Hold a file as long as this process runs. Raises DeviceError where another one holds it."""
    try:
        stream = path.open("a")
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}; choose another folder") from error
    with stream:
        hold(stream, f"{what}: end the other one first")
        yield stream


@contextmanager
def mark(folder: Path) -> Iterator[None]:
    """The recording in `folder` is being made, by this process. Raises DeviceError."""
    with held(folder / MARK, f"another recorder writes to {folder}"):
        yield


def is_unfinished(folder: Path) -> bool:
    """True when its recorder is gone without having finished it."""
    try:
        with (folder / MARK).open("r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def repair_all(parent: Path) -> list[Finished]:
    """Finish every recording in the folders of `parent` whose recorder is gone. Raises DeviceError."""
    folders = sorted(folder for folder in parent.iterdir() if folder.is_dir()) if parent.is_dir() else []
    return [finish(folder) for folder in folders if is_unfinished(folder)]


def finish(folder: Path) -> Finished:
    """Put the files of a recording in order, whether it ended well or not. Raises DeviceError where the disk fails."""
    try:
        finished = _finish(folder)
        for name in (BALLAST, MARK):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise DeviceError(f"the recording in {folder} cannot be finished: {error.strerror}") from error
    return finished


def _finish(folder: Path) -> Finished:
    video = folder / VIDEO
    (folder / BALLAST).unlink(missing_ok=True)
    try:
        log = read_frame_log(folder / TIMES)
    except SourceError:  # killed before its first line, or damaged: the video stands without it
        log = FrameLog({}, (), (), (), 0)
    n_whole = whole_bytes(video, log.blocks) if video.is_file() else 0
    if n_whole:
        cut_torn_end(video, n_whole)
        times_us = _times_us(video)
    else:
        video.unlink(missing_ok=True)
        times_us = []
    rows, n_unlogged = _matched(log.frames, times_us)
    _write_log(folder / TIMES, log, rows)
    duration_s = (max(times_us) - min(times_us)) / 1e6 if times_us else 0.0
    n_lost = len(log.frames) + n_unlogged - len(rows) if log.frames else 0
    return Finished(folder, len(times_us), n_lost, n_unlogged, duration_s, count_drops(rows), log.events)


def _times_us(video: Path) -> list[int]:
    """Presentation time of every frame, as the file states it; none where it cannot be read, and it stays as it is."""
    import av

    try:
        with av.open(str(video)) as container:
            return [
                round(packet.pts * packet.time_base * 1_000_000)
                for packet in container.demux(container.streams.video[0])
                if packet.pts is not None and packet.time_base is not None
            ]
    except (av.FFmpegError, IndexError):
        return []


def _matched(frames: tuple[FrameRow, ...], times_us: list[int]) -> tuple[list[FrameRow], int]:
    """A row for each frame of the video, the log's where it has one; and how many it has not."""
    waiting = sorted(frames, key=lambda row: row.time_us)
    rows: list[FrameRow] = []
    n_unlogged, place = 0, 0
    for time_us in sorted(times_us):
        while place < len(waiting) and waiting[place].time_us < time_us - _SAME_US:
            place += 1
        if place < len(waiting) and waiting[place].time_us <= time_us + _SAME_US:
            row = waiting[place]
            place += 1
        else:
            row, n_unlogged = FrameRow(0, time_us, None, 0), n_unlogged + 1
        rows.append(FrameRow(len(rows), row.time_us, row.sequence, row.host_us))
    return rows, n_unlogged


def _write_log(path: Path, log: FrameLog, rows: list[FrameRow]) -> None:
    """Replace the log in one step. Raises OSError."""
    part = path.with_name(path.name + ".part")
    lines = [head_line({**log.about, "is_finished": True}), *map(frame_line, rows), *map(event_line, log.events)]
    try:
        with part.open("wb") as stream:
            stream.write(b"".join(lines))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
