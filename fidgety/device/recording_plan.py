"""When a recording begins and stops, and what is said meanwhile: decided by the plan and by what the viewer saw."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from fidgety.device.guidance import ADVICE, GOOD
from fidgety.device.viewer import Viewer

__all__ = ["Ending", "Plan", "disk_ending", "is_long_enough", "is_time_to_begin", "state_line"]

_WORDS = {one.code: one for one in (*ADVICE, GOOD)}


@dataclass(frozen=True, slots=True)
class Plan:
    """When to begin, when to stop, how patient to be. Seconds."""

    min_s: float = 180.0
    max_s: float = 300.0
    wanted_assessable_s: float = 150.0  # with so much, or four fifths of `min_s` if that is less, it stops at `min_s`
    wait_s: float = 120.0  # for the infant to lie well before it begins anyway; 0: it begins at once
    frozen_s: float = 2.0  # without a new frame
    return_s: float = 20.0  # a camera that is gone may take so long to come back
    reserve_mb: float = 50.0  # of free disk at which it stops


@dataclass(frozen=True, slots=True)
class Ending:
    """How a recording ended."""

    code: str  # "long-enough", "stopped", "camera-lost", "disk-full", "disk-failed", "never-began"
    words: str
    n_captured: int  # frames that came from the camera while recording
    n_behind: int  # of these, left out because the encoder was behind
    n_repeated: int  # of these, left out because they repeated the one before: no new picture


def is_time_to_begin(plan: Plan, viewer: Viewer | None, waited_s: float) -> bool:
    """True once the infant lies well, nobody looks, or it was waited for long enough."""
    if plan.wait_s <= 0 or viewer is None or not viewer.is_alive:
        return True
    return viewer.n_good_in_a_row >= 3 or waited_s >= plan.wait_s


def is_long_enough(plan: Plan, viewer: Viewer | None, recorded_s: float) -> bool:
    """True once enough can be assessed, or the recording is as long as it may become."""
    if recorded_s >= plan.max_s:
        return True
    if recorded_s < plan.min_s:
        return False
    wanted_s = min(plan.wanted_assessable_s, plan.min_s * 0.8)
    return viewer is None or not viewer.is_alive or viewer.assessable_s >= wanted_s


def state_line(is_recording: bool, viewer: Viewer | None) -> str:
    """What the person at the bedside reads while pictures come."""
    state = "Recording." if is_recording else "Waiting for the infant."
    if viewer is None or not viewer.is_alive:
        return f"{state} Nobody looks at the pictures: see yourself that the whole infant is in view."
    return state if viewer.code is None else f"{state} {_WORDS[viewer.code].words}"


def disk_ending(error: OSError) -> tuple[str, str]:
    """Code and words of a recording that the disk ended."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "disk-full", "The disk is full: recording stopped, what there is is kept."
    return "disk-failed", f"The disk failed ({error.strerror}): what had been written is kept."
