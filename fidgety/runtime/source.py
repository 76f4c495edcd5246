"""Recording or camera -> Frames, each with its own presentation time, upright.

Files, camera indices (`0`), V4L2 devices (`/dev/video0`) and RTSP addresses go through the same decoder. Planes are
handed on as they lie in the decoder (no colour conversion of the whole picture: the pose stage converts only its crop).
A recording that breaks off gives the frames that it has, and says so in `ended_early`; a damaged stretch costs only its
own frames. Frames that only repeat the one before are left out as lost ones: `repeats` knows of them.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np

from fidgety.errors import SourceError, UnsettledError
from fidgety.records import FloatArray, Frame, UInt8Array
from fidgety.runtime.address import camera_name, is_network_camera, shown_address, without_passwords
from fidgety.runtime.repeats import RepeatFilter

__all__ = ["Source", "SourceInfo", "frame_from_picture", "frame_from_rgb", "open_source"]

# Twice this rate and above, frames are left out: MAM reads 25 Hz, and 50 or 60 fps cost twice for nothing. By time, not
# by count: many cameras of 60 fps drop to 30 or less where light is poor, and then every frame is needed.
WANTED_FPS = 25.0
_HIGHEST_FPS = 480.0  # some containers state their clock (1000, 30000) as the frame rate: that is no statement

_KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
_BT709_COLORSPACES = {1, 9, 10}  # AVCOL_SPC_BT709; BT.2020 is nearer to it than to BT.601
_UNSPECIFIED_COLORSPACE = 2
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG

_LONGEST_LEAP_S = 600.0  # between two frames: more is a fault of the clock, and every second becomes 25 rows

# The containers that state how long they are, whatever is missing at their end; others guess it from what is there.
_STATE_DURATION = ("mp4", "matroska")
_TRACK_END_TOLERANCE_S = 0.25
_FILE_END_TOLERANCE_S = 1.0  # where only the whole file's end is stated: sound may outlast the picture


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What the container says before the first frame is decoded; estimates, not promises."""

    name: str  # of a network camera its address without user and password
    fps: float  # nominal; 0 = not stated
    duration_s: float | None  # None: a camera, or not stated
    is_live: bool


class Source:
    """An opened recording or camera. Iterate `frames()` once; use it with `with`."""

    def __init__(self, container: Any, info: SourceInfo, path: Path | None) -> None:
        self.info = info
        self.ended_early: str | None = None  # why the recording broke off, once it has
        self.repeats = RepeatFilter()
        self._container = container
        self._path = path
        self._state_at_start = _file_state(path)
        self._fault: str | None = None  # the last packet that could not be decoded

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def frames(self) -> Iterator[Frame]:
        """Frames in the order of their presentation time; lost, repeated or unreadable ones are simply not there.

        Raises SourceError when not even one frame can be decoded or the file changes while it is read.
        """
        return self.repeats.frames(self._all_frames())

    def _all_frames(self) -> Iterator[Frame]:
        stream = self._container.streams.video[0]
        stride = max(1, int(self.info.fps / WANTED_FPS + 1e-3))
        least_pause_s = (stride - 0.5) / self.info.fps if stride > 1 else 0.0
        last_time_s = -1.0
        size_px: tuple[int, int] | None = None
        for index, time_s, picture in self._timed(stream):
            if time_s <= last_time_s or 0.0 <= last_time_s > time_s - least_pause_s:
                continue
            if time_s > last_time_s + _LONGEST_LEAP_S:
                self.ended_early = f"its time stamps leap by {time_s - last_time_s:.0f} s"
                break
            last_time_s = time_s
            size_px = size_px or (picture.width, picture.height)
            yield frame_from_picture(picture, index, time_s, size_px)
        if last_time_s < 0:
            raise SourceError(
                f"{self.info.name}: not one frame can be decoded ({self.ended_early or self._fault or 'it is empty'}); "
                "copy it from the camera again"
            )
        self.ended_early = self.ended_early or self._missing_end(stream, last_time_s)
        if self._state_at_start != _file_state(self._path):
            raise UnsettledError(
                f"{self.info.name} changed while it was read: wait until it is written, then score it again"
            )

    def _timed(self, stream: Any) -> Iterator[tuple[int, float, Any]]:
        """(index, seconds from the first picture, picture) of every picture."""
        first_pts_s: float | None = None
        for index, picture in enumerate(self._decode(stream)):
            if picture.time is None and self.info.fps <= 0:
                raise SourceError(f"{self.info.name}: its frames carry no time stamps and it states no frame rate")
            pts_s = float(picture.time) if picture.time is not None else index / self.info.fps
            first_pts_s = pts_s if first_pts_s is None else first_pts_s
            yield index, pts_s - first_pts_s, picture

    def _decode(self, stream: Any) -> Iterator[Any]:
        """Pictures of every packet that can be decoded."""
        for packet in self._packets(stream):
            try:
                pictures = packet.decode()
            except av.FFmpegError as error:
                self._fault = _reason(error)
                continue
            yield from pictures

    def _packets(self, stream: Any) -> Iterator[Any]:
        """Packets until the end; the last, empty, has the decoder give what it still holds."""
        try:
            yield from self._container.demux(stream)
        except av.FFmpegError as error:
            self.ended_early = _reason(error)
            last = av.Packet()
            last.stream = stream
            yield last

    def _missing_end(self, stream: Any, last_time_s: float) -> str | None:
        """What to say when the file ends well before the end that it states."""
        if self.info.is_live or not any(kind in self._container.format.name for kind in _STATE_DURATION):
            return None
        if stream.duration:
            stated_s, tolerance_s = float(stream.duration * stream.time_base), _TRACK_END_TOLERANCE_S
        else:
            stated_s, tolerance_s = self.info.duration_s or 0.0, _FILE_END_TOLERANCE_S
        is_whole = stated_s - last_time_s <= tolerance_s + 1.0 / max(self.info.fps, 1.0)
        return None if is_whole else f"it should last {stated_s:.1f} s"


def open_source(address: str) -> Source:
    """Open a recording by path, or a camera by index, device or RTSP address.

    Raises SourceError: missing, a folder, empty, no video, without a picture track, or a camera that does not answer.
    """
    shown, camera = shown_address(address), camera_name(address)
    is_camera, is_remote = camera is not None, is_network_camera(address)
    device = Path(address if camera is None else camera)
    if not is_camera:
        _check_file(device, shown)
    try:
        if is_remote:
            container = av.open(address, options={"rtsp_transport": "tcp"}, timeout=10.0)
        elif is_camera:
            container = av.open(str(device), format="v4l2", timeout=10.0)
        else:
            container = av.open(str(device), metadata_errors="ignore")
    except (av.FFmpegError, OSError) as error:
        raise SourceError(_cannot_open(shown, is_camera, error)) from error
    if not container.streams.video:
        container.close()
        raise SourceError(f"{shown} holds no picture track (sound only?): give the video that the camera recorded")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    rates = (float(rate or 0.0) for rate in (stream.average_rate, stream.guessed_rate))
    rate = next((rate for rate in rates if 0.0 < rate <= _HIGHEST_FPS), 0.0)
    duration_s = None if is_camera or not container.duration else container.duration / av.time_base
    info = SourceInfo(shown if is_remote else device.name, rate, duration_s, is_camera)
    return Source(container, info, None if is_camera else device)


def frame_from_rgb(rgb: UInt8Array, frame_index: int = 0, time_s: float = 0.0) -> Frame:
    """A Frame from an (H, W, 3) uint8 RGB picture (full range BT.601)."""
    height, width = rgb.shape[:2]
    padded = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    planes = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24").reformat(
        format="yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG"
    )
    luma, chroma_u, chroma_v = (_plane(planes, i) for i in range(3))
    matrix = _rgb_from_yuv("bt601", is_full_range=True)
    return Frame(frame_index, time_s, luma[:height, :width], chroma_u, chroma_v, matrix)


def _check_file(path: Path, shown: str) -> None:
    try:
        state = path.stat()
    except FileNotFoundError:
        raise SourceError(f"there is no recording {shown}: check the name") from None
    except OSError as error:
        raise SourceError(f"{shown} cannot be opened: {error.strerror}") from error
    if stat.S_ISDIR(state.st_mode):
        raise SourceError(f"{shown} is a folder: name the recordings in it")
    if state.st_size == 0:
        raise SourceError(f"{shown} is empty (0 bytes): copy it from the camera again")


def _cannot_open(shown: str, is_camera: bool, error: Exception) -> str:
    if is_camera:
        return f"the camera {shown} does not open: {_reason(error)}; is it plugged in, free and allowed for this user?"
    if isinstance(error, PermissionError):
        return f"{shown} may not be read: ask for the right to read it"
    return (
        f"{shown} is no readable video ({_reason(error)}): it may be cut off, still being written, or another kind of "
        "file; copy it again or convert it to MP4"
    )


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)  # the latter names the address
    return without_passwords(str(text)).strip().rstrip(".").lower()


def _file_state(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def frame_from_picture(picture: Any, index: int, time_s: float, size_px: tuple[int, int]) -> Frame:
    """A decoded picture as a Frame; `size_px`: (width, height) of the first, which all later ones are brought to."""
    standard = _colour_matrix(picture)
    is_full_range = picture.format.name.startswith("yuvj") or picture.color_range == _FULL_RANGE
    picture_420 = picture
    if picture.format.is_rgb:
        picture_420 = picture.reformat(*size_px, "yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
        standard, is_full_range = "bt601", False
    elif picture.format.name not in ("yuv420p", "yuvj420p") or (picture.width, picture.height) != size_px:
        picture_420 = picture.reformat(*size_px, "yuv420p")  # 10 bit, 4:2:2, a change of size in the middle
    planes = [_plane(picture_420, i) for i in range(3)]
    turns = round(picture.rotation / 90) % 4
    if turns:
        planes = [np.ascontiguousarray(np.rot90(plane, turns)) for plane in planes]
    return Frame(index, time_s, planes[0], planes[1], planes[2], _rgb_from_yuv(standard, is_full_range))


def _plane(picture: Any, i: int) -> UInt8Array:
    """Plane i of a 4:2:0 picture as an array on the decoder's own memory (which the array keeps alive)."""
    plane = picture.planes[i]
    rows: UInt8Array = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def _colour_matrix(picture: Any) -> str:
    colorspace = int(picture.colorspace)
    if colorspace == _UNSPECIFIED_COLORSPACE:
        return "bt709" if picture.height >= 720 else "bt601"
    return "bt709" if colorspace in _BT709_COLORSPACES else "bt601"


def _rgb_from_yuv(standard: str, is_full_range: bool) -> FloatArray:
    """(3, 4) float32: RGB in [0, 1] from (y, u, v, 1) in [0, 255] (ITU-R BT.601-7, BT.709-6)."""
    kr, kb = _KR_KB[standard]
    kg = 1.0 - kr - kb
    from_ypbpr = np.array(
        [
            [1.0, 0.0, 2 - 2 * kr],
            [1.0, -(2 - 2 * kb) * kb / kg, -(2 - 2 * kr) * kr / kg],
            [1.0, 2 - 2 * kb, 0.0],
        ]
    )
    if is_full_range:
        scale, offset = np.array([255.0, 255.0, 255.0]), np.array([0.0, 128.0, 128.0])
    else:
        scale, offset = np.array([219.0, 224.0, 224.0]), np.array([16.0, 128.0, 128.0])
    linear = from_ypbpr / scale
    return np.concatenate([linear, -(linear @ offset)[:, None]], axis=1).astype(np.float32)
