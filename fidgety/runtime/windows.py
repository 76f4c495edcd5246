"""25 Hz rows -> Windows of 240 frames on two grids: instances (stride 150) and localisation (stride 20).

Tail policy: a window that the recording does not fill is not made. A window is void, and never scored, when more than
10 % of its frames were not observed or any gap is longer than 200 ms (SPEC 7). A frame in which a single joint is
missing counts as missing; in a window that stands, that joint's gap is bridged linearly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from fidgety.bundle import MamSettings
from fidgety.records import BoolArray, FloatArray, LiftedTrack, VoidReason, Window

__all__ = ["cut_windows", "void_reason"]


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


def _next_start(start: int, settings: MamSettings) -> int:
    """The next start on either grid."""
    return min(
        (start // stride + 1) * stride
        for stride in (settings.instance_stride_frames, settings.localisation_stride_frames)
    )
