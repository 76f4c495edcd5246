"""Cameras as the recorder sees them: pictures or encoded packets, each with the camera's time and the box's.

    0, /dev/video0     a V4L2 device, read by PyAV: H.264 as the camera gives it, else MJPEG, else raw
    rtsp://...         a network camera, its stream taken as it is, over TCP
    csi:0              the camera on a Jetson's ribbon cable, through GStreamer (gstreamer.py)
    gst:/dev/video0    a V4L2 device through GStreamer and the Jetson's hardware encoder
    test:1080p25       a camera that needs no camera (simulated_camera.py)

A port stays; the camera behind it may go and come back. What goes wrong is said with what to do about it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av

from fidgety.errors import DeviceError, UsageError
from fidgety.runtime.address import is_network_camera, shown_address, without_passwords

__all__ = [
    "Camera",
    "CameraError",
    "CameraPort",
    "Capture",
    "Clock",
    "ContainerCamera",
    "PictureFormat",
    "Wanted",
    "camera_port",
    "explain_camera",
]

ENCODED = ("h264", "hevc")  # taken as they come; everything else is decoded and encoded by us
_OPEN_S, _READ_S = 10.0, 5.0


class CameraError(DeviceError):
    """The camera is not there, not free, not allowed, or has gone."""


class Clock:
    """Monotonic microseconds; a test camera that runs faster than life brings a faster clock."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._start_ns = time.monotonic_ns()

    def now_us(self) -> int:
        return round((time.monotonic_ns() - self._start_ns) * self.speed / 1000.0)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds / self.speed)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a camera is asked for; it may give something else, and then says so."""

    width_px: int = 1920
    height_px: int = 1080
    fps: float = 25.0


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """What a camera gives."""

    width_px: int
    height_px: int
    fps: float  # nominal; 0 = not stated
    codec: str  # "raw": pictures; "h264", "hevc": packets that are recorded as they are


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """One picture, or one packet that holds one."""

    picture: Any | None  # av.VideoFrame
    packet: Any | None  # av.Packet
    camera_us: int | None  # the camera's time of the picture, or of the packet's decoding; None = it gives none
    host_us: int  # the box's monotonic clock when it arrived
    sequence: int | None  # the camera's own number; None = it numbers nothing


class Camera(Protocol):
    """An open camera. `captures` ends with CameraError when it goes; `abort` ends it from another thread."""

    @property
    def format(self) -> PictureFormat: ...

    @property
    def stream(self) -> Any:
        """The av stream that packets belong to: the recording's is made after it."""

    def captures(self) -> Iterator[Capture]: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...


class CameraPort(Protocol):
    """Where a camera is plugged in."""

    name: str  # as it is shown and written: without user and password
    clock: Clock

    def open(self) -> Camera:
        """Raises CameraError."""


def camera_port(address: str, wanted: Wanted) -> CameraPort:
    """The port that an address means. Raises UsageError where it means none."""
    if address.startswith("test:"):
        from fidgety.device.simulated_camera import SimulatedPort

        return SimulatedPort(address)
    if address.startswith(("csi:", "gst:")):
        from fidgety.device.gstreamer import GstreamerPort

        return GstreamerPort(address, wanted)
    if is_network_camera(address):
        return _RtspPort(address)
    if address.isdecimal() or address.startswith("/dev/"):
        return _V4l2Port(address, wanted)
    shown = shown_address(address)
    raise UsageError(f"--camera {shown!r} is none: write 0, /dev/video0, csi:0, rtsp://..., or test:1080p25")


class ContainerCamera:
    """A camera that PyAV reads: V4L2, RTSP, or the pipe of a GStreamer process."""

    def __init__(self, container: Any, name: str, clock: Clock) -> None:
        """Raises CameraError where there is no picture track."""
        self._container, self._name, self._clock = container, name, clock
        if not container.streams.video:
            container.close()
            raise CameraError(f"{name} gives no pictures: choose another camera")
        self.stream = container.streams.video[0]
        context = self.stream.codec_context
        codec = context.name if context.name in ENCODED else "raw"
        fps = float(self.stream.average_rate or self.stream.guessed_rate or 0.0)
        self.format = PictureFormat(context.width, context.height, fps if fps < 480 else 0.0, codec)

    def captures(self) -> Iterator[Capture]:
        """Until it goes. A picture that cannot be decoded is left out, as if it had been lost."""
        try:
            for packet in self._container.demux(self.stream):
                host_us = self._clock.now_us()
                if packet.size == 0 or packet.is_corrupt:
                    continue
                if self.format.codec != "raw":
                    decoded_at = packet.pts if packet.dts is None else packet.dts  # rises, where pts may go back
                    yield Capture(None, packet, _microseconds(decoded_at, packet.time_base), host_us, None)
                    continue
                for picture in _decoded(packet):
                    yield Capture(picture, None, _microseconds(picture.pts, picture.time_base), host_us, None)
        except (av.FFmpegError, OSError) as error:
            raise CameraError(explain_camera(self._name, error)) from error
        raise CameraError(f"the camera {self._name} gives no more pictures: it was unplugged, or switched off")

    def abort(self) -> None:
        """A read that hangs in the driver can only be waited for; unplugging the camera ends it."""

    def close(self) -> None:
        self._container.close()


class _V4l2Port:
    def __init__(self, address: str, wanted: Wanted) -> None:
        self.name = f"/dev/video{address}" if address.isdecimal() else address
        self.clock = Clock()
        self._wanted = wanted

    def open(self) -> ContainerCamera:
        """The camera's own H.264, else MJPEG, else raw; at the wanted size, else at its own."""
        size = {"video_size": f"{self._wanted.width_px}x{self._wanted.height_px}"}
        rate = {"framerate": f"{self._wanted.fps:g}"}
        tries: list[dict[str, str]] = [{**size, **rate, "input_format": kind} for kind in ("h264", "mjpeg")]
        for i, options in enumerate([*tries, {**size, **rate}, {}]):
            try:
                container = av.open(self.name, format="v4l2", options=options, timeout=(_OPEN_S, _READ_S))
            except (av.FFmpegError, OSError) as error:
                if getattr(error, "errno", None) == errno.EINVAL and i < 3:
                    continue  # it does not have that format
                raise CameraError(explain_camera(self.name, error)) from error
            return ContainerCamera(container, self.name, self.clock)
        raise AssertionError("the last try returns or raises")


class _RtspPort:
    def __init__(self, address: str) -> None:
        self.name, self.clock = shown_address(address), Clock()
        self._address = address  # with user and password: for the decoder alone

    def open(self) -> ContainerCamera:
        try:
            container = av.open(self._address, options={"rtsp_transport": "tcp"}, timeout=(_OPEN_S, _READ_S))
        except (av.FFmpegError, OSError) as error:
            raise CameraError(explain_camera(self.name, error)) from error
        return ContainerCamera(container, self.name, self.clock)


def explain_camera(name: str, error: Exception) -> str:
    """What is wrong with the camera, and what to do."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOENT, errno.ENXIO):
        found = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        return f"there is no camera {name}: plug it in (cameras on this box: {found})"
    if code == errno.EBUSY:
        return f"the camera {name} is in use by another program: close it"
    if code in (errno.EACCES, errno.EPERM):
        return (
            f"this user may not use the camera {name}: add it to the group video (sudo usermod -aG video $USER), then "
            "log out and in again"
        )
    if code in (errno.ENODEV, errno.EIO, errno.EPROTO):
        return f"the camera {name} was unplugged or has failed: plug it in again"
    if code in (errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"the camera {name} does not answer: is it switched on, and on this network?"
    if code == errno.ENOTTY:
        return f"{name} is no camera: name another one"
    reason = without_passwords(str(getattr(error, "strerror", None) or error)).strip().rstrip(".").lower()
    return f"the camera {name} does not work ({reason}): unplug it, plug it in again, and try once more"


def _decoded(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except av.FFmpegError:
        return []


def _microseconds(pts: int | None, time_base: Any) -> int | None:
    return None if pts is None else round(pts * time_base * 1_000_000)
