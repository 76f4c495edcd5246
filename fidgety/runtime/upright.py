"""2D keypoints of an infant lying any way round, at any distance -> upright, root at the hips, trunk of length one.

What the lifter reads, in training and on the device alike. Turn and scale follow the trunk slowly (a running mean of
_SLOW_FRAMES), so that neither the noise of one frame's hips and shoulders nor a fidgety movement of the trunk shakes
the whole body. An infant that was laid down another way has another trunk: after a gap that is not bridged the mean
begins anew, and where it no longer fits what is seen the row counts as not observed, until the mean begins anew. Across
a turn of 180 degrees the mean passes through nothing, and joints over nothing were 19 trunks long. One pass, row after
row: the same numbers for any chunking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray
from fidgety.skeleton import COCO_17, H36M_17, joints_matrix

__all__ = ["N_FEATURES", "UprightFrame", "turned_back", "upright_one_by_one"]

N_FEATURES = 3 * len(COCO_17)  # x, y, score of each keypoint
_SLOW_FRAMES = 100  # 4 s
_LONGEST_BRIDGE = 5  # rows, 200 ms: of what the track does not bridge, more are missing
# Of the trunk, along it: how long the slow trunk must be to fit. In ordinary tracks it is .74 (a real infant) or .84
# (24 simulated ones) and more; half is a trunk turned by 60 degrees, or grown to twice its length.
_LEAST_FIT = 0.5
_HIP, _THORAX = H36M_17.indices("hip", "thorax")


def upright_one_by_one(
    keypoints_xy: FloatArray, scores: FloatArray
) -> tuple[FloatArray, FloatArray, NDArray[np.complex128]]:
    """`UprightFrame.apply` of N single poses: each one stands by its own trunk. Rows without a trunk are unknown."""
    seen = _Seen(keypoints_xy)
    trunk = np.where(seen.has_trunk, seen.trunk, 0j)
    return *seen.stood_upright(scores, trunk, seen.has_trunk), trunk


class _Seen:
    """T rows as complex numbers, px: keypoints `points` (T, 17) and joints `joints` (T, 17), 0 where unknown."""

    def __init__(self, keypoints_xy: FloatArray) -> None:
        self._is_known = np.isfinite(keypoints_xy).all(axis=-1)  # (T, 17)
        self._points = np.where(self._is_known, keypoints_xy[..., 0] + 1j * keypoints_xy[..., 1], 0.0)
        matrix = joints_matrix(COCO_17)
        parts = (matrix > 0).T.astype(np.float32)
        self._joints = self._points @ matrix.T
        self._has_joint = self._is_known.astype(np.float32) @ parts > parts.sum(axis=0) - 0.5
        self.trunk = self._joints[:, _THORAX] - self._joints[:, _HIP]
        self.has_trunk = self._has_joint[:, _HIP] & self._has_joint[:, _THORAX]

    def stood_upright(
        self, scores: FloatArray, trunk: NDArray[np.complex128], is_fitting: NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray]:
        """Features (T, 51) and joints in the plane (T, 17, 2), root at the hips, by the trunks (T,) given."""
        root = self._joints[:, _HIP, None]
        is_placed = self._has_joint[:, _HIP] & is_fitting & (trunk != 0)
        turn = np.where(is_placed, -1j / np.where(trunk == 0, 1.0, trunk), 0.0)[:, None]
        upright = (self._points - root) * turn * self._is_known
        in_plane = (self._joints - root) * turn * self._has_joint
        shown = np.where(self._is_known & (turn != 0), scores, 0.0)
        features = np.stack([upright.real, upright.imag, shown], axis=-1).reshape(len(shown), N_FEATURES)
        return features.astype(np.float32), np.stack([in_plane.real, in_plane.imag], axis=-1).astype(np.float32)


class UprightFrame:
    """Follows the trunk through one recording. One owner, made anew for every recording."""

    def __init__(self) -> None:
        self._trunk = 0j  # slow vector from hips to shoulders, px, x + iy
        self._n_seen = 0
        self._n_lost = 0  # rows since the slow trunk fitted last

    def apply(
        self, keypoints_xy: FloatArray, scores: FloatArray
    ) -> tuple[FloatArray, FloatArray, NDArray[np.complex128]]:
        """COCO-17 keypoints (T, 17, 2) px, NaN = not observed, and scores (T, 17) of the next T rows.

        Gives features (T, 51) float32 (x, y, score of each keypoint; 0, 0, 0 where not observed), the joints of H36M-17
        in the plane (T, 17, 2) float32, both upright in trunk lengths, 0 where unknown, and the slow trunk (T,) px. Of
        rows in which the hips are not seen, or the slow trunk does not fit, nothing is known.
        """
        seen = _Seen(keypoints_xy)
        trunk, is_fitting = self._follow(seen.trunk, seen.has_trunk)
        return *seen.stood_upright(scores, trunk, is_fitting), trunk

    def _follow(
        self, trunks: NDArray[np.complex128], is_known: NDArray[np.bool_]
    ) -> tuple[NDArray[np.complex128], NDArray[np.bool_]]:
        """The slow trunk (T,) and whether the row's own, where it is known, agrees with it (T,)."""
        slow, is_fitting = np.empty(len(trunks), np.complex128), np.ones(len(trunks), bool)
        for i, (trunk, known) in enumerate(zip(trunks.tolist(), is_known.tolist(), strict=True)):
            if known and self._n_lost > _LONGEST_BRIDGE:
                self._n_seen = 0
            is_fitting[i] = not known or self._fits(trunk)
            if known and is_fitting[i]:
                self._n_seen, self._n_lost = self._n_seen + 1, 0
                self._trunk += (trunk - self._trunk) / min(self._n_seen, _SLOW_FRAMES)
            else:
                self._n_lost += 1
            slow[i] = self._trunk
        return slow, is_fitting

    def _fits(self, trunk: complex) -> bool:
        along = (self._trunk * trunk.conjugate()).real  # times the trunk's length
        return self._n_seen == 0 or along >= _LEAST_FIT * abs(trunk) ** 2


def turned_back(joints: FloatArray, trunk: NDArray[np.complex128]) -> FloatArray:
    """Upright joints (T, 17, 3) -> the picture's axes (x right, y down, z away), still in trunk lengths."""
    turn = (1j * trunk / np.maximum(np.abs(trunk), 1e-9))[:, None]
    plane = (joints[..., 0] + 1j * joints[..., 1]) * turn
    return np.stack([plane.real, plane.imag, joints[..., 2]], axis=-1).astype(np.float32)
