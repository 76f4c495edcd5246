from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.device.frame_log import (
    Block,
    Event,
    FrameRow,
    block_line,
    count_drops,
    event_line,
    frame_line,
    head_line,
    read_frame_log,
)
from fidgety.errors import SourceError

ROWS = [FrameRow(i, 40_000 * i, i, 1_000_000 + 40_000 * i) for i in range(6)]


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def test_read_frame_log_gives_what_was_written(tmp_path: Path) -> None:
    event = Event(7, "camera-gone", "two\nlines\tof  text")
    path = write(
        tmp_path / "log",
        head_line({"camera": "Kamera ä"}),
        *map(frame_line, ROWS),
        frame_line(FrameRow(6, 240_000, None, 9)),
        block_line(Block(0, 4096, 0xDEADBEEF)),
        event_line(event),
    )
    log = read_frame_log(path)
    assert log.about == {"camera": "Kamera ä"}
    assert log.frames == (*ROWS, FrameRow(6, 240_000, None, 9))
    assert log.blocks == (Block(0, 4096, 0xDEADBEEF),)
    assert log.events == (Event(7, "camera-gone", "two lines of text"),)
    assert log.n_damaged_lines == 0


def test_read_frame_log_torn_or_damaged_lines_cost_themselves_only(tmp_path: Path) -> None:
    lines = [head_line({}), *map(frame_line, ROWS)]
    lines[3] = lines[3].replace(b"F 2 80000", b"F 2 80001")
    torn = frame_line(FrameRow(6, 240_000, 6, 0))[:-5]
    log = read_frame_log(write(tmp_path / "log", *lines, b"\x00" * 30 + b"\n", torn))
    assert [row.index for row in log.frames] == [0, 1, 3, 4, 5]
    assert log.n_damaged_lines == 3


@pytest.mark.parametrize("content", [b"", b"F 0 0 0 0\n", b"\x00" * 100])
def test_read_frame_log_of_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="frame log"):
        read_frame_log(write(tmp_path / "log", content))


def test_count_drops_by_number_and_by_time() -> None:
    rows = [row for row in ROWS if row.index not in (2, 3)]
    drops = count_drops(rows)
    assert (drops.by_sequence, drops.by_time) == (2, 2)
    assert drops.longest_gap_s == pytest.approx(0.12)
    assert drops.gaps_s == ()


def test_count_drops_without_numbers_time_alone_tells() -> None:
    rows = [FrameRow(i, time_us, None, 0) for i, time_us in enumerate([0, 41_000, 79_000, 121_000, 521_000, 560_000])]
    drops = count_drops(rows, fps=25.0)
    assert (drops.by_sequence, drops.by_time) == (None, 9)
    assert drops.gaps_s == ((0.121, 0.521),)


def test_count_drops_a_camera_that_counts_anew_lost_none_by_number() -> None:
    rows = [FrameRow(i, 40_000 * i, number, 0) for i, number in enumerate([7, 8, 9, 0, 1])]
    assert count_drops(rows).by_sequence == 0


def test_count_drops_of_one_frame() -> None:
    assert count_drops(ROWS[:1]).by_time == 0
