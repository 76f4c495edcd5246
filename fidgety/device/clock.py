"""What time it is, and whether that can be believed.

A box without a network sets its clock by a battery that runs empty, or by hand. So nothing here is ordered by the wall
clock: recordings are numbered, waiting is measured by the time since the start of the system, which also runs while it
sleeps. Only the age of an infant and the days of retention need a date; they ask `is_trusted` first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

__all__ = ["Clock", "Now", "Seen", "as_text", "judge"]

EARLIEST_S = 1767225600.0  # 2026-01-01: before this program was
_BACK_TOLERANCE_S = 120.0
_LEAP_TOLERANCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Now:
    """One look at all clocks."""

    wall_s: float  # since 1970, UTC
    boot_id: str  # another one after every start of the system
    boot_s: float  # since that start, sleep included

    @property
    def text(self) -> str:
        """The wall clock, ISO 8601 in UTC to the millisecond."""
        return as_text(self.wall_s)


@dataclass(frozen=True, slots=True)
class Seen:
    """The last look that was believed, and why later ones are not."""

    wall_s: float
    boot_id: str
    boot_s: float
    doubt: str | None = None  # stays until the clock is right again or somebody says that it is


class Clock:
    """The system's clocks. Tests bring their own."""

    def read(self) -> Now:
        """All clocks at this moment."""
        return Now(time.time(), _boot_id(), time.clock_gettime(time.CLOCK_BOOTTIME))


def judge(now: Now, seen: Seen | None) -> str | None:
    """Why the wall clock is not to be believed; None where nothing speaks against it."""
    if now.wall_s < EARLIEST_S:
        return f"the clock says {now.text[:10]}, which is before this program was made: set it"
    if seen is None:
        return None
    if now.wall_s < seen.wall_s - _BACK_TOLERANCE_S:
        return f"the clock says {now.text[:16]}, but it was {as_text(seen.wall_s)[:16]} already: set it"
    if now.boot_id != seen.boot_id:
        return seen.doubt
    leap_s = (now.wall_s - seen.wall_s) - (now.boot_s - seen.boot_s)
    if leap_s > _LEAP_TOLERANCE_S:
        return f"the clock leapt ahead by {leap_s / 3600:.0f} hours to {now.text[:16]}: set it, or accept it"
    return None


def as_text(wall_s: float) -> str:
    """Seconds since 1970 -> 2026-03-31T12:00:00.000Z."""
    return datetime.fromtimestamp(wall_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
