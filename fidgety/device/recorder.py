"""Record first, infer later: the camera's frames onto the disk, whatever else happens on the box.

    capture thread: camera -> queue        one camera at a time; opens it again when it has gone
    writer thread: queue -> encoder -> disk thread, frame log; hands a frame to the viewer now and then
    control (the caller's thread): when to begin and to stop, what to say, what has gone wrong

Nothing here waits for the guidance, and nothing asks the wall clock. What goes wrong becomes an event in the frame log
and a line for the person at the bedside; what has been recorded stays.
"""

from __future__ import annotations

import errno
import queue
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.device.camera import Camera, CameraError, CameraPort, Capture, PictureFormat
from fidgety.device.disk import Disk, free_mb, raise_priority
from fidgety.device.encoder import Encoder
from fidgety.device.frame_log import Event, FrameRow, event_line, frame_line, head_line
from fidgety.device.guidance import ADVICE, GOOD
from fidgety.device.packet_viewer import PacketViewer
from fidgety.device.timeline import Timeline
from fidgety.device.video_writer import TIMES, VIDEO, VideoWriter
from fidgety.device.viewer import Viewer
from fidgety.runtime.source import frame_from_picture

__all__ = ["Ending", "Plan", "Recorder"]

_QUEUE_FRAMES = 48  # two seconds that the encoder may be held up
_TURN_S = 0.1
_WORDS = {one.code: one for one in (*ADVICE, GOOD)}
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """When to begin, when to stop, how patient to be. Seconds."""

    min_s: float = 180.0
    max_s: float = 300.0
    wanted_assessable_s: float = 150.0  # with so much it stops at `min_s`
    wait_s: float = 120.0  # for the infant to lie well before it begins anyway; 0: it begins at once
    frozen_s: float = 2.0  # without a new frame
    return_s: float = 20.0  # a camera that is gone may take so long to come back
    reserve_mb: float = 50.0  # of free disk at which it stops


@dataclass(frozen=True, slots=True)
class Ending:
    """How a recording ended."""

    code: str  # "long-enough", "stopped", "camera-lost", "disk-full", "disk-failed", "never-began"
    words: str
    n_captured: int  # frames that came from the camera while recording
    n_behind: int  # of these, left out because the encoder was behind
    n_repeated: int  # of these, left out because they repeated the one before: no new picture


@dataclass(frozen=True, slots=True, eq=False)
class _Restart:
    """In the queue: the captures after it come from a camera that was opened anew."""

    format: PictureFormat
    stream: Any


class Recorder:
    """One recording. Make it, `run` it once."""

    def __init__(
        self,
        port: CameraPort,
        first: Camera,
        place: Callable[[], Path],
        plan: Plan,
        encoder: Encoder,
        viewer: Viewer | None,
        about: dict[str, Any],
    ) -> None:
        """first: the port's camera, already open; place: gives the folder when the recording begins."""
        self._port, self._first, self._place, self._plan = port, first, place, plan
        self._encoder, self._viewer = encoder, viewer
        self._format: PictureFormat = first.format
        self._about = about
        self._disk: Disk | None = None
        self.folder: Path | None = None  # None: it has not begun
        self._queue: queue.Queue[Capture | _Restart | None] = queue.Queue(_QUEUE_FRAMES)
        self._is_ending = threading.Event()
        self._is_recording = threading.Event()
        self._camera: Camera | None = first
        self._camera_fault: str | None = None  # why there is no camera now
        self._failure: BaseException | None = None  # of the writer
        self._misfit: str | None = None  # a camera came back that cannot go on in the same file
        self._writer: VideoWriter | None = None
        self._timeline = Timeline()
        self._start_us: int | None = None
        self._last_us = 0  # of the newest frame, from the start
        now_us = port.clock.now_us()
        self._last_arrival_us = now_us  # of any capture, noted when it came
        self._last_seen_us = self._last_new_us = now_us  # arrival of the newest that was looked at; that was new
        self._n_written = self._n_captured = self._n_behind = self._n_repeated = 0
        self._last_print: int | None = None
        self._stream = first.stream
        self._packets: PacketViewer | None = None
        if viewer is not None and first.format.codec != "raw":
            self._packets = PacketViewer(first.stream, self._show_decoded)
        self._is_stale = False  # the picture stands still; packets that come meanwhile show nothing new

    @property
    def seconds(self) -> float:
        """How long it has recorded, by the frames' own times."""
        return self._last_us / 1e6

    def run(self, stop: threading.Event, say: Say) -> Ending:
        """Record until the plan or `stop` says so, or it cannot go on. The files are closed when this returns."""
        capture = threading.Thread(target=self._capture, name="capture", daemon=True)
        writer = threading.Thread(target=self._write, name="writer", daemon=True)
        capture.start()
        writer.start()
        try:
            code, words = self._control(stop, say)
        finally:
            self._is_ending.set()
            if self._viewer is not None:
                self._viewer.end()
            camera = self._camera
            if camera is not None:
                camera.abort()
            capture.join(3.0)  # one that hangs in its driver is left behind
            self._queue.put(None)
            writer.join()
            if self._packets is not None:
                self._packets.close()
            if self._disk is not None:
                self._disk.close()
        if code in ("long-enough", "stopped") and self._disk is not None and self._disk.error is not None:
            code, words = _disk_ending(self._disk.error)
        return Ending(code, words, self._n_captured, self._n_behind, self._n_repeated)

    # The caller's thread

    def _control(self, stop: threading.Event, say: Say) -> tuple[str, str]:
        clock, plan = self._port.clock, self._plan
        opened_us = clock.now_us()
        said: str | None = None
        was_gone, next_disk_us = False, 0
        while True:
            now_us = clock.now_us()
            if stop.wait(_TURN_S / clock.speed):
                if self._is_recording.is_set():
                    return "stopped", "Stopped by hand."
                return "never-began", "Stopped before the recording began."
            if self._failure is not None:
                return "encoder-failed", f"The encoder failed: {self._failure}"
            if now_us >= next_disk_us:
                next_disk_us = now_us + 1_000_000
                if self.folder is not None and free_mb(self.folder) < plan.reserve_mb:
                    return "disk-full", "The disk is nearly full: recording stopped, what there is is kept."
            if self._disk is not None and self._disk.error is not None:
                return _disk_ending(self._disk.error)
            gone_s = max(now_us - self._last_arrival_us, self._last_seen_us - self._last_new_us) / 1e6
            self._is_stale = gone_s > plan.frozen_s
            is_gone = self._is_stale or self._camera_fault is not None
            if is_gone != was_gone:
                self._note(
                    "camera-gone" if is_gone else "camera-back", self._gone_words() if is_gone else "pictures again"
                )
                was_gone = is_gone
            if self._misfit is not None:
                return "camera-lost", self._misfit
            if is_gone and gone_s > plan.return_s:
                return "camera-lost", f"{self._gone_words()}; it did not come back: what was recorded is kept."
            if not self._is_recording.is_set() and self._is_time_to_begin((now_us - opened_us) / 1e6):
                self._begin()
            if self._is_recording.is_set() and not is_gone and self._is_long_enough():
                return "long-enough", "Long enough."
            line = self._gone_words() if is_gone else self._line()
            if line != said:
                say(line)
                said = line

    def _begin(self) -> None:
        """Raises DeviceError, OSError where the recording's files cannot be made."""
        self.folder = self._place()
        self._disk = Disk(self.folder, (VIDEO, TIMES))
        encoder = self._encoder.name if self._format.codec == "raw" else None
        about = {**self._about, "codec": self._format.codec, "encoder": encoder}
        self._disk.append(TIMES, head_line(about))
        self._is_recording.set()

    def _is_time_to_begin(self, waited_s: float) -> bool:
        if self._plan.wait_s <= 0 or self._viewer is None or not self._viewer.is_alive:
            return True
        return self._viewer.n_good_in_a_row >= 3 or waited_s >= self._plan.wait_s

    def _is_long_enough(self) -> bool:
        if self.seconds >= self._plan.max_s:
            return True
        if self.seconds < self._plan.min_s:
            return False
        viewer = self._viewer
        wanted_s = min(self._plan.wanted_assessable_s, self._plan.min_s * 0.8)
        return viewer is None or not viewer.is_alive or viewer.assessable_s >= wanted_s

    def _line(self) -> str:
        viewer = self._viewer
        state = "Recording." if self._is_recording.is_set() else "Waiting for the infant."
        if viewer is None or not viewer.is_alive:
            return f"{state} Nobody looks at the pictures: see yourself that the whole infant is in view."
        return state if viewer.code is None else f"{state} {_WORDS[viewer.code].words}"

    def _gone_words(self) -> str:
        if self._camera_fault is not None:
            return self._camera_fault[:1].upper() + self._camera_fault[1:]
        return "The camera's picture stands still: unplug the camera and plug it in again"

    def _note(self, code: str, text: str) -> None:
        if self._disk is not None:
            self._disk.append(TIMES, event_line(Event(self._port.clock.now_us(), code, text)))

    # The capture thread

    def _capture(self) -> None:
        raise_priority()
        camera: Camera | None = self._first
        while not self._is_ending.is_set():
            try:
                if camera is None:
                    camera = self._port.open()
                    self._queue.put(_Restart(camera.format, camera.stream))
                self._camera, self._camera_fault = camera, None
                self._take_all(camera)
            except CameraError as error:
                self._camera_fault = None if self._is_ending.is_set() else str(error)
            if camera is not None:
                self._camera = None
                camera.close()
                camera = None
            self._is_ending.wait(0.25 / self._port.clock.speed)

    def _take_all(self, camera: Camera) -> None:
        for capture in camera.captures():
            if self._is_ending.is_set():
                return
            self._last_arrival_us = capture.host_us
            try:
                self._queue.put_nowait(capture)
            except queue.Full:
                self._n_behind += int(self._is_recording.is_set())

    # The writer thread

    def _write(self) -> None:
        raise_priority()
        try:
            while (capture := self._queue.get()) is not None:
                if self._failure is None:
                    self._write_one(capture)
            if self._writer is not None and self._disk is not None and self._disk.error is None:
                self._writer.close()
        except Exception as error:
            self._failure = error
            while self._queue.get() is not None:
                pass

    def _write_one(self, capture: Capture | _Restart) -> None:
        if isinstance(capture, _Restart):
            self._restart(capture)
            return
        if self._misfit is not None:
            return
        is_recording = self._is_recording.is_set()
        self._n_captured += int(is_recording)
        if capture.picture is not None:
            self._last_seen_us = capture.host_us
            if self._is_repeat(capture.picture):
                self._n_repeated += int(is_recording)
                return
            self._last_new_us = capture.host_us
        n_jumps = self._timeline.n_jumps
        time_us = self._timeline.place(capture.camera_us, capture.host_us)
        if self._timeline.n_jumps > n_jumps:
            self._note("camera-clock", "the camera's clock jumped; it goes on by the box's")
        if self._packets is not None and not self._packets.put(capture.packet, time_us, capture.host_us, is_recording):
            self._last_new_us = self._last_seen_us = capture.host_us  # not looked at: taken for new
        if capture.picture is None and self._packets is not None and self._is_stale:
            self._n_repeated += int(is_recording)
            if self._writer is not None:
                self._writer.after_gap()
            return
        if is_recording:
            self._record(capture, time_us)
        if capture.picture is not None:
            self._show(capture.picture, time_us, is_recording)

    def _restart(self, restart: _Restart) -> None:
        self._timeline.restart()
        if self._writer is None:
            self._format, self._stream = restart.format, restart.stream
            return
        self._writer.after_gap()
        if not self._writer.takes(restart.format, restart.stream):
            self._misfit = "The camera came back with another picture format: what was recorded before is kept."

    def _record(self, capture: Capture, time_us: int) -> None:
        if self._disk is None:
            return
        if self._writer is None:
            self._writer = VideoWriter(self._disk, self._format, self._stream, self._encoder)
        start_us = time_us if self._start_us is None else self._start_us
        written_us = self._writer.write(capture, time_us - start_us)
        if written_us is None:
            return
        self._start_us = start_us
        self._last_us = max(self._last_us, written_us)
        row = FrameRow(self._n_written, written_us, capture.sequence, capture.host_us)
        self._disk.append(TIMES, frame_line(row))
        self._n_written += 1

    def _show(self, picture: Any, time_us: int, is_recorded: bool) -> None:
        if self._viewer is not None and self._viewer.is_due(time_us / 1e6):
            size = (self._format.width_px, self._format.height_px)
            frame = frame_from_picture(picture, self._n_written, time_us / 1e6, size)
            self._viewer.put(frame, is_recorded=is_recorded)

    def _show_decoded(self, picture: Any, time_us: int, host_us: int, is_recorded: bool) -> None:
        """In the packet viewer's thread."""
        self._last_seen_us = host_us
        if not self._is_repeat(picture):
            self._last_new_us = host_us
        self._show(picture, time_us, is_recorded)

    def _is_repeat(self, picture: Any) -> bool:
        """True when the picture is the last one once more; a sensor's noise never lets two be alike."""
        plane = picture.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        mark = zlib.crc32(rows[::4, :: max(1, plane.width // 480)].tobytes())
        is_same = mark == self._last_print
        self._last_print = mark
        return is_same


def _disk_ending(error: OSError) -> tuple[str, str]:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "disk-full", "The disk is full: recording stopped, what there is is kept."
    return "disk-failed", f"The disk failed ({error.strerror}): what had been written is kept."
