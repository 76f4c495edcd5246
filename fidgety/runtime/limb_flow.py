"""Two pictures, and where the limbs were in the first -> how far each limb's joint moved, by its own patch of picture.

A pose network reads a joint from the whole body, so a moving foot shows at the resting one, and a movement of 10 mm as
one of 8 or 12. What lies around the joint in the picture moves as the joint does and knows nothing of the other limbs:
optical flow (Lucas and Kanade 1981, pyramidal after Bouguet 2001, OpenCV's) measures it to some hundredths of a mm.
It is asked both ways; a joint whose patch does not come back to where it began, or holds nothing to hold on to, has no
flow. Patches are brought to one size first, so that the cost and what is seen do not hang on the camera.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray, UInt8Array

__all__ = ["FOLLOWED", "limb_flow"]

# Not the elbows: they are read 8 mm too near to the shoulder, where the arm moves by .87 of what the elbow does.
FOLLOWED = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("wrist", "knee", "ankle"))
_PX_A_TRUNK = 100.0  # of a patch: 1.9 mm each; flow is good to a fiftieth of a pixel. Smaller infants are not enlarged
_WINDOW_PX = 17  # 32 mm: the width of a limb, so that little of what lies beside it counts
_REACH_PX = 26  # from the joint to a patch's edge: 17 px a frame, .8 m/s at 25 frames a second, are still inside
_PYRAMID = 1  # levels above the patch's own
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)
_MOST_RETURN_PX = 0.3  # there and back again; .01 (median) on rendered limbs, more than 1 where a real one is lost

Points = NDArray[np.float64]


def limb_flow(before: UInt8Array, after: UInt8Array, joints_xy: FloatArray, one_trunk_px: float) -> FloatArray:
    """(J, 2) float32 px that joints at joints_xy (J, 2) px of `before` have moved in `after`; NaN = not to be told.

    before, after: luma (H, W) of the same size, else nothing is told; one_trunk_px: length of the infant's trunk.
    """
    flow = np.full((len(joints_xy), 2), np.nan, np.float32)
    if before.shape != after.shape or not np.isfinite(one_trunk_px):
        return flow
    side = 2 * _REACH_PX + 1
    cut_px = round(side * max(one_trunk_px / _PX_A_TRUNK, 1.0))
    scale = cut_px / side  # picture px a patch px
    for j, xy in enumerate(joints_xy):
        if not _is_inside(xy, before.shape):
            continue
        corner = np.floor(xy - (cut_px - 1) / 2)
        patches = [_patch(picture, corner, cut_px, side) for picture in (before, after)]
        moved = _moved(patches[0], patches[1], (xy - corner + 0.5) / scale - 0.5)
        if moved is not None:
            flow[j] = moved * scale
    return flow


def _is_inside(xy: FloatArray, shape: tuple[int, ...]) -> bool:
    height, width = shape
    return bool(np.isfinite(xy).all() and 0 <= xy[0] < width and 0 <= xy[1] < height)


def _patch(picture: UInt8Array, corner: FloatArray, cut_px: int, side: int) -> UInt8Array:
    """(side, side) uint8: the square of cut_px from `corner` on; beyond the picture its border repeats."""
    left, top = int(corner[0]), int(corner[1])
    height, width = picture.shape
    cut = picture[max(top, 0) : min(top + cut_px, height), max(left, 0) : min(left + cut_px, width)]
    if cut.shape != (cut_px, cut_px):
        edges = (max(-top, 0), max(top + cut_px - height, 0), max(-left, 0), max(left + cut_px - width, 0))
        cut = cv2.copyMakeBorder(cut, *edges, cv2.BORDER_REPLICATE)
    if cut_px != side:
        cut = cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(cut, np.uint8)


def _moved(before: UInt8Array, after: UInt8Array, start_xy: FloatArray) -> Points | None:
    """(2,) px of the patch by which its point start_xy has moved; None where the way back ends elsewhere."""
    start = start_xy.astype(np.float32).reshape(1, 1, 2)
    window = (_WINDOW_PX, _WINDOW_PX)
    there, is_told, _ = cv2.calcOpticalFlowPyrLK(
        before, after, start, None, winSize=window, maxLevel=_PYRAMID, criteria=_STOP
    )
    if not is_told[0, 0]:
        return None
    back, is_told, _ = cv2.calcOpticalFlowPyrLK(
        after, before, there, None, winSize=window, maxLevel=_PYRAMID, criteria=_STOP
    )
    if not is_told[0, 0] or float(np.abs(back - start).max()) > _MOST_RETURN_PX:
        return None
    return np.asarray((there - start)[0, 0], np.float64)
