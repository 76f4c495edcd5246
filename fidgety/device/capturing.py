"""The capture thread: camera -> queue, one camera at a time. One that has gone is opened again."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import Any

from fidgety.device.camera import Camera, CameraError, CameraPort, Capture, PictureFormat
from fidgety.device.disk import raise_priority

__all__ = ["Capturing", "Restart"]

_QUEUE_FRAMES = 48  # two seconds that the encoder may be held up
_LEAVE_S = 3.0  # one that hangs in its driver for longer is left behind


@dataclass(frozen=True, slots=True, eq=False)
class Restart:
    """In the queue: the captures after it come from a camera that was opened anew."""

    format: PictureFormat
    stream: Any


class Capturing:
    """Owns the port's camera while it runs. `queue` ends with None once `join` was called."""

    def __init__(self, port: CameraPort, first: Camera, is_recording: threading.Event) -> None:
        """first: the port's camera, already open."""
        self.queue: queue.Queue[Capture | Restart | None] = queue.Queue(_QUEUE_FRAMES)
        self.fault: str | None = None  # why there is no camera now
        self.n_behind = 0  # captures left out while recording, because the queue was full
        self.last_arrival_us = port.clock.now_us()  # of any capture, noted when it came
        self._port, self._first = port, first
        self._camera: Camera | None = first
        self._is_recording = is_recording
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._capture, name="capture", daemon=True)

    def start(self) -> None:
        """Begin to fill the queue."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more captures."""
        self._is_ending.set()

    def join(self) -> None:
        """Wait for its end after `stop`, and end the queue."""
        camera = self._camera
        if camera is not None:
            camera.abort()
        self._thread.join(_LEAVE_S)
        self.queue.put(None)

    def _capture(self) -> None:
        raise_priority()
        camera: Camera | None = self._first
        while not self._is_ending.is_set():
            try:
                if camera is None:
                    camera = self._port.open()
                    self.queue.put(Restart(camera.format, camera.stream))
                self._camera, self.fault = camera, None
                self._take_all(camera)
            except CameraError as error:
                self.fault = None if self._is_ending.is_set() else str(error)
            if camera is not None:
                self._camera = None
                camera.close()
                camera = None
            self._is_ending.wait(0.25 / self._port.clock.speed)

    def _take_all(self, camera: Camera) -> None:
        for capture in camera.captures():
            if self._is_ending.is_set():
                return
            self.last_arrival_us = capture.host_us
            try:
                self.queue.put_nowait(capture)
            except queue.Full:
                self.n_behind += int(self._is_recording.is_set())
