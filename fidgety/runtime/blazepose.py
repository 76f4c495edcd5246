"""BlazePose's own conventions: anchors, box decoding, alignment of the crop, landmark decoding.

Pure functions between arrays, after the published graph descriptions of BlazePose (Apache-2.0, Bazarevsky et al. 2020).
A region is a square in the picture, turned: `crop_from_image` takes picture pixels to crop pixels without a half-pixel
shift, as the networks were trained. Frames of reference: image px (x right, y down), crop px of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from fidgety.records import FloatArray, Frame
from fidgety.skeleton import BLAZEPOSE_33

__all__ = [
    "Detection",
    "Landmarks",
    "Region",
    "crop_picture",
    "decode_detections",
    "decode_landmarks",
    "detector_anchors",
    "region_from_alignment",
]

N_LANDMARKS = 33
_MIRROR = [*BLAZEPOSE_33.mirror, 33, 34, 35, 36, 37, 38]  # the auxiliary landmarks belong to no side
HIP_CENTRE, BODY_END = 33, 34  # auxiliary landmarks: where the next crop is centred, how large and how turned
_HEATMAP_RADIUS = 4  # kernel 9 x 9
_HEATMAP_MIN_CONFIDENCE = 0.5
_NMS_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Region:
    """A turned square of the picture. `angle_rad`: from the picture's axes to the crop's, clockwise as seen.

    `is_mirrored`: the crop shows the mirror image, left and right of the body exchanged.
    """

    centre_x: float
    centre_y: float
    side_px: float
    angle_rad: float
    is_mirrored: bool = False

    def image_from_crop(self, size_px: int) -> FloatArray:
        """(2, 3) float32: image px from px of a crop of `size_px`."""
        scale = self.side_px / size_px
        cos, sin = scale * np.cos(self.angle_rad), scale * np.sin(self.angle_rad)
        half = size_px / 2
        side = -1.0 if self.is_mirrored else 1.0  # of the crop's x
        return np.array(
            [
                [side * cos, -sin, self.centre_x - half * side * cos + half * sin],
                [side * sin, cos, self.centre_y - half * side * sin - half * cos],
            ],
            np.float32,
        )

    def turned(self, quarter_turns: int) -> Region:
        """The same square, looked at after so many clockwise quarter turns."""
        return replace(self, angle_rad=self.angle_rad + quarter_turns * np.pi / 2)


@dataclass(frozen=True, slots=True)
class Detection:
    """One body that the detector saw. All in crop px of the detector's picture."""

    score: float
    box_xyxy: tuple[float, float, float, float]
    hip_centre: tuple[float, float]
    body_end: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """A pose network's word on one crop: K keypoints of its skeleton, in image px."""

    keypoints_xy: FloatArray  # (K, 2) float32, image px
    scores: FloatArray  # (K,) float32 in [0, 1]
    world_m: FloatArray  # (K, 3) float32, metres, axes of the picture; NaN = the network gives none
    presence: float
    alignment_xy: FloatArray  # (2, 2) float32, image px: hip centre and end of the body, from which a crop is laid


def crop_picture(
    frame: Frame, image_from_crop: FloatArray, size_px: int | tuple[int, int], *, low: float, is_replicated: bool
) -> FloatArray:
    """(1, 3, size, size) float32 RGB in [low, 1]: the region's pixels, read from the planes as they lie in memory.

    `size_px`: one number for a square, else width and height.

    `is_replicated`: the picture's edge goes on outside (landmark crop), otherwise outside is black (detector).
    """
    chroma_from_crop = image_from_crop.copy()
    chroma_from_crop *= 0.5
    chroma_from_crop[:, 2] -= 0.25  # a chroma sample sits between two luma samples
    border = cv2.BORDER_REPLICATE if is_replicated else cv2.BORDER_CONSTANT
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (size_px, size_px) if isinstance(size_px, int) else size_px
    rgb_from_yuv = frame.rgb_from_yuv
    black_luma = (
        0.0 if is_replicated else -float(rgb_from_yuv[0, 3] + 128 * rgb_from_yuv[0, 2]) / float(rgb_from_yuv[0, 0])
    )
    planes = [
        cv2.warpAffine(plane, matrix, size, flags=flags, borderMode=border, borderValue=outside)
        for plane, matrix, outside in (
            (frame.luma, image_from_crop, black_luma),
            (frame.chroma_u, chroma_from_crop, 128.0),
            (frame.chroma_v, chroma_from_crop, 128.0),
        )
    ]
    yuv = cv2.merge(planes).astype(np.float32)
    rgb = cv2.transform(yuv, rgb_from_yuv)
    np.clip(rgb, 0.0, 1.0, out=rgb)
    if low != 0.0:
        rgb *= 1.0 - low
        rgb += low
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))[None]


def detector_anchors(size_px: int) -> FloatArray:
    """(N, 2) float32: anchor centres in units of the picture, for strides 8, 16 (2 each) and 32 (6)."""
    rows = []
    for stride, n_per_cell in ((8, 2), (16, 2), (32, 6)):
        n = size_px // stride
        centres = (np.arange(n) + 0.5) / n
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        rows.append(np.repeat(grid, n_per_cell, axis=0))
    return np.concatenate(rows).astype(np.float32)


def decode_detections(
    boxes: FloatArray, scores: FloatArray, anchors: FloatArray, size_px: int, threshold: float
) -> list[Detection]:
    """Raw detector output (N, 12) and (N,) logits -> bodies, most certain first; overlapping ones averaged by score."""
    probabilities = 1.0 / (1.0 + np.exp(-np.clip(scores, -60, 60)))
    kept = np.flatnonzero(probabilities >= threshold)
    if kept.size == 0:
        return []
    kept = kept[np.argsort(-probabilities[kept], kind="stable")]
    scale = np.float32(size_px)
    centres = anchors[kept] * scale + boxes[kept, 0:2]
    half = boxes[kept, 2:4] / 2
    points = boxes[kept, 4:8].reshape(-1, 2, 2) + anchors[kept, None] * scale
    rows = np.concatenate([centres - half, centres + half, points.reshape(-1, 4)], axis=1)
    weights = probabilities[kept]
    bodies = []
    left = np.ones(len(kept), bool)
    for i in range(len(kept)):
        if not left[i]:
            continue
        group = left & (_overlap(rows[i, :4], rows[:, :4]) > _NMS_IOU)
        group[i] = True
        left &= ~group
        mean = np.average(rows[group], axis=0, weights=weights[group])
        bodies.append(
            Detection(
                float(weights[i]),
                (float(mean[0]), float(mean[1]), float(mean[2]), float(mean[3])),
                (float(mean[4]), float(mean[5])),
                (float(mean[6]), float(mean[7])),
            )
        )
    return bodies


def region_from_alignment(hip_centre: FloatArray, body_end: FloatArray, margin: float) -> Region:
    """The crop: centred on the hips, twice the distance to the alignment point wide (x margin), turned upright."""
    dx, dy = float(body_end[0] - hip_centre[0]), float(body_end[1] - hip_centre[1])
    side = 2.0 * float(np.hypot(dx, dy)) * margin
    angle = np.pi / 2 - np.arctan2(-dy, dx)
    wrapped = float((angle + np.pi) % (2 * np.pi) - np.pi)
    return Region(float(hip_centre[0]), float(hip_centre[1]), side, wrapped)


def decode_landmarks(
    landmarks: FloatArray, heatmaps: FloatArray, world: FloatArray, presence: float, region: Region, size_px: int
) -> Landmarks:
    """Raw landmark output -> landmarks in image px, refined on the heat maps.

    landmarks: (195,) = 39 x (x, y, z, visibility logit, presence logit), crop px; heatmaps: (39, 64, 64) logits;
    world: (117,) = 39 x (x, y, z) metres, axes of the crop.
    """
    rows = landmarks.reshape(39, 5)
    refined = _refine(rows[:, :2] / np.float32(size_px), heatmaps) * np.float32(size_px)
    matrix = region.image_from_crop(size_px)
    keypoints_xy = refined @ matrix[:, :2].T + matrix[:, 2]
    logits = np.minimum(rows[:, 3], rows[:, 4])
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60)))
    world_m = world.reshape(39, 3)[:N_LANDMARKS].copy()
    world_m[:, :2] = world_m[:, :2] @ (matrix[:, :2] * np.float32(size_px / region.side_px)).T
    if region.is_mirrored:
        keypoints_xy, scores, world_m = keypoints_xy[_MIRROR], scores[_MIRROR], world_m[_MIRROR[:N_LANDMARKS]]
    keypoints_xy, scores = keypoints_xy.astype(np.float32), scores.astype(np.float32)
    alignment_xy = keypoints_xy[HIP_CENTRE : BODY_END + 1]
    return Landmarks(keypoints_xy[:N_LANDMARKS], scores[:N_LANDMARKS], world_m, float(presence), alignment_xy)


def _overlap(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Intersection over union of one (4,) box with (N, 4) boxes."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    inside = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = areas + np.prod(box[2:] - box[:2]) - inside
    result: FloatArray = (inside / np.maximum(union, 1e-9)).astype(np.float32)
    return result


def _refine(points: FloatArray, heatmaps: FloatArray) -> FloatArray:
    """Move (39, 2) normalised points to the centre of mass of their 9 x 9 heat-map patch, where it is sure."""
    n, height, width = heatmaps.shape
    columns = (points[:, 0] * width).astype(np.int64)
    rows = (points[:, 1] * height).astype(np.int64)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    offsets = np.arange(-_HEATMAP_RADIUS, _HEATMAP_RADIUS + 1)
    xs = columns[:, None] + offsets
    ys = rows[:, None] + offsets
    is_x, is_y = (xs >= 0) & (xs < width), (ys >= 0) & (ys < height)
    patch = heatmaps[
        np.arange(n)[:, None, None], np.clip(ys, 0, height - 1)[:, :, None], np.clip(xs, 0, width - 1)[:, None, :]
    ]
    weights = 1.0 / (1.0 + np.exp(-np.clip(patch, -60, 60)))
    weights *= is_y[:, :, None] & is_x[:, None, :]
    mass = weights.sum(axis=(1, 2))
    sure = inside & (weights.max(axis=(1, 2)) >= _HEATMAP_MIN_CONFIDENCE) & (mass > 0)
    safe = np.maximum(mass, 1e-9)
    x = (weights.sum(axis=1) * xs).sum(axis=1) / width / safe
    y = (weights.sum(axis=2) * ys).sum(axis=1) / height / safe
    refined = np.where(sure[:, None], np.stack([x, y], axis=1), points)
    return refined.astype(np.float32)
