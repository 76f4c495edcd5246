"""Captures -> a fragmented MP4, half a second a fragment, each frame at its own time.

Packets of a camera that encodes are taken as they are; pictures are encoded. One file for the whole recording, also
when the camera goes and comes back: fragments state their absolute time, so a gap is just a gap. A frame whose bytes
were handed to the disk is on the disk when the process is killed.
"""

from __future__ import annotations

import zlib
from fractions import Fraction
from typing import Any

import av

from fidgety.device.camera import Capture, PictureFormat
from fidgety.device.disk import Disk
from fidgety.device.encoder import Encoder
from fidgety.device.frame_log import Block, block_line

__all__ = ["TICKS_PER_S", "TIMES", "VIDEO", "VideoWriter"]

VIDEO, TIMES = "video.mp4", "frame-times.log"  # in the folder of a recording
TICKS_PER_S = 90_000
_FRAGMENT_US = 500_000
_OPTIONS = {
    "movflags": "empty_moov+default_base_moof+frag_discont",
    "frag_duration": str(_FRAGMENT_US),
    "flush_packets": "1",
    "video_track_timescale": str(TICKS_PER_S),
}
_BT601, _BT709, _UNSPECIFIED = 6, 1, 2
_FULL_RANGE = 2


class _Pipe:
    """What the muxer writes to: no way back, so the file can only grow."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.n_bytes = 0

    def write(self, data: Any) -> int:
        content = bytes(data)
        self._disk.append(TIMES, block_line(Block(self.n_bytes, len(content), zlib.crc32(content))))
        self._disk.append(VIDEO, content)
        self.n_bytes += len(content)
        return len(content)


class VideoWriter:
    """Writes one recording's video. One owner."""

    def __init__(self, disk: Disk, camera_format: PictureFormat, stream: Any, encoder: Encoder) -> None:
        """stream: the camera's, where packets are taken as they are."""
        self.format = camera_format
        self._pipe = _Pipe(disk)
        self._container: Any = av.open(self._pipe, "w", format="mp4", options=dict(_OPTIONS))
        if camera_format.codec != "raw":
            self._stream = self._container.add_stream_from_template(stream)
            self._extradata = stream.codec_context.extradata
        else:
            self._stream = _encoding_stream(self._container, camera_format, encoder)
            self._extradata = None
        self._last_dts: int | None = None
        self._needs_key_frame = True

    @property
    def n_bytes(self) -> int:
        return self._pipe.n_bytes

    def takes(self, camera_format: PictureFormat, stream: Any) -> bool:
        """True when a camera that has come back can go on in this file."""
        if self.format.codec == "raw":
            return camera_format.codec == "raw"  # another size is scaled to the first
        same = camera_format.codec, camera_format.width_px, camera_format.height_px
        ours = self.format.codec, self.format.width_px, self.format.height_px
        return same == ours and stream.codec_context.extradata == self._extradata

    def after_gap(self) -> None:
        """Packets are useless until the next key frame."""
        self._needs_key_frame = True

    def write(self, capture: Capture, time_us: int) -> int | None:
        """Encode or copy one frame; its presentation time in the file, microseconds. None: it hangs on lost frames.

        time_us: from the first frame; of a packet, when it is to be decoded.
        """
        if capture.picture is not None:
            self._encode(capture.picture, time_us)
            return time_us
        packet = capture.packet
        if packet is None or (self._needs_key_frame and not packet.is_keyframe):
            return None
        self._needs_key_frame = False
        ahead = 0 if packet.pts is None or packet.dts is None else packet.pts - packet.dts
        ahead_us: int = round(ahead * packet.time_base * 1_000_000)
        dts = _ticks(time_us)
        if self._last_dts is not None:
            dts = max(dts, self._last_dts + 1)
        self._last_dts = dts
        packet.stream = self._stream
        packet.pts, packet.dts, packet.time_base = _ticks(time_us + ahead_us), dts, Fraction(1, TICKS_PER_S)
        self._container.mux(packet)
        return time_us + ahead_us

    def close(self) -> None:
        """Write what the encoder still holds, and the file's index."""
        if self.format.codec == "raw":
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def _encode(self, picture: Any, time_us: int) -> None:
        is_full = picture.format.name.startswith("yuvj") or picture.color_range == _FULL_RANGE
        size = (self.format.width_px, self.format.height_px)
        if picture.format.name != "yuv420p" or (picture.width, picture.height) != size or is_full:
            ranges = {"src_color_range": "JPEG" if is_full else "MPEG", "dst_color_range": "MPEG"}
            picture = picture.reformat(*size, "yuv420p", **ranges)
        if self._last_dts is None:
            known = int(picture.colorspace)
            self._stream.codec_context.colorspace = _BT601 if known == _UNSPECIFIED else known
        pts = _ticks(time_us)
        self._last_dts = pts
        picture.pts, picture.time_base = pts, Fraction(1, TICKS_PER_S)
        picture.pict_type = 0
        self._container.mux(self._stream.encode(picture))


def _ticks(time_us: int) -> int:
    return round(time_us * TICKS_PER_S / 1_000_000)


def _encoding_stream(container: Any, camera_format: PictureFormat, encoder: Encoder) -> Any:
    fps = camera_format.fps or 25.0
    stream = container.add_stream(
        encoder.name, rate=Fraction(fps).limit_denominator(1001), options=dict(encoder.options)
    )
    stream.width, stream.height, stream.pix_fmt = camera_format.width_px, camera_format.height_px, "yuv420p"
    stream.time_base = Fraction(1, TICKS_PER_S)
    stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
    stream.codec_context.gop_size = max(1, round(fps))
    stream.codec_context.thread_count = 2
    if encoder.bits_per_pixel is not None:
        stream.bit_rate = round(encoder.bits_per_pixel * camera_format.width_px * camera_format.height_px * fps)
    return stream
