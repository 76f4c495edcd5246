"""Wilson's interval against published values."""

from __future__ import annotations

import math

import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.estimate import estimate_share, z_of


def test_estimate_share_has_wilsons_interval() -> None:
    share = estimate_share(8, 10)
    assert share.value == 0.8
    assert (share.low, share.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    # Newcombe (1998), table I, method 3
    known = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (n_hits, n), interval in known.items():
        share = estimate_share(n_hits, n)
        assert (share.low, share.high) == pytest.approx(interval, abs=5e-5)


def test_estimate_share_mirrors() -> None:
    few, many = estimate_share(3, 17, level=0.9), estimate_share(14, 17, level=0.9)
    assert (few.low, few.high) == pytest.approx((1 - many.high, 1 - many.low))


def test_estimate_share_widens_with_level_and_narrows_with_n() -> None:
    assert estimate_share(8, 10, level=0.99).low < estimate_share(8, 10).low < estimate_share(80, 100).low < 0.8


def test_estimate_share_of_nobody_is_not_a_number() -> None:
    share = estimate_share(0, 0)
    assert math.isnan(share.value) and math.isnan(share.low) and math.isnan(share.high)


@pytest.mark.parametrize(("n_hits", "n"), [(3, 2), (-1, 2), (1, 0)])
def test_estimate_share_of_counts_that_do_not_fit(n_hits: int, n: int) -> None:
    with pytest.raises(UsageError, match="is no share"):
        estimate_share(n_hits, n)


def test_levels() -> None:
    assert z_of(0.95) == pytest.approx(1.959964, abs=1e-6)
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(UsageError, match="between 0 and 1"):
            z_of(level)
        with pytest.raises(UsageError, match="between 0 and 1"):
            estimate_share(1, 2, level)
