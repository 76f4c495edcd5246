"""Two pictures, and where the limbs were in the first -> how far each limb's joint moved, by its own patch of picture.

A pose network reads a joint from the whole body, so a moving foot shows at the resting one, and a movement of 10 mm as
one of 8 or 12. What lies around the joint in the picture moves as the joint does and knows nothing of the other limbs:
optical flow (Lucas and Kanade 1981, pyramidal after Bouguet 2001, OpenCV's) measures it to some hundredths of a mm.
It is asked both ways; a joint whose patch does not come back to where it began, or holds nothing to hold on to, has no
flow. Patches show the same part of the limb at about the same size, so that neither cost nor flow hang on the camera.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray, UInt8Array
from fidgety.skeleton import Skeleton

__all__ = ["FOLLOWED", "LimbPatches", "limb_flow"]

FOLLOWED = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("wrist", "elbow", "knee", "ankle"))
# Elbows are read 8 mm too near to the shoulder, where the arm moves by .88 of what the elbow does: their patch lies
# so far beyond, in lengths of the seen upper arm.
_BEYOND_ELBOW = 0.1
_PX_A_TRUNK = 100.0  # or up to twice as many after binning: 1 to 1.9 mm each; flow is good to a fiftieth of a pixel
# Of a trunk, and at least so many pixels each way where the infant is small:
_WINDOW_TRUNKS, _LEAST_WINDOW_PX = 0.085, 8  # 16 mm: the width of a limb in all, so that little beside it counts
_REACH_TRUNKS, _LEAST_REACH_PX = 0.26, 26  # to a patch's edge: .8 m/s at 25 frames a second stay inside
_PYRAMID = 1  # levels above the patch's own
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)
# There and back again: .0001 of a trunk (median) on rendered limbs, more than .01 where a real one is lost.
_MOST_RETURN_TRUNKS, _LEAST_RETURN_PX = 0.003, 0.3

Points = NDArray[np.float32]


class LimbPatches:
    """Where in a picture the patches of FOLLOWED joints lie."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._followed = list(skeleton.indices(*FOLLOWED))
        arms = [name for name in FOLLOWED if name.endswith("elbow")]
        self._elbows = [FOLLOWED.index(name) for name in arms]
        self._shoulders = list(skeleton.indices(*(name.replace("elbow", "shoulder") for name in arms)))

    def places(self, keypoints_xy: FloatArray) -> FloatArray:
        """(J, 2) float32 px in the order of FOLLOWED, of keypoints (K, 2) px: at the joint, beyond it at an elbow."""
        places: FloatArray = keypoints_xy[self._followed]
        places[self._elbows] += np.float32(_BEYOND_ELBOW) * (places[self._elbows] - keypoints_xy[self._shoulders])
        return places


def limb_flow(before: UInt8Array, after: UInt8Array, joints_xy: FloatArray, one_trunk_px: float) -> FloatArray:
    """(J, 2) float32 px that patches at joints_xy (J, 2) px of `before` have moved in `after`; NaN = not to be told.

    before, after: luma (H, W) of the same size, else nothing is told; one_trunk_px: length of the infant's trunk.
    """
    flow = np.full((len(joints_xy), 2), np.nan, np.float32)
    inside = np.flatnonzero([_is_inside(xy, before.shape) for xy in joints_xy])
    if before.shape != after.shape or not np.isfinite(one_trunk_px) or not len(inside):
        return flow
    n_binned = max(int(one_trunk_px // _PX_A_TRUNK), 1)  # picture px a patch px
    a_trunk = one_trunk_px / n_binned
    reach = max(round(_REACH_TRUNKS * a_trunk), _LEAST_REACH_PX)
    each_way = max(round(_WINDOW_TRUNKS * a_trunk), _LEAST_WINDOW_PX)
    side = 2 * reach + 1
    corners = np.floor(joints_xy[inside] - side * n_binned / 2).astype(int)
    # All patches lie side by side in one picture, so that the library is called once and not for every limb.
    sheets = [
        np.hstack([_patch(one, corner, n_binned, side) for corner in corners.tolist()]) for one in (before, after)
    ]
    start = (joints_xy[inside] - corners + 0.5) / n_binned - 0.5
    start[:, 0] += side * np.arange(len(inside))
    moved, returns_px = _moved(sheets[0], sheets[1], start.astype(np.float32), each_way)
    is_told = returns_px <= max(_MOST_RETURN_TRUNKS * a_trunk, _LEAST_RETURN_PX)
    is_told &= np.abs(moved).max(axis=1) < reach - each_way  # else it looks at the patch beside its own
    flow[inside[is_told]] = moved[is_told] * n_binned
    return flow


def _is_inside(xy: FloatArray, shape: tuple[int, ...]) -> bool:
    height, width = shape
    return bool(np.isfinite(xy).all() and 0 <= xy[0] < width and 0 <= xy[1] < height)


def _patch(picture: UInt8Array, corner: tuple[int, int], n_binned: int, side: int) -> UInt8Array:
    """(side, side) uint8 means of n_binned px each way, from `corner` on; beyond the picture its border repeats."""
    (left, top), cut_px = corner, side * n_binned
    height, width = picture.shape
    cut = picture[max(top, 0) : min(top + cut_px, height), max(left, 0) : min(left + cut_px, width)]
    if cut.shape != (cut_px, cut_px):
        edges = (max(-top, 0), max(top + cut_px - height, 0), max(-left, 0), max(left + cut_px - width, 0))
        cut = np.asarray(cv2.copyMakeBorder(cut, *edges, cv2.BORDER_REPLICATE), np.uint8)
    return cut if n_binned == 1 else np.asarray(cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _moved(before: UInt8Array, after: UInt8Array, start_xy: Points, each_way: int) -> tuple[Points, Points]:
    """(J, 2) px by which the points start_xy (J, 2) have moved, and (J,) px by which the way back misses them; infinite
    where a point is not found again."""
    size = 2 * each_way + 1
    how = {"winSize": (size, size), "maxLevel": _PYRAMID, "criteria": _STOP}
    there, is_found, _ = cv2.calcOpticalFlowPyrLK(before, after, start_xy, None, **how)  # type: ignore[call-overload]
    back, is_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **how)  # type: ignore[call-overload]
    is_known = (is_found[:, 0] > 0) & (is_back[:, 0] > 0)
    missed = np.where(is_known, np.abs(back - start_xy).max(axis=1), np.float32(np.inf))
    return there - start_xy, np.asarray(missed, np.float32)
