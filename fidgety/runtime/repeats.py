"""Frames or poses -> the same without those that only repeat the one before: such a one was lost, and nobody said so.

A capture card, an IP camera or a program that has no new picture gives the last one again, and an infant whose picture
stands still looks like an infant without FMs. A sensor's noise never lets two pictures be alike, an encoder nearly
does: it says "as before" of what hardly changed, or polishes it by a grey level. So a repeat is where no more than one
pixel in 2,000 of the luma plane has changed at all, or one in 50,000 by more than one grey level. Found so:

    repeated frames, x264, x265, MPEG-4, MJPEG, VP8   48 to 100 % of them (twelve ways of encoding)
    the same, x264 with intra refresh                 none: it polishes for ever
    sample recording, two clips of real infants       none; .87, 2.7 and 3.7 % of the pixels change at least
    the sample's quietest 6 s at 27 to 580 kb/s       1 of 1350 frames (nine ways)
    infant that only breathes, 720p, from 87 kb/s     0 to 12 % (36 ways, noise-free to noisy), at most .2 s in a row
    the same at 36 to 83 kb/s                         0 to 39 % (twelve ways), at most .28 s in a row

Every frame is compared with the last one that was handed on, so that slow movement adds up. A window may miss a tenth
of its frames, so not every repeat need be found. A scene in which nothing moves, strongly encoded, cannot be told from
a frozen one. Costs .1 to .2 ms a frame at 1080p, on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import cv2
import numpy as np

from fidgety.records import Frame, Pose, UInt8Array

__all__ = ["RepeatFilter"]

_MOST_CHANGED, _MOST_BY_MORE = 1 / 2_000, 1 / 50_000  # of the pixels that are compared: at all, by more than one level
_COMPARED_PX = 57_600  # every sixth pixel of every sixth row at 1080p, every fourth at 720p
_STANDSTILL_S = 0.3  # repeats for so long are a picture that stands still; single ones come of converted frame rates
_LONGEST_S = 10.0  # then one is handed on: a camera's time limit and who watches hear of it, and times never leap

Item = TypeVar("Item", Frame, Pose)


class RepeatFilter:
    """Leaves repeats out and notes how long everything stood still. One owner, made anew for every recording."""

    def __init__(self) -> None:
        self._mark: UInt8Array | None = None  # of the last item handed on
        self._given_s = 0.0  # its time
        self._repeat_s = 0.0  # time of the last repeat of it
        self._end_s = 0.0
        self._still_s = 0.0

    @property
    def still_share(self) -> float | None:
        """Share of the recording's time in which the picture stood still; None before anything has passed."""
        return self._still_s / self._end_s if self._end_s > 0 else None

    def frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Frames without repeats, but for one at the very end, which tells how long the recording is."""
        return self._fresh(frames, _frame_mark, _look_alike)

    def poses(self, poses: Iterable[Pose]) -> Iterator[Pose]:
        """The same for poses whose pictures are not at hand: bit for bit the last one once more."""
        return self._fresh(poses, _pose_mark, np.array_equal)

    def _fresh(
        self,
        items: Iterable[Item],
        mark_of: Callable[[Item], UInt8Array | None],
        are_same: Callable[[UInt8Array, UInt8Array], bool],
    ) -> Iterator[Item]:
        held: Item | None = None
        for item in items:
            mark, last = mark_of(item), self._mark
            self._end_s = item.time_s
            is_repeat = mark is not None and last is not None and mark.shape == last.shape and are_same(mark, last)
            if is_repeat and item.time_s < self._given_s + _LONGEST_S:
                held, self._repeat_s = item, item.time_s
                continue
            self._note_stillness()
            held, self._mark, self._given_s = None, mark, item.time_s
            yield item
        self._note_stillness()
        if held is not None:
            yield held

    def _note_stillness(self) -> None:
        still_s = self._repeat_s - self._given_s
        if still_s >= _STANDSTILL_S:
            self._still_s += still_s


def _frame_mark(frame: Frame) -> UInt8Array:
    step = max(1, round((frame.luma.size / _COMPARED_PX) ** 0.5))
    return np.array(frame.luma[::step, ::step])


def _look_alike(one: UInt8Array, other: UInt8Array) -> bool:
    apart = cv2.absdiff(one, other)
    n_changed, n_by_more = cv2.countNonZero(apart), np.count_nonzero(apart > 1)
    return bool(n_changed <= _MOST_CHANGED * apart.size or n_by_more <= _MOST_BY_MORE * apart.size)


def _pose_mark(pose: Pose) -> UInt8Array | None:
    """The keypoints' bytes; None where nobody was found: that is no repeat, but a word of its own."""
    if pose.is_missing:
        return None
    return np.asarray(np.concatenate([pose.keypoints_xy.ravel(), pose.keypoint_scores]).view(np.uint8))
