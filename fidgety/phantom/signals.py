"""Shapes of movement over time: band-limited noise, minimum-jerk profiles, stretches of activity, resampling.

All are made on one fixed time axis of RATE_HZ and sampled at the camera's rate at the very end, so that a 25 fps and
a 30 fps recording of one seed show the same movement. Arrays are (channels, samples) float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fidgety.records import Stretch

__all__ = [
    "RATE_HZ",
    "Signal",
    "band_gain",
    "band_noise",
    "correlated_noise",
    "envelope",
    "minimum_jerk",
    "minimum_jerk_bump",
    "ornstein_uhlenbeck_gain",
    "plan_stretches",
    "sample_at",
    "subtract_stretches",
]

Signal = NDArray[np.float64]
RATE_HZ = 100.0  # internal rate; the fastest movement is 8 Hz tremor
_PAD_SAMPLES = 500  # noise is periodic over a multiple of this, longer than the recording by up to one pad


def band_gain(rise_hz: float, low_hz: float, high_hz: float, stop_hz: float) -> Callable[[Signal], Signal]:
    """Amplitude gain: 0 below `rise_hz`, 1 from `low_hz` to `high_hz`, 0 above `stop_hz`, raised cosines between."""

    def gain(frequency_hz: Signal) -> Signal:
        up = np.clip((frequency_hz - rise_hz) / max(low_hz - rise_hz, 1e-9), 0.0, 1.0)
        down = np.clip((stop_hz - frequency_hz) / max(stop_hz - high_hz, 1e-9), 0.0, 1.0)
        return np.asarray(np.sin(0.5 * np.pi * up) ** 2 * np.sin(0.5 * np.pi * down) ** 2)

    return gain


def ornstein_uhlenbeck_gain(tau_s: float, stop_hz: float) -> Callable[[Signal], Signal]:
    """Gain of an Ornstein-Uhlenbeck process of time constant `tau_s`, smoothed by a Gaussian low pass at `stop_hz`."""

    def gain(frequency_hz: Signal) -> Signal:
        lorentz = 1.0 / np.sqrt(1.0 + (2.0 * np.pi * frequency_hz * tau_s) ** 2)
        return np.asarray(lorentz * np.exp(-0.5 * (frequency_hz / stop_hz) ** 2))

    return gain


def band_noise(rng: np.random.Generator, n_channels: int, n_samples: int, gain: Callable[[Signal], Signal]) -> Signal:
    """Independent Gaussian noise (n_channels, n_samples) at RATE_HZ, expected variance 1, spectrum shaped by `gain`."""
    n_padded = (n_samples // _PAD_SAMPLES + 1) * _PAD_SAMPLES
    frequency_hz = np.arange(n_padded // 2 + 1) * (RATE_HZ / n_padded)
    weights = gain(np.asarray(frequency_hz, np.float64))
    weights[0] = 0.0
    n_used = int(np.flatnonzero(weights > 1e-4 * weights.max())[-1]) + 1
    spectrum = np.zeros((n_channels, frequency_hz.size), np.complex128)
    draws = rng.standard_normal((n_channels, n_used, 2))
    spectrum[:, :n_used] = (draws[..., 0] + 1j * draws[..., 1]) * weights[:n_used]
    scale = n_padded / (2.0 * np.sqrt(np.sum(weights[:n_used] ** 2)))
    return np.asarray(np.fft.irfft(spectrum, n_padded)[:, :n_samples] * scale)


def correlated_noise(
    rng: np.random.Generator,
    n_channels: int,
    n_samples: int,
    gain: Callable[[Signal], Signal],
    correlation: float,
) -> Signal:
    """Like `band_noise`, any two channels correlated by +-`correlation` (random signs, fixed for the recording)."""
    noise = band_noise(rng, n_channels + 1, n_samples, gain)
    signs = rng.choice([-1.0, 1.0], size=(n_channels, 1))
    return np.asarray(np.sqrt(1.0 - correlation) * noise[:-1] + np.sqrt(correlation) * signs * noise[-1])


def minimum_jerk(phase: Signal) -> Signal:
    """Position 0 -> 1 over phase 0 -> 1 with least jerk (Flash & Hogan 1985); constant outside."""
    u = np.clip(phase, 0.0, 1.0)
    return np.asarray(u**3 * (10.0 - 15.0 * u + 6.0 * u**2))


def minimum_jerk_bump(time_s: Signal, start_s: float, rise_s: float, hold_s: float, fall_s: float) -> Signal:
    """0 -> 1 in `rise_s`, held, back to 0 in `fall_s`; same shape as `time_s`."""
    up = minimum_jerk((time_s - start_s) / rise_s)
    return np.asarray(up - minimum_jerk((time_s - start_s - rise_s - hold_s) / fall_s))


def envelope(stretches: Sequence[Stretch], time_s: Signal, ramp_s: float) -> Signal:
    """1 inside the stretches, 0 outside, minimum-jerk ramps whose half height lies on the borders; shape of `time_s`.

    Outside the recording's ends nothing is cut: a stretch that begins at 0 s is taken to have begun before.
    """
    total = np.zeros_like(time_s)
    for stretch in stretches:
        start_s = stretch.start_s if stretch.start_s > 0.0 else -ramp_s
        end_s = stretch.end_s if stretch.end_s < time_s[-1] else stretch.end_s + ramp_s
        rise = minimum_jerk((time_s - start_s + ramp_s / 2) / ramp_s)
        total += rise - minimum_jerk((time_s - end_s + ramp_s / 2) / ramp_s)
    return np.clip(total, 0.0, 1.0)


def _log_normal(rng: np.random.Generator, mean: float, sigma: float) -> float:
    """One log-normal draw of the given arithmetic mean; `sigma` is the SD of the logarithm."""
    return float(mean * np.exp(sigma * rng.standard_normal() - 0.5 * sigma**2))


def plan_stretches(
    rng: np.random.Generator,
    duration_s: float,
    mean_on_s: float,
    mean_off_s: float,
    sigma_on: float = 0.5,
    sigma_off: float = 0.7,
    least_s: float = 0.8,
) -> tuple[Stretch, ...]:
    """Stretches of activity that alternate with rest, log-normal lengths (means in s), already running at 0 s.

    No stretch and no rest is shorter than `least_s`, but for those that the ends of the recording cut.
    """
    time_s = -float(rng.uniform(0.0, 2.0)) * (mean_on_s + mean_off_s)
    stretches = []
    while time_s < duration_s:
        end_s = time_s + max(_log_normal(rng, mean_on_s, sigma_on), least_s)
        if end_s > 0.0:
            stretches.append(Stretch(max(time_s, 0.0), min(end_s, duration_s)))
        time_s = end_s + max(_log_normal(rng, mean_off_s, sigma_off), least_s)
    return tuple(stretches)


def subtract_stretches(
    stretches: Sequence[Stretch], removed: Sequence[Stretch], least_s: float = 0.8
) -> tuple[Stretch, ...]:
    """What is left of `stretches` outside `removed`; remainders shorter than `least_s` are dropped."""
    left = list(stretches)
    for hole in removed:
        pieces = []
        for stretch in left:
            pieces.append(Stretch(stretch.start_s, min(stretch.end_s, hole.start_s)))
            pieces.append(Stretch(max(stretch.start_s, hole.end_s), stretch.end_s))
        left = [piece for piece in pieces if piece.end_s > piece.start_s]
    kept = [stretch for stretch in left if stretch in stretches or stretch.end_s - stretch.start_s >= least_s]
    return tuple(kept)


def sample_at(signal: Signal, time_s: Signal) -> Signal:
    """Values of (C, N) at RATE_HZ at the given times (T,), by a cubic through the four nearest samples; (C, T)."""
    position = np.asarray(time_s) * RATE_HZ
    base = np.clip(np.floor(position).astype(int), 1, signal.shape[1] - 3)
    u = position - base
    weights = (
        -u * (u - 1.0) * (u - 2.0) / 6.0,
        (u + 1.0) * (u - 1.0) * (u - 2.0) / 2.0,
        -(u + 1.0) * u * (u - 2.0) / 2.0,
        (u + 1.0) * u * (u - 1.0) / 6.0,
    )
    return np.asarray(sum(w * signal[:, base + i - 1] for i, w in enumerate(weights)))
