"""Which known movements the fidelity bench renders, and before which cameras.

    Plan = (View, Programme) ...;  Programme -> Scenes: single joints, all together, noise, motionless, slow

The quick plan is the one camera that the targets name; the amplitudes plan has single joints move there by less and
more; the views plan has all joints move at once, and nothing at all, before cameras that differ from it in one thing,
and two far ones; the full plan has every camera, and adds sides and amplitudes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from fidgety.phantom.fidelity.scenes import JOINTS, RAMP_S, SETTLE_S, Axis, Drive, Scene, SceneKind, Tone, View

__all__ = ["AMPLITUDES_PLAN", "FREQUENCIES_HZ", "FULL_PLAN", "PLANS", "QUICK_PLAN", "VIEWS_PLAN", "Plan", "Programme"]

FREQUENCIES_HZ = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
_MIN_PERIODS = 3
_TOGETHER_MM = 10.0
_AMPLITUDES_MM = (5.0, 10.0, 20.0)
_NOISE_RMS_MM = 4.0
_SLOW_MM, _SLOW_HZ = 40.0, 0.1
KINDS_OF_SCENES: tuple[SceneKind, ...] = get_args(SceneKind)


@dataclass(frozen=True, slots=True)
class Programme:
    """What the infant does before one camera."""

    joints: tuple[str, ...]
    axes: tuple[Axis, ...] = ("plane", "depth")
    amplitudes_mm: tuple[float, ...] = (10.0,)
    frequencies_hz: tuple[float, ...] = FREQUENCIES_HZ
    hold_s: float = 3.0  # of every frequency, and three periods at least
    noise_s: float = 24.0
    still_s: float = 40.0  # of the motionless and of the slow scene
    kinds: tuple[SceneKind, ...] = KINDS_OF_SCENES

    def scenes(self) -> tuple[Scene, ...]:
        """One recording per joint, axis and amplitude, in which it does one frequency after another; all joints at
        once; noise; motionless; slow posture change."""
        singles = [
            self._in_turn("single", f"{joint}-{axis}-{amplitude_mm:g}mm", (joint,), axis, amplitude_mm)
            for joint in self.joints
            for axis in self.axes
            for amplitude_mm in self.amplitudes_mm
        ]
        together = self._in_turn("together", "together", JOINTS, "plane", _TOGETHER_MM)
        scenes = (*singles, together, _noise(self.axes, self.noise_s), *_still(self.still_s))
        return tuple(scene for scene in scenes if scene.kind in self.kinds)

    def _in_turn(self, kind: SceneKind, name: str, joints: tuple[str, ...], axis: Axis, amplitude_mm: float) -> Scene:
        """Stretch by stretch one frequency after another; joints share one only where they outnumber them, each has its
        own phase."""
        drives, start_s, n = [], 0.0, len(self.frequencies_hz)
        for turn in range(n):
            rates = [self.frequencies_hz[(turn + j) % n] for j in range(len(joints))]
            lasts_s = max(self.hold_s, _MIN_PERIODS / min(rates)) + 2 * (RAMP_S + SETTLE_S)
            for j, (joint, rate_hz) in enumerate(zip(joints, rates, strict=True)):
                tone = Tone(rate_hz, amplitude_mm, 2.4 * j)
                drives.append(Drive(joint, axis, start_s, start_s + lasts_s, (tone,)))
            start_s += lasts_s
        return Scene(kind, name, start_s + RAMP_S, tuple(drives))


@dataclass(frozen=True, slots=True)
class Plan:
    """Which programme runs before which camera."""

    name: str
    parts: tuple[tuple[View, Programme], ...]


_ONE_OF_EACH = ("left_wrist", "right_elbow", "right_ankle", "left_knee")
_REFERENCE = View(1080, 0.7, 25.0)  # that of the targets
QUICK_PLAN = Plan("quick", ((_REFERENCE, Programme(_ONE_OF_EACH)),))
AMPLITUDES_PLAN = Plan(
    "amplitudes",
    ((_REFERENCE, Programme(_ONE_OF_EACH, axes=("plane",), amplitudes_mm=_AMPLITUDES_MM, kinds=("single",))),),
)
_VIEWS = tuple(
    View(height_px, fill, fps)
    for height_px in (480, 720, 1080)
    for fill in (0.4, 0.6, 0.7, 0.8)
    for fps in (25.0, 30.0)
)
_ONE_BY_ONE = (  # then the two hardest
    _REFERENCE,
    *(View(height_px, 0.7, 25.0) for height_px in (720, 480)),
    *(View(1080, fill, 25.0) for fill in (0.4, 0.6, 0.8)),
    View(1080, 0.7, 30.0),
    View(720, 0.4, 30.0),
    View(480, 0.4, 30.0),
)
VIEWS_PLAN = Plan(
    "views", tuple((view, Programme((), still_s=20.0, kinds=("together", "motionless"))) for view in _ONE_BY_ONE)
)
# Both sides and three amplitudes before the reference camera; one amplitude and a side of each before all others.
FULL_PLAN = Plan(
    "full",
    (
        (_REFERENCE, Programme(JOINTS, amplitudes_mm=_AMPLITUDES_MM, hold_s=4.0)),
        *((view, Programme(_ONE_OF_EACH)) for view in _VIEWS if view != _REFERENCE),
    ),
)
PLANS = {plan.name: plan for plan in (QUICK_PLAN, AMPLITUDES_PLAN, VIEWS_PLAN, FULL_PLAN)}


def _noise(axes: tuple[Axis, ...], duration_s: float) -> Scene:
    """Every joint moves as noise of its own, flat from .5 to 4 Hz: tones every .05 Hz of random phase."""
    rates_hz = np.arange(0.5, 4.001, 0.05)
    amplitude_mm = _NOISE_RMS_MM * float(np.sqrt(2 / len(rates_hz)))
    drives = []
    for i, joint in enumerate(JOINTS):
        for k, axis in enumerate(axes):
            phases = np.random.default_rng([i, k, 0xF1D]).uniform(0, 2 * np.pi, len(rates_hz))
            pairs = zip(rates_hz, phases, strict=True)
            tones = tuple(Tone(float(rate), amplitude_mm, float(phase)) for rate, phase in pairs)
            drives.append(Drive(joint, axis, 0.0, duration_s, tones))
    return Scene("noise", "noise", duration_s, tuple(drives))


def _still(duration_s: float) -> tuple[Scene, Scene]:
    """A motionless infant, and one whose wrists and ankles wander by 40 mm at .1 Hz."""
    ends = [joint for joint in JOINTS if joint.endswith(("wrist", "ankle"))]
    slow = [Drive(end, "plane", 0.0, duration_s, (Tone(_SLOW_HZ, _SLOW_MM, 1.7 * i),)) for i, end in enumerate(ends)]
    return Scene("motionless", "motionless", duration_s), Scene("slow", "slow", duration_s, tuple(slow))
