"""The recorder's side of the guidance: hands frames to the process that looks at them, and hears what it says.

Putting a frame costs a copy of it and never waits. If the process dies, or was never started, the recorder goes on
and knows that nobody looks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from fidgety.device.frame_ring import FrameRing
from fidgety.device.looks import Part
from fidgety.records import Frame

__all__ = ["Viewer"]

_SOMETIMES_S = 0.5  # how often a frame is handed over while not every one is wanted


class Viewer:
    """The looking process of one recording. Use it with `with`."""

    def __init__(self, bundle: Path, width_px: int, height_px: int, fps: float, picture: Path | None, n_threads: int):
        """Raises OSError when the process cannot be started."""
        self.code: str | None = None  # what holds now; None: nothing has been seen yet
        self.is_doubtful = True
        self.assessable_s = 0.0
        self.n_good_in_a_row = 0
        self.parts: list[Part] = []
        self._ring = FrameRing.make(width_px, height_px)
        self._next_put_s = -1e9
        self._has_ended, self._is_done = threading.Event(), threading.Event()
        settings = {
            "descriptor": self._ring.descriptor,
            "width_px": width_px,
            "height_px": height_px,
            "fps": fps,
            "bundle": str(bundle),
            "picture": None if picture is None else str(picture),
            "n_threads": n_threads,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fidgety.device.guidance_process", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._ring.descriptor,),
            start_new_session=True,  # Ctrl-C at the terminal is for the recorder
            text=True,
        )
        self._thread = threading.Thread(target=self._listen, name="viewer", daemon=True)
        self._thread.start()

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def wants_all(self) -> bool:
        return self._ring.wants_all

    def is_due(self, time_s: float) -> bool:
        """Whether a frame of this time is to be handed over."""
        return self._ring.wants_all or time_s >= self._next_put_s

    def put(self, frame: Frame, *, is_recorded: bool) -> None:
        self._next_put_s = frame.time_s + _SOMETIMES_S
        self._ring.put(frame, is_recorded=is_recorded)

    def end(self) -> None:
        """No more frames will come."""
        self._ring.end()

    def finish(self, video: Path, budget_s: float, patience_s: float) -> list[Part]:
        """Have a stretch of the video read, and give all figures that have come by `patience_s`."""
        self._ring.end()
        with suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps({"video": str(video), "budget_s": budget_s}) + "\n")
                self._process.stdin.flush()
        self._is_done.wait(patience_s)
        return list(self.parts)

    def _listen(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                with suppress(ValueError, KeyError, TypeError):  # a line that broke off when it was killed
                    self._hear(json.loads(line))
        self._is_done.set()

    def _hear(self, message: dict[str, Any]) -> None:
        if message["kind"] == "look":
            self.code, self.is_doubtful = message["code"], message["is_doubtful"]
            self.assessable_s = message["assessable_s"]
            self.n_good_in_a_row = 0 if self.is_doubtful else self.n_good_in_a_row + 1
        elif message["kind"] == "part":
            names = ("n_poses", "seconds", "assessable_s", "measures")
            self.parts.append(Part(message["part"], *(message[name] for name in names)))
        elif message["kind"] == "done":
            self._is_done.set()
