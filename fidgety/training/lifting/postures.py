"""Other postures than the phantom's own: limbs swung about hip and shoulder, knees and elbows bent more or less.

The phantom moves about the postures of an infant of three months that lies quietly. A lifter that knows no others puts
a leg that is drawn up, or held straight, where a leg usually is. Here every limb may take another posture for the whole
of a window: its movement goes along, its bones keep their lengths, and nothing goes through the mat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray
from fidgety.skeleton import COCO_17, H36M_17

__all__ = ["LIMBS", "in_other_posture"]

Points = NDArray[np.float64]

LIMBS = tuple(
    tuple(f"{side}_{joint}" for joint in joints)
    for side in ("left", "right")
    for joints in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
)
_SHARE = 0.6  # of the limbs take another posture
_SWING_RAD = 0.55  # SD about each axis
_BEND_RAD = 0.6  # SD
_LEAST_BEND_RAD, _MOST_BEND_RAD = 0.05, 2.6
_CLEARANCE_M = 0.01
_N_TRIES = 8


def in_other_posture(
    rng: np.random.Generator, keypoints_m: FloatArray, joints_m: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """COCO-17 keypoints and H36M-17 joints (T, 17, 3), world metres, z up from the mat -> the same in another posture.

    A limb for which no posture above the mat is found within a few tries stays as it is.
    """
    keypoints_m, joints_m = keypoints_m.copy(), joints_m.copy()
    for limb in LIMBS:
        if rng.random() < _SHARE:
            moved = _moved(rng, *(joints_m[:, H36M_17.index[joint]].astype(np.float64) for joint in limb))
            if moved is not None:
                for joint, points in zip(limb[1:], moved, strict=True):
                    joints_m[:, H36M_17.index[joint]] = keypoints_m[:, COCO_17.index[joint]] = points
    return keypoints_m, joints_m


def _moved(rng: np.random.Generator, root: Points, middle: Points, end: Points) -> tuple[Points, Points] | None:
    """Middle and end (T, 3) of a limb in another posture; None where every try went through the mat."""
    upper, lower = middle - root, end - middle
    axis = np.cross(upper.mean(axis=0), lower.mean(axis=0))
    axis /= np.linalg.norm(axis) + 1e-9
    bend = _angle(upper.mean(axis=0), lower.mean(axis=0))
    for _ in range(_N_TRIES):
        swing = _rotation(rng.normal(0.0, _SWING_RAD, 3))
        wanted = float(np.clip(bend + rng.normal(0.0, _BEND_RAD), _LEAST_BEND_RAD, _MOST_BEND_RAD))
        new_middle = root + upper @ swing.T
        new_end = new_middle + lower @ (swing @ _rotation(axis * (wanted - bend))).T
        if min(new_middle[:, 2].min(), new_end[:, 2].min()) > _CLEARANCE_M:
            return new_middle, new_end
    return None


def _angle(a: Points, b: Points) -> float:
    return float(np.arccos(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-9), -1.0, 1.0)))


def _rotation(turn_rad: Points) -> Points:
    """Rotation vector (3,) -> matrix (3, 3), after Rodrigues."""
    angle = float(np.linalg.norm(turn_rad))
    x, y, z = turn_rad / (angle + 1e-12)
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew)
