"""Motion + camera + appearance -> the pictures that a camera would have taken.

    stage (once) -> shadow on the mat -> solids, far to near -> lens blur -> camera shake -> sensor noise

The same call gives the same picture, to the bit, in any order of frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.appearance import Appearance
from fidgety.phantom.body import solids_of
from fidgety.phantom.camera import Camera
from fidgety.phantom.motion import Motion
from fidgety.phantom.scene import reach_in
from fidgety.phantom.shading import Canvas, Light
from fidgety.phantom.solids import Solid
from fidgety.phantom.stage import set_stage, throw_shadow
from fidgety.records import UInt8Array

__all__ = ["Figure", "render_frame", "shake_offset"]

Figure = tuple[Motion, Appearance]
_NOISE_MARGIN = 61


def render_frame(
    motion: Motion,
    index: int,
    camera: Camera,
    appearance: Appearance,
    others: Sequence[Figure] = (),
) -> UInt8Array:
    """One picture, (H, W, 3) uint8 RGB.

    appearance: of the infant, the mat, the light and the sensor. others: more people, each with an appearance
    of its own (of which body and clothes count).
    Raises IndexError where `index` is not a frame of the motion.
    """
    if not 0 <= index < len(motion):
        raise IndexError(f"frame {index} of a motion of {len(motion)} frames")
    solids = solids_of(motion, index, appearance) if appearance.has_infant else []
    for other, look in others:
        solids += solids_of(other, index % len(other), look)
    if appearance.has_carer_hand:
        solids += reach_in(index / motion.fps, appearance)
    picture = set_stage(camera, appearance).picture.copy()
    box = _box_of(solids, camera, appearance)
    if box is not None:
        left, top, right, bottom = box
        picture[top:bottom, left:right] = _draw(solids, camera, appearance, box)
    return _sense(picture, index, appearance)


def shake_offset(appearance: Appearance, index: int) -> tuple[float, float]:
    """How far the picture has slid (x, y), pixels, in frame `index`: a hand-held camera's wander, 0 on a
    tripod.
    """
    if appearance.shake_px == 0:
        return 0.0, 0.0
    rng = np.random.default_rng([appearance.seed, 0x54A])
    rates, phases = rng.uniform(0.03, 0.35, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))
    x, y = (np.sin(index * rates + phases).sum(axis=1) / np.sqrt(2)) * appearance.shake_px
    return float(x), float(y)


def _draw(solids: Sequence[Solid], camera: Camera, look: Appearance, box: tuple[int, int, int, int]) -> UInt8Array:
    """The picture's box with its solids, (h, w, 3) uint8."""
    left, top, right, bottom = box
    stage = set_stage(camera, look)
    lit = throw_shadow(solids, camera, look, box)
    if stage.is_floor is not None:
        lit = 1 - (1 - lit) * stage.is_floor[top:bottom, left:right]
    colour = stage.planes[:, top:bottom, left:right] * lit
    canvas = Canvas(camera, colour, stage.depth_m[top:bottom, left:right].copy(), left, top)
    x, y, z = camera.rotation @ np.array(look.light_from)
    light = Light((float(x), float(y), float(z)), look.ambient, look.exposure)
    canvas.draw(solids, light)
    planes = [cv2.convertScaleAbs(plane) for plane in canvas.colour]
    return np.asarray(cv2.merge(planes))


def _box_of(solids: Sequence[Solid], camera: Camera, look: Appearance) -> tuple[int, int, int, int] | None:
    """What solids and shadows can touch: left, top, right, bottom, pixels; None = nothing."""
    if not solids:
        return None
    ends = np.array([end for solid in solids for end in solid.ends_m])
    radii = np.array([solid.reach_m for solid in solids for _ in solid.ends_m])
    slant = np.array(look.light_from[:2]) / look.light_from[2]
    up = np.maximum(ends[:, 2:], 0.0)
    feet = np.concatenate([ends[:, :2] - up * slant, np.zeros_like(up)], axis=1)
    soft = radii + 0.03 + 0.5 * up[:, 0]
    bodies = ends[:, None] + radii[:, None, None] * _STEPS
    shadows = feet[:, None] + soft[:, None, None] * _STEPS
    xy, depth = camera.project(np.concatenate([bodies, shadows]))
    xy = xy[depth > 0.02]
    if len(xy) == 0:
        return None
    left, top = np.clip(np.floor(xy.min(axis=0)) - 9, 0, (camera.width_px, camera.height_px)).astype(int)
    right, bottom = np.clip(np.ceil(xy.max(axis=0)) + 10, 0, (camera.width_px, camera.height_px)).astype(int)
    if right <= left or bottom <= top:
        return None
    return int(left), int(top), int(right), int(bottom)


_STEPS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]], dtype=np.float64)


def _sense(picture: UInt8Array, index: int, look: Appearance) -> UInt8Array:
    """What lens, hand and sensor add."""
    if look.blur_px > 0:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), look.blur_px))
    if look.shake_px > 0:
        x, y = shake_offset(look, index)
        slide = np.array([[1, 0, x], [0, 1, y]], dtype=np.float64)
        size = picture.shape[1::-1]
        picture = np.asarray(
            cv2.warpAffine(picture, slide, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
    if look.noise_sd > 0:
        bank = _noise_bank(picture.shape[0], picture.shape[1], look.noise_sd)
        rng = np.random.default_rng([look.seed, index, 0x201])
        y0, x0 = (int(value) for value in rng.integers(0, _NOISE_MARGIN + 1, 2))
        noise = bank[y0 : y0 + picture.shape[0], x0 : x0 + picture.shape[1]]
        picture = np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U))
    return picture


@lru_cache(maxsize=3)
def _noise_bank(height: int, width: int, sd: float) -> NDArray[np.int16]:
    """Noise for one picture and a margin to shift it in: (H + m, W + m, 3) int16, mostly brightness, some
    colour.
    """
    rng = np.random.default_rng(0x201)
    shape = (height + _NOISE_MARGIN, width + _NOISE_MARGIN)
    luma = rng.standard_normal(shape, dtype=np.float32)[..., None]
    chroma = rng.standard_normal((*shape, 3), dtype=np.float32)
    return np.asarray(np.rint((0.85 * luma + 0.53 * chroma) * sd), dtype=np.int16)
