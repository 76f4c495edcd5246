"""What the kinematics hand to the renderer and to the training set: a moving skeleton whose truth is known.

World frame: right-handed, metres, the mat is the plane z = 0 and z points up to the camera side; the infant lies on its
back with the head towards +y, so its left side is +x.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fidgety.records import FloatArray, Stretch

__all__ = ["BODY_POINTS", "Anatomy", "Category", "Confounders", "Motion"]

Category = Literal["continual", "intermittent", "sporadic", "absent"]

BODY_POINTS: tuple[str, ...] = (
    "mid_hip",
    "thorax",
    "neck",
    "head_centre",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_toe",
    "right_toe",
    "left_heel",
    "right_heel",
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Segment lengths, joint to joint, in cm (SPEC 8: mean infant of 3.5 months; an individual varies by SD 5 %)."""

    upper_arm_cm: float = 9.5
    forearm_cm: float = 8.0
    thigh_cm: float = 10.8
    shank_cm: float = 11.5
    hips_apart_cm: float = 8.8
    shoulders_apart_cm: float = 15.0
    trunk_cm: float = 19.0  # neck (mid-shoulder) to mid-hip
    head_height_cm: float = 14.3
    foot_cm: float = 9.1


@dataclass(frozen=True, slots=True)
class Confounders:
    """What varies between recordings and must not tell the classes apart: movement side. The camera has its own."""

    activity: float = 1.0  # factor on the rate of gross movements
    kicks: bool = False  # vigorous, rhythmic kicking
    crying: bool = False  # stretches of jerky whole-body movement, rapid breathing
    tremor: bool = False  # 6-8 Hz in the limbs
    fms_amplitude: float = 1.0  # x 0.6-1.6
    share_in_motion: float | None = None  # of the time, by FMs or ordinary movement; None: .6-.95, by the infant's seed
    ordinary_amplitude: float | None = None  # x 0.6-1.6, of ordinary movement; None: by the infant's seed


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """T frames of a moving infant.

    points_m: (T, P, 3) float32, metres, P points in the order of BODY_POINTS, world frame.
    head_rotation: (T, 3, 3) float32, world from head; axes: x to the infant's left, y to the crown, z out of the face.
    trunk_rotation: (T, 3, 3) float32, world from trunk; x left, y to the head, z out of the chest.
    bouts: true FMs bouts in seconds.
    """

    fps: float
    points_m: FloatArray
    head_rotation: FloatArray
    trunk_rotation: FloatArray
    anatomy: Anatomy
    category: Category
    bouts: tuple[Stretch, ...]
    seed: int
    confounders: Confounders = field(default_factory=Confounders)

    def __len__(self) -> int:
        return int(self.points_m.shape[0])
