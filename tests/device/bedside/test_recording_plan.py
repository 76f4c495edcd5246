from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from fidgety.device.recording_plan import Plan, disk_ending, is_long_enough, is_time_to_begin, state_line

PLAN = Plan(min_s=180.0, max_s=300.0, wanted_assessable_s=150.0, wait_s=120.0)


def viewer(**seen: Any) -> Any:
    return SimpleNamespace(**{"is_alive": True, "n_good_in_a_row": 0, "assessable_s": 0.0, "code": None, **seen})


@pytest.mark.parametrize(
    ("sees", "waited_s", "is_time"),
    [
        (None, 0.0, True),
        (viewer(is_alive=False), 0.0, True),
        (viewer(n_good_in_a_row=2), 119.0, False),
        (viewer(n_good_in_a_row=3), 1.0, True),
        (viewer(), 120.0, True),
    ],
)
def test_is_time_to_begin(sees: Any, waited_s: float, is_time: bool) -> None:
    assert is_time_to_begin(PLAN, sees, waited_s) is is_time


@pytest.mark.parametrize(
    ("sees", "recorded_s", "is_enough"),
    [
        (viewer(assessable_s=170.0), 179.0, False),
        (viewer(assessable_s=144.0), 180.0, True),  # four fifths of the shortest are asked for at most
        (viewer(assessable_s=143.0), 180.0, False),
        (viewer(assessable_s=100.0), 300.0, True),
        (None, 180.0, True),
        (viewer(is_alive=False), 180.0, True),
    ],
)
def test_is_long_enough(sees: Any, recorded_s: float, is_enough: bool) -> None:
    assert is_long_enough(PLAN, sees, recorded_s) is is_enough


def test_state_line_says_when_nobody_looks() -> None:
    assert state_line(True, viewer()) == "Recording."
    assert state_line(False, None).startswith("Waiting for the infant. Nobody looks")


def test_disk_ending_tells_a_full_disk_from_one_that_failed() -> None:
    assert [disk_ending(OSError(code, "x"))[0] for code in (errno.ENOSPC, errno.EIO)] == ["disk-full", "disk-failed"]
