"""Frame with keypoints -> the crop that the runtime would lay, shaken, and the heat maps that a network should give.

The crop's geometry is the runtime's own (`crop_picture`, `alignment_of`, `region_from_alignment`); around it place,
size and turn are drawn as a moving infant leaves them, and light, colour, focus and noise are another camera's. Some
crops lie beside the infant or the wrong way round: there the network is taught to know no place for any joint, so that
a start can tell the right way from the other three.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from fidgety.records import FloatArray, UInt8Array
from fidgety.runtime.blazepose import Region, crop_picture, region_from_alignment
from fidgety.runtime.keypoint_network import alignment_of
from fidgety.runtime.source import frame_from_rgb
from fidgety.skeleton import COCO_17
from fidgety.training.pose.network import CELL_PX, CROP_PX, SIGMA_CELLS

__all__ = ["MARGIN", "Sample", "crop_of", "draw_sample", "heatmaps_of"]

MARGIN = 1.25  # as BlazePose's, whose detector starts the track
_NOBODY_SHARE, _WRONG_WAY_SHARE = 0.05, 0.08
_MIRROR = list(COCO_17.mirror)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One crop to learn from."""

    crop: FloatArray  # (3, 192, 192) float32 RGB in [0, 1]
    heatmaps: FloatArray  # (17, 48, 48) float32, each of sum 1
    weights: FloatArray  # (17,) float32; 0 = this joint says nothing here


def crop_of(keypoints_xy: FloatArray) -> Region:
    """The crop that the runtime lays around keypoints (17, 2) px of COCO-17."""
    hips, end = alignment_of(keypoints_xy)
    return region_from_alignment(hips, end, MARGIN)


def draw_sample(rng: np.random.Generator, picture: UInt8Array, keypoints_xy: FloatArray) -> Sample:
    """A shaken crop of a picture (H, W, 3) uint8 RGB whose keypoints (17, 2) px are known; NaN = this one is not."""
    region = crop_of(keypoints_xy)
    is_mirrored = bool(rng.random() < 0.5)
    kind = rng.random()
    region = _shaken(rng, region, is_mirrored)
    is_readable = kind >= _NOBODY_SHARE + _WRONG_WAY_SHARE
    if kind < _NOBODY_SHARE:
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.1) * region.side_px
        region = replace(
            region, centre_x=region.centre_x + far * np.cos(angle), centre_y=region.centre_y + far * np.sin(angle)
        )
    elif not is_readable:
        region = region.turned(int(rng.integers(1, 4)))
    crop = crop_picture(frame_from_rgb(picture), region.image_from_crop(CROP_PX), CROP_PX, low=0.0, is_replicated=True)[
        0
    ]
    points = _in_crop(keypoints_xy, region)
    if not is_readable:
        points = np.full_like(points, -1e3)
    heatmaps, weights = heatmaps_of(points[_MIRROR] if is_mirrored else points)
    return Sample(_photographed(rng, crop), heatmaps, weights)


def heatmaps_of(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Joints (17, 2) in crop px -> Gaussians of sum 1 (17, 48, 48), and the weight of each joint.

    A joint out of the crop has no place: its heat map is flat. One that is not known (NaN) weighs nothing.
    """
    n = CROP_PX // CELL_PX
    cells = np.nan_to_num(points, nan=-1e3) / CELL_PX
    axis = np.arange(n, dtype=np.float32)
    x = np.exp(-0.5 * ((axis - cells[:, :1]) / SIGMA_CELLS) ** 2)
    y = np.exp(-0.5 * ((axis - cells[:, 1:]) / SIGMA_CELLS) ** 2)
    heatmaps = y[:, :, None] * x[:, None, :]
    is_inside = ((cells > -0.5) & (cells < n - 0.5)).all(axis=1)
    heatmaps[~is_inside] = 1.0
    heatmaps /= heatmaps.sum(axis=(1, 2), keepdims=True)
    weights = np.where(np.isnan(points).any(axis=1), 0.0, np.where(is_inside, 1.0, 0.2))
    return heatmaps.astype(np.float32), weights.astype(np.float32)


def _in_crop(points: FloatArray, region: Region) -> FloatArray:
    matrix = region.image_from_crop(CROP_PX).astype(np.float64)
    return np.asarray((points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T, np.float32)


def _shaken(rng: np.random.Generator, region: Region, is_mirrored: bool) -> Region:
    """A start's crop is rough: .05 of the side and 12 degrees (SD) away, .8 to 1.25 as large."""
    x, y = rng.normal(0, 0.05, 2) * region.side_px
    return Region(
        region.centre_x + float(x),
        region.centre_y + float(y),
        region.side_px * float(np.exp(rng.uniform(np.log(0.8), np.log(1.25)))),
        region.angle_rad + float(np.clip(rng.normal(0, 0.21), -0.6, 0.6)),
        is_mirrored,
    )


def _photographed(rng: np.random.Generator, crop: FloatArray) -> FloatArray:
    """Another camera's picture of the same: light, colour, contrast, shade, focus, noise."""
    picture = crop * rng.uniform(0.75, 1.25, (3, 1, 1)).astype(np.float32)
    if rng.random() < 0.2:
        picture = np.repeat(picture.mean(axis=0, keepdims=True), 3, axis=0)
    picture = np.clip(picture, 0.0, 1.0) ** np.float32(np.exp(rng.normal(0, 0.3)))
    slope = rng.normal(0, 0.25, 2).astype(np.float32)
    axis = np.linspace(-0.5, 0.5, CROP_PX, dtype=np.float32)
    picture = (picture - 0.5) * np.float32(rng.uniform(0.6, 1.3)) + 0.5 + np.float32(rng.normal(0, 0.1))
    picture = picture * (1.0 + slope[0] * axis[None, None, :] + slope[1] * axis[None, :, None])
    if rng.random() < 0.5:
        planes = [cv2.GaussianBlur(plane, (0, 0), float(rng.uniform(0.3, 1.6))) for plane in picture]
        picture = np.stack(planes)
    noise = rng.standard_normal((3, CROP_PX, CROP_PX), dtype=np.float32) * np.float32(rng.uniform(0, 0.06))
    if rng.random() < 0.2:  # a toy, a hand or a cable lies over a part
        x0, y0 = rng.integers(0, CROP_PX, 2)
        width, height = rng.integers(8, 40, 2)
        picture[:, y0 : y0 + height, x0 : x0 + width] = rng.uniform(0, 1, (3, 1, 1))
    return np.asarray(np.clip(picture + noise, 0.0, 1.0), np.float32)
