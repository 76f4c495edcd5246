"""Frames in memory that two processes share: the recorder puts them there and never waits, whoever looks may be late.

A file without a name, mapped by both. Each slot says which frame it holds before and after it is filled, so a reader
finds out when it was overtaken while it read. The kernel frees it when the last of the two is gone, killed or not.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

import numpy as np

from fidgety.records import Frame

__all__ = ["FrameRing"]

_SLOTS = 12  # half a second: how late a reader of every frame may be
_HEAD = np.dtype(
    [
        ("n_put", "<i8"),  # frames put so far; the newest has number n_put - 1
        ("is_ended", "<i8"),
        ("wants_all", "<i8"),  # set by the reader: every frame, not one now and then
    ]
)
_SLOT = np.dtype(
    [
        ("begun", "<i8"),  # number of the frame that the slot holds or will hold; equal to `done`: it is whole
        ("done", "<i8"),
        ("time_us", "<i8"),
        ("is_recorded", "<i8"),
        ("height_px", "<i8"),
        ("width_px", "<i8"),
        ("rgb_from_yuv", "<f4", (12,)),
    ]
)
_PAGE = 4096


class FrameRing:
    """The shared frames. The recorder makes it, the other process opens the descriptor that it inherits."""

    def __init__(self, descriptor: int, width_px: int, height_px: int) -> None:
        self.descriptor, self.width_px, self.height_px = descriptor, width_px, height_px
        self._memory = mmap.mmap(descriptor, _n_bytes(width_px, height_px))
        self._head = np.frombuffer(self._memory, _HEAD, 1)[0:1]
        self._slots = np.frombuffer(self._memory, _SLOT, _SLOTS, _PAGE)
        planes = np.frombuffer(self._memory, np.uint8, offset=2 * _PAGE).reshape(_SLOTS, -1)
        self._planes = planes

    @classmethod
    def make(cls, width_px: int, height_px: int) -> FrameRing:
        """New and empty. Raises OSError where there is no memory."""
        shared = Path("/dev/shm")
        with tempfile.TemporaryFile(dir=shared if shared.is_dir() else None) as file:
            os.posix_fallocate(file.fileno(), 0, _n_bytes(width_px, height_px))
            return cls(os.dup(file.fileno()), width_px, height_px)

    @property
    def n_put(self) -> int:
        return int(self._head["n_put"][0])

    @property
    def is_ended(self) -> bool:
        return bool(self._head["is_ended"][0])

    @property
    def wants_all(self) -> bool:
        return bool(self._head["wants_all"][0])

    @wants_all.setter
    def wants_all(self, value: bool) -> None:
        self._head["wants_all"][0] = int(value)

    def end(self) -> None:
        """No more frames will come."""
        self._head["is_ended"][0] = 1

    def put(self, frame: Frame, *, is_recorded: bool) -> None:
        """Copy a frame into the next slot, over the oldest. Frames of another size are left out."""
        if (frame.width_px, frame.height_px) != (self.width_px, self.height_px):
            return
        number = self.n_put
        place = number % _SLOTS
        slot = self._slots[place : place + 1]
        slot["begun"] = number
        slot["done"] = -1
        luma, chroma_u, chroma_v = self._views(place)
        luma[:], chroma_u[:], chroma_v[:] = frame.luma, frame.chroma_u, frame.chroma_v
        slot["time_us"], slot["is_recorded"] = round(frame.time_s * 1e6), int(is_recorded)
        slot["rgb_from_yuv"] = frame.rgb_from_yuv.ravel()
        slot["done"] = number
        self._head["n_put"][0] = number + 1

    def get(self, number: int) -> tuple[Frame, bool] | None:
        """Frame `number` and whether it was recorded; None when it has been overtaken or is not there yet."""
        place = number % _SLOTS
        slot = self._slots[place]
        if not 0 <= number < self.n_put or int(slot["done"]) != number:
            return None
        luma, chroma_u, chroma_v = (plane.copy() for plane in self._views(place))
        matrix = np.array(slot["rgb_from_yuv"]).reshape(3, 4)
        frame = Frame(number, int(slot["time_us"]) / 1e6, luma, chroma_u, chroma_v, matrix)
        is_recorded = bool(slot["is_recorded"])
        return (frame, is_recorded) if int(slot["begun"]) == number and int(slot["done"]) == number else None

    def _views(self, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        height, width = self.height_px, self.width_px
        half_height, half_width = (height + 1) // 2, (width + 1) // 2
        row = self._planes[place]
        n_luma, n_chroma = height * width, half_height * half_width
        luma = row[:n_luma].reshape(height, width)
        chroma_u = row[n_luma : n_luma + n_chroma].reshape(half_height, half_width)
        chroma_v = row[n_luma + n_chroma : n_luma + 2 * n_chroma].reshape(half_height, half_width)
        return luma, chroma_u, chroma_v


def _n_bytes(width_px: int, height_px: int) -> int:
    per_slot = height_px * width_px + 2 * ((height_px + 1) // 2) * ((width_px + 1) // 2)
    return 2 * _PAGE + _SLOTS * per_slot
