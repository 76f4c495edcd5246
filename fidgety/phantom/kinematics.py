"""Seed + category + confounders -> a moving infant whose joints and FMs bouts are known exactly.

    angle(t) = rest + wandering posture + discrete movements + ordinary movement + FMs bouts (+ crying, tremor)

on a fixed time axis, sampled at the camera's rate, bent into the joints' limits, and placed in the world by forward
kinematics. Every part draws from its own random stream, so switching one off leaves the others as they are. One seed
and duration give one movement, whatever the frame rate. The phantom is a test object: its figures are assumptions
(SPEC 8), never evidence about infants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from fidgety.phantom.anatomy import ANGLES, limit_angles, sample_anatomy, sample_posture
from fidgety.phantom.fidgety_movements import fidget, fms_share, plan_bouts, true_fms_frequency
from fidgety.phantom.forward_kinematics import place_body
from fidgety.phantom.gross_movements import (
    RATES_PER_MINUTE,
    Character,
    add_movements,
    plan_movements,
    rhythmic_movements,
)
from fidgety.phantom.motion import BODY_POINTS, Anatomy, Category, Confounders, Motion
from fidgety.phantom.ordinary_movements import (
    breathe,
    cry,
    draw_ordinary,
    plan_crying,
    plan_wandering,
    shake,
    wander,
    wandering_posture,
)
from fidgety.phantom.signals import RATE_HZ, Signal, sample_at
from fidgety.records import FloatArray, Stretch
from fidgety.skeleton import COCO_17, H36M_17

__all__ = [
    "FULL_REPERTOIRE",
    "Control",
    "Repertoire",
    "coco17",
    "fms_share",
    "h36m17",
    "simulate_control",
    "simulate_motion",
    "true_fms_frequency",
]

Control = Literal["motionless", "breathing", "slow posture", "kicks", "tremor", "crying"]


@dataclass(frozen=True, slots=True)
class Repertoire:
    """Which generators may run. `discrete` names kinds of `gross_movements.RATES_PER_MINUTE`."""

    breathing: bool = True
    posture: bool = True
    fms: bool = True
    ordinary: bool = True
    rhythms: bool = True
    discrete: frozenset[str] = frozenset(RATES_PER_MINUTE)


FULL_REPERTOIRE = Repertoire()
_STILL = Repertoire(breathing=False, posture=False, fms=False, ordinary=False, rhythms=False, discrete=frozenset())
_BREATHING = Repertoire(posture=False, fms=False, ordinary=False, rhythms=False, discrete=frozenset())
_CONTROLS: dict[Control, tuple[Repertoire, Confounders]] = {
    "motionless": (_STILL, Confounders()),
    "breathing": (_BREATHING, Confounders()),
    "slow posture": (
        Repertoire(fms=False, ordinary=False, rhythms=False, discrete=frozenset({"posture_shifts"})),
        Confounders(),
    ),
    "kicks": (
        Repertoire(posture=False, fms=False, ordinary=False, rhythms=False, discrete=frozenset({"kicks"})),
        Confounders(kicks=True),
    ),
    "tremor": (_BREATHING, Confounders(tremor=True)),
    "crying": (_BREATHING, Confounders(crying=True)),
}
_STREAMS = (
    "anatomy",
    "posture",
    "bouts",
    "fms",
    "discrete",
    "rhythms",
    "plan",
    "ordinary",
    "crying",
    "tremor",
    "breathing",
    "drift",
)
# Infants at risk: smaller repertoire, repeated similar movements, more coupling between joints (SPEC 8). Mild.
_CHARACTER: dict[bool, Character] = {
    False: Character(n_variants=10, looseness=0.35, coupling=0.30),
    True: Character(n_variants=4, looseness=0.20, coupling=0.42),
}


def _stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of one part of the infant."""
    return np.random.default_rng([seed, _STREAMS.index(name)])


def _simulate_angles(
    seed: int,
    category: Category,
    duration_s: float,
    time_s: Signal,
    confounders: Confounders,
    repertoire: Repertoire,
) -> tuple[Signal, Signal, tuple[Stretch, ...]]:
    """Angles (30, N) in degrees, breath (N,) in metres and true bouts, on the internal time axis."""
    character = _CHARACTER[category in ("sporadic", "absent")]
    crying = plan_crying(_stream(seed, "crying"), duration_s) if confounders.crying else ()
    bouts = plan_bouts(_stream(seed, "bouts"), category, duration_s, crying) if repertoire.fms else ()
    rest = sample_posture(_stream(seed, "posture"))
    angles = np.repeat(rest[:, None], time_s.size, axis=1)
    if repertoire.posture:
        angles += wandering_posture(_stream(seed, "drift"), time_s.size)
    discrete = _stream(seed, "discrete")
    kinds, activity = repertoire.discrete, confounders.activity
    movements = plan_movements(discrete, kinds, duration_s, rest, character, activity, confounders.kicks)
    add_movements(angles, movements, time_s)
    if repertoire.rhythms:
        angles += rhythmic_movements(_stream(seed, "rhythms"), time_s, duration_s)
    if repertoire.ordinary:
        plan = _stream(seed, "plan")
        share, amplitude = draw_ordinary(plan)
        share = share if confounders.share_in_motion is None else confounders.share_in_motion
        amplitude = amplitude if confounders.ordinary_amplitude is None else confounders.ordinary_amplitude
        busy = (*bouts, *crying)
        stretches = plan_wandering(plan, duration_s, sum(b.end_s - b.start_s for b in busy), share)
        angles += wander(_stream(seed, "ordinary"), stretches, busy, time_s, amplitude, character.coupling)
    angles += fidget(_stream(seed, "fms"), bouts, time_s, confounders.fms_amplitude)
    if confounders.tremor:
        angles += shake(_stream(seed, "tremor"), duration_s, time_s)
    if crying:
        angles += cry(_stream(seed, "crying").spawn(1)[0], crying, time_s)
    breathing = _stream(seed, "breathing")
    breath = breathe(breathing, crying, time_s) if repertoire.breathing else np.zeros(time_s.size)
    return angles, breath, bouts


def simulate_motion(
    seed: int,
    category: Category,
    duration_s: float,
    fps: float = 25.0,
    confounders: Confounders | None = None,
    repertoire: Repertoire = FULL_REPERTOIRE,
    anatomy: Anatomy | None = None,
) -> Motion:
    """A supine infant of the category, moving for `duration_s`, in round(duration_s * fps) frames at i / fps seconds.

    Everything follows from `seed`: anatomy (unless given), posture, bouts, movements. `confounders` default to none;
    their `fms_amplitude` is the infant's factor on FMs. Raises ValueError for an unknown category, or a duration or
    rate that is not positive.
    """
    if category not in get_args(Category):
        raise ValueError(f"no such category: {category!r}; known are {', '.join(get_args(Category))}")
    if not (duration_s > 0.0 and fps > 0.0):
        raise ValueError(f"duration {duration_s} s and rate {fps} Hz must be positive")
    confounders = confounders or Confounders()
    time_s = np.arange(int(np.ceil(duration_s * RATE_HZ)) + 5) / RATE_HZ
    angles, breath, bouts = _simulate_angles(seed, category, duration_s, time_s, confounders, repertoire)
    frame_s = np.arange(round(duration_s * fps)) / fps
    sampled = sample_at(np.vstack((angles, breath)), frame_s)
    body = anatomy or sample_anatomy(_stream(seed, "anatomy"))
    heading_deg = float(_stream(seed, "posture").spawn(1)[0].normal(0.0, 3.0))
    points, head, trunk = place_body(limit_angles(sampled[: len(ANGLES)]), sampled[-1], body, heading_deg)
    return Motion(fps, points, head, trunk, body, category, bouts, seed, confounders)


def simulate_control(control: Control, seed: int, duration_s: float, fps: float = 25.0) -> Motion:
    """A phantom that must show no FMs: motionless, breathing, slow posture, kicks, tremor or crying only.

    Its category is `absent`. Raises ValueError for an unknown control.
    """
    if control not in _CONTROLS:
        raise ValueError(f"no such control: {control!r}; known are {', '.join(_CONTROLS)}")
    repertoire, confounders = _CONTROLS[control]
    return simulate_motion(seed, "absent", duration_s, fps, confounders, repertoire)


def coco17(motion: Motion) -> FloatArray:
    """The true joints (T, 17, 3) float32 in world metres, in the order of COCO_17."""
    return motion.points_m[:, [BODY_POINTS.index(name) for name in COCO_17.keypoints]]


def h36m17(motion: Motion) -> FloatArray:
    """The true joints (T, 17, 3) float32 in world metres, in the order of H36M_17.

    `hip` is mid-hip, `thorax` mid-shoulder, `spine` half way between, `head` the middle between the ears.
    """
    points = dict(zip(BODY_POINTS, np.moveaxis(motion.points_m, 1, 0), strict=True))
    named = points | {
        "hip": points["mid_hip"],
        "spine": 0.5 * (points["mid_hip"] + points["thorax"]),
        "head": points["head_centre"],
    }
    return np.stack([named[name] for name in H36M_17.keypoints], axis=1).astype(np.float32)
