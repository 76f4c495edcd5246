"""The floor is what remains where limbs are quietest, whatever they do elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from fidgety.records import LiftedTrack
from fidgety.runtime.noise_floor import NoiseFloor

N_ROWS = 1500  # one minute


def track_of(joints: np.ndarray, is_observed: np.ndarray | None = None) -> LiftedTrack:
    n = len(joints)
    observed = np.ones(n, bool) if is_observed is None else is_observed
    return LiftedTrack(joints.astype(np.float32), joints[..., :2].astype(np.float32), observed)


def floor_of(*pieces: LiftedTrack) -> float | None:
    monitor = NoiseFloor()
    assert list(monitor.listen(pieces)) == list(pieces)  # handed on as they are
    return monitor.measures()["noise_floor_mm"]


def noise(sd_mm: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd_mm / 190, (N_ROWS, 17, 3))


def movement(size_mm: float, rate_hz: float) -> np.ndarray:
    wave = size_mm / 190 * np.sin(2 * np.pi * rate_hz * np.arange(N_ROWS) / 25)
    return np.repeat(wave[:, None, None], 17, axis=1).repeat(3, axis=2)


@pytest.mark.parametrize("sd_mm", [0.3, 1.0, 4.0])
def test_noise_floor_of_a_still_infant_is_its_noise(sd_mm: float) -> None:
    assert floor_of(track_of(noise(sd_mm))) == pytest.approx(sd_mm, rel=0.2)


def test_noise_floor_leaves_slow_posture_and_moving_stretches_out() -> None:
    joints = noise(0.5) + movement(40.0, 0.1)
    joints[:1200] += movement(10.0, 1.5)[:1200]  # the infant pauses for 12 of 60 s
    assert floor_of(track_of(joints)) == pytest.approx(0.5, rel=0.2)


def test_noise_floor_of_an_infant_that_never_pauses_is_its_movement() -> None:
    assert floor_of(track_of(noise(0.5) + movement(10.0, 1.5))) == pytest.approx(10 / np.sqrt(2), rel=0.1)


def test_noise_floor_needs_no_whole_pieces_and_skips_what_was_not_observed() -> None:
    joints = noise(1.0)
    observed = np.ones(N_ROWS, bool)
    observed[300:800] = False
    joints[300:800] = 0.0  # bridged: stiller than anything true

    def cut() -> Iterator[LiftedTrack]:
        for a in range(0, N_ROWS, 7):
            yield track_of(joints[a : a + 7], observed[a : a + 7])

    assert floor_of(*cut()) == pytest.approx(1.0, rel=0.2)
    assert floor_of(*cut()) == floor_of(track_of(joints, observed))


def test_noise_floor_of_a_few_seconds_or_of_nobody_is_not_told() -> None:
    assert floor_of(track_of(noise(1.0)[:200])) is None
    assert floor_of(track_of(np.full((N_ROWS, 17, 3), np.nan))) is None
    assert floor_of() is None
