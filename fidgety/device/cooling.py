"""Work more slowly when the box is warm, and not at all when it is hot, before its own protection does it by force.

    cool --slow_from_c--> slow --wait_from_c--> waiting        back to cool only below cool_below_c

In between a state stays as it is, so that the box does not change its mind every second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fidgety.device.heat import read_heat
from fidgety.device.tree import SystemTree
from fidgety.errors import UsageError

__all__ = ["Cooling", "Limits", "Pace", "hottest_c"]

Pace = Literal["full", "half", "wait"]
_LOOK_S = 5.0
_LONGEST_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """Degrees Celsius of the hottest sensor. An Orin slows itself down at 99 and switches itself off at 104.5."""

    slow_from_c: float = 85.0
    wait_from_c: float = 93.0
    cool_below_c: float = 78.0

    def __post_init__(self) -> None:
        """Raises UsageError where they are not in order."""
        if not self.cool_below_c < self.slow_from_c < self.wait_from_c:
            raise UsageError(
                f"the limits of heat must rise: cool below {self.cool_below_c:g}, slow from {self.slow_from_c:g}, wait "
                f"from {self.wait_from_c:g} degrees"
            )


class Cooling:
    """How fast to work now. `read_c`: the hottest sensor, None where there is none (then always at full pace)."""

    def __init__(
        self,
        read_c: Callable[[], float | None],
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_c = read_c
        self._limits = limits
        self._clock_s = clock_s
        self._looked_s: float | None = None
        self._pace: Pace = "full"
        self._last_frame_s: float | None = None
        self.now_c: float | None = None

    def pace(self) -> Pace:
        """The pace; sensors are read every few seconds."""
        now_s = self._clock_s()
        if self._looked_s is None or now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self.now_c = self._read_c()
            self._pace = self._next(self.now_c)
        return self._pace

    def pause_s(self) -> float:
        """How long to rest after this frame: at half pace as long as the frame took."""
        now_s, last_s = self._clock_s(), self._last_frame_s
        self._last_frame_s = now_s
        if self.pace() != "half" or last_s is None:
            return 0.0
        pause_s = min(now_s - last_s, _LONGEST_PAUSE_S)
        self._last_frame_s = now_s + pause_s
        return pause_s

    def _next(self, now_c: float | None) -> Pace:
        if now_c is None or now_c < self._limits.cool_below_c:
            return "full"
        if now_c >= self._limits.wait_from_c:
            return "wait"
        if now_c >= self._limits.slow_from_c and self._pace == "full":
            return "half"
        return self._pace


def hottest_c(tree: SystemTree) -> float | None:
    """The warmest sensor of the system in `tree`, degrees Celsius; None where none can be read."""
    hottest = read_heat(tree).hottest
    return None if hottest is None else hottest.now_c
