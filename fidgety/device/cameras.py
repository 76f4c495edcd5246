"""The cameras that the kernel knows: name, driver, formats, sizes and frame rates, asked by V4L2's own calls.

Only listed here; nothing is recorded. Structures and numbers are those of `linux/videodev2.h`, which never change.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from fidgety.device.tree import SystemTree

__all__ = ["Camera", "CameraMode", "Ioctl", "list_cameras"]

Ioctl = Callable[[int, int, bytearray], int]  # file descriptor, request, structure that the kernel fills in

_QUERYCAP, _QUERYCAP_BYTES = 0x80685600, 104
_ENUM_FMT, _ENUM_FMT_BYTES = 0xC0405602, 64
_ENUM_FRAMESIZES, _ENUM_FRAMESIZES_BYTES = 0xC02C564A, 44
_ENUM_FRAMEINTERVALS, _ENUM_FRAMEINTERVALS_BYTES = 0xC034564B, 52
_CAPTURE, _DEVICE_CAPS = 0x1, 0x80000000
_BUFFER_CAPTURE = 1
_DISCRETE = 1
_MOST = 64  # entries of one list: a faulty driver must not keep us for ever
_CSI_DRIVERS = ("tegra-video", "tegra-camrtc", "tegra_camera")


@dataclass(frozen=True, slots=True)
class CameraMode:
    """One format and size."""

    fourcc: str  # MJPG, YUYV, RG10 (raw of a CSI sensor), ...
    width_px: int
    height_px: int
    most_fps: float | None  # None: the driver does not say


@dataclass(frozen=True, slots=True)
class Camera:
    """One video device."""

    device: str  # /dev/video0
    name: str
    driver: str | None  # None: it could not be asked
    is_usable: bool  # may be opened by this user
    problem: str | None  # why not
    modes: tuple[CameraMode, ...]

    @property
    def is_csi(self) -> bool:
        """True for a sensor on a Jetson's own lanes: its pictures are raw, and come through GStreamer."""
        return (self.driver or "") in _CSI_DRIVERS or self.name.startswith("vi-output")


def list_cameras(tree: SystemTree, ioctl: Ioctl | None = None) -> tuple[Camera, ...]:
    """Every capture device below `tree`; `ioctl` stands in for the kernel in tests."""
    found = (_camera(tree, name.rsplit("/", 1)[-1], ioctl or _ioctl) for name in tree.glob(_CLASS))
    return tuple(camera for camera in found if camera is not None)


_CLASS = "/sys/class/video4linux/video*"


def _ioctl(descriptor: int, request: int, structure: bytearray) -> int:
    return int(fcntl.ioctl(descriptor, request, structure, True))


def _camera(tree: SystemTree, node: str, ioctl: Ioctl) -> Camera | None:
    """The camera behind a node; None where the node gives no pictures (metadata, an encoder)."""
    device = f"/dev/{node}"
    known = Camera(device, tree.text(f"/sys/class/video4linux/{node}/name") or node, None, False, None, ())
    try:
        descriptor = os.open(tree.path(device), os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return replace(known, problem=_reason(error))
    try:
        driver, name, can_capture = _capabilities(descriptor, ioctl)
        if not can_capture:
            return None
        modes = tuple(_modes(descriptor, ioctl))
    except OSError as error:
        return replace(known, problem=f"it does not answer ({error.strerror})")
    finally:
        os.close(descriptor)
    return Camera(device, name or known.name, driver, True, None, modes)


def _reason(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "no right to open it"
    return f"it does not open ({error.strerror})"


def _capabilities(descriptor: int, ioctl: Ioctl) -> tuple[str, str, bool]:
    """(driver, name, whether it gives pictures)."""
    answer = bytearray(_QUERYCAP_BYTES)
    ioctl(descriptor, _QUERYCAP, answer)
    driver, name, _, _, whole, device = struct.unpack_from("16s32s32sIII", answer)
    can = device if whole & _DEVICE_CAPS else whole
    return _word(driver), _word(name), bool(can & _CAPTURE)


def _modes(descriptor: int, ioctl: Ioctl) -> Iterator[CameraMode]:
    for answer in _list(descriptor, ioctl, _ENUM_FMT, _ENUM_FMT_BYTES, struct.pack("II", 0, _BUFFER_CAPTURE)):
        code = struct.unpack_from("I", answer, 44)[0]
        for width, height in _sizes(descriptor, ioctl, code):
            yield CameraMode(
                _word(struct.pack("I", code)), width, height, _most_fps(descriptor, ioctl, code, width, height)
            )


def _sizes(descriptor: int, ioctl: Ioctl, code: int) -> Iterator[tuple[int, int]]:
    """Every size; of a range only the largest."""
    for answer in _list(descriptor, ioctl, _ENUM_FRAMESIZES, _ENUM_FRAMESIZES_BYTES, struct.pack("II", 0, code)):
        kind, first, second, _, _, third = struct.unpack_from("IIIIII", answer, 8)
        if kind != _DISCRETE:
            yield second, third  # largest width, largest height
            return
        yield first, second


def _most_fps(descriptor: int, ioctl: Ioctl, code: int, width: int, height: int) -> float | None:
    start = struct.pack("IIII", 0, code, width, height)
    intervals = []
    for answer in _list(descriptor, ioctl, _ENUM_FRAMEINTERVALS, _ENUM_FRAMEINTERVALS_BYTES, start):
        kind, numerator, denominator = struct.unpack_from("III", answer, 16)
        if numerator and denominator:
            intervals.append(Fraction(numerator, denominator))
        if kind != _DISCRETE:
            break  # of a range the shortest comes first
    return round(float(1 / min(intervals)), 3) if intervals else None


def _list(descriptor: int, ioctl: Ioctl, request: int, n_bytes: int, start: bytes) -> Iterator[bytearray]:
    """The entries that a driver counts up until it says EINVAL; none where it does not know the question."""
    for index in range(_MOST):
        structure = bytearray(start.ljust(n_bytes, b"\0"))
        struct.pack_into("I", structure, 0, index)
        try:
            ioctl(descriptor, request, structure)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return
            raise
        yield structure


def _word(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", errors="replace").strip()
