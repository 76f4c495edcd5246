from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from fidgety.records import Pose
from fidgety.runtime.source import frame_from_rgb
from fidgety.runtime.timing import StageTimes, timed, timed_frames


class Clock:
    """Time that passes only where a stage says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "perf_counter", made)
    return made


def test_stage_takes_off_what_it_waits_for(clock: Clock) -> None:
    def slow(items: Iterable[int]) -> Iterator[int]:
        for item in items:
            clock.now_s += 0.5
            yield item

    def pairs(items: Iterable[int]) -> Iterator[int]:
        for item in items:
            clock.now_s += 0.125
            if item % 2:
                yield item

    times = StageTimes()
    assert list(times.stage("pairs", pairs, times.stage("slow", slow, range(4)))) == [1, 3]
    assert times.seconds["slow"] == [0.5] * 4
    assert times.seconds["pairs"] == [0.25, 0.25]  # two items of input each, the other stage's second not counted


def test_frames_are_under_way_from_decoder_to_arrival(clock: Clock) -> None:
    times = StageTimes()
    picture = np.zeros((4, 6, 3), np.uint8)
    for frame in times.frames(frame_from_rgb(picture, index, index / 25) for index in range(3)):
        clock.now_s += 2.0
        nothing = np.zeros((33, 3), np.float32)
        times.arrived(Pose(frame.frame_index, frame.time_s, nothing[:, :2], nothing[:, 0], nothing, 1.0, None))
    assert times.under_way_s == [2.0] * 3
    assert times.picture_px == (6, 4)


def test_errors_of_a_stage_come_out_unchanged() -> None:
    def broken(items: Iterable[int]) -> Iterator[int]:
        yield from items
        raise ValueError("at the end")

    with pytest.raises(ValueError, match="at the end"):
        list(StageTimes().stage("broken", broken, range(2)))


def test_timed_without_times_adds_nothing() -> None:
    items = iter(range(3))
    assert timed(None, "none", lambda given: given, items) is items
    assert timed_frames(None, items) is items  # type: ignore[arg-type]
