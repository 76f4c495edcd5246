"""Joint angles -> the points of the body in the world, frame by frame, for all frames at once.

The trunk bends about its middle, which stays over the world's origin; limbs hang from it by direction vectors.
Elbows, hands, knees and feet are kept above the mat by a smooth lift that turns their bone and keeps its length within
2 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.anatomy import ANGLES, REGIONS
from fidgety.phantom.motion import BODY_POINTS, Anatomy
from fidgety.phantom.signals import Signal
from fidgety.records import FloatArray

__all__ = ["MAT_CLEARANCE_M", "place_body"]

Points = NDArray[np.float64]  # (T, 3) metres

# Least height of a joint's centre over the mat: the limb's radius there, in metres.
MAT_CLEARANCE_M: dict[str, float] = {
    "elbow": 0.018,
    "wrist": 0.014,
    "hand": 0.016,
    "knee": 0.024,
    "ankle": 0.017,
    "toe": 0.012,
    "heel": 0.012,
}
_LIFT_SOFTNESS_M = 0.003
_HAND_M = 0.042  # wrist to the middle of the loosely closed hand
_HIP_HEIGHT_M = 0.048
_CHEST_HEIGHT_M = 0.055


def _rotation_z(angle_deg: Signal) -> Points:
    c, s, zero, one = _cos_sin(angle_deg)
    return _matrix(c, -s, zero, s, c, zero, zero, zero, one)


def _rotation_y(angle_deg: Signal) -> Points:
    c, s, zero, one = _cos_sin(angle_deg)
    return _matrix(c, zero, s, zero, one, zero, -s, zero, c)


def _rotation_x(angle_deg: Signal) -> Points:
    c, s, zero, one = _cos_sin(angle_deg)
    return _matrix(one, zero, zero, zero, c, -s, zero, s, c)


def _cos_sin(angle_deg: Signal) -> tuple[Signal, Signal, Signal, Signal]:
    angle = np.deg2rad(angle_deg)
    return np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)


def _matrix(*entries: Signal) -> Points:
    """Nine (T,) entries, row by row -> (T, 3, 3)."""
    return np.stack(entries, axis=-1).reshape(-1, 3, 3)


def _apply(rotation: Points, vector: Points | tuple[float, float, float]) -> Points:
    """(T, 3, 3) times (T, 3) or one vector -> (T, 3)."""
    return np.asarray(np.einsum("tij,...j->ti" if np.ndim(vector) == 1 else "tij,tj->ti", rotation, vector))


def _lift(parent: Points, child: Points, clearance_m: float) -> Points:
    """`child` raised over the mat without a kink, its bone turned (not stretched) about `parent`."""
    bone = child - parent
    z = clearance_m + _LIFT_SOFTNESS_M * np.logaddexp(0.0, (child[:, 2] - clearance_m) / _LIFT_SOFTNESS_M)
    length2 = np.sum(bone * bone, axis=1)
    rise = z - parent[:, 2]
    flat2 = np.maximum(length2 - rise * rise, 0.0)
    before2 = bone[:, 0] ** 2 + bone[:, 1] ** 2
    ratio = np.sqrt((flat2 + 1e-3 * length2) / (before2 + 1e-3 * length2))
    return np.stack((parent[:, 0] + ratio * bone[:, 0], parent[:, 1] + ratio * bone[:, 1], z), axis=1)


def _limb_frame(abduction: Signal, height: Signal, side: float) -> tuple[Points, Points, Points]:
    """Directions of the first segment, of growing abduction and of growing height; (T, 3) each."""
    ca, sa, zero, _ = _cos_sin(abduction)
    ce, se, _, _ = _cos_sin(height)
    along = np.stack((side * sa * ce, -ca * ce, se), axis=1)
    outward = np.stack((side * ca, sa, zero), axis=1)
    upward = np.stack((-side * sa * se, ca * se, ce), axis=1)
    return along, outward, upward


def _column(angle_deg: Signal) -> tuple[Points, Points]:
    angle = np.deg2rad(angle_deg)[:, None]
    return np.cos(angle), np.sin(angle)


def _place_arm(angles: Signal, shoulder: Points, trunk: Points, side: float, anatomy: Anatomy) -> dict[str, Points]:
    """Angles (6, T) of one arm -> elbow, wrist, hand (T, 3)."""
    along, outward, upward = _limb_frame(angles[0], angles[1], side)
    c, s = _column(angles[2])
    bend = c * outward + s * upward  # towards which the elbow bends
    c, s = _column(angles[3])
    forearm = c * along + s * bend
    palm = c * bend - s * along
    c, s = _column(angles[4])
    cd, sd = _column(angles[5])
    hand = cd * (c * forearm + s * palm) + side * sd * np.cross(forearm, palm)
    elbow = shoulder + 0.01 * anatomy.upper_arm_cm * _apply(trunk, along)
    elbow = _lift(shoulder, elbow, MAT_CLEARANCE_M["elbow"])
    wrist = elbow + 0.01 * anatomy.forearm_cm * _apply(trunk, forearm)
    wrist = _lift(elbow, wrist, MAT_CLEARANCE_M["wrist"])
    tip = _lift(wrist, wrist + _HAND_M * _apply(trunk, hand), MAT_CLEARANCE_M["hand"])
    return {"elbow": elbow, "wrist": wrist, "hand": tip}


def _place_leg(angles: Signal, hip: Points, pelvis: Points, side: float, anatomy: Anatomy) -> dict[str, Points]:
    """Angles (6, T) of one leg -> knee, ankle, toe, heel (T, 3)."""
    along, outward, upward = _limb_frame(angles[0], angles[1], side)
    c, s = _column(angles[2])
    back = -c * upward - s * outward  # towards which the knee bends
    c, s = _column(angles[3])
    shank = c * along + s * back
    front = s * along - c * back
    c, s = _column(angles[4])
    ci, si = _column(angles[5])
    toe_direction = ci * (c * front + s * shank) + side * si * np.cross(shank, front)
    sole_direction = c * shank - s * front
    knee = _lift(hip, hip + 0.01 * anatomy.thigh_cm * _apply(pelvis, along), MAT_CLEARANCE_M["knee"])
    ankle = _lift(knee, knee + 0.01 * anatomy.shank_cm * _apply(pelvis, shank), MAT_CLEARANCE_M["ankle"])
    foot_m = 0.01 * anatomy.foot_cm
    toe_bone = _apply(pelvis, foot_m * (0.72 * toe_direction + 0.18 * sole_direction))
    heel_bone = _apply(pelvis, foot_m * (-0.24 * toe_direction + 0.2 * sole_direction))
    toe = _lift(ankle, ankle + toe_bone, MAT_CLEARANCE_M["toe"])
    heel = _lift(ankle, ankle + heel_bone, MAT_CLEARANCE_M["heel"])
    return {"knee": knee, "ankle": ankle, "toe": toe, "heel": heel}


def _place_head(neck: Points, head: Points, anatomy: Anatomy) -> dict[str, Points]:
    """Face points on a head of the infant's own height: offsets in head heights, from the middle between the ears."""
    size = 0.01 * anatomy.head_height_cm
    centre = neck + _apply(head, (0.0, 0.44 * size, 0.05 * size))
    face = {
        "nose": (0.0, -0.10, 0.53),
        "left_eye": (0.15, 0.07, 0.42),
        "right_eye": (-0.15, 0.07, 0.42),
        "left_ear": (0.38, 0.0, 0.0),
        "right_ear": (-0.38, 0.0, 0.0),
    }
    places = {name: centre + _apply(head, (x * size, y * size, z * size)) for name, (x, y, z) in face.items()}
    return {"head_centre": centre, **places}


def place_body(
    angles_deg: Signal, breath_m: Signal, anatomy: Anatomy, heading_deg: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Forward kinematics of the whole body.

    `angles_deg` (30, T) in the order of ANGLES; `breath_m` (T,) rise of the chest in metres; `heading_deg` how far
    the infant lies turned on the mat. Returns points (T, 27, 3) in the order of BODY_POINTS in metres, head rotation
    and trunk rotation (T, 3, 3), all float32. Raises ValueError for another number of angles.
    """
    if angles_deg.shape[0] != len(ANGLES):
        raise ValueError(f"expected {len(ANGLES)} joint angles, got {angles_deg.shape[0]}")
    turn, tilt, nod, roll, bend, twist = angles_deg[:6]
    heading = np.full_like(turn, heading_deg)
    trunk = _rotation_z(heading) @ _rotation_y(roll)
    chest = _rotation_z(heading + bend / 2) @ _rotation_y(roll + twist / 2)
    pelvis = _rotation_z(heading - bend / 2) @ _rotation_y(roll - twist / 2)
    half_m = 0.005 * anatomy.trunk_cm
    places = {
        "mid_hip": _apply(pelvis, (0.0, -half_m, 0.0)),
        "thorax": _apply(chest, (0.0, half_m, 0.0)),
    }
    places["mid_hip"][:, 2] += _HIP_HEIGHT_M + 0.2 * breath_m
    places["thorax"][:, 2] += _CHEST_HEIGHT_M + breath_m
    places["neck"] = places["thorax"] + _apply(chest, (0.0, 0.018, 0.004))
    head = chest @ _rotation_z(tilt) @ _rotation_y(turn) @ _rotation_x(nod)
    places |= _place_head(places["neck"], head, anatomy)
    for name, side in (("left", 1.0), ("right", -1.0)):
        shoulder = places["thorax"] + _apply(chest, (side * 0.005 * anatomy.shoulders_apart_cm, 0.0, 0.0))
        hip = places["mid_hip"] + _apply(pelvis, (side * 0.005 * anatomy.hips_apart_cm, 0.0, 0.0))
        limbs = {"shoulder": shoulder, "hip": hip}
        limbs |= _place_arm(angles_deg[REGIONS[f"{name}_arm"]], shoulder, chest, side, anatomy)
        limbs |= _place_leg(angles_deg[REGIONS[f"{name}_leg"]], hip, pelvis, side, anatomy)
        places |= {f"{name}_{part}": place for part, place in limbs.items()}
    points = np.stack([places[name] for name in BODY_POINTS], axis=1)
    return points.astype(np.float32), head.astype(np.float32), trunk.astype(np.float32)
