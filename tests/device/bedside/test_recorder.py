from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fidgety.device import disk
from fidgety.runtime.source import open_source

RecordOnce = Callable[..., Any]
ReadPictures = Callable[[Path], list[tuple[int, int]]]
FAST = "test:160x120@25,speed=8"


def test_run_every_frame_of_the_camera_is_on_the_disk_at_its_time(
    record_once: RecordOnce, read_pictures: ReadPictures
) -> None:
    done = record_once(FAST, seconds=6.0)
    assert done.ending.code == "long-enough"
    pictures = read_pictures(done.finished.video)
    rows = done.log.frames
    assert len(pictures) == len(rows) == done.finished.n_frames >= 145
    assert [number for number, _ in pictures] == [row.sequence for row in rows]
    start = rows[0].sequence or 0
    for (number, time_us), row in zip(pictures, rows, strict=True):
        assert row.time_us == 40_000 * (number - start)
        assert abs(time_us - row.time_us) <= 12
    drops = done.finished.drops
    assert drops.by_sequence == drops.by_time == (rows[-1].sequence or 0) - start + 1 - len(rows)


def test_run_recording_is_read_by_the_source_with_its_times(record_once: RecordOnce) -> None:
    done = record_once(FAST, seconds=2.0)
    with open_source(str(done.finished.video)) as source:
        times_s = [frame.time_s for frame in source.frames()]
        assert source.ended_early is None
    assert times_s == pytest.approx([row.time_us / 1e6 for row in done.log.frames], abs=1e-4)


def test_run_frames_that_the_camera_lost_are_counted(record_once: RecordOnce) -> None:
    done = record_once(f"{FAST},drop=40-42+60", seconds=5.0)
    present = {row.sequence for row in done.log.frames}
    assert not {40, 41, 42, 60} & present
    assert done.finished.drops.by_sequence == done.finished.drops.by_time >= 4


def test_run_a_camera_that_is_unplugged_and_comes_back_goes_on_in_the_same_video(
    record_once: RecordOnce, read_pictures: ReadPictures
) -> None:
    done = record_once(f"{FAST},unplug-at=3,back-after=2", seconds=8.0)
    assert done.ending.code == "long-enough"
    assert [event.code for event in done.log.events][:2] == ["camera-gone", "camera-back"]
    assert any("unplugged" in line for line in done.said)
    (gap,) = [gap for gap in done.finished.drops.gaps_s if gap[1] - gap[0] > 1.5]
    assert 1.9 < gap[1] - gap[0] < 4.5
    pictures = read_pictures(done.finished.video)
    assert [number for number, _ in pictures] == [row.sequence for row in done.log.frames]
    # Times across the gap are the box's, to what opening and a buffer may take.
    first, last = pictures[0], pictures[-1]
    assert (last[1] - first[1]) / 1e6 == pytest.approx((last[0] - first[0]) / 25, abs=0.4)


def test_run_a_camera_that_does_not_come_back_ends_it_and_keeps_what_is_there(record_once: RecordOnce) -> None:
    done = record_once(f"{FAST},unplug-at=3", seconds=60.0, return_s=2.0)
    assert done.ending.code == "camera-lost"
    assert "what was recorded is kept" in done.ending.words
    assert done.finished.duration_s == pytest.approx(3.0, abs=0.5)


def test_run_a_camera_without_new_frames_is_noticed(record_once: RecordOnce) -> None:
    done = record_once(f"{FAST},freeze-at=3,back-after=3", seconds=8.0)
    assert [event.code for event in done.log.events] == ["camera-gone", "camera-back"]
    assert any("stands still" in line for line in done.said)
    assert done.ending.code == "long-enough"


def test_run_a_driver_that_repeats_its_last_frame_counts_as_frozen(
    record_once: RecordOnce, read_pictures: ReadPictures
) -> None:
    done = record_once(f"{FAST},repeat-at=3,back-after=3", seconds=8.0)
    assert [event.code for event in done.log.events] == ["camera-gone", "camera-back"]
    assert done.ending.n_repeated >= 60
    numbers = [number for number, _ in read_pictures(done.finished.video)]
    assert len(set(numbers)) == len(numbers)  # a frozen picture would pass for an infant that lies still


def test_run_packets_are_recorded_as_they_come(record_once: RecordOnce, read_pictures: ReadPictures) -> None:
    done = record_once(f"{FAST},codec=h264", seconds=4.0)
    pictures = read_pictures(done.finished.video)
    assert [number for number, _ in pictures] == [row.sequence for row in done.log.frames]
    assert all(abs(us - row.time_us) <= 12 for (_, us), row in zip(pictures, done.log.frames, strict=True))


def test_run_packets_after_a_gap_begin_with_a_key_frame(record_once: RecordOnce, read_pictures: ReadPictures) -> None:
    done = record_once(f"{FAST},codec=h264,unplug-at=2,back-after=1", seconds=6.0)
    assert done.ending.code == "long-enough"
    numbers = [number for number, _ in read_pictures(done.finished.video)]
    assert numbers == [row.sequence for row in done.log.frames]


def test_run_stops_at_the_button(record_once: RecordOnce, read_pictures: ReadPictures) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    done = record_once(FAST, seconds=60.0, stop=stop)
    assert done.ending.code == "stopped"
    assert done.finished.n_frames == len(read_pictures(done.finished.video)) > 20


def test_run_a_disk_that_fills_up_ends_it_and_keeps_what_is_there(
    record_once: RecordOnce, monkeypatch: pytest.MonkeyPatch, read_pictures: ReadPictures
) -> None:
    written = {"bytes": 0}
    real = os.write

    def write(descriptor: int, data: memoryview) -> int:
        if len(data) > 200:  # the video's
            if written["bytes"] > 200_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written["bytes"] += len(data)
            data = data[: len(data) // 2 + 1]  # in parts, as a disk that is nearly full takes it
        return real(descriptor, data)

    monkeypatch.setattr(disk.os, "write", write)
    done = record_once("test:320x240@25,speed=4", seconds=60.0)
    assert done.ending.code == "disk-full"
    assert done.finished.n_frames == len(read_pictures(done.finished.video)) > 10
    assert [number for number, _ in read_pictures(done.finished.video)] == [row.sequence for row in done.log.frames]


def test_run_a_disk_that_is_nearly_full_ends_it_before(
    record_once: RecordOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fidgety.device.recorder.free_mb", lambda _folder: 0.5)
    assert record_once(FAST, seconds=60.0).ending.code == "disk-full"


def test_run_leaves_no_mark_and_no_ballast(record_once: RecordOnce, tmp_path: Path) -> None:
    record_once(FAST, seconds=1.0)
    assert sorted(path.name for path in (tmp_path / "recording").iterdir()) == ["frame-times.log", "video.mp4"]
