"""The phantom's body: segment lengths of an individual, its 30 joint angles with limits, and how it likes to lie.

Angles in degrees. Limbs are given relative to the trunk: *abduction* is the direction of the upper arm or thigh in
the plane of the mat (0 along the body towards the feet, 90 straight out, 180 beside the head), *raise* / *flexion*
its height above that plane, *rotation* the plane in which elbow or knee bend. Wrist and ankle have two angles each.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from fidgety.phantom.motion import Anatomy
from fidgety.phantom.signals import Signal

__all__ = [
    "ANGLES",
    "ANGLE_INDEX",
    "LIMITS_DEG",
    "POSTURE_SD_DEG",
    "REGIONS",
    "limit_angles",
    "sample_anatomy",
    "sample_posture",
]

_TRUNK_ANGLES = ("neck_turn", "neck_tilt", "neck_nod", "trunk_roll", "trunk_bend", "trunk_twist")
_LIMB_ANGLES = (
    "shoulder_abduction",
    "shoulder_raise",
    "shoulder_rotation",
    "elbow_flexion",
    "wrist_flexion",
    "wrist_deviation",
    "hip_abduction",
    "hip_flexion",
    "hip_rotation",
    "knee_flexion",
    "ankle_flexion",
    "ankle_inversion",
)
ANGLES: tuple[str, ...] = _TRUNK_ANGLES + tuple(f"{s}_{a}" for s in ("left", "right") for a in _LIMB_ANGLES)
ANGLE_INDEX: dict[str, int] = {name: i for i, name in enumerate(ANGLES)}

# The six parts of the body that a bout of FMs recruits, each with the rows of its angles.
REGIONS: dict[str, slice] = {
    "neck": slice(0, 3),
    "trunk": slice(3, 6),
    "left_arm": slice(6, 12),
    "left_leg": slice(12, 18),
    "right_arm": slice(18, 24),
    "right_leg": slice(24, 30),
}

_TRUNK_LIMITS = ((-65, 65), (-20, 20), (-15, 20), (-18, 18), (-18, 18), (-15, 15))
_LIMB_LIMITS = (
    (5, 140),
    (-4, 80),
    (0, 165),
    (5, 140),
    (-50, 60),
    (-30, 30),
    (5, 85),
    (5, 105),
    (-5, 95),
    (5, 135),
    (-15, 60),
    (-30, 30),
)
LIMITS_DEG: Signal = np.array(_TRUNK_LIMITS + _LIMB_LIMITS * 2, np.float64)  # (30, 2) least and greatest

# SD of the slow wandering of the posture (SPEC 8: 6 degrees; less in the trunk, more where segments are light).
_LIMB_SD = (6.0, 6.0, 6.0, 6.0, 8.0, 5.0, 6.0, 6.0, 6.0, 6.0, 8.0, 5.0)
POSTURE_SD_DEG: Signal = np.array((8.0, 3.0, 2.5, 2.0, 2.0, 2.0, *_LIMB_SD, *_LIMB_SD))

# Mean angles of the ways in which 3-month-olds lie: (abduction, raise, rotation, elbow/knee, wrist/ankle,
# deviation/inversion). Held against 475 hand-labelled pictures of 100 infants of 12-18 weeks (2D, trunk lengths, across
# and along the body): median knee .53, -.30 there and .58, -.29 here; heel .15, -.72 and .24, -.71; elbow .54, .71 and
# .70, .68; hand .65, .57 and .74, .85. So knees and heels agree, elbows and hands lie further out here.
_ARM_POSTURES = {
    "beside the head": (100.0, 16.0, 25.0, 95.0, 10.0, 0.0),
    "out to the side": (58.0, 26.0, 60.0, 70.0, 15.0, 0.0),
    "beside the body": (32.0, 15.0, 82.0, 42.0, 10.0, 0.0),
    "over the chest": (28.0, 36.0, 112.0, 92.0, 15.0, 0.0),
}
_LEG_POSTURES = {
    "frog": (66.0, 19.0, 80.0, 102.0, 20.0, 15.0),
    "feet up": (36.0, 60.0, 68.0, 84.0, 15.0, 10.0),
    "feet planted": (36.0, 42.0, 54.0, 100.0, 25.0, 10.0),
    "loose": (48.0, 18.0, 76.0, 68.0, 25.0, 15.0),
}
_ARM_SHARES = (0.15, 0.25, 0.4, 0.2)
_LEG_SHARES = (0.35, 0.15, 0.25, 0.25)
_POSTURE_SPREAD_DEG = np.array((8.0, 4.0, 8.0, 9.0, 8.0, 4.0))


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """An individual: every segment of `Anatomy` times a common size (SD 4 %) and its own proportion (SD 3 %)."""
    size = 1.0 + 0.04 * float(np.clip(rng.standard_normal(), -2.5, 2.5))
    segments = asdict(Anatomy())
    own = 1.0 + 0.03 * np.clip(rng.standard_normal(len(segments)), -2.5, 2.5)
    return Anatomy(
        **{name: float(cm * size * factor) for (name, cm), factor in zip(segments.items(), own, strict=True)}
    )


def sample_posture(rng: np.random.Generator) -> Signal:
    """Resting angles (30,) in degrees of one infant: head to its preferred side, each limb in one of four postures."""
    posture = np.zeros(len(ANGLES))
    posture[0] = rng.choice([-1.0, 1.0]) * rng.uniform(5.0, 40.0)
    posture[1:6] = rng.standard_normal(5) * (4.0, 2.0, 2.0, 3.0, 2.0)
    for region in ("left_arm", "right_arm"):
        name = str(rng.choice(list(_ARM_POSTURES), p=_ARM_SHARES))
        posture[REGIONS[region]] = _ARM_POSTURES[name] + _POSTURE_SPREAD_DEG * rng.standard_normal(6)
    leg = str(rng.choice(list(_LEG_POSTURES), p=_LEG_SHARES))
    for region in ("left_leg", "right_leg"):  # legs mostly lie alike
        name = leg if rng.uniform() < 0.7 else str(rng.choice(list(_LEG_POSTURES), p=_LEG_SHARES))
        posture[REGIONS[region]] = _LEG_POSTURES[name] + _POSTURE_SPREAD_DEG * rng.standard_normal(6)
    return posture


def limit_angles(angles_deg: Signal) -> Signal:
    """Angles (30, T) bent smoothly into LIMITS_DEG: nearly unchanged inside, never beyond, no kink."""
    middle = LIMITS_DEG.mean(axis=1, keepdims=True)
    half = 0.5 * np.diff(LIMITS_DEG, axis=1)
    x = (angles_deg - middle) / half
    x2 = x * x
    return np.asarray(middle + half * x / np.sqrt(np.sqrt(np.sqrt(1.0 + x2 * x2 * x2 * x2))))
