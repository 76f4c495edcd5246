"""Poses read in turn from the crop and from its mirror image -> poses without the bias of either.

The landmark network reads a movement with a gain, and shows a share of it at limbs that rest; both depend on how the
body falls on its grid, and both are others in the mirror image. The mean of the two readings errs by half of that or
less, but costs two readings a frame. Reading every other frame mirrored costs one: what differs between the sides then
alternates from frame to frame, at half the frame rate, where no fidgety movement is, and a short filter with its zero
there takes it out, as a chopper amplifier takes out its offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fidgety.records import Pose

__all__ = ["Reading", "mean_of_both_sides"]

# Gain 1 at 0 Hz, 0 at half the frame rate, flat in between: .98 at 3 Hz and .95 at 4 Hz of 25 frames a second.
_WEIGHTS = np.array([-1, 4, 10, 4, -1], np.float64) / 16
_SHORT = np.array([1, 2, 1], np.float64) / 4  # at an end
_REACH = 2
_UNEVEN = 1.5  # longest over shortest step between the poses that are averaged
_LEAP = 0.5  # of the body's spread (rms from its middle): as far half of the keypoints never move in a frame or two


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A pose and the side from which it was read."""

    pose: Pose
    is_mirrored: bool


def mean_of_both_sides(readings: Iterable[Reading]) -> Iterator[Pose]:
    """One pose a reading, in order, two readings later.

    Between poses that alternate and are evenly spaced, keypoints and world points become the mean of both sides. Where
    a neighbour is missing, was read from the same side, leaps or lies too far off in time, the difference between the
    sides is taken from the pose before (at the beginning of a run from the pose after it).
    """
    run: list[Reading] = []  # the poses around the next one to be given: neighbours alternate, none is missing
    n_before = 0  # of them, how many were given already
    bias: NDArray[np.float64] | None = None  # half the difference mirrored - plain

    def settle(is_end: bool) -> Iterator[Pose]:
        nonlocal n_before, bias
        while n_before < len(run) and (is_end or n_before + _REACH < len(run)):
            pose, bias = _corrected(run, n_before, bias)
            yield pose
            n_before += 1
            if n_before > _REACH:
                run.pop(0)
                n_before -= 1

    for reading in readings:
        if run and (reading.pose.is_missing or reading.is_mirrored == run[-1].is_mirrored):
            yield from settle(is_end=True)
            run, n_before = [], 0
            bias = None if reading.pose.is_missing else bias
        if reading.pose.is_missing:
            yield reading.pose
        else:
            run.append(reading)
            yield from settle(is_end=False)
    yield from settle(is_end=True)


def _corrected(run: list[Reading], i: int, bias: NDArray[np.float64] | None) -> tuple[Pose, NDArray[np.float64] | None]:
    """Pose i of the run, and the bias that it shows, or else the one that was known before."""
    points, side = _points(run[i]), 1.0 if run[i].is_mirrored else -1.0
    mean = _mean_around(run, i)
    if mean is None and bias is None and (after := _mean_around(run, i + 1)) is not None:
        bias = -side * (_points(run[i + 1]) - after)  # the neighbour is of the other side
    if mean is not None:
        bias = side * (points - mean)
    elif bias is None:
        return run[i].pose, None
    else:
        mean = points - side * bias
    return _with_points(run[i].pose, mean), bias


def _mean_around(run: list[Reading], i: int) -> NDArray[np.float64] | None:
    """(K, 5) points of pose i as both sides see them; None where its neighbours do not allow it."""
    for weights in (_WEIGHTS, _SHORT):
        reach = len(weights) // 2
        if i < reach or i + reach >= len(run):
            continue
        around = run[i - reach : i + reach + 1]
        steps_s = [b.pose.time_s - a.pose.time_s for a, b in pairwise(around)]
        points = np.stack([_points(one) for one in around])
        if max(steps_s) <= _UNEVEN * min(steps_s) and not _leaps(points[..., :2], points[reach, :, :2]):
            mean: NDArray[np.float64] = (weights @ points.reshape(len(weights), -1)).reshape(points.shape[1:])
            return mean
    return None


def _leaps(around: NDArray[np.float64], this: NDArray[np.float64]) -> bool:
    """True where one of the poses (N, K, 2) shows another body, or the same upside down, than `this` (K, 2)."""
    spread = ((this - this.mean(axis=0)) ** 2).sum(axis=-1).mean()  # squared
    apart = np.sort(((around - this) ** 2).sum(axis=-1), axis=1)[:, len(this) // 2]
    return bool((apart > _LEAP**2 * spread).any())


def _points(reading: Reading) -> NDArray[np.float64]:
    """(K, 5): x, y of the picture and x, y, z of the world."""
    return np.concatenate([reading.pose.keypoints_xy, reading.pose.world_m], axis=1, dtype=np.float64)


def _with_points(pose: Pose, points: NDArray[np.float64]) -> Pose:
    return replace(pose, keypoints_xy=points[:, :2].astype(np.float32), world_m=points[:, 2:].astype(np.float32))
