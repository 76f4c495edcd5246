"""What is measured must be what was put in, and what is drawn must be what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.phantom.pose_noise import PoseNoise, assumed_pose_noise, default_pose_noise, measure_pose_noise
from fidgety.skeleton import H36M_17

WRIST, ANKLE = H36M_17.indices("left_wrist", "right_ankle")


def _density(noise: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Power of (T, 17) noise at 25 Hz between two frequencies, per joint."""
    spectrum = np.abs(np.fft.rfft(noise, axis=0)) ** 2 * 2.0 / len(noise) ** 2
    frequency = np.fft.rfftfreq(len(noise), 0.04)
    return np.asarray(spectrum[(frequency >= low_hz) & (frequency < high_hz)].sum(axis=0))


def _truth(seed: int, n_frames: int = 500) -> np.ndarray:
    """A body in pixels, torso 190, every joint moving at 1.2 Hz with 10 px, in both directions."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(n_frames) / 25.0
    rest = rng.normal(0.0, 120.0, (17, 2))
    rest[H36M_17.index["hip"]], rest[H36M_17.index["thorax"]] = (0, 0), (0, -190)
    phase = rng.uniform(0, 6.3, (17, 2))
    moving = rest + 10.0 * np.sin(2 * np.pi * 1.2 * time_s[:, None, None] + phase)
    moving[:, H36M_17.indices("hip", "thorax")] = rest[H36M_17.indices("hip", "thorax")]
    return moving.astype(np.float32)


def test_sample_has_the_power_and_the_correlation_that_were_asked_for() -> None:
    noise = assumed_pose_noise()
    drawn = np.stack([noise.sample(np.random.default_rng(seed), 500) for seed in range(20)])
    power = np.mean([_density(one[..., 0], 0.5, 4.0) for one in drawn], axis=0)
    assert np.sqrt(power[ANKLE]) * 170 == pytest.approx(0.9, rel=0.1)  # mm on a torso of 170
    assert np.sqrt(power[0]) * 170 == pytest.approx(0.6, rel=0.1)
    joints = drawn[..., 0].transpose(2, 0, 1).reshape(17, -1)
    assert np.corrcoef(joints)[2, 9] == pytest.approx(0.3, abs=0.1)


def test_sample_of_one_seed_is_one_noise() -> None:
    noise = assumed_pose_noise()
    first, again = (noise.sample(np.random.default_rng(3), 250) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, noise.sample(np.random.default_rng(4), 250))


def test_measure_pose_noise_finds_gain_noise_and_offset() -> None:
    pairs = []
    for seed in range(8):
        rng = np.random.default_rng([seed, 1])
        truth = _truth(seed)
        middle = truth.mean(axis=0)
        observed = middle + (truth - middle) * 1.1
        observed = observed + rng.normal(0.0, 1.9, truth.shape) + rng.normal(0.0, 19.0, (17, 1))
        pairs.append((observed.astype(np.float32), truth))
    noise = measure_pose_noise(pairs)
    assert noise.gain_mean[WRIST] == pytest.approx(1.1, abs=0.05)
    assert noise.offset_sd.mean() == pytest.approx(0.1, abs=0.03)
    assert np.abs(noise.offset_mean).max() < 0.12
    total = np.sqrt(noise.psd[:, WRIST].sum() * 0.1)  # white noise of 1.9 px on a torso of 190
    assert total == pytest.approx(0.01, rel=0.1)


def test_measure_pose_noise_refuses_tracks_that_do_not_fit() -> None:
    truth = _truth(0)
    with pytest.raises(UsageError, match="two"):
        measure_pose_noise([(truth, truth)])
    with pytest.raises(UsageError, match="expected two of"):
        measure_pose_noise([(truth, truth[:300]), (truth, truth)])
    with pytest.raises(UsageError, match="250"):
        measure_pose_noise([(truth[:100], truth[:100])] * 2)


def test_save_and_load_give_the_same_noise(tmp_path: Path) -> None:
    noise = replace(assumed_pose_noise(), level_log_sd=0.125)
    noise.save(tmp_path / "noise.npz")
    again = PoseNoise.load(tmp_path / "noise.npz")
    assert again.level_log_sd == 0.125
    assert np.array_equal(again.psd, noise.psd)
    first, second = (n.sample(np.random.default_rng(1), 240) for n in (noise, again))
    assert np.array_equal(first, second)


def test_load_refuses_what_is_no_pose_noise(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pose noise at"):
        PoseNoise.load(tmp_path / "nothing.npz")
    np.savez(tmp_path / "other.npz", psd=np.zeros(3))
    with pytest.raises(UsageError, match="keys differ"):
        PoseNoise.load(tmp_path / "other.npz")


def test_default_pose_noise_can_be_drawn_from() -> None:
    drawn = default_pose_noise().sample(np.random.default_rng(0), 300)
    assert drawn.shape == (300, 17, 2)
    assert 0.0 < drawn.std() < 0.2


def test_level_at_rest_is_the_floor_and_grows_with_the_speed_of_that_joint_alone() -> None:
    noise = assumed_pose_noise()
    time_s = np.arange(250) / 25.0
    movement = np.zeros((250, 17, 2))
    swing = np.sqrt(2) * np.sin(2 * np.pi * 2.0 * time_s) / (2 * np.pi * 2.0)  # rms speed 1
    movement[:, 3] = 2 * noise.speed_rms[3] * swing[:, None]
    level = noise.level_at(movement)
    assert level[50:200, 3] == pytest.approx(np.sqrt(2.0), rel=0.1)  # exponent one half
    assert level[:, 0] == pytest.approx(float(noise.rest_level[0]))
    drift = np.zeros((250, 17, 2))
    drift[:, 3] = 0.1 * noise.speed_rms[3] * time_s[:, None]  # far, but slowly: .1 ** .5 is below the floor
    assert noise.level_at(drift)[:, 3] == pytest.approx(float(noise.rest_level[3]), rel=0.01)
    finer = np.zeros((500, 17, 2))
    finer[:, 3] = movement[0, 3] + np.interp(np.arange(500) / 50.0, time_s, movement[:, 3, 0])[:, None]
    assert noise.level_at(finer, fps=50.0)[100:400:2, 3] == pytest.approx(level[50:200, 3], rel=0.1)


def test_measure_pose_noise_finds_that_noise_grows_with_movement() -> None:
    rng = np.random.default_rng(8)
    pairs = []
    for seed in range(3):
        still = np.median(_truth(seed), axis=0)
        lively = np.repeat(rng.uniform(0.2, 2.0, (30, 17, 1)), 25, axis=0)
        true = still + lively * (_truth(seed, 750) - still)
        pairs.append(((true + lively * rng.normal(0.0, 1.0, true.shape)).astype(np.float32), true.astype(np.float32)))
    noise = measure_pose_noise(pairs)
    moving = [joint for joint in range(17) if joint not in H36M_17.indices("hip", "thorax")]
    assert np.median(noise.speed_exponent[moving]) > 0.6
    levels = np.stack([noise.level_at(true.astype(np.float64) / 190.0) for _, true in pairs])
    assert np.sqrt((levels[..., moving] ** 2).mean()) == pytest.approx(1.0, abs=0.15)


def test_measure_pose_noise_finds_a_lasting_error_whichever_way_the_infant_lies() -> None:
    """The left wrist is read .1 trunk lengths too far out and .05 too low, the right one likewise."""
    pairs = []
    for quarter in range(4):
        turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), quarter)
        truth = _truth(quarter)
        off = np.zeros((17, 2))
        off[H36M_17.indices("left_wrist", "right_wrist")] = (19.0, 9.5), (-19.0, 9.5)
        noisy = truth + off + np.random.default_rng(quarter).normal(0.0, 0.1, truth.shape)
        pairs.append(((noisy @ turn.T).astype(np.float32), (truth @ turn.T).astype(np.float32)))
    noise = measure_pose_noise(pairs)
    assert noise.offset_mean[WRIST] == pytest.approx([0.1, 0.05], abs=1e-3)
    assert noise.offset_mean[H36M_17.index["right_wrist"]] == pytest.approx([-0.1, 0.05], abs=1e-3)
    assert noise.offset_sd.max() < 1e-3
