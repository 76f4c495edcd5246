"""What happened to each frame, beside the video: when it was taken, when it came, what the camera numbered it.

A text file that only grows. Each line carries its own CRC, so a torn or damaged line costs itself and nothing else:

    fidgety-frames-1 {"name": ...}                        crc
    F index time_us camera_sequence host_us               crc    one frame; the sequence is - where the camera has none
    B offset length video_crc                             crc    a block of the video file, as it was handed to the disk
    E host_us code text                                   crc    an event: a gap, a camera that came back, a full disk

`time_us` is the frame's presentation time, microseconds from the first frame; `host_us` the box's monotonic clock.
No wall clock: it may jump.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.errors import SourceError

__all__ = [
    "Block",
    "Drops",
    "Event",
    "FrameLog",
    "FrameRow",
    "block_line",
    "count_drops",
    "event_line",
    "frame_line",
    "head_line",
    "read_frame_log",
]

FORMAT = "fidgety-frames-1"
_GAP_PERIODS = 1.5  # a frame that comes later than this many periods has at least one lost before it


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One frame."""

    index: int  # position among the frames that were recorded
    time_us: int
    sequence: int | None
    host_us: int


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of the video file that were handed to the disk together."""

    offset: int
    n_bytes: int
    crc: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the camera or the disk."""

    host_us: int
    code: str  # kebab-case, as in QualityReason
    text: str


@dataclass(frozen=True, slots=True)
class FrameLog:
    """All lines that can be read, in their order."""

    about: Mapping[str, Any]
    frames: tuple[FrameRow, ...]
    blocks: tuple[Block, ...]
    events: tuple[Event, ...]
    n_damaged_lines: int


@dataclass(frozen=True, slots=True)
class Drops:
    """Frames that the camera should have given and that are not there."""

    by_sequence: int | None  # numbers left out by the camera; None: it numbers nothing
    by_time: int  # periods without a frame, long gaps included
    longest_gap_s: float
    gaps_s: tuple[tuple[float, float], ...] = field(default=())  # (start, end) of all over .2 s

    @property
    def n_lost(self) -> int:
        """The larger of the two counts: numbers miss what a camera lost while it was unplugged."""
        return max(self.by_time, self.by_sequence or 0)


def head_line(about: Mapping[str, Any]) -> bytes:
    """The file's first line."""
    return _line(f"{FORMAT} {json.dumps(about, ensure_ascii=True)}")


def frame_line(row: FrameRow) -> bytes:
    """The line of one frame."""
    sequence = "-" if row.sequence is None else row.sequence
    return _line(f"F {row.index} {row.time_us} {sequence} {row.host_us}")


def block_line(block: Block) -> bytes:
    """The line of one block of the video file."""
    return _line(f"B {block.offset} {block.n_bytes} {block.crc:08x}")


def event_line(event: Event) -> bytes:
    """The line of one event; its text on one line."""
    return _line(f"E {event.host_us} {event.code} {' '.join(event.text.split())}")


def read_frame_log(path: Path) -> FrameLog:
    """All that can be read of a frame log. Raises SourceError when it is not there or is none."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise SourceError(f"the frame log {path} cannot be read: {error.strerror}") from error
    texts = [_checked(line) for line in lines if line]
    if not texts or texts[0] is None or not texts[0].startswith(FORMAT + " "):
        raise SourceError(f"{path} is no frame log of this program, or its first line is damaged")
    about = json.loads(texts[0][len(FORMAT) :])
    frames: list[FrameRow] = []
    blocks: list[Block] = []
    events: list[Event] = []
    for text in texts[1:]:
        if text is None:
            continue
        kind, rest = text[0], text[2:]
        if kind == "F":
            index, time_us, sequence, host_us = rest.split()
            frames.append(FrameRow(int(index), int(time_us), None if sequence == "-" else int(sequence), int(host_us)))
        elif kind == "B":
            offset, n_bytes, crc = rest.split()
            blocks.append(Block(int(offset), int(n_bytes), int(crc, 16)))
        elif kind == "E":
            host_us_text, code, *words = rest.split(" ", 2)
            events.append(Event(int(host_us_text), code, " ".join(words)))
    return FrameLog(about, tuple(frames), tuple(blocks), tuple(events), texts.count(None))


def count_drops(frames: Iterable[FrameRow], fps: float | None = None) -> Drops:
    """Frames that are missing between the first and the last, by the camera's numbers and by time.

    fps: the camera's rate where it is known; otherwise the median period tells it.
    """
    rows = sorted(frames, key=lambda row: row.time_us)
    if len(rows) < 2:
        return Drops(None, 0, 0.0)
    times_s = np.array([row.time_us for row in rows]) / 1e6
    steps_s = np.diff(times_s)
    period_s = 1.0 / fps if fps else float(np.median(steps_s))
    lost = np.where(steps_s > _GAP_PERIODS * period_s, np.round(steps_s / period_s) - 1, 0)
    sequences = [row.sequence for row in rows if row.sequence is not None]
    by_sequence = None
    if len(sequences) == len(rows):
        # A camera that was plugged in anew counts from nought: what it lost meanwhile is told by time alone.
        by_sequence = sum(max(0, later - earlier - 1) for earlier, later in pairwise(sequences))
    long = np.flatnonzero(steps_s > max(0.2, _GAP_PERIODS * period_s))
    gaps = tuple((float(times_s[i]), float(times_s[i + 1])) for i in long)
    return Drops(by_sequence, int(lost.sum()), float(steps_s.max()), gaps)


def _line(text: str) -> bytes:
    body = text.encode("utf-8", "backslashreplace")
    return b"%s\t%08x\n" % (body, zlib.crc32(body))


def _checked(line: bytes) -> str | None:
    """The line without its CRC; None when that is wrong."""
    body, tab, crc = line.rpartition(b"\t")
    if not tab or crc != b"%08x" % zlib.crc32(body):
        return None
    return body.decode("utf-8", "replace")
