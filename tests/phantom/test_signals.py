"""Noise has the variance, band and correlation it is asked for; profiles and stretches are what they say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fidgety.phantom.signals import (
    RATE_HZ,
    band_gain,
    band_noise,
    correlated_noise,
    envelope,
    minimum_jerk,
    plan_stretches,
    sample_at,
    subtract_stretches,
)
from fidgety.records import Stretch

BAND = band_gain(0.45, 0.7, 2.5, 4.0)


def test_band_noise_has_unit_variance_and_nothing_outside_its_band():
    noise = band_noise(np.random.default_rng(1), 20, 20000, BAND)
    assert noise.shape == (20, 20000)
    assert noise.var() == pytest.approx(1.0, rel=0.05)
    power = (np.abs(np.fft.rfft(noise * np.hanning(20000), axis=1)) ** 2).mean(axis=0)
    frequency_hz = np.fft.rfftfreq(20000, 1 / RATE_HZ)
    assert power[frequency_hz > 4.2].sum() < 1e-3 * power.sum()
    assert power[frequency_hz < 0.4].sum() < 1e-3 * power.sum()


def test_correlated_noise_correlates_channels_by_plus_or_minus_r():
    noise = correlated_noise(np.random.default_rng(2), 12, 60000, BAND, 0.2)
    r = np.corrcoef(noise)[np.triu_indices(12, 1)]
    assert np.abs(r).mean() == pytest.approx(0.2, abs=0.03)
    assert (r < 0).any()
    assert (r > 0).any()


def test_minimum_jerk_goes_from_0_to_1_and_starts_and_ends_at_rest():
    position = minimum_jerk(np.linspace(-0.5, 1.5, 2001))
    speed = np.diff(position) * 1000
    assert position[0] == 0.0
    assert position[-1] == 1.0
    assert speed.min() >= 0.0
    assert speed.max() == pytest.approx(1.875, rel=1e-3)
    assert np.abs(np.diff(speed)).max() * 1000 < 6.0  # greatest acceleration 5.77


def test_envelope_is_half_at_the_borders_and_whole_at_a_cut_end():
    time_s = np.arange(1000) / RATE_HZ
    shape = envelope([Stretch(0.0, 2.0), Stretch(5.0, 9.99)], time_s, 0.4)
    assert shape[0] == 1.0
    assert shape[-1] == 1.0
    assert shape[200] == pytest.approx(0.5, abs=1e-6)
    assert shape[500] == pytest.approx(0.5, abs=1e-6)
    assert shape[350] == 0.0


def test_plan_stretches_fill_the_share_that_the_means_say():
    shares = []
    for seed in range(40):
        stretches = plan_stretches(np.random.default_rng(seed), 600.0, 4.0, 6.0)
        shares.append(sum(s.end_s - s.start_s for s in stretches) / 600.0)
        assert all(a.end_s < b.start_s for a, b in itertools.pairwise(stretches))
    assert np.mean(shares) == pytest.approx(0.4, abs=0.02)


def test_subtract_stretches_cuts_holes_and_drops_short_remainders():
    left = subtract_stretches([Stretch(0.0, 10.0), Stretch(20.0, 22.0)], [Stretch(4.0, 6.0), Stretch(20.5, 30.0)], 1.0)
    assert left == (Stretch(0.0, 4.0), Stretch(6.0, 10.0))
    assert subtract_stretches([Stretch(0.0, 0.5)], []) == (Stretch(0.0, 0.5),)


def test_sample_at_is_exact_on_samples_and_on_cubics():
    axis = np.arange(400) / RATE_HZ
    cubic = (axis**3 - 2 * axis)[None]
    times = np.array([0.0, 0.013, 1.23, 2.0, 3.333])
    np.testing.assert_allclose(sample_at(cubic, times)[0], times**3 - 2 * times, atol=1e-9)
