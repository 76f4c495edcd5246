"""Continuous movement that is not FMs: the wandering posture, ordinary movement, crying, tremor, breathing.

Ordinary movement is what keeps the classes alike. An infant without FMs is not still: while an infant with FMs
fidgets, it makes slow, larger, more coupled movements. Each infant has a share of time in motion drawn without regard
to the category; what FMs do not fill of it, ordinary movement does, at about the same mean speed of the joints. So
neither amount nor mean speed of movement tells the classes apart, only its character: slow (under 1 Hz), smooth and
coupled against small, quick and irregular.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fidgety.phantom.anatomy import ANGLES, POSTURE_SD_DEG, REGIONS
from fidgety.phantom.fidgety_movements import FMS_AMPLITUDE_DEG
from fidgety.phantom.signals import (
    Signal,
    band_gain,
    band_noise,
    correlated_noise,
    envelope,
    ornstein_uhlenbeck_gain,
    plan_stretches,
)
from fidgety.records import Stretch

__all__ = ["breathe", "cry", "draw_ordinary", "plan_crying", "plan_wandering", "shake", "wander", "wandering_posture"]

_POSTURE = ornstein_uhlenbeck_gain(tau_s=4.0, stop_hz=0.35)
_SLOW_BAND = band_gain(0.1, 0.2, 0.6, 1.1)
_CRYING_BAND = band_gain(0.4, 0.8, 2.0, 3.5)
_TREMOR_BAND = band_gain(5.5, 6.0, 8.0, 8.5)
_BREATHING_DEPTH = ornstein_uhlenbeck_gain(tau_s=6.0, stop_hz=0.2)
# RMS angle of ordinary movement over that of FMs: equal mean joint speed, as its frequency is lower by that factor.
_SLOW_OVER_FMS = 3.6
_CRYING_OVER_FMS = 3.0
_TREMOR_DEG = 0.8  # RMS at the angles of the limbs


def wandering_posture(rng: np.random.Generator, n_samples: int) -> Signal:
    """Ornstein-Uhlenbeck wandering of all angles around rest, (30, N) degrees, tau 4 s, SD POSTURE_SD_DEG, smooth."""
    return np.asarray(POSTURE_SD_DEG[:, None] * band_noise(rng, len(ANGLES), n_samples, _POSTURE))


def draw_ordinary(rng: np.random.Generator) -> tuple[float, float]:
    """Share of the time in motion, .6-.95, and the factor on ordinary movement, .6-1.6, whatever the category."""
    return float(rng.uniform(0.6, 0.95)), float(np.exp(rng.uniform(np.log(0.6), np.log(1.6))))


def plan_wandering(
    rng: np.random.Generator, duration_s: float, fms_s: float, share_in_motion: float
) -> tuple[Stretch, ...]:
    """Stretches of ordinary movement, so long that with `fms_s` seconds of FMs about `share_in_motion` is filled.

    They are planned without regard to where the bouts lie; `wander` fades them out there. Every infant has some.
    """
    rest_s = max(duration_s - fms_s, 1.0)
    share = float(np.clip((share_in_motion * duration_s - fms_s) / rest_s, 0.08, 0.92))
    mean_on_s = float(rng.uniform(3.0, 7.0))
    return plan_stretches(rng, duration_s, mean_on_s, mean_on_s * (1.0 - share) / share)


def wander(
    rng: np.random.Generator,
    stretches: Sequence[Stretch],
    bouts: Sequence[Stretch],
    time_s: Signal,
    amplitude: float,
    coupling: float,
) -> Signal:
    """Ordinary movement (30, N) in degrees: slow smooth noise of 3 to 6 regions a stretch; `coupling`: correlation."""
    n_angles = len(ANGLES)
    if not stretches:
        return np.zeros((n_angles, time_s.size))
    noise = correlated_noise(rng, n_angles, time_s.size, _SLOW_BAND, coupling)
    regions = list(REGIONS.values())
    strengths = np.zeros((len(regions), time_s.size))
    for stretch in stretches:
        recruited = rng.permutation(len(regions))[: int(rng.integers(3, len(regions) + 1))]
        shape = envelope([stretch], time_s, 0.8)
        for region in recruited:
            np.maximum(strengths[region], rng.uniform(0.8, 1.3) * shape, out=strengths[region])
    strengths *= 1.0 - 0.9 * envelope(bouts, time_s, 0.8)
    rows = np.repeat(np.arange(len(regions)), [r.stop - r.start for r in regions])
    scale = 0.5 * _SLOW_OVER_FMS * amplitude * FMS_AMPLITUDE_DEG
    return np.asarray(scale[:, None] * noise * strengths[rows])


def plan_crying(rng: np.random.Generator, duration_s: float) -> tuple[Stretch, ...]:
    """Stretches of crying or fussing: 6 to 20 s, at most about a third of the recording."""
    share = float(rng.uniform(0.12, 0.35))
    mean_on_s = float(rng.uniform(6.0, 14.0))
    return plan_stretches(rng, duration_s, mean_on_s, mean_on_s * (1.0 - share) / share, least_s=3.0)


def cry(rng: np.random.Generator, stretches: Sequence[Stretch], time_s: Signal) -> Signal:
    """Jerky movement of the whole body in the rhythm of the cries, (30, N) degrees: large and strongly coupled."""
    if not stretches:
        return np.zeros((len(ANGLES), time_s.size))
    noise = correlated_noise(rng, len(ANGLES), time_s.size, _CRYING_BAND, 0.6)
    cries = 0.65 + 0.35 * np.sin(2.0 * np.pi * float(rng.uniform(0.7, 1.1)) * time_s)
    shape = envelope(stretches, time_s, 1.0) * cries * np.exp(0.25 * rng.standard_normal())
    return np.asarray(0.5 * _CRYING_OVER_FMS * FMS_AMPLITUDE_DEG[:, None] * noise * shape)


def shake(rng: np.random.Generator, duration_s: float, time_s: Signal) -> Signal:
    """Tremor of 6 to 8 Hz in the limbs, (30, N) degrees, in stretches of about 2 s over a third of the recording."""
    angles = np.zeros((len(ANGLES), time_s.size))
    for region in ("left_arm", "left_leg", "right_arm", "right_leg"):
        stretches = plan_stretches(rng, duration_s, 2.0, 4.0)
        noise = correlated_noise(rng, 6, time_s.size, _TREMOR_BAND, 0.5)
        angles[REGIONS[region]] = _TREMOR_DEG * noise * envelope(stretches, time_s, 0.5)
    return angles


def breathe(rng: np.random.Generator, crying: Sequence[Stretch], time_s: Signal) -> Signal:
    """Rise of the chest (N,) in metres: 33 to 48 breaths a minute, 1.5 mm; both 1.5 times as much while crying."""
    cries = envelope(crying, time_s, 2.0)
    rate_hz = float(rng.uniform(0.55, 0.8)) * (1.0 + 0.5 * cries)
    phase = 2.0 * np.pi * (np.cumsum(rate_hz) / 100.0 + rng.uniform())
    depth = np.exp(0.3 * band_noise(rng, 1, time_s.size, _BREATHING_DEPTH)[0])
    return np.asarray(0.0015 * depth * (1.0 + 0.5 * cries) * np.sin(phase))
