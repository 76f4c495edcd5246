"""Other postures than the phantom's own: limbs swung about hip and shoulder, knees and elbows bent more or less.

The phantom moves about the postures of an infant of three months that lies quietly. A lifter that knows no others puts
a leg that is drawn up, or held straight, where a leg usually is. Here every limb may take another posture, for the
whole of a window or on a way through it: its movement goes along, its bones keep their lengths, and nothing goes
through the mat. A limb on its way from one posture to another shows what no single picture tells: how long its bones
are, and which way they point.
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
_MOVING_SHARE = 0.5  # of the limbs in another posture come there from a third one
_LEAST_MOVE_ROWS, _MOST_MOVE_ROWS = 15, 125  # .6 to 5 s


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
    way = _way(rng, len(root))[:, None]
    for _ in range(_N_TRIES):
        swings = rng.normal(0.0, _SWING_RAD, (2, 3))
        bends = np.clip(bend + rng.normal(0.0, _BEND_RAD, 2), _LEAST_BEND_RAD, _MOST_BEND_RAD) - bend
        swing = _rotations(swings[0] + way * (swings[1] - swings[0]))
        bent = _rotations(axis * (bends[0] + way * (bends[1] - bends[0])))
        new_middle = root + _turned(swing, upper)
        new_end = new_middle + _turned(swing, _turned(bent, lower))
        if min(new_middle[:, 2].min(), new_end[:, 2].min()) > _CLEARANCE_M:
            return new_middle, new_end
    return None


def _way(rng: np.random.Generator, n_rows: int) -> Points:
    """(T,) how far a limb is on its way from one posture to another: all 1, or from 0 to 1 smoothly."""
    if rng.random() >= _MOVING_SHARE:
        return np.ones(n_rows)
    length, start = rng.uniform(_LEAST_MOVE_ROWS, _MOST_MOVE_ROWS), rng.uniform(0.0, n_rows)
    at = np.clip((np.arange(n_rows) - start) / length, 0.0, 1.0)
    return np.asarray(at * at * (3.0 - 2.0 * at))


def _turned(rotations: Points, vectors: Points) -> Points:
    return np.asarray(np.einsum("tij,tj->ti", rotations, vectors))


def _angle(a: Points, b: Points) -> float:
    return float(np.arccos(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-9), -1.0, 1.0)))


def _rotations(turns_rad: Points) -> Points:
    """Rotation vectors (T, 3) -> matrices (T, 3, 3), after Rodrigues."""
    angle = np.linalg.norm(turns_rad, axis=-1)[:, None, None]
    x, y, z = (turns_rad / (angle[..., 0] + 1e-12)).T
    zero = np.zeros_like(x)
    skew = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    return np.asarray(np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew)
