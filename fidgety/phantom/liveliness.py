"""How lively a movement is, whatever its character: what infants of a pair are matched by, besides what they share.

Chance alone gives one of two infants more kicks or a posture in which they show more. Like controls in a study, the
second infant of a pair is therefore chosen among several by how near it comes to the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.kinematics import h36m17
from fidgety.phantom.motion import Motion
from fidgety.runtime.track import BAND_WEIGHTS, smooth_rows
from fidgety.skeleton import H36M_17

__all__ = ["liveliness", "unlikeness"]

_ENDS = H36M_17.indices("left_wrist", "right_wrist", "left_ankle", "right_ankle")
_QUICK_M_S = 0.35  # quicker than FMs ever are
_LEAST_SHARE = 0.005  # of the time: below it shares count as alike


def liveliness(motion: Motion) -> NDArray[np.float64]:
    """(2,) logarithms: mean speed of wrists and ankles about the hips, and share of the time in which one is quick.

    Speeds are taken behind the track's filter, as the device sees them.
    """
    joints = h36m17(motion)
    ends = smooth_rows((joints[:, _ENDS] - joints[:, :1]).astype(np.float32), BAND_WEIGHTS)
    speeds = np.linalg.norm(np.diff(ends.astype(np.float64), axis=0), axis=-1) * motion.fps
    quick = float((speeds.max(axis=1) > _QUICK_M_S).mean())
    return np.log([float(speeds.mean()) + 1e-9, quick + _LEAST_SHARE])


def unlikeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of two infants' liveliness: distance in which a tenth of the mean speed weighs as three tenths of the other."""
    return float(np.hypot(one[0] - other[0], (one[1] - other[1]) / 3.0))
