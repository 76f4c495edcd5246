"""Solids -> shaded pixels: round cones and ellipsoids with soft edges, nearest in front.

Each solid is worked out on its own small box of the picture, in float32. Its edge is a signed distance in
pixels turned into coverage, so a limb that moves by a tenth of a pixel changes the picture by a tenth of a
step. Where two solids run into each other the nearer one fades in over a few millimetres, which makes a body
of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.camera import Camera
from fidgety.phantom.solids import Ellipsoid, RoundCone, Solid
from fidgety.records import FloatArray

__all__ = ["Canvas", "Light"]

Array64 = NDArray[np.float64]
_ZERO, _ONE = np.float32(0), np.float32(1)
_HALO_PX = 7.0  # reach of the soft dark rim that a limb casts on what lies behind it
_HALO_STRENGTH = 0.34


@dataclass(frozen=True, slots=True)
class Light:
    """One far light and light from everywhere, camera frame."""

    direction: tuple[float, float, float]  # camera frame, towards the light, length 1
    ambient: float
    exposure: float


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """What one solid looks like on the box rows x columns."""

    rows: slice
    columns: slice
    distance_px: FloatArray  # (h, w) signed distance to the outline, negative inside
    depth_m: FloatArray  # (h, w)
    normal: tuple[FloatArray, FloatArray, FloatArray]  # camera frame, about length 1
    facing: FloatArray  # (h, w) 1 where the surface faces the camera, 0 at the outline
    surface: FloatArray  # (1 or 3, h, w), see Paint
    pixel: float  # a pixel in the units of `surface`


class Canvas:
    """A float picture with depths, the box `left, top` onward of the whole frame, that solids are drawn into."""

    def __init__(self, camera: Camera, colour: FloatArray, depth_m: FloatArray, left: int, top: int) -> None:
        """colour: (3, h, w) float32, 0-255, and depth_m: (h, w) float32, both drawn over in place."""
        self.camera = camera
        self.colour = colour
        self.depth_m = depth_m
        self.left = left
        self.top = top

    def draw(self, solids: Sequence[Solid], light: Light) -> None:
        """Draw solids over what is there, from far to near."""
        ends = [self.camera.to_camera(np.array(solid.ends_m)) for solid in solids]
        order = sorted(range(len(solids)), key=lambda i: -float(ends[i][:, 2].mean()))
        for i in order:
            self._draw(solids[i], ends[i], light)

    def _draw(self, solid: Solid, ends: Array64, light: Light) -> None:
        """One solid; `ends` are its `ends_m` in the camera frame."""
        patch = self._trace(solid, ends)
        if patch is None:
            return
        colour = self.colour[:, patch.rows, patch.columns]
        behind = self.depth_m[patch.rows, patch.columns]
        gap = behind - patch.depth_m
        if not solid.is_small:
            _darken_around(colour, patch.distance_px, gap)
        cover = _to_unit(0.5 - patch.distance_px)
        # Only where it covers most of a pixel does it hide what comes later (a masked minimum is 30 times
        # slower).
        patch.depth_m[...] += (cover < 0.5) * np.float32(1e3)
        np.minimum(behind, patch.depth_m, out=behind)
        gap *= np.float32(0.5 / solid.merge_m)
        gap += np.float32(0.5)
        cover *= _to_unit(gap)
        shade = _shade(patch, light)
        shade *= cover
        paint = solid.paint(patch.surface, patch.pixel) if callable(solid.paint) else solid.paint
        keep = 1 - cover
        for plane, value in zip(colour, paint, strict=True):
            plane *= keep
            plane += shade * np.float32(value) if isinstance(value, float) else shade * value

    def _trace(self, solid: Solid, ends: Array64) -> _Patch | None:
        """None: out of the picture, or too close to the camera."""
        if isinstance(solid, RoundCone):
            return self._trace_cone(solid, ends)
        return self._trace_ellipsoid(solid, ends[0])

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice, FloatArray, FloatArray] | None:
        """A box of the frame clipped to the canvas: rows, columns, x (1, w) and y (h, 1) in frame pixels."""
        height, width = self.depth_m.shape
        left, right = max(int(x0) - self.left - 1, 0), min(int(x1) - self.left + 2, width)
        top, bottom = max(int(y0) - self.top - 1, 0), min(int(y1) - self.top + 2, height)
        if right <= left or bottom <= top:
            return None
        x = np.arange(left + self.left, right + self.left, dtype=np.float32)[None, :]
        y = np.arange(top + self.top, bottom + self.top, dtype=np.float32)[:, None]
        return slice(top, bottom), slice(left, right), x, y

    def _trace_cone(self, cone: RoundCone, ends: Array64) -> _Patch | None:
        """Outline: hull of the two end balls' discs. Surface: first ball met by rays taken as parallel."""
        (x1, y1, z1), (x2, y2, z2) = ends.tolist()
        if min(z1, z2) < 0.05:
            return None
        focal, (cx, cy) = self.camera.focal_px, self.camera.centre_px
        x1, y1, r1 = x1 / z1 * focal + cx, y1 / z1 * focal + cy, cone.start_radius_m / z1 * focal
        x2, y2, r2 = x2 / z2 * focal + cx, y2 / z2 * focal + cy, cone.end_radius_m / z2 * focal
        rim = 1.0 if cone.is_small else _HALO_PX
        box = self._box(
            min(x1 - r1, x2 - r2) - rim,
            min(y1 - r1, y2 - r2) - rim,
            max(x1 + r1, x2 + r2) + rim,
            max(y1 + r1, y2 + r2) + rim,
        )
        if box is None:
            return None
        rows, columns, x, y = box
        length = max(math.hypot(x2 - x1, y2 - y1), 1e-3)
        ax, ay = (x2 - x1) / length, (y2 - y1) / length
        u = (x - x1) * ax + (y - y1) * ay
        v = (y - y1) * ax - (x - x1) * ay
        taper = min(max((r1 - r2) / length, -0.999), 0.999)
        s = np.abs(v)
        s *= -taper / math.sqrt(1 - taper * taper) / length
        s += u * (1 / length)
        _to_unit(s)
        radius = s * (r2 - r1)
        radius += r1
        off = u - s * length
        distance = cv2.magnitude(off, v)
        distance -= radius
        v2 = v * v
        scale = focal * 2 / (z1 + z2)
        deep = (z2 - z1) * scale
        if not cone.is_small:
            # The ball met first along the ray: of a limb seen on end not the one that is nearest in the picture.
            w = radius * radius
            w -= v2
            w = cv2.sqrt(_not_negative(w), dst=w)
            w *= -deep / math.hypot(length, deep)
            w += u
            w *= 1 / length
            s = _to_unit(w)
            radius = s * (r2 - r1)
            radius += r1
            off = u - s * length
        height = radius * radius
        height -= v2
        height -= off * off
        height = cv2.sqrt(_not_negative(height), dst=height)
        depth = s * (z2 - z1)
        depth += z1
        depth -= height * (1 / scale)
        inverse = 1 / radius
        off *= inverse
        v *= inverse
        height *= inverse
        normal = (off * ax - v * ay, off * ay + v * ax, -height)
        return _Patch(rows, columns, distance, depth, normal, height, s[None], 1 / max(length, 1.0))

    def _trace_ellipsoid(self, body: Ellipsoid, centre: Array64) -> _Patch | None:
        """Each pixel's ray meets the ellipsoid: exact, in the space where that is the unit sphere."""
        camera = self.camera
        if centre[2] - max(body.radii_m) < 0.05:
            return None
        axes = camera.rotation @ body.axes
        unit_from_camera = axes.T / np.array(body.radii_m)[:, None]
        focal, (cx, cy) = camera.focal_px, camera.centre_px
        middle = centre[:2] / centre[2] * focal + (cx, cy)
        half = np.linalg.norm(axes * body.radii_m, axis=1)
        reach = half[:2] / (centre[2] - half[2]) * focal * 1.08 + (1.0 if body.is_small else _HALO_PX)
        box = self._box(*(middle - reach).tolist(), *(middle + reach).tolist())
        if box is None:
            return None
        rows, columns, x, y = box
        m = unit_from_camera
        c = (m @ centre).astype(np.float32)
        step_x, step_y = (m[:, 0] / focal).astype(np.float32), (m[:, 1] / focal).astype(np.float32)
        ray = np.stack([step_x[i] * (x - cx) + (step_y[i] * (y - cy) + np.float32(m[i, 2])) for i in range(3)]).astype(
            np.float32
        )
        a = ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2]
        near = (ray[0] * c[0] + ray[1] * c[1] + ray[2] * c[2]) / a
        miss = ray * near - c[:, None, None]  # from the centre to the ray
        far2 = miss[0] * miss[0] + miss[1] * miss[1] + miss[2] * miss[2]
        far = cv2.sqrt(far2)
        slope_x = miss[0] * step_x[0] + miss[1] * step_x[1] + miss[2] * step_x[2]
        slope_y = miss[0] * step_y[0] + miss[1] * step_y[1] + miss[2] * step_y[2]
        slope = cv2.magnitude(slope_x, slope_y) * near / (far + np.float32(1e-3))
        distance = (far - _ONE) / (slope + np.float32(1e-6))
        half_chord = cv2.sqrt(_not_negative(_ONE - far2) / a)
        depth = near - half_chord
        surface = miss - ray * half_chord
        # The normal is the gradient of |unit coordinates|, taken back to the camera frame.
        g = [
            surface[0] * np.float32(m[0, i]) + surface[1] * np.float32(m[1, i]) + surface[2] * np.float32(m[2, i])
            for i in range(3)
        ]
        inverse = 1 / np.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2] + np.float32(1e-12))
        normal = (g[0] * inverse, g[1] * inverse, g[2] * inverse)
        pixel = float(centre[2] / focal / np.mean(body.radii_m))
        return _Patch(rows, columns, distance, depth, normal, _not_negative(-normal[2]), surface, pixel)


def _darken_around(colour: FloatArray, distance_px: FloatArray, gap_m: FloatArray) -> None:
    """Little light comes between a limb and what lies close behind it: a soft dark rim outside the outline,
    in place.

    It fades with the gap in depth, so that a limb raised high has none and neighbours of one limb have none.
    """
    rim = _to_unit(1 - distance_px * np.float32(1 / _HALO_PX))
    rim *= rim
    rim *= _to_unit(gap_m * np.float32(80))
    rim *= _to_unit(np.float32(1.3) - gap_m * np.float32(9))
    rim *= np.float32(-_HALO_STRENGTH)
    rim += np.float32(1)
    colour *= rim


def _to_unit(values: FloatArray) -> FloatArray:
    """Clip to [0, 1] in place."""
    return values.clip(_ZERO, _ONE, out=values)


def _not_negative(values: FloatArray) -> FloatArray:
    """Clip at 0 in place (three times as fast as numpy's maximum with a number)."""
    cv2.threshold(values, 0.0, 0.0, cv2.THRESH_TOZERO, dst=values)
    return values


def _shade(patch: _Patch, light: Light) -> FloatArray:
    """(h, w) factor on the surface's own colour: wrapped Lambert light, ambient light fading to the outline."""
    nx, ny, nz = patch.normal
    lx, ly, lz = light.direction
    shade = nx * np.float32(0.8 * lx)
    shade += ny * np.float32(0.8 * ly)
    shade += nz * np.float32(0.8 * lz)
    shade += np.float32(0.2)
    _not_negative(shade)
    shade *= np.float32(1.12 * (1 - light.ambient) * light.exposure)
    shade += patch.facing * np.float32(0.35 * light.ambient * light.exposure)
    shade += np.float32(0.72 * light.ambient * light.exposure)
    return np.asarray(shade)
