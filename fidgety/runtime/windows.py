"""25 Hz rows -> Windows of 240 frames on two grids: instances (stride 150) and localisation (stride 20).

Tail policy: a window that the recording does not fill is not made. A window is void, and never scored, when more than
10 % of its frames were not observed or any gap is longer than 200 ms (SPEC 7). A frame in which a single joint is
missing counts as missing; in a window that stands, that joint's gap is bridged linearly. How many seconds can be
assessed (SPEC 7) follows from the windows that stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from fidgety.bundle import MamSettings
from fidgety.records import BoolArray, FloatArray, LiftedTrack, VoidReason, Window, WindowScore

__all__ = ["AssessableTime", "assessable_s", "cut_windows", "void_reason"]


class AssessableTime:
    """Seconds of a recording that can be assessed, from its windows in the order of their start. One owner.

    FMs frequency and risk come from instances alone, so it is the time that scored instances cover. An uninterrupted
    recording goes on for less than a stride after its last instance: so much, and no more, is added where localisation
    windows cover it. 60 s are thus nine instances in a row, or six that lie apart, which cover as much. While
    localisation windows counted like instances, a stall every 10 s left a minute of them and one instance or none.
    """

    def __init__(self, settings: MamSettings, fps: float) -> None:
        self._stride_s = settings.instance_stride_frames / fps
        self._instances, self._windows = _Cover(), _Cover()

    def add(self, window: Window | WindowScore) -> None:
        """One more window; a void one counts for nothing."""
        if window.void is None:
            self._windows.add(window.start_s, window.end_s)
            if window.is_instance:
                self._instances.add(window.start_s, window.end_s)

    @property
    def seconds(self) -> float:
        """So far."""
        if not self._instances.seconds:
            return 0.0
        # Rounded, for a sum of many differences: 60 s must not be 59.999999999999.
        return round(min(self._windows.seconds, self._instances.seconds + self._stride_s), 6)


def assessable_s(windows: Iterable[Window | WindowScore], settings: MamSettings, fps: float) -> float:
    """Seconds that can be assessed in a recording with these windows, in the order of their start."""
    time = AssessableTime(settings, fps)
    for window in windows:
        time.add(window)
    return time.seconds


def cut_windows(pieces: Iterable[LiftedTrack], settings: MamSettings, fps: float) -> Iterator[Window]:
    """Consecutive pieces of one lifted track -> windows in order of their start.

    Holds at most one window and one piece; the result does not depend on how the rows are cut into pieces.
    """
    length = settings.window_frames
    joints = np.empty((0, 17, 3), np.float32)
    observed = np.empty(0, bool)
    first = 0  # frame of joints[0]
    start = 0
    for piece in pieces:
        joints = np.concatenate([joints, piece.joints])
        observed = np.concatenate([observed, piece.is_observed])
        while start + length <= first + len(joints):
            low = start - first
            yield _window(joints[low : low + length], observed[low : low + length], start, settings, fps)
            start = _next_start(start, settings)
        drop = min(start - first, len(joints))
        joints, observed, first = joints[drop:], observed[drop:], first + drop


def void_reason(is_observed: BoolArray, has_joints: BoolArray, settings: MamSettings, fps: float) -> VoidReason | None:
    """Why a window with these frames (T,) may not be scored."""
    missing = ~(is_observed & has_joints)
    if missing.mean() > settings.max_missing_share:
        return "frames missing"
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    longest = int((edges[1::2] - edges[::2]).max(initial=0))
    if longest * 1e3 / fps > settings.max_gap_ms:
        return "gap too long"
    return None


def _window(joints: FloatArray, observed: BoolArray, start: int, settings: MamSettings, fps: float) -> Window:
    has_joints: BoolArray = np.asarray(np.isfinite(joints).all(axis=(1, 2)))
    void = void_reason(observed, has_joints, settings, fps)
    return Window(
        start,
        start / fps,
        (start + settings.window_frames) / fps,
        start % settings.instance_stride_frames == 0,
        start % settings.localisation_stride_frames == 0,
        joints.copy() if void is not None or has_joints.all() else _bridged(joints),
        void,
    )


def _bridged(joints: FloatArray) -> FloatArray:
    """(T, 17, 3) with each joint's short gaps filled linearly, at an end with its nearest place."""
    filled: FloatArray = np.array(joints)
    frames = np.arange(len(joints))
    for joint in np.flatnonzero(np.isnan(joints).any(axis=(0, 2))):
        is_there: BoolArray = np.asarray(np.isfinite(joints[:, joint]).all(axis=1))
        for axis in range(3):
            filled[:, joint, axis] = np.interp(frames, frames[is_there], joints[is_there, joint, axis])
    return filled


class _Cover:
    """Seconds that at least one of some stretches covers, in the order of their start."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._until_s = 0.0

    def add(self, start_s: float, end_s: float) -> None:
        self.seconds += max(0.0, end_s - max(start_s, self._until_s))
        self._until_s = max(self._until_s, end_s)


def _next_start(start: int, settings: MamSettings) -> int:
    """The next start on either grid."""
    return min(
        (start // stride + 1) * stride
        for stride in (settings.instance_stride_frames, settings.localisation_stride_frames)
    )
