"""Packets of a camera that encodes -> pictures for the viewer, in a thread of its own.

A decoder needs every packet. When it falls behind, packets are left out up to the next key frame: the recording has
them all the same.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av

__all__ = ["PacketViewer"]

_MOST_WAITING = 30
Show = Callable[[Any, int, int, bool], None]  # picture, time_us, host_us, is_recorded


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    data: bytes
    is_key: bool
    time_us: int
    host_us: int
    is_recorded: bool


class PacketViewer:
    """Decodes what it can keep up with. One owner; `close` ends it."""

    def __init__(self, stream: Any, show: Show) -> None:
        self._show = show
        self._waiting: queue.Queue[_Piece | None] = queue.Queue(_MOST_WAITING)
        self._needs_key = True
        self._context: Any = av.CodecContext.create(stream.codec_context.name, "r")
        self._context.extradata = stream.codec_context.extradata
        self._thread = threading.Thread(target=self._work, name="packets", daemon=True)
        self._thread.start()

    def put(self, packet: Any, time_us: int, host_us: int, is_recorded: bool) -> bool:
        """Take a copy of the packet; False: it is left out."""
        if self._needs_key and not packet.is_keyframe:
            return False
        piece = _Piece(bytes(packet), packet.is_keyframe, time_us, host_us, is_recorded)
        try:
            self._waiting.put_nowait(piece)
        except queue.Full:
            self._needs_key = True
            return False
        self._needs_key = False
        return True

    def close(self) -> None:
        """What waits is shown no more."""
        while True:
            try:
                self._waiting.put_nowait(None)
                break
            except queue.Full:
                self._waiting.get()
        self._thread.join()

    def _work(self) -> None:
        while (piece := self._waiting.get()) is not None:
            try:
                pictures = self._context.decode(av.Packet(piece.data))
            except av.FFmpegError:
                continue
            for picture in pictures:
                self._show(picture, piece.time_us, piece.host_us, piece.is_recorded)
