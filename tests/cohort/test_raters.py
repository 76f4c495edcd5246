"""Simulated raters agree as much as is asked for, and differ where people do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fidgety.cohort.raters import doubt_for_kappa, expected_kappa, rate_clips
from fidgety.errors import UsageError

N = 20_000
RNG = np.random.default_rng(8)
# Many clips are empty, some full, the rest in between: as in a cohort.
SHARES = np.concatenate([np.zeros(N // 2), np.ones(N // 10), RNG.uniform(0.0, 1.0, N - N // 2 - N // 10)])


def _kappa(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    agreement = float((one == other).mean())
    chance = float(one.mean() * other.mean() + (1.0 - one.mean()) * (1.0 - other.mean()))
    return (agreement - chance) / (1.0 - chance)


@pytest.mark.parametrize("kappa", [0.2, 0.6, 0.8, 0.95])
def test_rate_clips_agree_as_much_as_is_asked_for(kappa: float) -> None:
    one, other = rate_clips(SHARES, kappa, seed=1) > 0.5
    # The standard error of a kappa of N clips, half of them of either kind, is at most 1 / sqrt(N) = .007.
    assert _kappa(one, other) == pytest.approx(kappa, abs=0.021)


def test_rate_clips_every_pair_of_three_raters_agrees_alike() -> None:
    said = rate_clips(SHARES, 0.7, seed=2, n_raters=3) > 0.5
    assert said.shape == (3, N)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert _kappa(said[i], said[j]) == pytest.approx(0.7, abs=0.021)


def test_rate_clips_differ_where_the_clip_is_half_filled() -> None:
    one, other = rate_clips(SHARES, 0.8, seed=3) > 0.5
    doubtful = np.abs(SHARES - 0.5) < 0.1
    assert (one != other)[doubtful].mean() > 0.3
    assert (one != other)[np.abs(SHARES - 0.5) > 0.4].mean() < 0.04


def test_rate_clips_follow_from_the_seed_and_stay_shares() -> None:
    first, again, another = (rate_clips(SHARES, 0.5, seed) for seed in (4, 4, 5))
    assert np.array_equal(first, again) and not np.array_equal(first, another)
    assert first.min() == 0.0 and first.max() == 1.0


def test_rate_clips_who_agree_wholly_say_the_truth() -> None:
    assert np.array_equal(rate_clips(SHARES, 1.0, seed=1), [SHARES, SHARES])


def test_expected_kappa_of_two_kinds_of_clips_by_hand() -> None:
    """Half of the clips at .5 +- w ln 3, where p is 3/4 and 1/4: they differ in 3/8, by chance in 1/2."""
    shares = np.array([0.5 - 0.1 * np.log(3.0), 0.5 + 0.1 * np.log(3.0)])
    assert expected_kappa(shares, 0.1) == pytest.approx(0.25)
    assert doubt_for_kappa(shares, 0.25) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("kappa", [0.0, -0.1, 1.01, float("nan")])
def test_doubt_for_kappa_that_cannot_be(kappa: float) -> None:
    with pytest.raises(UsageError, match="cannot be asked for"):
        doubt_for_kappa(SHARES, kappa)


def test_doubt_for_kappa_over_clips_of_one_kind() -> None:
    with pytest.raises(UsageError, match="needs clips with and without FMs"):
        doubt_for_kappa(np.zeros(50), 0.8)
