"""A simple face and hair, painted once as a texture and wrapped round the head by each pixel's place on it.

The texture holds two discs side by side, seen from in front and from behind; coordinates are those of the
head's unit sphere (x to the infant's left, y to the crown, z out of the face).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.appearance import Appearance
from fidgety.records import FloatArray

__all__ = ["FaceLayout", "paint_face"]

_SIDE = 288  # texels per disc
_EDGE = 16  # texels left free round the disc
_RADIUS = _SIDE / 2 - _EDGE

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FaceLayout:
    """Where eyes and nose sit on the unit sphere's front: (x, y), rounded to be the same in every frame."""

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]

    @classmethod
    def of(cls, places_m: Mapping[str, NDArray[np.float64]], radii_m: tuple[float, float, float]) -> FaceLayout:
        """places_m: left_eye, right_eye, nose in the head frame, metres from the head's centre."""

        def on_sphere(name: str) -> tuple[float, float]:
            unit = places_m[name] / np.array(radii_m)
            unit = unit / np.linalg.norm(unit)
            return round(float(unit[0]), 2), round(float(unit[1]), 2)

        return cls(on_sphere("left_eye"), on_sphere("right_eye"), on_sphere("nose"))


def paint_face(look: Appearance, layout: FaceLayout, is_adult: bool) -> Callable[[FloatArray, float], FloatArray]:
    """A paint for the head's ellipsoid."""
    texture = _texture(look, layout, is_adult)

    def paint(surface: FloatArray, pixel: float) -> FloatArray:  # noqa: ARG001 - the texture is soft enough
        x = surface[0] * np.float32(_RADIUS) + np.float32((_SIDE - 1) / 2)
        y = surface[1] * np.float32(-_RADIUS) + np.float32((_SIDE - 1) / 2)
        x += (surface[2] < 0) * np.float32(_SIDE)
        colours = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(np.moveaxis(colours, 2, 0))

    return paint


@lru_cache(maxsize=16)
def _texture(look: Appearance, layout: FaceLayout, is_adult: bool) -> FloatArray:
    """(_SIDE, 2 x _SIDE, 3) float32 colours: front disc, back disc."""
    grid = (np.arange(_SIDE, dtype=np.float32) - (_SIDE - 1) / 2) / np.float32(_RADIUS)
    x, y = np.meshgrid(grid, -grid)
    depth = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    front = np.empty((_SIDE, _SIDE, 3), dtype=np.float32)
    front[:] = look.skin_rgb
    _paint_features(front, x, y, look, layout, 0.72 if is_adult else 1.0)
    back = np.empty_like(front)
    back[:] = look.skin_rgb
    strands = _strands(look.seed, x, y)
    for disc, z in ((front, depth), (back, -depth)):
        _mix(
            disc, _hair_cover(x, y, z, layout, is_adult) * look.hair_cover, np.array(look.hair_rgb) * strands[..., None]
        )
    return np.asarray(cv2.GaussianBlur(np.concatenate([front, back], axis=1), (0, 0), 1.0))


def _paint_features(disc: FloatArray, x: Plane, y: Plane, look: Appearance, layout: FaceLayout, size: float) -> None:
    """Eyes with lids and brows, nostrils, mouth, red cheeks."""
    skin = np.array(look.skin_rgb)
    dark = skin * 0.45
    lips = skin * (0.82, 0.56, 0.56)
    for side, (ex, ey) in ((1.0, layout.left_eye), (-1.0, layout.right_eye)):
        _mix(disc, 0.30 * _spot(x, y, ex + side * 0.12, ey - 0.36, 0.22, 0.18, 0.9), skin * (1.0, 0.72, 0.70))
        _mix(disc, 0.55 * _spot(x, y, ex, ey + 0.005, 0.205 * size, 0.135 * size, 0.35), dark)
        _mix(disc, _spot(x, y, ex, ey - 0.01, 0.165 * size, 0.092 * size, 0.2), np.array([240.0, 238.0, 236.0]))
        inside = _spot(x, y, ex, ey - 0.01, 0.165 * size, 0.095 * size, 0.2)
        _mix(disc, inside * _spot(x, y, ex, ey, 0.088 * size, 0.088 * size, 0.2), np.array(look.eye_rgb))
        _mix(disc, inside * _spot(x, y, ex, ey, 0.042 * size, 0.042 * size, 0.3), np.array([14.0, 12.0, 12.0]))
        _mix(disc, _spot(x, y, ex + 0.03, ey + 0.035, 0.02, 0.02, 0.5), np.array([255.0, 255.0, 255.0]))
        arch = ey + 0.20 * size - 0.9 * (x - ex) ** 2
        _mix(disc, 0.55 * _spot(x, y - arch, ex, 0.0, 0.17 * size, 0.024, 0.8), np.array(look.hair_rgb))
    nx, ny = layout.nose
    for side in (1.0, -1.0):
        _mix(disc, 0.7 * _spot(x, y, nx + side * 0.055, ny - 0.075, 0.03, 0.02, 0.8), dark)
    mouth_y = ny - 0.27
    smile = mouth_y + 0.8 * x * x
    _mix(disc, 0.9 * _spot(x, y - smile, 0.0, 0.0, 0.20 * size, 0.062, 0.5), lips)
    _mix(disc, 0.9 * _spot(x, y - smile, 0.0, 0.0, 0.185 * size, 0.016, 0.7), dark)
    _mix(disc, 0.3 * _spot(x, y, 0.0, mouth_y - 0.13, 0.12, 0.03, 0.9), dark)


def _hair_cover(x: Plane, y: Plane, z: Plane, layout: FaceLayout, is_adult: bool) -> Plane:
    """1 where hair grows: above the forehead, behind the ears."""
    brow = (layout.left_eye[1] + layout.right_eye[1]) / 2
    line = (
        y
        - (brow + (0.52 if is_adult else 0.60))
        + 0.25 * np.abs(x)
        + np.clip(-z, 0, 1) * 1.6
        + np.clip(0.45 - z, 0, 1) * 0.7
    )
    return np.asarray(np.clip(line * 7 + 0.5, 0, 1) * np.clip((y + 0.75) * 4, 0, 1), dtype=np.float32)


def _strands(seed: int, x: Plane, y: Plane) -> Plane:
    """Brightness of the hair, streaked away from the crown."""
    rng = np.random.default_rng([seed, 0x4A1])
    angle = np.arctan2(x, y + 0.2)
    wave = sum(rng.uniform(0.02, 0.07) * np.sin(angle * k + rng.uniform(0, 6.28)) for k in (9, 17, 31, 43))
    return np.asarray(1 + wave, dtype=np.float32)


def _spot(x: Plane, y: Plane, cx: float, cy: float, rx: float, ry: float, soft: float) -> Plane:
    """1 inside an ellipse, falling to 0 over the share `soft` of its radius round the outline."""
    r = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
    return np.asarray(np.clip((1 + soft / 2 - r) / soft, 0, 1), dtype=np.float32)


def _mix(disc: FloatArray, share: Plane, colour: NDArray[np.float64]) -> None:
    disc += (np.asarray(colour, dtype=np.float32) - disc) * share[..., None]
