"""Discrete movements that every infant makes: kicks, arm swipes, head turns, stretches, jerks and others.

They come at random moments with log-normal sizes and durations and minimum-jerk profiles, alike in all categories. An
infant draws them from its own small set of variants; infants at risk (sporadic or absent FMs) have fewer variants and
repeat them more exactly. Rates, sizes and durations do not depend on the category.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fidgety.phantom.anatomy import ANGLE_INDEX, ANGLES, REGIONS
from fidgety.phantom.signals import RATE_HZ, Signal, envelope, minimum_jerk, minimum_jerk_bump
from fidgety.records import Stretch

__all__ = ["RATES_PER_MINUTE", "Character", "Movement", "add_movements", "plan_movements", "rhythmic_movements"]

# SPEC 8, and ours: jerks (single, small, sudden) and posture shifts (a limb comes to lie elsewhere).
RATES_PER_MINUTE: dict[str, float] = {
    "kicks": 8.0,
    "arm_swipes": 4.0,
    "hands_to_midline": 2.0,
    "head_turns": 2.0,
    "stretches": 0.5,
    "jerks": 6.0,
    "posture_shifts": 2.0,
}
# Mean change in degrees of one limb's six angles: (abduction, raise, rotation, elbow/knee, wrist/ankle, deviation).
_KICK = np.array((0.0, -14.0, -8.0, -46.0, 14.0, 0.0))
_SWIPE = np.array((26.0, 12.0, -14.0, -20.0, 10.0, 4.0))
_MIDLINE = np.array((20.0, 28.0, 125.0, 105.0, 20.0, 0.0))  # a target, not a change
_SPREAD = {
    "kicks": np.array((8.0, 9.0, 8.0, 12.0, 8.0, 4.0)),
    "arm_swipes": np.array((12.0, 10.0, 14.0, 16.0, 10.0, 6.0)),
    "jerks": np.array((5.0, 4.0, 6.0, 7.0, 9.0, 4.0)),
    "posture_shifts": np.array((8.0, 6.0, 9.0, 10.0, 8.0, 4.0)),
}
_FASTEST_DEG_S = 230.0  # mean speed of the largest angle during a rise: keeps hands and feet under 1.2 m/s
_NEVER_S = 1e4  # hold of a movement that does not go back


@dataclass(frozen=True, slots=True)
class Character:
    """How varied an infant moves: variants per kind, how loosely they are repeated, coupling between joints."""

    n_variants: int = 10
    looseness: float = 0.35
    coupling: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """Angles go by `offsets_deg` (30,) within `rise_s`, stay for `hold_s`, return within `fall_s`."""

    start_s: float
    rise_s: float
    hold_s: float
    fall_s: float
    offsets_deg: Signal


def add_movements(angles_deg: Signal, movements: list[Movement], time_s: Signal) -> None:
    """Add the movements to `angles_deg` (30, N) in place; `time_s` (N,) at RATE_HZ from 0."""
    n = time_s.size
    for m in movements:
        first = max(int(m.start_s * RATE_HZ), 0)
        last = min(int((m.start_s + m.rise_s + m.hold_s + m.fall_s) * RATE_HZ) + 1, n)
        rows = np.flatnonzero(m.offsets_deg)
        shape = minimum_jerk_bump(time_s[first:last], m.start_s, m.rise_s, m.hold_s, m.fall_s)
        angles_deg[rows, first:last] += m.offsets_deg[rows, None] * shape


def _moments(rng: np.random.Generator, per_minute: float, duration_s: float) -> Signal:
    """Random moments (Poisson) in seconds, sorted."""
    n = int(rng.poisson(per_minute * duration_s / 60.0))
    return np.sort(rng.uniform(-0.5, duration_s, n))


def _log_normal(rng: np.random.Generator, median: float, sigma: float, least: float, most: float) -> float:
    return float(np.clip(median * np.exp(sigma * rng.standard_normal()), least, most))


def _limb_offsets(region: str, six_deg: Signal) -> Signal:
    offsets = np.zeros(len(ANGLES))
    offsets[REGIONS[region]] = six_deg
    return offsets


def _rise(rng: np.random.Generator, median_s: float, offsets_deg: Signal) -> float:
    """Duration of a movement: log-normal, longer where the movement is large."""
    drawn = _log_normal(rng, median_s, 0.3, 0.4 * median_s, 2.5 * median_s)
    return max(drawn, float(np.abs(offsets_deg).max()) / _FASTEST_DEG_S)


def _variants(rng: np.random.Generator, kind: str, mean_deg: Signal, character: Character) -> Signal:
    """(n_variants, 6) ways in which this infant makes this movement."""
    return np.asarray(mean_deg + _SPREAD[kind] * rng.standard_normal((character.n_variants, 6)))


def _draw(rng: np.random.Generator, variants: Signal, kind: str, character: Character) -> Signal:
    """One of the infant's variants, repeated more or less loosely, of log-normal size."""
    variant = variants[rng.integers(len(variants))]
    loose = character.looseness * _SPREAD[kind] * rng.standard_normal(6)
    return np.asarray((variant + loose) * _log_normal(rng, 0.85, 0.35, 0.35, 1.6))


def _kicks(rng: np.random.Generator, moments: Signal, posture: Signal, character: Character) -> Iterator[Movement]:
    variants = _variants(rng, "kicks", _KICK, character)
    for moment in moments:
        both = rng.uniform() < 0.2
        legs = ("left_leg", "right_leg") if both else (str(rng.choice(["left_leg", "right_leg"])),)
        for leg in legs:
            change = _draw(rng, variants, "kicks", character)
            if posture[REGIONS[leg]][3] < 50.0:  # a straight leg kicks by bending
                change = -change
            offsets = _limb_offsets(leg, change)
            rise, fall = _rise(rng, 0.35, offsets), _rise(rng, 0.5, offsets)
            yield Movement(moment + rng.uniform(0.0, 0.1), rise, rng.exponential(0.15), fall, offsets)


def _arm_swipes(rng: np.random.Generator, moments: Signal, posture: Signal, character: Character) -> Iterator[Movement]:
    variants = _variants(rng, "arm_swipes", _SWIPE, character)
    for moment in moments:
        arm = str(rng.choice(["left_arm", "right_arm"]))
        change = _draw(rng, variants, "arm_swipes", character)
        if posture[REGIONS[arm]][0] > 75.0:  # an arm beside the head swipes down
            change = change * (-1.0, 1.0, -1.0, 1.0, 1.0, 1.0)
        offsets = _limb_offsets(arm, change)
        rise, fall = _rise(rng, 0.55, offsets), _rise(rng, 0.7, offsets)
        yield Movement(moment, rise, rng.exponential(0.4), fall, offsets)


def _hands_to_midline(
    rng: np.random.Generator, moments: Signal, posture: Signal, character: Character
) -> Iterator[Movement]:
    for moment in moments:
        arms = ("left_arm", "right_arm") if rng.uniform() < 0.4 else (str(rng.choice(["left_arm", "right_arm"])),)
        for arm in arms:
            target = _MIDLINE + 20.0 * character.looseness * rng.standard_normal(6)
            change = rng.uniform(0.6, 1.0) * (target - posture[REGIONS[arm]])
            offsets = _limb_offsets(arm, change)
            rise, fall = _rise(rng, 1.0, offsets), _rise(rng, 1.1, offsets)
            yield Movement(moment + rng.uniform(0.0, 0.3), rise, 0.5 + rng.exponential(1.5), fall, offsets)


def _head_turns(rng: np.random.Generator, moments: Signal, posture: Signal) -> Iterator[Movement]:
    """Each turn brings the head to a new place, where it stays until the next."""
    now_deg = float(posture[0])
    for moment in moments:
        target_deg = float(rng.choice([-1.0, 1.0], p=[0.5, 0.5]) * rng.uniform(0.0, 55.0))
        offsets = np.zeros(len(ANGLES))
        offsets[:3] = target_deg - now_deg, 3.0 * rng.standard_normal(), 2.0 * rng.standard_normal()
        now_deg = target_deg
        rise = max(_log_normal(rng, 0.9, 0.3, 0.5, 2.0), abs(offsets[0]) / 90.0)
        yield Movement(moment, rise, _NEVER_S, 1.0, offsets)


def _stretches(rng: np.random.Generator, moments: Signal) -> Iterator[Movement]:
    """Slow whole-body stretches: arms up, legs straight, trunk bent."""
    for moment in moments:
        offsets = np.zeros(len(ANGLES))
        offsets[1:6] = rng.standard_normal(5) * (5.0, 4.0, 5.0, 7.0, 3.0)
        for side in ("left", "right"):
            offsets[REGIONS[f"{side}_arm"]] = rng.normal((30, 4, -10, -35, 5, 0), 8.0)
            offsets[REGIONS[f"{side}_leg"]] = rng.normal((-5, -10, -8, -40, 20, 0), 7.0)
        rise = _log_normal(rng, 1.3, 0.3, 0.7, 3.0)
        yield Movement(moment, rise, rng.uniform(0.5, 2.0), 1.2 * rise, offsets)


def _jerks(rng: np.random.Generator, moments: Signal, character: Character) -> Iterator[Movement]:
    """Single small sudden movements of one limb, as large and fast as FMs but alone: not to be taken for FMs."""
    variants = _variants(rng, "jerks", np.zeros(6), character)
    for moment in moments:
        limb = str(rng.choice(["left_arm", "right_arm", "left_leg", "right_leg"]))
        offsets = _limb_offsets(limb, _draw(rng, variants, "jerks", character))
        yield Movement(moment, rng.uniform(0.18, 0.35), rng.exponential(0.1), rng.uniform(0.2, 0.5), offsets)


def _posture_shifts(rng: np.random.Generator, moments: Signal) -> Iterator[Movement]:
    """A limb comes to lie elsewhere; shifts are drawn around the resting posture, so they do not add up."""
    now = {limb: np.zeros(6) for limb in ("left_arm", "right_arm", "left_leg", "right_leg")}
    for moment in moments:
        limb = str(rng.choice(list(now)))
        target = _SPREAD["posture_shifts"] * rng.standard_normal(6)
        offsets, now[limb] = _limb_offsets(limb, target - now[limb]), target
        yield Movement(moment, _log_normal(rng, 1.3, 0.3, 0.6, 3.0), _NEVER_S, 1.0, offsets)


def _kick_trains(rng: np.random.Generator, duration_s: float) -> Signal:
    """Moments of vigorous kicking: trains of 4 to 10 kicks, 2.5 trains a minute."""
    trains = [
        start + np.cumsum(rng.uniform(0.6, 1.1, int(rng.integers(4, 11)))) for start in _moments(rng, 2.5, duration_s)
    ]
    moments = np.concatenate(trains) if trains else np.zeros(0)
    return np.sort(moments[moments < duration_s])


def plan_movements(
    rng: np.random.Generator,
    kinds: frozenset[str],
    duration_s: float,
    posture_deg: Signal,
    character: Character,
    activity: float = 1.0,
    vigorous_kicks: bool = False,
) -> list[Movement]:
    """All discrete movements of one recording.

    `kinds` out of RATES_PER_MINUTE; `posture_deg` (30,) is where the limbs rest; `activity` multiplies all rates;
    `vigorous_kicks` adds trains of kicks. Raises ValueError for an unknown kind.
    """
    unknown = kinds - RATES_PER_MINUTE.keys()
    if unknown:
        raise ValueError(f"no such kind of movement: {', '.join(sorted(unknown))}")
    streams = dict(zip(RATES_PER_MINUTE, rng.spawn(len(RATES_PER_MINUTE)), strict=True))
    at = {
        kind: _moments(streams[kind], activity * RATES_PER_MINUTE[kind], duration_s) if kind in kinds else np.zeros(0)
        for kind in RATES_PER_MINUTE
    }
    kick_rng = streams["kicks"]
    kicks = np.concatenate((at["kicks"], _kick_trains(kick_rng, duration_s))) if vigorous_kicks else at["kicks"]
    return [
        *_kicks(kick_rng, kicks, posture_deg, character),
        *_arm_swipes(streams["arm_swipes"], at["arm_swipes"], posture_deg, character),
        *_hands_to_midline(streams["hands_to_midline"], at["hands_to_midline"], posture_deg, character),
        *_head_turns(streams["head_turns"], at["head_turns"], posture_deg),
        *_stretches(streams["stretches"], at["stretches"]),
        *_jerks(streams["jerks"], at["jerks"], character),
        *_posture_shifts(streams["posture_shifts"], at["posture_shifts"]),
    ]


def rhythmic_movements(rng: np.random.Generator, time_s: Signal, duration_s: float, per_minute: float = 1.5) -> Signal:
    """Regular swinging of one limb at 1 to 2.5 Hz for 2 to 6 s, (30, N) degrees: in the band of FMs, but no FMs."""
    angles = np.zeros((len(ANGLES), time_s.size))
    for moment in _moments(rng, per_minute, duration_s):
        region = str(rng.choice(["left_arm", "right_arm", "left_leg", "right_leg"]))
        side, limb = region.split("_")
        joints = ("shoulder_abduction", "elbow_flexion") if limb == "arm" else ("hip_flexion", "knee_flexion")
        stretch = Stretch(max(moment, 0.0), moment + rng.uniform(2.0, 6.0))
        shape = envelope([stretch], time_s, 0.8) * minimum_jerk(time_s / 0.5)
        phase = 2.0 * np.pi * rng.uniform(1.0, 2.5) * (time_s - moment)
        for joint in joints:
            amplitude_deg = _log_normal(rng, 6.0, 0.4, 2.0, 14.0)
            angles[ANGLE_INDEX[f"{side}_{joint}"]] += amplitude_deg * shape * np.sin(phase + rng.uniform(0.0, 0.6))
    return angles
