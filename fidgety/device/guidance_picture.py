"""The picture for the bedside: the infant with its skeleton, a coloured frame, a word, an arrow, to be read from 2 m.

Green: leave it; amber: could be better; red: cannot be assessed like this. Colour never stands alone: the word says it
too. The file is replaced in one step, so a viewer never sees half of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from fidgety.device.guidance import GOOD, Advice
from fidgety.records import Frame, Pose, UInt8Array
from fidgety.skeleton import pose_skeleton

__all__ = ["draw_guidance", "write_picture"]

Colour = tuple[int, int, int]
_WIDTH_PX = 960
_GREEN, _AMBER, _RED = (60, 170, 60), (0, 165, 245), (40, 40, 215)  # BGR
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_DUPLEX
_LEAST_SCORE = 0.3


def draw_guidance(
    frame: Frame, pose: Pose, advice: Advice, towards: tuple[int, int], clock: str, sentence: str
) -> UInt8Array:
    """(H, 960, 3) uint8 BGR; clock: how far the recording is; sentence: the advice in full."""
    scale = _WIDTH_PX / frame.width_px
    picture = _small_picture(frame, scale)
    colour = _GREEN if advice is GOOD else _RED if advice.is_blocking else _AMBER
    if not pose.is_missing:
        _draw_skeleton(picture, pose, scale)
    height = picture.shape[0]
    banner = height // 6
    canvas = cv2.copyMakeBorder(picture, banner, height // 12, 24, 24, cv2.BORDER_CONSTANT, value=colour)
    if towards != (0, 0):
        _draw_arrow(canvas[banner : banner + height, 24:-24], towards)
    ink = _BLACK if colour is _AMBER else _WHITE
    _write(canvas, advice.sign, (24, round(0.78 * banner)), banner / 32, 4, ink)
    size, _ = cv2.getTextSize(clock, _FONT, banner / 50, 3)
    _write(canvas, clock, (canvas.shape[1] - size[0] - 24, round(0.72 * banner)), banner / 50, 3, ink)
    _write(canvas, sentence, (24, canvas.shape[0] - height // 30), height / 620, 1, ink)
    return np.asarray(canvas, np.uint8)


def write_picture(path: Path, picture: UInt8Array) -> None:
    """Replace the picture at `path` in one step. Raises OSError."""
    is_done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not is_done:
        raise OSError("the guidance picture cannot be encoded")
    part = path.with_name(path.name + ".part")
    part.write_bytes(data.tobytes())
    os.replace(part, path)  # noqa: PTH105 - path.replace, spelt for its atomicity


def _small_picture(frame: Frame, scale: float) -> UInt8Array:
    """(H, W, 3) uint8 BGR at `scale`."""
    size = (round(frame.width_px * scale), round(frame.height_px * scale))
    planes = [
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (frame.luma, frame.chroma_u, frame.chroma_v)
    ]
    yuv1 = np.stack([*planes, np.ones_like(planes[0])], axis=-1).astype(np.float32)
    rgb = (yuv1 @ frame.rgb_from_yuv.T * 255.0).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _draw_skeleton(picture: UInt8Array, pose: Pose, scale: float) -> None:
    points = pose.keypoints_xy * scale
    for thickness, colour in ((9, _BLACK), (5, _WHITE)):  # white on black: seen on any mat
        for first, second in pose_skeleton(len(points)).bones:
            ends = points[[first, second]]
            if np.isfinite(ends).all() and pose.keypoint_scores[[first, second]].min() >= _LEAST_SCORE:
                (x0, y0), (x1, y1) = ends.round().astype(int).tolist()
                cv2.line(picture, (x0, y0), (x1, y1), colour, thickness, cv2.LINE_AA)


def _draw_arrow(picture: UInt8Array, towards: tuple[int, int]) -> None:
    height, width = picture.shape[:2]
    reach = np.array(towards) * 0.3 * height
    centre = np.array([width / 2, height / 2])
    start, end = (centre - reach / 2).round().astype(int).tolist(), (centre + reach / 2).round().astype(int).tolist()
    for thickness, colour in ((34, _BLACK), (22, _WHITE)):
        cv2.arrowedLine(picture, tuple(start), tuple(end), colour, thickness, cv2.LINE_AA, tipLength=0.4)


def _write(canvas: UInt8Array, text: str, place: tuple[int, int], size: float, thickness: int, ink: Colour) -> None:
    cv2.putText(canvas, text, place, _FONT, size, ink, thickness, cv2.LINE_AA)
