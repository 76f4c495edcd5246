"""A figure and how far it may be off."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from fidgety.errors import UsageError

__all__ = ["CONFIDENCE", "Estimate", "estimate_share", "require_level", "z_of"]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its two-sided confidence interval; all three NaN where there was nothing to count."""

    value: float
    low: float
    high: float


def estimate_share(n_hits: int, n: int, level: float = CONFIDENCE) -> Estimate:
    """n_hits / n with Wilson's score interval (Wilson 1927), without continuity correction; NaN where n is 0.

    Raises UsageError where the counts do not fit or `level` is outside (0, 1).
    """
    require_level(level)
    if not 0 <= n_hits <= n:
        raise UsageError(f"{n_hits} of {n} is no share")
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    interval = stats.binomtest(n_hits, n).proportion_ci(level, method="wilson")
    return Estimate(n_hits / n, float(interval.low), float(interval.high))


def z_of(level: float) -> float:
    """Half-width of a two-sided normal interval in standard errors: 1.96 at .95. Raises UsageError outside (0, 1)."""
    require_level(level)
    return float(stats.norm.ppf(0.5 + level / 2))


def require_level(level: float) -> None:
    """Raises UsageError where a confidence level is not between 0 and 1, such as 95."""
    if not 0.0 < level < 1.0:
        raise UsageError(f"a confidence level lies between 0 and 1: got {level}")
