"""The camera's clock, put on the box's monotonic clock.

Frames keep the camera's spacing, which is exact to the microsecond; when the camera starts, comes back, or its clock
jumps, the box's clock tells where it goes on. The wall clock is never asked.
"""

from __future__ import annotations

__all__ = ["Timeline"]

_LARGEST_DRIFT_US = 10_000_000  # a camera that has just started hands over seconds at once; a jump is larger
_LEAST_STEP_US = 1_000


class Timeline:
    """Gives rising times. One owner, for as long as the port is watched."""

    def __init__(self) -> None:
        self.n_jumps = 0
        self._offset_us: int | None = None
        self._last_us: int | None = None

    def restart(self) -> None:
        """The camera was opened anew: its clock may start anywhere."""
        self._offset_us = None

    def place(self, camera_us: int | None, host_us: int) -> int:
        """Microseconds on the box's clock of a frame that the camera dates `camera_us` and that came at `host_us`."""
        if camera_us is None:
            return self._after_last(host_us)
        if self._offset_us is None:
            self._offset_us = host_us - camera_us
        time_us = camera_us + self._offset_us
        is_back = self._last_us is not None and time_us <= self._last_us
        if is_back or abs(time_us - host_us) > _LARGEST_DRIFT_US:
            self.n_jumps += 1
            self._offset_us = host_us - camera_us
            time_us = host_us
        return self._after_last(time_us)

    def _after_last(self, time_us: int) -> int:
        if self._last_us is not None:
            time_us = max(time_us, self._last_us + _LEAST_STEP_US)
        self._last_us = time_us
        return time_us
