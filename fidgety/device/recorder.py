"""Record first, infer later: the camera's frames onto the disk, whatever else happens on the box.

    capture thread: camera -> queue        capturing.py
    writer thread: queue -> encoder -> disk thread, frame log; hands a frame to the viewer now and then
    control (the caller's thread): what has gone wrong; when to begin and to stop, what to say: recording_plan.py

Nothing here waits for the guidance, and nothing asks the wall clock. What goes wrong becomes an event in the frame log
and a line for the person at the bedside; what has been recorded stays.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.device.camera import Camera, CameraPort, Capture, PictureFormat
from fidgety.device.capturing import Capturing, Restart
from fidgety.device.disk import Disk, free_mb, raise_priority
from fidgety.device.encoder import Encoder
from fidgety.device.frame_log import Event, FrameRow, event_line, frame_line, head_line
from fidgety.device.packet_viewer import PacketViewer
from fidgety.device.recording_plan import Ending, Plan, disk_ending, is_long_enough, is_time_to_begin, state_line
from fidgety.device.timeline import Timeline
from fidgety.device.video_writer import TIMES, VIDEO, VideoWriter
from fidgety.device.viewer import Viewer
from fidgety.runtime.source import frame_from_picture

__all__ = ["Recorder"]

_TURN_S = 0.1
Say = Callable[[str], None]


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
        self._port, self._place, self._plan = port, place, plan
        self._encoder, self._viewer = encoder, viewer
        self._format: PictureFormat = first.format
        self._about = about
        self._disk: Disk | None = None
        self.folder: Path | None = None  # None: it has not begun
        self._is_recording = threading.Event()
        self._capturing = Capturing(port, first, self._is_recording)
        self._failure: BaseException | None = None  # of the writer
        self._misfit: str | None = None  # a camera came back that cannot go on in the same file
        self._writer: VideoWriter | None = None
        self._timeline = Timeline()
        self._start_us: int | None = None
        self._last_us = 0  # of the newest frame, from the start
        now_us = port.clock.now_us()
        self._last_seen_us = self._last_new_us = now_us  # arrival of the newest that was looked at; that was new
        self._n_written = self._n_captured = self._n_repeated = 0
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
        writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._capturing.start()
        writer.start()
        try:
            code, words = self._control(stop, say)
        finally:
            self._capturing.stop()
            if self._viewer is not None:
                self._viewer.end()
            self._capturing.join()
            writer.join()
            if self._packets is not None:
                self._packets.close()
            if self._disk is not None:
                self._disk.close()
        if code in ("long-enough", "stopped") and self._disk is not None and self._disk.error is not None:
            code, words = disk_ending(self._disk.error)
        return Ending(code, words, self._n_captured, self._capturing.n_behind, self._n_repeated)

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
                return disk_ending(self._disk.error)
            gone_s = max(now_us - self._capturing.last_arrival_us, self._last_seen_us - self._last_new_us) / 1e6
            self._is_stale = gone_s > plan.frozen_s
            is_gone = self._is_stale or self._capturing.fault is not None
            if is_gone != was_gone:
                self._note(
                    "camera-gone" if is_gone else "camera-back", self._gone_words() if is_gone else "pictures again"
                )
                was_gone = is_gone
            if self._misfit is not None:
                return "camera-lost", self._misfit
            if is_gone and gone_s > plan.return_s:
                return "camera-lost", f"{self._gone_words()}; it did not come back: what was recorded is kept."
            waited_s = (now_us - opened_us) / 1e6
            if not self._is_recording.is_set() and is_time_to_begin(plan, self._viewer, waited_s):
                self._begin()
            if self._is_recording.is_set() and not is_gone and is_long_enough(plan, self._viewer, self.seconds):
                return "long-enough", "Long enough."
            line = self._gone_words() if is_gone else state_line(self._is_recording.is_set(), self._viewer)
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

    def _gone_words(self) -> str:
        fault = self._capturing.fault
        if fault is not None:
            return fault[:1].upper() + fault[1:]
        return "The camera's picture stands still: unplug the camera and plug it in again"

    def _note(self, code: str, text: str) -> None:
        if self._disk is not None:
            self._disk.append(TIMES, event_line(Event(self._port.clock.now_us(), code, text)))

    # The writer thread

    def _write(self) -> None:
        raise_priority()
        try:
            while (capture := self._capturing.queue.get()) is not None:
                if self._failure is None:
                    self._write_one(capture)
            if self._writer is not None and self._disk is not None and self._disk.error is None:
                self._writer.close()
        except Exception as error:
            self._failure = error
            while self._capturing.queue.get() is not None:
                pass

    def _write_one(self, capture: Capture | Restart) -> None:
        if isinstance(capture, Restart):
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

    def _restart(self, restart: Restart) -> None:
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
