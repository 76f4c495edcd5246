"""The fragmented MP4 as a file that only ever grows, and how far one that was cut off can be trusted.

A fragment is a `moof` box (sizes and times of its frames) and an `mdat` box (their bytes). After a power cut the last
one is torn; everything before it is whole. So a cut-off recording is repaired by shortening it, without a copy.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from fidgety.device.frame_log import Block

__all__ = ["cut_torn_end", "whole_bytes"]

_HEAD = (b"ftyp", b"moov", b"free")


def whole_bytes(path: Path, blocks: Iterable[Block] = ()) -> int:
    """Up to which byte the file consists of whole fragments whose bytes are those that were written; 0 = not one.

    blocks: CRCs of what was handed to the disk, as far as they are known. Where a block is damaged (after a power cut a
    file may have its length and not its bytes), nothing from there on counts.
    """
    trusted = _undamaged_bytes(path, blocks)
    end, position, has_moof = 0, 0, False
    with path.open("rb") as stream:
        while True:
            head = stream.read(16)
            if len(head) < 8:
                return end
            size, kind = struct.unpack(">I4s", head[:8])
            if size == 1 and len(head) == 16:
                (size,) = struct.unpack(">Q", head[8:])
            if size < 8 or position + size > trusted:
                return end
            position += size
            if kind == b"moof":
                has_moof = True
            elif kind == b"mdat":
                if not has_moof:
                    return end
                end, has_moof = position, False
            elif kind not in _HEAD:  # the index at the end, which a finished file has
                end = position if end else 0
            stream.seek(position)


def cut_torn_end(path: Path, n_whole: int) -> int:
    """Shorten the file to `n_whole` bytes, on the disk; how many were cut off. Raises OSError."""
    n_bytes = path.stat().st_size
    with path.open("r+b") as stream:
        if n_whole < n_bytes:
            stream.truncate(n_whole)
        os.fsync(stream.fileno())
    return max(0, n_bytes - n_whole)


def _undamaged_bytes(path: Path, blocks: Iterable[Block]) -> int:
    """Up to which byte the blocks of the file have their CRC."""
    n_bytes = path.stat().st_size
    with path.open("rb") as stream:
        for block in sorted(blocks, key=lambda one: one.offset):
            stream.seek(block.offset)
            data = stream.read(block.n_bytes)
            if len(data) < block.n_bytes:
                break  # cut off here: the boxes tell where the last whole one ends
            if zlib.crc32(data) != block.crc:
                return block.offset
    return n_bytes
