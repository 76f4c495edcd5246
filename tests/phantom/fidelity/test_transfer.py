"""Figures of an instrument whose gain, phase, noise, lines and leaks were put in by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fidgety.phantom.fidelity.transfer import (
    amplitudes_at,
    band_gain,
    band_rms,
    cross_talk,
    direction_at,
    gain_at,
    levels_db,
    power_spectrum,
    residual_at,
    stroke_at,
)

FPS = 25.0
Array = NDArray[np.float64]


def wave(frequency_hz: float, seconds: float = 6.0, *, amplitude: float = 10.0, lag_deg: float = 0.0) -> Array:
    """(T,) sinusoid."""
    time_s = np.arange(round(seconds * FPS)) / FPS
    return np.asarray(amplitude * np.sin(2 * np.pi * frequency_hz * time_s + 0.7 - np.radians(lag_deg)))


def noise(n: int, axes: int = 2, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((n, axes))


@pytest.mark.parametrize("frequency_hz", [0.5, 1.5, 4.0])
@pytest.mark.parametrize(("gain", "lag_deg"), [(1.0, 0.0), (0.6, 35.0), (1.2, -20.0)])
def test_gain_at_finds_gain_and_lag(frequency_hz: float, gain: float, lag_deg: float) -> None:
    slant = np.array([0.6, -0.8])
    true = wave(frequency_hz)[:, None] * slant + [300.0, 200.0]
    measured = gain * wave(frequency_hz, lag_deg=lag_deg)[:, None] * slant + [320.0, 180.0]
    found = gain_at(true, measured, FPS, frequency_hz)
    assert abs(found) == pytest.approx(gain, rel=1e-6)
    assert np.degrees(np.angle(found)) == pytest.approx(-lag_deg, abs=1e-4)


def test_gain_at_of_a_mean_of_five_frames_is_its_known_response() -> None:
    true = wave(2.0, 10.0)[:, None]
    smooth = np.convolve(true[:, 0], np.ones(5) / 5, mode="same")[:, None]
    angle = np.pi * 2.0 / FPS
    assert abs(gain_at(true[5:-5], smooth[5:-5], FPS, 2.0)) == pytest.approx(np.sin(5 * angle) / (5 * np.sin(angle)))


def test_gain_at_looks_along_the_true_direction_only() -> None:
    true = np.stack([wave(1.0), np.zeros(150)], axis=1)
    measured = np.stack([0.9 * wave(1.0), 0.5 * wave(1.0)], axis=1)
    assert abs(gain_at(true, measured, FPS, 1.0)) == pytest.approx(0.9)


def test_gain_at_bears_drift_and_noise() -> None:
    true = wave(1.5)[:, None] * [1.0, 0.0]
    measured = 0.8 * true + np.linspace(0, 30, 150)[:, None] + 0.5 * noise(150)
    assert abs(gain_at(true, measured, FPS, 1.5)) == pytest.approx(0.8, abs=0.03)


def test_gain_at_of_a_truth_at_rest_raises() -> None:
    with pytest.raises(ValueError, match="does not move"):
        gain_at(np.full((100, 2), 5.0), noise(100), FPS, 1.0)


@pytest.mark.parametrize("frequency_hz", [0.2, 12.5, 0.0])
def test_amplitudes_at_what_cannot_be_measured_raises(frequency_hz: float) -> None:
    with pytest.raises(ValueError, match="cannot be measured"):
        amplitudes_at(noise(100), FPS, frequency_hz)


def test_direction_and_stroke_of_an_ellipse_are_its_long_axis() -> None:
    turn = np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
    ellipse = np.stack([wave(1.0, amplitude=7.0), wave(1.0, amplitude=2.0, lag_deg=90.0)], axis=1) @ turn
    assert abs(direction_at(ellipse, FPS, 1.0) @ turn[0]) == pytest.approx(1.0)
    assert stroke_at(ellipse, FPS, 1.0) == pytest.approx(7.0)


def test_residual_at_forgives_gain_but_not_a_second_tone() -> None:
    true = np.stack([wave(1.0), np.zeros(150)], axis=1)
    assert residual_at(true, 0.5 * true + 3.0, FPS, 1.0) == pytest.approx(0.0, abs=1e-9)
    distorted = true + np.stack([wave(2.0, amplitude=2.0), np.zeros(150)], axis=1)
    assert residual_at(true, distorted, FPS, 1.0) == pytest.approx(np.sqrt(2.0**2 / 2 / 2), rel=1e-2)


def test_cross_talk_is_the_share_of_the_stroke() -> None:
    driven = np.stack([wave(2.0), np.zeros(150)], axis=1)
    leak = np.stack([np.zeros(150), wave(2.0, amplitude=0.7, lag_deg=50.0)], axis=1)
    elsewhere = np.stack([wave(3.0, amplitude=5.0), np.zeros(150)], axis=1)
    shares = cross_talk(driven, np.stack([leak, elsewhere, np.zeros((150, 2))], axis=1), FPS, 2.0)
    assert shares[[0, 2]] == pytest.approx([0.07, 0.0], abs=1e-6)
    assert shares[1] < 0.02  # of .5: what two tones and a drift share in 6 s


def test_band_rms_counts_what_lies_in_the_band_alone() -> None:
    inside, outside = wave(2.0, 40.0, amplitude=3.0), wave(8.0, 40.0, amplitude=50.0) + wave(0.1, 40.0, amplitude=50.0)
    rms = band_rms(np.stack([inside + outside, outside], axis=1), FPS, 0.5, 4.0)
    assert rms[0] == pytest.approx(3.0 / np.sqrt(2), rel=1e-2)
    assert rms[1] < 0.05


def test_band_rms_of_white_noise_is_its_share_of_the_band() -> None:
    rms = band_rms(noise(5000), FPS, 0.5, 4.0)
    assert rms == pytest.approx([np.sqrt(3.5 / 12.5)] * 2, rel=0.08)


def test_power_spectrum_adds_up_to_the_variance() -> None:
    signal = noise(4000)
    frequency_hz, power = power_spectrum(signal, FPS)
    assert power.sum() * frequency_hz[1] == pytest.approx(signal.var(axis=0).sum(), rel=0.05)


def test_power_spectrum_of_too_short_a_signal_raises() -> None:
    with pytest.raises(ValueError, match="shorter"):
        power_spectrum(noise(199), FPS)


@pytest.mark.parametrize("smoothing", [1, 5])
def test_levels_db_shows_no_line_in_noise(smoothing: int) -> None:
    """Not even at the notches and side lobes of a mean of five frames."""
    highest = []
    for seed in range(12):
        columns = noise(1010, seed=seed).T
        signal = np.stack([np.convolve(column, np.ones(smoothing) / smoothing, "same") for column in columns], axis=1)
        highest.append(np.nanmax(levels_db(power_spectrum(signal[5:-5], FPS)[1])))
    assert max(highest) < 4.5


@pytest.mark.parametrize("line_hz", [25 / 9, 50 / 9, 75 / 9])
def test_levels_db_finds_a_line_of_the_comb(line_hz: float) -> None:
    signal = noise(1000)
    signal[:, 0] += wave(line_hz, 40.0, amplitude=1.0)
    frequency_hz, power = power_spectrum(signal, FPS)
    levels = levels_db(power)
    assert frequency_hz[np.nanargmax(levels)] == pytest.approx(line_hz, abs=0.126)
    # A power of .5 in 1.5 bins of .125 Hz over noise of .16 a Hz: 12.5 dB, less for a tone that lies between two bins.
    assert 9.5 < np.nanmax(levels) < 14.0


def test_levels_db_of_a_slope_is_not_a_line() -> None:
    assert np.nanmax(levels_db(1.0 / np.arange(1, 102) ** 4)) < 0.0


def test_levels_db_of_nothing_is_nothing() -> None:
    assert np.isnan(levels_db(np.zeros(101))).all()
    assert np.isinf(levels_db(np.eye(101)[50])[50])


def test_band_gain_finds_gain_lag_and_coherence_of_noise() -> None:
    rng = np.random.default_rng(4)
    broad = np.convolve(rng.standard_normal(2000), np.ones(3) / 3, "same")
    delayed = 0.7 * np.roll(broad, 1)  # one frame: 14.4 degrees at 1 Hz
    true = broad[:, None] * [0.6, 0.8]
    gain, coherence = band_gain(true, delayed[:, None] * [0.6, 0.8], FPS, 0.75, 1.25)
    assert abs(gain) == pytest.approx(0.7, abs=0.01)
    assert np.degrees(np.angle(gain)) == pytest.approx(-14.4, abs=1.0)
    assert coherence > 0.99
    _, stranger = band_gain(true, noise(2000, seed=9), FPS, 0.75, 1.25)
    assert stranger < 0.1


def test_band_gain_of_a_truth_at_rest_raises() -> None:
    with pytest.raises(ValueError, match="does not move"):
        band_gain(np.zeros((400, 2)), noise(400), FPS, 0.5, 1.0)
