"""What does not move: mat, floor, wall and the light that falls on them; and the shadow that a body throws on
the mat.

The stage is worked out once per camera and appearance and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.appearance import Appearance
from fidgety.phantom.camera import Camera
from fidgety.phantom.solids import RoundCone, Solid
from fidgety.records import FloatArray, UInt8Array

__all__ = ["Stage", "set_stage", "throw_shadow"]

_MAT_HALF_M = (0.42, 0.62)  # across, along
_SHADOW_STEP_M = 0.008
_SHADOW_DEPTH = 0.42


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """The empty stage as the camera sees it, without lens and sensor."""

    picture: UInt8Array  # (H, W, 3) uint8
    planes: FloatArray  # (3, H, W) float32, the same
    depth_m: FloatArray  # (H, W) float32, along the optical axis
    is_floor: FloatArray | None  # (H, W) float32, 1 = floor or mat, 0 = wall; None: floor everywhere


@lru_cache(maxsize=2)
def set_stage(camera: Camera, look: Appearance) -> Stage:
    """The empty stage, lit."""
    rays = camera.rays()
    down = -rays[..., 2]
    height = camera.position_m[2]
    wall_m = 4.0
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(down > 1e-6, height / np.maximum(down, 1e-6), np.inf)
        to_wall = np.where(
            rays[..., 1] > 1e-6, (wall_m - camera.position_m[1]) / np.maximum(rays[..., 1], 1e-6), np.inf
        )
    is_floor = depth < to_wall
    near = np.minimum(np.minimum(depth, to_wall), 50.0)
    x = camera.position_m[0] + near * rays[..., 0]
    y = camera.position_m[1] + near * rays[..., 1]
    step = near / camera.focal_px  # a pixel in metres
    colours = _floor_colours(x, y, step, look)
    wall = np.array(look.floor_rgb) * 0.55 + 105.0
    colours = np.where(is_floor[..., None], colours, wall)
    colours *= (_light_fall(x, y, look) * (look.exposure * 0.97))[..., None]
    picture = np.clip(colours, 0, 255).astype(np.uint8)
    planes = np.ascontiguousarray(np.moveaxis(picture, 2, 0), dtype=np.float32)
    walls = None if is_floor.all() else is_floor.astype(np.float32)
    return Stage(picture, planes, near.astype(np.float32), walls)


def throw_shadow(
    solids: Sequence[Solid], camera: Camera, look: Appearance, box: tuple[int, int, int, int]
) -> FloatArray:
    """Share of light that is left on the mat, (h, w) float32 for the picture's box (left, top, right,
    bottom).

    Each solid's balls are cast along the light on to the mat; the higher they are, the softer the shadow.
    """
    casts = [_cast(solid, look) for solid in solids if not solid.is_small]
    ends = np.array([end for cast in casts for end in cast[:2]])
    reach = max(cast[2] + cast[3] for cast in casts)
    low = ends.min(axis=0) - reach
    size = np.clip((ends.max(axis=0) + reach - low) / _SHADOW_STEP_M, 2, 900).astype(int)
    lit = np.ones((size[1], size[0]), dtype=np.float32)
    for start, end, radius, blur in casts:
        _darken(
            lit,
            (start - low) / _SHADOW_STEP_M,
            (end - low) / _SHADOW_STEP_M,
            radius / _SHADOW_STEP_M,
            blur / _SHADOW_STEP_M,
        )
    left, top, right, bottom = box
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (size - 1)
    on_mat = np.concatenate([low + corners * _SHADOW_STEP_M, np.zeros((4, 1))], axis=1)
    xy, depth = camera.project(on_mat)
    if depth.min() <= 0.02:  # part of it lies behind the camera
        return np.ones((bottom - top, right - left), dtype=np.float32)
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), (xy - (left, top)).astype(np.float32))
    return np.asarray(
        cv2.warpPerspective(
            lit,
            warp,
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=1.0,
        )
    )


def _cast(solid: Solid, look: Appearance) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Where a solid's shadow lies: its two ends on the mat, radius, blur, metres."""
    light = np.array(look.light_from)
    if isinstance(solid, RoundCone):
        ends, radius = np.stack([solid.start_m, solid.end_m]), (solid.start_radius_m + solid.end_radius_m) / 2
    else:
        axis = int(np.argmax(solid.radii_m))
        radius = float(np.sort(solid.radii_m)[1])
        arm = solid.axes[:, axis] * (solid.radii_m[axis] - radius)
        ends = np.stack([solid.centre_m - arm, solid.centre_m + arm])
    on_mat = ends[:, :2] - ends[:, 2:] * light[:2] / light[2]
    return on_mat[0], on_mat[1], float(radius), 0.02 + 0.45 * max(float(ends[:, 2].mean()), 0.0)


def _darken(lit: FloatArray, start: NDArray[np.float64], end: NDArray[np.float64], radius: float, blur: float) -> None:
    """Darken a soft capsule in place; overlapping shadows do not add up."""
    reach = radius + blur
    low = np.maximum(np.minimum(start, end) - reach, 0).astype(int)
    high = np.minimum(np.maximum(start, end) + reach + 1, lit.shape[::-1]).astype(int)
    if (high <= low).any():
        return
    x = np.arange(low[0], high[0], dtype=np.float32)[None, :] - np.float32(start[0])
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None] - np.float32(start[1])
    dx, dy = (np.float32(value) for value in end - start)
    s = np.clip((x * dx + y * dy) / max(float(dx * dx + dy * dy), 1e-6), 0, 1)
    distance = np.hypot(x - s * dx, y - s * dy) - np.float32(radius)
    soft = np.clip(np.float32(0.5) - distance / np.float32(2 * blur), 0, 1)
    depth = np.float32(_SHADOW_DEPTH) * soft * soft * (3 - 2 * soft)
    part = lit[low[1] : high[1], low[0] : high[0]]
    np.minimum(part, 1 - depth, out=part)


def _floor_colours(
    x: NDArray[np.float64], y: NDArray[np.float64], step: NDArray[np.float64], look: Appearance
) -> NDArray[np.float64]:
    """(H, W, 3) colours of floor and mat at the places (x, y), metres; `step` is a pixel there."""
    grain = _cloud(x / 0.9, y / 0.12, look.seed) * 7 + _cloud(x / 0.3, y / 0.3, look.seed + 1) * 4
    colours = np.array(look.floor_rgb) + grain[..., None]
    if look.mat_rgb is None:
        return np.asarray(colours)
    mat = np.array(look.mat_rgb) + (_pattern(x, y, step, look)[..., None]) * (
        np.array(look.mat_second_rgb) - look.mat_rgb
    )
    folds = _cloud(x / 0.17, y / 0.23, look.seed + 2) * 5 + _cloud(x / 0.05, y / 0.06, look.seed + 3) * 2
    corner = 0.06
    dx = np.abs(x) - (_MAT_HALF_M[0] - corner)
    dy = np.abs(y - 0.02) - (_MAT_HALF_M[1] - corner)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - corner
    cover = np.clip(0.5 - outside / step, 0, 1)[..., None]
    rim = np.clip(1 - np.maximum(outside, 0) / 0.05, 0, 1)[..., None]
    return np.asarray((colours * (1 - 0.3 * rim)) * (1 - cover) + (mat + folds[..., None]) * cover)


def _pattern(
    x: NDArray[np.float64], y: NDArray[np.float64], step: NDArray[np.float64], look: Appearance
) -> NDArray[np.float64]:
    """Share of the second colour, 0-1, edges one pixel soft."""
    pitch = look.mat_pitch_m
    turn = (look.seed % 7) * 0.13
    u, v = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)

    def band(place: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        off = np.abs((place / pitch) % 1 - 0.5) * pitch
        return np.asarray(np.clip(0.5 + (share * pitch / 2 - off) / step, 0, 1))

    if look.mat_pattern == "stripes":
        return 0.8 * band(u, 0.45)
    if look.mat_pattern == "checks":
        return 0.4 * band(u, 0.5) + 0.4 * band(v, 0.5)
    if look.mat_pattern == "dots":
        row = np.floor(v / pitch)
        du = ((u / pitch + 0.5 * (row % 2)) % 1 - 0.5) * pitch
        dv = ((v / pitch) % 1 - 0.5) * pitch
        return np.asarray(0.85 * np.clip(0.5 + (0.2 * pitch - np.hypot(du, dv)) / step, 0, 1))
    return np.zeros_like(x)


def _light_fall(x: NDArray[np.float64], y: NDArray[np.float64], look: Appearance) -> NDArray[np.float64]:
    """Brighter towards the light."""
    lx, ly, _ = look.light_from
    return np.asarray(0.93 + 0.16 * np.tanh(1.2 * (x * lx + y * ly)))


def _cloud(x: NDArray[np.float64], y: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Smooth irregular waves, SD about 1."""
    rng = np.random.default_rng([seed % 2**31, 0xC10])
    total = np.zeros_like(x)
    for _ in range(5):
        angle, rate = rng.uniform(0, 2 * np.pi), rng.uniform(2, 7)
        total += np.sin((x * np.cos(angle) + y * np.sin(angle)) * rate + rng.uniform(0, 2 * np.pi))
    return np.asarray(total * 0.63)
