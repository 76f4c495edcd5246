"""Poses, and how the picture around each limb's joint moved -> poses whose limbs move as the picture did.

    place = what the pose network reads, below .1 Hz; what the picture shows, above

Where a joint lies is the pose network's word; how it moves from frame to frame is the picture's (`limb_flow.py`): the
last place, moved along, is drawn to the place read by a small share each frame. So whatever the network makes of a
movement (gain, cross-talk, trembling) counts by that share alone, and flow cannot drift away. A joint whose flow is not
told moves as it is read. One that lies off what is read for longer than some frames is drawn there quickly: then the
patch followed something else. And where reading and picture part in every other frame, nobody knows which is right: the
joint moves as it is read, so that a pose that trembles is seen to tremble, and the quality gate refuses it.

Measured on rendered recordings: docs/FIDELITY.md.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray, Pose
from fidgety.runtime.limb_flow import FOLLOWED
from fidgety.skeleton import Skeleton, trunk_px

__all__ = ["LimbFollower"]

_CORNER_HZ = 0.1  # of the network's share: a fifth of the slowest FMs; at .5 Hz a fifth of its cross-talk is left
_NEAR_TRUNKS = 0.05  # 10 mm: place and reading lie 1 to 2 mm apart where both are right
_NEAR_ELBOW_TRUNKS = 0.01  # a real arm turns in its skin, and the patch slides along it
_LASTING_S = 0.15  # a reading that leaps for one frame and back draws nothing along
# Of a trunk, by which a frame's reading moves otherwise than the picture: running medians are .004 on rendered infants
# (at most .028), .018 on a real one (.25 where its legs are misread), .06 on a small clinical picture with poor poses.
_ALIKE, _UNLIKE = 0.03, 0.06
_N_COMPARED = 15  # frames: leaps are fewer than half of them
_LEAP_TRUNKS = 0.7  # kicks reach .3 a frame

Points = NDArray[np.float64]


class LimbFollower:
    """Remembers where the limbs were. One owner, made anew for every recording."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._limbs = list(skeleton.indices(*FOLLOWED))
        near = [_NEAR_ELBOW_TRUNKS if name.endswith("elbow") else _NEAR_TRUNKS for name in FOLLOWED]
        self._near_trunks = np.array(near)[:, None]
        self._time_s = 0.0
        self._read: Points | None = None  # (J, 2) limbs as the last pose read them; None before the first one
        self._place: Points = np.zeros((len(self._limbs), 2))  # (J, 2) limbs as they were given
        self._apart: Points = np.zeros((len(self._limbs), 2))  # (J, 2) read less given, px, over the last frames
        self._parted: deque[Points] = deque(maxlen=_N_COMPARED)  # (J,) trunks: reading from picture; NaN = not told

    def follow(self, pose: Pose, flow: FloatArray | None) -> Pose:
        """`pose` with its limbs moved by `flow` (J, 2) px of FOLLOWED since the frame before; None or NaN = not
        told. A missing pose is handed on; after it, and where the body is suddenly read elsewhere, all begins anew."""
        if pose.is_missing:
            self._read = None
            return pose
        read = pose.keypoints_xy[self._limbs].astype(np.float64)
        one_trunk_px = max(trunk_px(pose.keypoints_xy, self._skeleton), 1.0)
        if self._read is None or _leaps(read - self._read, one_trunk_px):
            self._place, self._apart = read, np.zeros_like(read)
            self._parted.clear()
        else:
            moved = read - self._read if flow is None else self._moved(read - self._read, flow, one_trunk_px)
            self._move(read, moved, pose.time_s - self._time_s, one_trunk_px)
        self._read, self._time_s = read, pose.time_s
        keypoints_xy = pose.keypoints_xy.copy()
        keypoints_xy[self._limbs] = self._place
        return replace(pose, keypoints_xy=keypoints_xy)

    def _moved(self, as_read: Points, flow: FloatArray, one_trunk_px: float) -> Points:
        """(J, 2) px by which the limbs moved: by the picture where it is told and lately agrees, else as read."""
        self._parted.append(np.linalg.norm(as_read - flow, axis=1) / one_trunk_px)
        trust = np.clip((_UNLIKE - _medians(np.array(self._parted))) / (_UNLIKE - _ALIKE), 0.0, 1.0)[:, None]
        return np.where(np.isfinite(flow), trust * flow + (1 - trust) * as_read, as_read)

    def _move(self, read: Points, moved: Points, step_s: float, one_trunk_px: float) -> None:
        """The limbs' places in the next pose: moved along (J, 2) px, then drawn to where they are read (J, 2)."""
        place = self._place + moved
        self._apart += _share(step_s / _LASTING_S) * (read - place - self._apart)
        apart = np.linalg.norm(self._apart, axis=1, keepdims=True) / one_trunk_px
        share = _share(2 * np.pi * _CORNER_HZ * step_s) * (1 + (apart / self._near_trunks) ** 2)
        self._place = place + np.minimum(share, 1.0) * (read - place)


def _leaps(moved: Points, one_trunk_px: float) -> bool:
    """True where half of the limbs (J, 2) px are read far from where they were: another body, or turned round."""
    return bool(np.median(np.linalg.norm(moved, axis=1)) > _LEAP_TRUNKS * one_trunk_px)


def _medians(values: Points) -> Points:
    """(J,) medians of what is no NaN in (N, J), 0 where all is; in an eighth of `nanmedian`'s time."""
    ranked = np.nan_to_num(np.sort(values, axis=0))  # NaN come last
    n_known, columns = np.isfinite(values).sum(axis=0), np.arange(values.shape[1])
    middle = (
        ranked[np.maximum(n_known - 1, 0) // 2, columns] + ranked[np.minimum(n_known // 2, len(ranked) - 1), columns]
    )
    return np.asarray(np.where(n_known > 0, middle / 2, 0.0))


def _share(steps: float) -> float:
    """Of the way to its goal that a first-order filter goes in a step of so many time constants."""
    return float(-np.expm1(-steps))
