"""Frames -> MP4, with the truth beside it.

    render_recording(path, motion, camera, appearance) -> path, and the truth files of `truth.py`

Time stamps are written frame by frame, so uneven rates and lost frames come out as a camera would leave them.
Files appear under their name only when they are whole.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError
from fidgety.phantom.appearance import Appearance, draw_appearance
from fidgety.phantom.camera import Camera
from fidgety.phantom.kinematics import simulate_motion
from fidgety.phantom.motion import Motion
from fidgety.phantom.render import Figure, render_frame
from fidgety.phantom.scene import frame_camera
from fidgety.phantom.truth import Truth, truth_of, write_truth
from fidgety.records import UInt8Array

__all__ = ["render_recording", "render_sample", "sample_motion", "write_video"]

_TICKS_PER_S = 90_000
_SAMPLE_SEED = 4
_SAMPLE_LOOK = 9
_SAMPLE_S = 100.0


def write_video(
    path: Path,
    frames: Iterable[UInt8Array],
    fps: float,
    *,
    times_s: Sequence[float] | NDArray[np.float64] | None = None,
    crf: float = 23.0,
    preset: str = "veryfast",
    rotation_deg: int = 0,
    threads: int = 2,
) -> int:
    """Write (H, W, 3) uint8 RGB frames as H.264 (4:2:0, BT.709, limited range) and return how many there
    were.

    times_s: presentation time of each frame, rising; default evenly spaced at `fps`.
    rotation_deg: 0, 90, 180 or 270: the file holds the pictures turned anticlockwise by this much and tells
    the player to turn them clockwise, as a phone does.
    Height and width of the pictures must be even. Raises UsageError for pictures or times that do not fit.
    """
    if rotation_deg not in (0, 90, 180, 270):
        raise UsageError(f"a picture can be turned by 0, 90, 180 or 270 degrees, not {rotation_deg}")
    part = path.with_name(path.name + ".part")
    try:
        with av.open(str(part), "w", format="mp4") as container:
            n_frames = _encode(container, frames, fps, times_s, crf, preset, rotation_deg // 90, threads)
        if rotation_deg:
            _write_display_matrix(part, rotation_deg)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return n_frames


def render_recording(
    path: Path,
    motion: Motion,
    camera: Camera,
    appearance: Appearance,
    *,
    others: Sequence[Figure] = (),
    dropped_frames: Collection[int] = (),
    times_s: Sequence[float] | NDArray[np.float64] | None = None,
    crf: float = 23.0,
    preset: str = "veryfast",
    rotation_deg: int = 0,
    threads: int = 2,
) -> Truth:
    """Render a motion to `path` (MP4), write its truth beside it, and return that.

    dropped_frames: indices left out of the video; the rest keep their times. times_s: (T,) time of each frame
    of the motion, default evenly spaced at the motion's rate. Raises UsageError as `write_video` does, or
    where every frame is dropped.
    """
    dropped = set(dropped_frames)
    kept = [index for index in range(len(motion)) if index not in dropped]
    if not kept:
        raise UsageError("no frame is left to write")
    truth = truth_of(motion, camera, appearance, times_s=times_s, dropped_frames=dropped)
    frames = (render_frame(motion, index, camera, appearance, others) for index in kept)
    write_video(
        path,
        frames,
        motion.fps,
        times_s=truth.times_s[kept],
        crf=crf,
        preset=preset,
        rotation_deg=rotation_deg,
        threads=threads,
    )
    write_truth(path, truth, motion, camera, appearance)
    return truth


def sample_motion() -> Motion:
    """The movement of the sample recording: 100 s at 25 Hz, FMs in more than a third of its windows."""
    return simulate_motion(_SAMPLE_SEED, "intermittent", _SAMPLE_S, 25.0)


def render_sample(out_dir: Path) -> Path:
    """Render the sample recording, `sample.mp4` with its truth, into a folder that exists; the MP4's path."""
    motion = sample_motion()
    camera = frame_camera(motion, fill=0.9, tilt_deg=12.0, azimuth_deg=20.0, roll_deg=4.0)
    path = out_dir / "sample.mp4"
    render_recording(path, motion, camera, draw_appearance(_SAMPLE_LOOK, noise_sd=2.0), crf=25.0)
    return path


def _encode(
    container: av.container.OutputContainer,
    frames: Iterable[UInt8Array],
    fps: float,
    times_s: Sequence[float] | NDArray[np.float64] | None,
    crf: float,
    preset: str,
    quarter_turns: int,
    threads: int,
) -> int:
    stream = container.add_stream(
        "libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": str(crf), "preset": preset}
    )
    stream.pix_fmt = "yuv420p"
    stream.time_base = Fraction(1, _TICKS_PER_S)
    stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
    stream.codec_context.thread_count = threads
    for tag in ("color_primaries", "color_trc", "colorspace"):
        setattr(stream.codec_context, tag, 1)  # BT.709
    times: Iterator[float] = (i / fps for i in count()) if times_s is None else iter(times_s)
    n_frames, last = 0, -1
    for frame, time_s in zip(frames, times, strict=False):
        turned = np.ascontiguousarray(np.rot90(frame, quarter_turns))
        if n_frames == 0:
            stream.height, stream.width = turned.shape[:2]
        pts = round(float(time_s) * _TICKS_PER_S)
        if (
            turned.shape != (stream.height, stream.width, 3)
            or turned.shape[0] % 2
            or turned.shape[1] % 2
            or pts <= last
        ):
            raise UsageError(
                f"frame {n_frames}: {turned.shape} pixels at {time_s:.3f} s cannot follow what came before"
            )
        picture = av.VideoFrame.from_ndarray(turned, format="rgb24").reformat(
            format="yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709"
        )
        picture.pts, picture.time_base = pts, Fraction(1, _TICKS_PER_S)
        container.mux(stream.encode(picture))
        n_frames, last = n_frames + 1, pts
    if n_frames == 0:
        raise UsageError("no frame to write")
    container.mux(stream.encode(None))
    return n_frames


def _write_display_matrix(path: Path, rotation_deg: int) -> None:
    """Set the track's matrix (ISO 14496-12, 'tkhd', version 0) to a clockwise turn."""
    data = bytearray(path.read_bytes())
    header = data.rindex(b"tkhd") + 4
    if data[header] != 0:
        raise UsageError(f"{path.name}: a track header of version {data[header]} cannot be turned")
    size = struct.unpack(">2I", data[header + 76 : header + 84])
    a, b = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation_deg]
    x, y = {90: (size[1], 0), 180: (size[0], size[1]), 270: (0, size[0])}[rotation_deg]
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, -b * one, a * one, 0, x, y, 1 << 30)
    data[header + 40 : header + 76] = matrix
    path.write_bytes(data)
