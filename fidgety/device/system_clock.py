"""May this box's clock be believed? Ages are counted in days, and a recording is named by when it was made.

A Jetson without a coin cell starts in the past after every power cut, and an outreach clinic has no time server. So the
clock is judged by what the kernel says of it, by the release date of this program, and by the latest time that this box
has ever seen (kept in the state folder).
"""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from fidgety.device.tree import SystemTree

__all__ = ["Clock", "note_time", "read_clock", "state_folder"]

RELEASED_S = datetime(2026, 11, 1, tzinfo=timezone.utc).timestamp()  # no true clock can show an earlier time
_TOLERANCE_S = 120.0  # a step of a time server, or of a hand that sets the clock right
_TIME_FILE = "latest-time"
_ADJTIMEX_ERROR, _ADJTIMEX_BYTES = 5, 208  # TIME_ERROR: not synchronised (adjtimex(2)); struct timex on 64 bit


@dataclass(frozen=True, slots=True)
class Clock:
    """The time and what is known of it."""

    now_s: float  # since 1970, UTC
    is_synchronised: bool | None  # with a time server, as the kernel knows; None = not known
    has_rtc: bool  # a clock that goes on without power
    is_before_release: bool
    latest_known_s: float | None  # the latest time that this box has seen, of an earlier run
    boot_id: str | None

    @property
    def went_back_s(self) -> float:
        """How far the clock stands before a time that it has shown already."""
        behind_s = 0.0 if self.latest_known_s is None else self.latest_known_s - self.now_s
        return behind_s if behind_s > _TOLERANCE_S else 0.0

    @property
    def is_trustworthy(self) -> bool:
        """False where a date that it gives may be wrong."""
        is_kept = self.is_synchronised is True or self.has_rtc
        return is_kept and not self.is_before_release and not self.went_back_s


def state_folder() -> Path:
    """`$FIDGETY_STATE`, else the user's state folder: what this box remembers of itself, no recordings."""
    if chosen := os.environ.get("FIDGETY_STATE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "fidgety"


def read_clock(tree: SystemTree, state: Path, now_s: float | None = None) -> Clock:
    """What is known of the clock of `tree`; `now_s` is the running system's time unless it is given."""
    now = time.time() if now_s is None else now_s
    return Clock(
        now,
        _is_synchronised(tree),
        bool(tree.glob("/sys/class/rtc/rtc[0-9]*")),
        now < RELEASED_S,
        _latest_time_s(state),
        tree.text("/proc/sys/kernel/random/boot_id"),
    )


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
