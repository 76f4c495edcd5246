"""What the pictures themselves say about a recording: light, sharpness, a camera that moves.

Looks at one frame every half second (for sharpness every two seconds), at the luma plane alone, so that it costs
little beside the pose network: .38 ms a frame on a busy machine, where the pose network took 19.
"""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray, Frame, Pose, UInt8Array

__all__ = ["PictureMonitor", "background_shift", "sharpness_of", "shrunk"]

_EVERY_S = 0.5
_SHARPNESS_EVERY = 4  # looks
_THUMBNAIL_PX = 320  # width of the picture in which the background is followed
_SHIFT = 0.004  # of the width: the background moved when it did so by more within half a second
_FEATURES, _MIN_FEATURES = 15, 3  # corners in each quarter of the picture
_RETURN_PX = 0.5  # what moved there and back must come home this closely: noise does not
_FINE_PX, _COARSE_PX = 2.0, 8.0  # scales of the edges that sharpness compares
_SHARPNESS_PX = 480  # the infant is looked at in at most this size, so that 720p and 4K are measured alike


class PictureMonitor:
    """Collects figures frame by frame. One owner, made anew for every recording."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._last: UInt8Array | None = None
        self._bright: list[float] = []
        self._sharpness: list[float] = []
        self._has_shifted: list[bool] = []

    def observe(self, frame: Frame, pose: Pose) -> None:
        """Look at a frame when it is time to."""
        if frame.time_s < self._next_s:
            return
        self._next_s = frame.time_s + _EVERY_S
        scale = _THUMBNAIL_PX / frame.width_px
        thumbnail = shrunk(frame.luma, scale)
        self._bright.append(_bright_level(thumbnail))
        is_due = len(self._bright) % _SHARPNESS_EVERY == 1 and not pose.is_missing
        sharpness = sharpness_of(frame, pose) if is_due else None
        if sharpness is not None:
            self._sharpness.append(sharpness)
        if self._last is not None and self._last.shape == thumbnail.shape:
            shift = background_shift(self._last, thumbnail, pose, scale)
            if shift is not None:
                self._has_shifted.append(shift > _SHIFT * _THUMBNAIL_PX)
        self._last = thumbnail

    def measures(self) -> dict[str, float | None]:
        """`bright_luma` (median 95th percentile), `sharpness` (median), `camera_shift_share`; None = not measurable."""
        return {
            "bright_luma": float(np.median(self._bright)) if self._bright else None,
            "sharpness": float(np.median(self._sharpness)) if self._sharpness else None,
            "camera_shift_share": float(np.mean(self._has_shifted)) if len(self._has_shifted) >= 4 else None,
        }


def _bright_level(grey: UInt8Array) -> float:
    """The grey level that 95 % of the picture do not exceed."""
    counts = np.cumsum(np.bincount(grey.ravel(), minlength=256))
    return float(np.searchsorted(counts, 0.95 * counts[-1]))


def _box(pose: Pose, margin: float) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) image px around all keypoints, widened by `margin` of its size on each side."""
    low, high = np.nanmin(pose.keypoints_xy, axis=0), np.nanmax(pose.keypoints_xy, axis=0)
    reach = margin * (high - low)
    (x0, y0), (x1, y1) = (low - reach).tolist(), (high + reach).tolist()
    return x0, y0, x1, y1


def sharpness_of(frame: Frame, pose: Pose) -> float | None:
    """Fine edges / coarse edges of the infant's picture: falls with focus and motion blur, not with light or noise.

    Mean absolute scale-normalised Laplacian of Gaussian (Lindeberg 1998) at two scales. A bare Laplacian takes noise
    for sharpness, and edges over contrast (tried) tell clothes apart rather than focus: .076 to .26 sharp, .029 to .076
    blurred by 6 px, where this gives .33 to .70 and .13 to .19.
    None when less than 16 px of the infant are in the picture.
    """
    x0, y0, x1, y1 = _box(pose, 0.05)
    rows = slice(max(0, int(y0)), max(1, min(frame.height_px, int(y1))))
    columns = slice(max(0, int(x0)), max(1, min(frame.width_px, int(x1))))
    patch = frame.luma[rows, columns]
    if min(patch.shape) < 16:
        return None
    scale = min(1.0, _SHARPNESS_PX / max(patch.shape))
    grey = shrunk(patch, scale).astype(np.float32)
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return _edges(grey, _FINE_PX) / max(_edges(half, _COARSE_PX / 2), 0.5)


def shrunk(grey: UInt8Array, scale: float) -> UInt8Array:
    """(H, W) uint8 at `scale` <= 1: halved as often as it goes, which is quick, and the rest of the way by area."""
    while scale <= 0.5:
        grey = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        scale *= 2
    return np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _edges(grey: FloatArray, scale_px: float) -> float:
    """Mean absolute scale-normalised Laplacian of Gaussian, grey levels."""
    return scale_px**2 * float(np.abs(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), scale_px), cv2.CV_32F)).mean())


def background_shift(before: UInt8Array, after: UInt8Array, pose: Pose, scale: float) -> float | None:
    """How far the background slid, thumbnail px; None when there is too little to hold on to.

    Each quarter of the picture has its say (median of its corners), and the second smallest counts: a carer's hand
    moves one or two quarters, a camera all of them.
    """
    mask = np.full(before.shape, 255, np.uint8)
    if not pose.is_missing:
        x0, y0, x1, y1 = (round(scale * edge) for edge in _box(pose, 0.1))
        mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 0
    first, second = (np.asarray(cv2.GaussianBlur(one, (5, 5), 1.2), np.uint8) for one in (before, after))
    corners, quarters = _corners(first, mask)
    if len(corners) == 0:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(first, second, corners, None, winSize=(15, 15), maxLevel=2)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(second, first, moved, None, winSize=(15, 15), maxLevel=2)
    is_same = np.linalg.norm((back - corners)[:, 0], axis=-1) < _RETURN_PX
    is_held = (found[:, 0] == 1) & (found_back[:, 0] == 1) & is_same
    moved_px = np.linalg.norm((moved - corners)[:, 0], axis=-1)
    held = [moved_px[is_held & (quarters == quarter)] for quarter in range(4)]
    shifts = [float(np.median(ones)) for ones in held if len(ones) >= _MIN_FEATURES]
    return sorted(shifts)[1] if len(shifts) >= 2 else None


def _corners(grey: UInt8Array, mask: UInt8Array) -> tuple[FloatArray, NDArray[np.int64]]:
    """Corners (N, 1, 2) px where `mask` lets them lie, and the quarter of the picture (0 to 3) that each is in."""
    height, width = grey.shape
    corners, quarters = [np.empty((0, 1, 2), np.float32)], [np.empty(0, np.int64)]
    for quarter, (top, left) in enumerate(product((0, height // 2), (0, width // 2))):
        rows = slice(top, height if top else height // 2)
        columns = slice(left, width if left else width // 2)
        found = cv2.goodFeaturesToTrack(grey[rows, columns], _FEATURES, 0.02, 6, mask=mask[rows, columns])
        if found is not None and len(found) >= _MIN_FEATURES:
            corners.append(found.astype(np.float32) + np.array([left, top], np.float32))
            quarters.append(np.full(len(found), quarter))
    return np.concatenate(corners), np.concatenate(quarters)
