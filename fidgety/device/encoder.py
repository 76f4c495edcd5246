"""Which H.264 encoder this box has: each candidate must encode a few pictures before it is believed.

Drivers crash and hang, so a hardware encoder is tried in a process of its own. Without one libx264 encodes, fast enough
for 1080p25 beside the guidance on two cores, and with little loss, since fidgety movements are a few pixels large.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np

__all__ = ["Encoder", "choose_encoder", "try_encoder"]

_TRY_S = 10.0
_BITS_PER_PIXEL = 0.16  # where an encoder wants a rate: 8.3 Mbit/s at 1080p25


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder and how it is set."""

    name: str
    options: dict[str, str] = field(default_factory=dict)
    bits_per_pixel: float | None = None  # None: the quality is set, not the rate


SOFTWARE = Encoder("libx264", {"preset": "ultrafast", "crf": "20", "tune": "zerolatency", "bf": "0"})
# Where its device node is missing an encoder is not even tried.
_HARDWARE = (
    (Encoder("h264_nvenc", {"preset": "p4", "rc": "vbr", "cq": "20", "bf": "0", "delay": "0"}), "/dev/nvidia[0-9]*"),
    (Encoder("h264_vaapi", {"qp": "20", "bf": "0"}), "/dev/dri/renderD*"),
    (Encoder("h264_v4l2m2m", {}, _BITS_PER_PIXEL), "/dev/video[0-9]*"),
)


def choose_encoder(width_px: int, height_px: int, fps: float, candidates: Sequence[Encoder] | None = None) -> Encoder:
    """The first candidate that encodes pictures of this size here, else libx264."""
    for encoder in _present() if candidates is None else candidates:
        words = [
            encoder.name,
            str(width_px),
            str(height_px),
            str(fps),
            *(f"{k}={v}" for k, v in encoder.options.items()),
        ]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "fidgety.device.encoder", *words],
                capture_output=True,
                timeout=_TRY_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return encoder
    return SOFTWARE


def try_encoder(encoder: Encoder, width_px: int, height_px: int, fps: float) -> bool:
    """True when five pictures go in and packets with a key frame come out."""
    try:
        with av.open(BytesIO(), "w", format="mp4", options={"movflags": "empty_moov"}) as container:
            rate = Fraction(fps).limit_denominator(1001)
            stream = container.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
            stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
            packets = []
            for number in range(5):
                planes = np.full((height_px * 3 // 2, width_px), 60 + 20 * number, np.uint8)
                picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                picture.pts = number
                packets += stream.encode(picture)
            packets += stream.encode(None)
    except (av.FFmpegError, ValueError, OSError):
        return False
    return len(packets) == 5 and packets[0].is_keyframe


def _present() -> list[Encoder]:
    return [encoder for encoder, nodes in _HARDWARE if any(Path("/").glob(nodes.lstrip("/")))]


def _main(name: str, width: str, height: str, fps: str, *options: str) -> int:
    encoder = Encoder(name, dict(option.split("=", 1) for option in options))
    return 0 if try_encoder(encoder, int(width), int(height), float(fps)) else 1


if __name__ == "__main__":
    raise SystemExit(_main(*sys.argv[1:]))
