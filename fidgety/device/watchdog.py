"""Words to systemd (sd_notify): ready, still getting on, what it is at, stopping.

One datagram to the socket that systemd names in the environment, which lies on this machine (AF_UNIX); nothing where
there is none. `frame` is called with each frame's time: the watchdog is fed only when that goes forward, so that a
program that hangs in a decoder or a driver is started anew.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

__all__ = ["Watchdog"]

_LEAST_PAUSE_S = 1.0


class Watchdog:
    """Speaks to the socket of `environment`; silent where it names none."""

    def __init__(
        self, environment: Mapping[str, str] = os.environ, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock_s = clock_s
        self._fed_s: float | None = None
        self._frame_s = float("-inf")

    def ready(self) -> None:
        """All is loaded."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """Ends on purpose."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """What `systemctl status` shows."""
        self._tell(f"STATUS={text}")

    def begin(self) -> None:
        """A new recording: its first frame counts."""
        self._frame_s = float("-inf")

    def frame(self, time_s: float) -> None:
        """A frame of this presentation time is through."""
        if time_s > self._frame_s:
            self._frame_s = time_s
            self.alive()

    def alive(self) -> None:
        """Gets on, or waits on purpose (nothing to do, too hot)."""
        now_s = self._clock_s()
        if self._fed_s is None or now_s - self._fed_s >= _LEAST_PAUSE_S:
            self._fed_s = now_s
            self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(message.encode(), address)
        except OSError:
            return  # nobody listens: scoring goes on; if it is systemd that is gone, it will not be missed
