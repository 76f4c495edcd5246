"""A camera that needs no camera: exact times, a number in every picture, and the faults of real ones at a wish.

    test:1080p25                            a moving pattern, 1920x1080, 25 frames a second
    test:320x240@12.5,speed=8               eight times as fast as life, the clock with it
    test:infant.mp4@realtime,size=1080p     the pictures of a video, forth and back, at its own rate
    ...,drop=5-7+30                         frames 5 to 7 and 30 are lost
    ...,freeze-at=4,back-after=3            no frame from second 4 on, for 3 seconds (default: for good)
    ...,repeat-at=4                         the same picture again and again, as from a driver that hangs
    ...,unplug-at=4,back-after=3            gone; opening fails until it is back
    ...,codec=h264                          gives packets, as a network camera does
    ...,busy / missing / forbidden          does not open

Every picture holds its number as black and white blocks at the top left (`read_number`), which survive lossy encoding.
A reader that is late loses frames, as it would from a driver with four buffers.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np

from fidgety.device.camera import CameraError, Capture, Clock, PictureFormat, explain_camera
from fidgety.errors import UsageError
from fidgety.records import UInt8Array

__all__ = ["SimulatedPort", "read_number"]

_BITS = 20
_BUFFERS = 4  # frames that a driver keeps for a reader that is late
_MOST_PICTURES = 100  # of a video, kept in memory
_BT709 = 1
_NAMED = {"1080p": (1920, 1080), "720p": (1280, 720), "480p": (640, 480), "4k": (3840, 2160)}
_ERRORS = {"busy": errno.EBUSY, "missing": errno.ENOENT, "forbidden": errno.EACCES}


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What an address asks for."""

    width_px: int
    height_px: int
    fps: float
    video: Path | None
    speed: float
    dropped: frozenset[int]
    faults: dict[str, float]  # freeze-at, repeat-at, unplug-at, back-after: seconds
    codec: str
    error: int | None


class SimulatedPort:
    """The device; its time goes on while nobody has it open."""

    def __init__(self, address: str) -> None:
        """Raises UsageError for an address that is none."""
        self.name = address
        self._recipe = _parse(address)
        self.clock = Clock(self._recipe.speed)
        self._pictures = _pattern(self._recipe) if self._recipe.video is None else _video_pictures(self._recipe)
        self._start_us: int | None = None

    def open(self) -> SimulatedCamera:
        recipe = self._recipe
        if recipe.error is not None:
            raise CameraError(explain_camera(self.name, OSError(recipe.error, "")))
        if self._start_us is None:
            self._start_us = self.clock.now_us()
        if _is_in_fault("unplug-at", recipe, (self.clock.now_us() - self._start_us) / 1e6):
            raise CameraError(explain_camera(self.name, OSError(errno.ENOENT, "")))
        return SimulatedCamera(self.name, recipe, self._pictures, self.clock, self._start_us)


class SimulatedCamera:
    """An open test camera."""

    def __init__(
        self, name: str, recipe: _Recipe, pictures: list[UInt8Array], clock: Clock, device_start_us: int
    ) -> None:
        self._name, self._recipe, self._pictures = name, recipe, pictures
        self._clock, self._start_us = clock, device_start_us
        self._is_closed = False
        self.format = PictureFormat(recipe.width_px, recipe.height_px, recipe.fps, recipe.codec)
        self.stream: Any = None
        if recipe.codec != "raw":
            self._container, self.stream = _encoder_stream(recipe)

    def captures(self) -> Iterator[Capture]:
        recipe = self._recipe
        number = self._due_number()
        while not self._is_closed:
            number = max(number, self._due_number() - _BUFFERS)
            due_us = self._start_us + round(number * 1e6 / recipe.fps)
            self._clock.sleep((due_us - self._clock.now_us()) / 1e6)
            second = number / recipe.fps
            if _is_in_fault("unplug-at", recipe, second):
                raise CameraError(explain_camera(self._name, OSError(errno.ENODEV, "")))
            if number not in recipe.dropped and not _is_in_fault("freeze-at", recipe, second):
                shown = number
                if _is_in_fault("repeat-at", recipe, second):
                    shown = round(recipe.faults["repeat-at"] * recipe.fps)
                yield from self._give(number, shown)
            number += 1

    def abort(self) -> None:
        self._is_closed = True

    def close(self) -> None:
        self._is_closed = True

    def _due_number(self) -> int:
        return int((self._clock.now_us() - self._start_us) * self._recipe.fps / 1e6)

    def _give(self, number: int, shown: int) -> Iterator[Capture]:
        camera_us = round(number * 1e6 / self._recipe.fps)
        picture = _picture(self._pictures, shown, self._recipe)
        if self.stream is None:
            yield Capture(picture, None, camera_us, self._clock.now_us(), number)
            return
        picture.pts, picture.time_base = camera_us, Fraction(1, 1_000_000)
        for packet in self.stream.encode(picture):
            yield Capture(None, packet, camera_us, self._clock.now_us(), number)


def read_number(luma: UInt8Array) -> int:
    """The number in a picture; luma (H, W) uint8."""
    side = _block_px(luma.shape[1])
    centres = luma[side // 4 : side - side // 4, : side * _BITS].reshape(-1, _BITS, side)
    bits = centres.mean(axis=(0, 2)) > 125
    return int((bits * (1 << np.arange(_BITS))).sum())


def _block_px(width_px: int) -> int:
    return max(4, width_px // (2 * _BITS))


def _picture(pictures: list[UInt8Array], number: int, recipe: _Recipe) -> Any:
    """Forth and back through the pictures, so that nothing jumps; planes (3H/2, W) uint8."""
    n = len(pictures)
    place = number % max(1, 2 * n - 2)
    planes = pictures[place if place < n else 2 * n - 2 - place].copy()
    side = _block_px(recipe.width_px)
    bits = (number >> np.arange(_BITS)) & 1
    planes[:side, : side * _BITS] = np.repeat(np.where(bits, 235, 16), side).astype(np.uint8)
    picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    picture.colorspace = _BT709
    return picture


def _pattern(recipe: _Recipe) -> list[UInt8Array]:
    """A grainy bright mat on which a dark disc moves; planes (3H/2, W) uint8."""
    width, height = recipe.width_px, recipe.height_px
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    mat = 150 + 30 * np.sin(x / (width / 40)) * np.sin(y / (width / 40))
    grain = rng.integers(-2, 3, (height, width))
    pictures = []
    for turn in np.linspace(0.0, 2 * np.pi, 12, endpoint=False):
        centre = (width * (0.5 + 0.2 * np.cos(turn)), height * (0.55 + 0.2 * np.sin(turn)))
        is_disc = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (height / 8) ** 2
        luma = np.where(is_disc, 60, mat) + np.roll(grain, round(1000 * turn), axis=1)
        chroma = np.full((height // 2, width), 128)
        pictures.append(np.concatenate([luma, chroma]).clip(16, 235).astype(np.uint8))
    return pictures


def _video_pictures(recipe: _Recipe) -> list[UInt8Array]:
    """The first pictures of a video, at the recipe's size; planes (3H/2, W) uint8."""
    pictures: list[UInt8Array] = []
    with av.open(str(recipe.video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for picture in container.decode(video=0):
            scaled = picture.reformat(recipe.width_px, recipe.height_px, "yuv420p")
            pictures.append(scaled.to_ndarray())
            if len(pictures) == _MOST_PICTURES:
                break
    return pictures


def _encoder_stream(recipe: _Recipe) -> tuple[Any, Any]:
    """A container that nobody reads, and its H.264 stream."""
    container = av.open(BytesIO(), "w", format="mp4")
    stream: Any = container.add_stream(
        "libx264", rate=Fraction(recipe.fps).limit_denominator(1001), options={"tune": "zerolatency", "crf": "20"}
    )
    stream.width, stream.height, stream.pix_fmt = recipe.width_px, recipe.height_px, "yuv420p"
    stream.codec_context.time_base = Fraction(1, 1_000_000)
    stream.codec_context.gop_size = max(1, round(recipe.fps))
    container.start_encoding()
    return container, stream


def _is_in_fault(name: str, recipe: _Recipe, second: float) -> bool:
    begins_s = recipe.faults.get(name)
    return begins_s is not None and begins_s <= second < begins_s + recipe.faults.get("back-after", np.inf)


def _parse(address: str) -> _Recipe:
    what, *options = address.removeprefix("test:").split(",")
    given = dict(option.partition("=")[::2] for option in options)
    try:
        return _recipe(what, given)
    except (ValueError, KeyError, OSError, av.FFmpegError) as error:
        raise UsageError(f"--camera {address!r}: the test camera does not understand {error}") from None


def _recipe(what: str, given: dict[str, str]) -> _Recipe:
    known = {"size", "fps", "speed", "drop", "codec", "freeze-at", "repeat-at", "unplug-at", "back-after", *_ERRORS}
    if given.keys() - known:
        raise ValueError(", ".join(sorted(given.keys() - known)))
    pattern = re.fullmatch(r"(\d+x\d+@|\d+p|4k)([\d.]+)?", what)
    video, speed = None, float(given.get("speed", 1.0))
    if pattern:
        (width, height), fps = _size(pattern[1].rstrip("@")), float(pattern[2] or 25.0)
    else:
        name, _, _pace = what.partition("@")
        video = Path(name)
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            width, height, fps = stream.width, stream.height, float(stream.average_rate or 25.0)
    if "size" in given:
        width, height = _size(given["size"])
    dropped: set[int] = set()
    for part in filter(None, given.get("drop", "").split("+")):
        first, _, last = part.partition("-")
        dropped.update(range(int(first), int(last or first) + 1))
    faults = {name: float(given[name]) for name in given if name.endswith(("-at", "-after"))}
    error = next((code for name, code in _ERRORS.items() if name in given), None)
    codec = given.get("codec", "raw")
    fps = float(given.get("fps", fps))
    return _Recipe(width, height, fps, video, speed, frozenset(dropped), faults, codec, error)


def _size(text: str) -> tuple[int, int]:
    if text in _NAMED:
        return _NAMED[text]
    width, height = (int(number) for number in text.split("x"))
    if width % 2 or height % 2 or not 64 <= width <= 7680 or not 64 <= height <= 4320:
        raise ValueError(f"a size of {text}")
    return width, height
