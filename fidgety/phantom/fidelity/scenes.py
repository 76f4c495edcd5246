"""What the fidelity bench renders: a resting infant of which known joints move in a known way.

    rest -> Drives (a joint, an axis, tones of known frequency and size) -> Motion before a camera -> recording + truth

A driven joint swings about the joint before it: perpendicular to its bone, so that every bone keeps its length exactly,
in the picture plane or towards the camera (as nearly as the bone allows). Along that direction the displacement is the
drive, to the digit; at right angles to it the arc sags by a few mm, at twice the frequency. What hangs on the joint
follows: wrist -> hand; ankle -> foot; elbow -> wrist and hand; knee -> ankle and foot. Wrist and ankle then follow by
half across their own bone and wholly along it, since a bone cannot give way. The truth is the projection of the moved
joints, so neither arc nor perspective is approximated away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.appearance import Appearance, draw_appearance
from fidgety.phantom.camera import Camera
from fidgety.phantom.kinematics import simulate_control
from fidgety.phantom.motion import BODY_POINTS, Motion
from fidgety.phantom.scene import frame_camera

__all__ = [
    "JOINTS",
    "KINDS",
    "RAMP_S",
    "SETTLE_S",
    "Axis",
    "Drive",
    "Scene",
    "SceneKind",
    "Tone",
    "View",
    "resting_ends",
]

Array = NDArray[np.float64]
Axis = Literal["plane", "depth"]
SceneKind = Literal["single", "together", "noise", "motionless", "slow"]

KINDS = ("wrist", "elbow", "ankle", "knee")
JOINTS = tuple(f"{side}_{kind}" for kind in KINDS for side in ("left", "right"))
# This infant lies with forearms and shanks nearly level (bones rise by at most .4 of their length), every joint more
# than 4 cm above the mat and 7 cm from the next in the picture: of 900 seeds the one with the most room to move.
_REST_SEED = 708
_LOOK_SEED = 5  # sensor noise (SD 2.8 grey levels) and blur in the middle of what `draw_appearance` draws
RAMP_S = 0.4
SETTLE_S = 0.3  # after a ramp: as far as the smoothing of a track may reach back (7 rows of 40 ms)
_FOLLOW = 0.5  # of a driven elbow's (knee's) displacement, by wrist (ankle), before the bone is brought to length
_INDEX = {name: i for i, name in enumerate(BODY_POINTS)}
_LIMBS = {
    "arm": ("shoulder", "elbow", "wrist", ("hand",)),
    "leg": ("hip", "knee", "ankle", ("toe", "heel")),
}


@dataclass(frozen=True, slots=True)
class Tone:
    """One sinusoid, amplitude 0 to peak."""

    frequency_hz: float
    amplitude_mm: float
    phase_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class Drive:
    """A joint that moves as the sum of `tones` from start to end (ramps of .4 s inside), along one axis.

    Axes: `plane` = at right angles to the bone in the picture plane, `depth` = as nearly towards the camera as a turn
    of the bone allows.
    """

    joint: str  # of JOINTS
    axis: Axis
    start_s: float
    end_s: float
    tones: tuple[Tone, ...]

    @property
    def steady_s(self) -> tuple[float, float]:
        """Start and end of what lies well between the ramps."""
        return self.start_s + RAMP_S + SETTLE_S, self.end_s - RAMP_S - SETTLE_S

    def displacement_m(self, times_s: Array) -> Array:
        """(T,) metres at the times (T,)."""
        inside = np.minimum(times_s - self.start_s, self.end_s - times_s) / RAMP_S
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip(inside, 0.0, 1.0))
        since = times_s - self.start_s
        waves = [
            tone.amplitude_mm * np.sin(2 * np.pi * tone.frequency_hz * since + tone.phase_rad) for tone in self.tones
        ]
        return np.asarray(1e-3 * ramp * np.sum(waves, axis=0))


@dataclass(frozen=True, slots=True)
class View:
    """How the infant is filmed, from straight above, head up."""

    height_px: int
    fill: float  # share of the picture's height, crown to toes
    fps: float

    @property
    def label(self) -> str:
        return f"{self.height_px}p fill {self.fill:g} {self.fps:g} fps"

    @property
    def camera(self) -> Camera:
        """A camera of shape 16:9 over the resting infant, the same for every scene."""
        width_px = 2 * round(self.height_px * 8 / 9)
        return frame_camera(_resting_infant(), fill=self.fill, width_px=width_px, height_px=self.height_px)


@dataclass(frozen=True, slots=True)
class Scene:
    """One recording: which joints move, and when."""

    kind: SceneKind
    name: str
    duration_s: float
    drives: tuple[Drive, ...] = ()

    @property
    def appearance(self) -> Appearance:
        """The same infant, clothes, mat, light and sensor in every scene."""
        return draw_appearance(_LOOK_SEED)

    def motion(self, camera: Camera, fps: float) -> Motion:
        """The infant in round(duration * fps) frames, at i / fps seconds. Nothing moves but by the drives.

        Raises ValueError where a drive is longer than its bone.
        """
        rest = _resting_infant()
        times_s = np.arange(round(self.duration_s * fps)) / fps
        points = np.repeat(rest.points_m[:1].astype(np.float64), len(times_s), axis=0)
        toward = -camera.rotation[2]
        for side in ("left", "right"):
            for root, middle, end, tips in _LIMBS.values():
                chain = [_INDEX[f"{side}_{name}"] for name in (root, middle, end)]
                moved = [self._displacements_m(f"{side}_{joint}", times_s) for joint in (middle, end)]
                _move_limb(points, chain, [_INDEX[f"{side}_{tip}"] for tip in tips], moved, toward)
        turns = [np.repeat(turn[:1], len(times_s), axis=0) for turn in (rest.head_rotation, rest.trunk_rotation)]
        return replace(
            rest, fps=fps, points_m=points.astype(np.float32), head_rotation=turns[0], trunk_rotation=turns[1]
        )

    def _displacements_m(self, joint: str, times_s: Array) -> Array:
        """(T, 2) displacement of a joint in the plane and in depth, metres."""
        moved = np.zeros((len(times_s), 2))
        for drive in self.drives:
            if drive.joint == joint:
                moved[:, 0 if drive.axis == "plane" else 1] += drive.displacement_m(times_s)
        return moved


def resting_ends(joint: str) -> tuple[str, ...]:
    """Wrists and ankles of the three limbs that `joint` is no part of."""
    side, kind = joint.split("_")
    own = f"{side}_wrist" if kind in ("wrist", "elbow") else f"{side}_ankle"
    return tuple(name for name in JOINTS if name.endswith(("wrist", "ankle")) and name != own)


@lru_cache(maxsize=1)
def _resting_infant() -> Motion:
    return simulate_control("motionless", _REST_SEED, 0.2)


def _move_limb(points: Array, chain: list[int], tips: list[int], moved: list[Array], toward: Array) -> None:
    """Displaces middle and end of one limb, in place. points: (T, P, 3); moved: two of (T, 2)."""
    root, middle, end = (points[:, i].copy() for i in chain)
    new_middle = _swing(root, middle, moved[0], toward)
    followed = end + _FOLLOW * (new_middle - middle) - new_middle
    length = np.linalg.norm(end - middle, axis=1, keepdims=True)
    end_at_length = new_middle + followed * (length / np.linalg.norm(followed, axis=1, keepdims=True))
    new_end = _swing(new_middle, end_at_length, moved[1], toward)
    points[:, chain[1]], points[:, chain[2]] = new_middle, new_end
    points[:, tips] += (new_end - end)[:, None]


def _swing(parent: Array, joint: Array, moved: Array, toward: Array) -> Array:
    """The joint (T, 3) turned about its parent: displaced by moved (T, 2) in the plane and towards the camera."""
    bone = joint - parent
    length = np.linalg.norm(bone, axis=1, keepdims=True)
    along = bone / length
    across = _unit(np.cross(np.broadcast_to(toward, along.shape), along))
    rising = _unit(toward - along * (along @ toward)[:, None])
    offset = moved[:, :1] * across + moved[:, 1:] * rising
    left2 = length**2 - np.sum(offset**2, axis=1, keepdims=True)
    if (left2 <= 0.0).any():
        raise ValueError(f"a joint cannot move by more than its bone, {1e3 * float(length.min()):.0f} mm")
    return np.asarray(parent + offset + np.sqrt(left2) * along)


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
