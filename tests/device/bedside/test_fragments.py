from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from fidgety.device.fragments import cut_torn_end, whole_bytes
from fidgety.device.frame_log import Block


def box(kind: bytes, n_bytes: int, fill: bytes = b"x") -> bytes:
    return struct.pack(">I4s", n_bytes, kind) + fill * (n_bytes - 8)


HEAD = box(b"ftyp", 24) + box(b"moov", 400)
FRAGMENT = box(b"moof", 60) + box(b"mdat", 500)


def blocks_of(data: bytes, size: int = 256) -> list[Block]:
    return [Block(i, len(data[i : i + size]), zlib.crc32(data[i : i + size])) for i in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (HEAD, 0),
        (HEAD + FRAGMENT, 984),
        (HEAD + FRAGMENT + FRAGMENT[:300], 984),
        (HEAD + FRAGMENT + FRAGMENT[:5], 984),
        (HEAD + FRAGMENT * 2 + box(b"mfra", 40), 1584),
        (HEAD + FRAGMENT * 2 + box(b"mfra", 40)[:20], 1544),
        (HEAD + FRAGMENT + bytes(700), 984),
        (HEAD[:100], 0),
    ],
)
def test_whole_bytes_ends_with_the_last_whole_fragment(tmp_path: Path, data: bytes, expected: int) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(data)
    assert whole_bytes(path, blocks_of(data)) == expected


def test_whole_bytes_of_a_file_that_has_its_length_but_not_its_bytes(tmp_path: Path) -> None:
    data = HEAD + FRAGMENT * 3
    path = tmp_path / "video.mp4"
    path.write_bytes(data[:1300] + bytes(len(data) - 1300))
    assert whole_bytes(path) > 984  # the boxes alone do not tell
    assert whole_bytes(path, blocks_of(data)) == 984


def test_cut_torn_end_keeps_the_whole_bytes(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(HEAD + FRAGMENT + FRAGMENT[:77])
    assert cut_torn_end(path, 984) == 77
    assert path.read_bytes() == HEAD + FRAGMENT
    assert cut_torn_end(path, 984) == 0
