"""Cameras through a GStreamer process: a Jetson's ribbon cable camera, and its hardware encoder.

`gst-launch-1.0` captures and encodes, and writes Matroska into a pipe; PyAV takes it apart. Times travel as the
container's, to .1 ms. pip's OpenCV and PyAV know nothing of nvarguscamerasrc and nvv4l2h264enc, and a process of its
own can be ended when it hangs. Not run on a Jetson; the pipe was run with GStreamer 1.22 and its software encoder.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from fidgety.device.camera import CameraError, Capture, Clock, ContainerCamera, Wanted
from fidgety.errors import UsageError
from fidgety.runtime.address import shown_address

__all__ = ["GstreamerPort", "pipeline"]

_PROGRAM = "gst-launch-1.0"
_BITS_PER_PIXEL = 0.16  # 8.3 Mbit/s at 1080p25
_OPENING_S, _ENDING_S = 15.0, 2.0


class GstreamerPort:
    """`csi:0` or `gst:/dev/video0`."""

    def __init__(self, address: str, wanted: Wanted) -> None:
        """Raises UsageError for an address that is none."""
        self.name, self.clock = address, Clock()
        self._words = pipeline(address, wanted)

    def open(self) -> GstreamerCamera:
        program = shutil.which(_PROGRAM)
        if program is None:
            raise CameraError(
                f"{self.name} needs GStreamer: sudo apt-get install gstreamer1.0-tools (JetPack brings it along)"
            )
        return GstreamerCamera(self.name, [program, "--quiet", "--eos-on-shutdown", *self._words], self.clock)


class GstreamerCamera:
    """A running GStreamer process and the container that it writes."""

    def __init__(self, name: str, command: list[str], clock: Clock) -> None:
        """Raises CameraError when it gives no pictures, with GStreamer's own last words."""
        self._name = name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the camera
        self._process = subprocess.Popen(
            command,
            bufsize=0,  # a buffered pipe would hold packets back until its buffer is full
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        try:
            options = {"probesize": "50000", "analyzeduration": "200000"}
            container = self._opened(options)
            self._camera = ContainerCamera(container, name, clock)
        except (av.FFmpegError, OSError, CameraError) as error:
            words = self._last_words()
            self.close()
            raise CameraError(_explain(name, words)) from error
        self.format, self.stream = self._camera.format, self._camera.stream

    def captures(self) -> Iterator[Capture]:
        try:
            yield from self._camera.captures()
        except CameraError as error:
            raise CameraError(_explain(self._name, self._last_words())) from error

    def abort(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Ask it to end, then make it end: the camera is free when this returns."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        if self._process.stdout is not None:
            self._process.stdout.close()
        try:
            self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _opened(self, options: dict[str, str]) -> Any:
        """A pipeline that hangs gives nothing to read, for ever: it is ended after a while."""
        impatience = threading.Timer(_OPENING_S, self._process.kill)
        impatience.start()
        try:
            return av.open(self._process.stdout, format="matroska", options=options)
        finally:
            impatience.cancel()

    def _last_words(self) -> str:
        if self._log.closed:
            return ""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in lines if "ERROR" in line or "WARNING" in line), "")


def pipeline(address: str, wanted: Wanted) -> list[str]:
    """GStreamer's words for an address, ending in Matroska on standard output. Raises UsageError."""
    kind, _, place = address.partition(":")
    size = f"width={wanted.width_px},height={wanted.height_px},framerate={round(wanted.fps)}/1"
    bits_per_s = round(wanted.width_px * wanted.height_px * wanted.fps * _BITS_PER_PIXEL)
    every = max(1, round(wanted.fps))
    if kind == "csi" and place.isdecimal():
        source = ["nvarguscamerasrc", f"sensor-id={place}", "!", f"video/x-raw(memory:NVMM),{size},format=NV12"]
    elif kind == "gst" and place == "test":  # GStreamer's own test picture: the pipe without a camera
        source = ["videotestsrc", "is-live=true", "pattern=ball", "!", f"video/x-raw,{size},format=I420"]
    elif kind == "gst" and place.startswith("/dev/"):
        if not Path(place).exists():
            source = ["v4l2src", f"device={place}"]  # it says itself that there is none
        else:
            source = ["v4l2src", f"device={place}", "!", f"image/jpeg,{size}", "!", "jpegdec", "!", "nvvidconv"]
            source += ["!", "video/x-raw(memory:NVMM),format=NV12"]
    else:
        raise UsageError(f"--camera {shown_address(address)!r} is none: write csi:0, or gst:/dev/video0")
    if place == "test":
        encoder = ["x264enc", "tune=zerolatency", "speed-preset=ultrafast", f"key-int-max={every}"]
        encoder += [f"bitrate={bits_per_s // 1000}"]
    else:
        encoder = ["nvv4l2h264enc", f"bitrate={bits_per_s}", f"iframeinterval={every}", f"idrinterval={every}"]
        encoder += ["insert-sps-pps=true", "maxperf-enable=true"]
    queue = ["queue", "max-size-buffers=50", "max-size-bytes=0", "max-size-time=0"]
    sink = ["matroskamux", "streamable=true", "timecodescale=100000", "!", "fdsink", "fd=1"]
    return [*source, "!", *queue, "!", *encoder, "!", "h264parse", "!", *sink]


def _explain(name: str, words: str) -> str:
    lower = words.lower()
    if "no element" in lower or "no such element" in lower:
        return f"{name} needs an element that this GStreamer lacks ({words}): on a Jetson install nvidia-l4t-gstreamer"
    if "busy" in lower or "failed to create capturesession" in lower:
        return f"the camera {name} is in use by another program: close it"
    if "permission" in lower:
        return f"this user may not use the camera {name}: add it to the group video (sudo usermod -aG video $USER)"
    reason = f" ({words})" if words else ""
    return f"the camera {name} gives no pictures{reason}: check its cable, then try again"
