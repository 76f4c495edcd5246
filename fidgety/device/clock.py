"""What time it is, and whether that can be believed.

A box without a network sets its clock by a battery that runs empty, or by hand; one without a coin cell starts in the
past after every power cut. So nothing here is ordered by the wall clock: recordings are numbered, waiting is measured
by the time since the start of the system, which also runs while it sleeps. Only the age of an infant and the days of
retention need a date; they ask `is_clock_trusted` first.

`judge` alone says what speaks against a time. The store asks it with the last time that it believed, `device show` and
`device doctor` with the latest that the box has shown (kept in the state folder).
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Literal

from fidgety.device.tree import SystemTree

__all__ = [
    "RELEASED_S",
    "BoxClock",
    "Clock",
    "Doubt",
    "Now",
    "Seen",
    "as_text",
    "boot_id",
    "judge",
    "note_time",
    "read_box_clock",
]

RELEASED_S = datetime(2026, 11, 1, tzinfo=timezone.utc).timestamp()  # of this program: no true clock shows less
_BACK_TOLERANCE_S = 120.0  # a step of a time server, or of a hand that sets the clock right
_LEAP_TOLERANCE_S = 3600.0
_TIME_FILE = "latest-time"
_ADJTIMEX_ERROR, _ADJTIMEX_BYTES = 5, 208  # TIME_ERROR: not synchronised (adjtimex(2)); struct timex on 64 bit
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


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


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a wall clock is not to be believed."""

    kind: Literal["unset", "went-back", "leapt"]
    words: str  # with what to do


@dataclass(frozen=True, slots=True)
class BoxClock:
    """The time of a box, what speaks against it, and what keeps it right."""

    now_s: float  # since 1970, UTC
    boot_id: str | None
    doubt: Doubt | None
    is_synchronised: bool | None  # with a time server, as the kernel knows; None = not known
    has_rtc: bool  # a clock that goes on without power

    @property
    def is_trustworthy(self) -> bool:
        """False where a date that it gives may be wrong: nothing would have kept it right, or something speaks against
        it."""
        return self.doubt is None and (self.is_synchronised is True or self.has_rtc)


class Clock:
    """The system's clocks. Tests bring their own."""

    def read(self) -> Now:
        """All clocks at this moment."""
        return Now(time.time(), boot_id(), time.clock_gettime(time.CLOCK_BOOTTIME))


def judge(now: Now, seen: Seen | None) -> Doubt | None:
    """Why the wall clock is not to be believed; None where nothing speaks against it."""
    if now.wall_s < RELEASED_S:
        return Doubt("unset", f"the clock says {now.text[:10]}, which is before this program was made: set it")
    if seen is None:
        return None
    if now.wall_s < seen.wall_s - _BACK_TOLERANCE_S:
        was = as_text(seen.wall_s)[:16]
        return Doubt("went-back", f"the clock says {now.text[:16]}, but it was {was} already: set it")
    if now.boot_id != seen.boot_id:
        return None if seen.doubt is None else Doubt("leapt", seen.doubt)
    leap_s = (now.wall_s - seen.wall_s) - (now.boot_s - seen.boot_s)
    if leap_s > _LEAP_TOLERANCE_S:
        hours = f"{leap_s / 3600:.0f} hours"
        return Doubt("leapt", f"the clock leapt ahead by {hours} to {now.text[:16]}: set it, or accept it")
    return None


def read_box_clock(tree: SystemTree, state: Path, now_s: float | None = None) -> BoxClock:
    """What is known of the clock of `tree`; `now_s` is the running system's time unless it is given."""
    wall_s, latest_s = time.time() if now_s is None else now_s, _latest_time_s(state)
    boot = tree.text(_BOOT_ID)
    # The latest time is of no known start of the system: it tells a clock that went back, not one that leapt ahead.
    doubt = judge(Now(wall_s, boot or "", 0.0), None if latest_s is None else Seen(latest_s, "of an earlier run", 0.0))
    has_rtc = bool(tree.glob("/sys/class/rtc/rtc[0-9]*"))
    return BoxClock(wall_s, boot, doubt, _is_synchronised(tree), has_rtc)


def as_text(wall_s: float) -> str:
    """Seconds since 1970 -> 2026-03-31T12:00:00.000Z."""
    return datetime.fromtimestamp(wall_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def boot_id() -> str:
    """Of the running system. Raises OSError where the kernel does not say."""
    return Path(_BOOT_ID).read_text(encoding="ascii").strip()


def note_time(state: Path, now_s: float | None = None) -> None:
    """Remember the time, so that a clock that goes back is found out. Raises OSError where it cannot be kept."""
    now, latest = time.time() if now_s is None else now_s, _latest_time_s(state)
    if latest is not None and latest >= now:
        return
    state.mkdir(parents=True, exist_ok=True)
    part = state / f"{_TIME_FILE}.part"
    part.write_text(f"{now:.0f}\n", encoding="utf-8")
    part.replace(state / _TIME_FILE)


def _latest_time_s(state: Path) -> float | None:
    try:
        return float((state / _TIME_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_synchronised(tree: SystemTree) -> bool | None:
    """timesyncd leaves a file; for chrony and ntpd the kernel keeps a flag, which a simulated system does not have."""
    if tree.path("/run/systemd/timesync/synchronized").exists():
        return True
    if not tree.is_live:
        return False if tree.path("/run/systemd/timesync").is_dir() else None
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_ADJTIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _ADJTIMEX_ERROR
