"""The crop that follows the infant: alignment points of each reading in, the crop of the next readings out.

A crop that trembles makes the landmarks tremble: the network samples other pixels in every frame. So the alignment
points run through a One-Euro filter (Casiez et al., CHI 2012) with the settings of BlazePose's own graph: the crop lies
still while the infant does, and follows at once when it moves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray
from fidgety.runtime.blazepose import Region, region_from_alignment

__all__ = ["CropTracker", "OneEuroFilter"]

# Between neighbouring frames of a real infant the crop moves by .008 of its side and turns by .014 rad (median; 99 %:
# .04 and .08), on the phantom by a tenth of that.
_LEAP_SHARE, _LEAP_RAD = 0.15, 0.5
_MOST_LEAPS = 8


class CropTracker:
    """Holds the crop from reading to reading. One owner, made anew for every recording."""

    def __init__(self, margin: float, is_read_from_both_sides: bool = False) -> None:
        """`margin`: side of the crop over twice the distance of the alignment points.

        `is_read_from_both_sides`: readings come from the crop and its mirror image in turn; the crop then follows the
        mean of each two, that it may not tremble between the sides.
        """
        self.region: Region | None = None  # None: nobody is held
        self.n_holds = 0  # rises whenever the infant is let go, so that what was read in an old crop can be told
        self._margin = margin
        self._is_read_from_both_sides = is_read_from_both_sides
        self._last: FloatArray | None = None  # alignment points that were followed before, of the other side
        self._filter = OneEuroFilter()
        self._n_leaps = 0  # readings in a row that lay too far from `region` to be followed

    def around(self, alignment_xy: FloatArray) -> Region:
        """The crop that alignment points (2, 2), image px, hip centre and end of the body, ask for by themselves."""
        return region_from_alignment(alignment_xy[0], alignment_xy[1], self._margin)

    def follow(self, alignment_xy: FloatArray, time_s: float) -> None:
        """Move the crop along with a reading, unless the reading leaps as no infant does.

        Legs drawn up to the face can turn a reading by 90 degrees from one frame to the next, and a crop that followed
        it would keep it turned. When the leaps go on, the infant is let go, to be searched anew.
        """
        if self.region is not None and _is_leap(self.region, self.around(alignment_xy)):
            self._n_leaps += 1
            if self._n_leaps == _MOST_LEAPS:
                self.let_go()
            return
        size_px = 2.0 * float(np.hypot(*(alignment_xy[1] - alignment_xy[0])))
        middle = alignment_xy
        if self._is_read_from_both_sides:
            middle = alignment_xy if self._last is None else np.asarray((alignment_xy + self._last) / 2, np.float32)
            self._last = alignment_xy
        self.region = self.around(self._filter.apply(middle, time_s, size_px).astype(np.float32))
        self._n_leaps = 0

    def let_go(self) -> None:
        """Nobody is held any more."""
        if self.region is not None:
            self.n_holds += 1
        self.region, self._n_leaps, self._last = None, 0, None
        self._filter = OneEuroFilter()


class OneEuroFilter:
    """A low pass whose cutoff rises with the speed of the signal (Casiez, Roussel, Vogel: CHI 2012)."""

    def __init__(self, min_cutoff_hz: float = 0.01, beta: float = 10.0, speed_cutoff_hz: float = 1.0) -> None:
        self._min_cutoff_hz, self._beta, self._speed_cutoff_hz = min_cutoff_hz, beta, speed_cutoff_hz
        self._time_s = 0.0
        self._raw: NDArray[np.float64] | None = None
        self._smooth = self._speed = np.zeros(0)

    def apply(self, values: FloatArray, time_s: float, size: float) -> NDArray[np.float64]:
        """Smoothed `values`, any shape, the same in every call, at rising times; speed counts in `size` a second."""
        raw = values.astype(np.float64)
        if self._raw is None:
            self._smooth, self._speed = raw, np.zeros_like(raw)
        else:
            period_s = time_s - self._time_s
            speed = (raw - self._raw) / (max(size, 1e-6) * period_s)
            self._speed = self._speed + _share(self._speed_cutoff_hz, period_s) * (speed - self._speed)
            cutoff_hz = self._min_cutoff_hz + self._beta * np.abs(self._speed)
            self._smooth = self._smooth + _share(cutoff_hz, period_s) * (raw - self._smooth)
        self._raw, self._time_s = raw, time_s
        return self._smooth


def _share(cutoff_hz: NDArray[np.float64] | float, period_s: float) -> NDArray[np.float64]:
    """Share of the new value in a first-order low pass."""
    return np.asarray(1.0 / (1.0 + 1.0 / (2.0 * np.pi * np.asarray(cutoff_hz) * period_s)))


def _is_leap(before: Region, after: Region) -> bool:
    """True when two crops of neighbouring frames lie further apart than a body moves in that time."""
    apart_px = float(np.hypot(after.centre_x - before.centre_x, after.centre_y - before.centre_y))
    turn_rad = abs((after.angle_rad - before.angle_rad + np.pi) % (2 * np.pi) - np.pi)
    return apart_px > _LEAP_SHARE * before.side_px or turn_rad > _LEAP_RAD
