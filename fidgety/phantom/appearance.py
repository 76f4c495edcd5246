"""What the phantom's picture looks like, drawn from a seed: skin, hair, clothes, mat, light, sensor.

Nothing here tells the classes apart: the appearance is drawn without knowing the movement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

__all__ = ["Appearance", "Rgb", "draw_appearance"]

Rgb = tuple[float, float, float]
Clothing = Literal["nappy", "vest", "bodysuit", "sleepsuit"]
Pattern = Literal["plain", "stripes", "dots", "checks"]

_SKINS: tuple[Rgb, ...] = (
    (236, 196, 174),
    (228, 184, 160),
    (214, 166, 138),
    (196, 146, 116),
    (166, 118, 90),
    (132, 90, 68),
)
_HAIRS: tuple[Rgb, ...] = ((48, 36, 30), (84, 60, 42), (128, 94, 62), (176, 144, 100), (34, 30, 30))
_CLOTHES: tuple[Rgb, ...] = (
    (240, 240, 236),
    (152, 190, 216),
    (232, 176, 184),
    (176, 210, 168),
    (238, 214, 140),
    (96, 124, 168),
    (196, 92, 88),
    (150, 132, 176),
    (84, 140, 132),
)
_MATS: tuple[Rgb, ...] = (
    (220, 226, 232),
    (170, 196, 206),
    (196, 206, 170),
    (206, 190, 214),
    (120, 146, 170),
    (228, 220, 204),
    (150, 176, 150),
)
_FLOORS: tuple[Rgb, ...] = ((150, 126, 100), (176, 170, 160), (110, 112, 118), (196, 184, 164))


@dataclass(frozen=True, slots=True)
class Appearance:
    """Colours are sRGB 0-255. `light_from` points from the mat to the light, world frame, length 1."""

    seed: int
    skin_rgb: Rgb = (228.0, 184.0, 160.0)
    hair_rgb: Rgb = (84.0, 60.0, 42.0)
    hair_cover: float = 0.7  # 0 bald - 1 thick
    eye_rgb: Rgb = (70.0, 84.0, 104.0)
    clothing: Clothing = "bodysuit"
    cloth_rgb: Rgb = (240.0, 240.0, 236.0)
    cloth_second_rgb: Rgb = (152.0, 190.0, 216.0)
    cloth_pattern: Pattern = "plain"
    mat_rgb: Rgb | None = (170.0, 196.0, 206.0)  # None: no mat, bare floor
    mat_second_rgb: Rgb = (220.0, 226.0, 232.0)
    mat_pattern: Pattern = "dots"
    mat_pitch_m: float = 0.09
    floor_rgb: Rgb = (176.0, 170.0, 160.0)
    light_from: tuple[float, float, float] = (0.35, 0.35, 0.87)
    ambient: float = 0.55  # share of light from everywhere
    exposure: float = 1.0  # 0.1: a dark room
    noise_sd: float = 3.0  # sensor noise, grey levels
    blur_px: float = 0.6  # SD of the lens blur, pixels
    shake_px: float = 0.0  # SD of the camera's own movement, pixels; 0 = on a tripod
    has_infant: bool = True  # False: the mat alone
    has_carer_hand: bool = False  # a hand reaches in now and then

    def but(self, **changes: Any) -> Appearance:
        """The same with some fields changed."""
        return replace(self, **changes)


def draw_appearance(seed: int, **fixed: Any) -> Appearance:
    """Everything drawn from `seed`; fields given by name stay as given."""
    rng = np.random.default_rng([seed, 0x5EED])

    def pick(choices: tuple[Rgb, ...], spread: float = 8.0) -> Rgb:
        base = np.array(choices[rng.integers(len(choices))], dtype=np.float64)
        r, g, b = np.clip(base + rng.normal(0, spread, 3), 10, 250)
        return float(r), float(g), float(b)

    azimuth, zenith = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(12, 40))
    clothing: list[Clothing] = ["nappy", "vest", "bodysuit", "sleepsuit"]
    patterns: list[Pattern] = ["plain", "stripes", "dots", "checks"]
    drawn = Appearance(
        seed=seed,
        skin_rgb=pick(_SKINS, 4.0),
        hair_rgb=pick(_HAIRS, 5.0),
        hair_cover=float(rng.uniform(0.35, 0.95)),
        eye_rgb=pick(((70, 84, 104), (72, 52, 38), (60, 46, 40)), 5.0),
        clothing=clothing[rng.integers(len(clothing))],
        cloth_rgb=pick(_CLOTHES),
        cloth_second_rgb=pick(_CLOTHES),
        cloth_pattern=patterns[rng.integers(3)],
        mat_rgb=pick(_MATS),
        mat_second_rgb=pick(_MATS),
        mat_pattern=patterns[rng.integers(len(patterns))],
        mat_pitch_m=float(rng.uniform(0.05, 0.14)),
        floor_rgb=pick(_FLOORS),
        light_from=(
            float(np.sin(zenith) * np.cos(azimuth)),
            float(np.sin(zenith) * np.sin(azimuth)),
            float(np.cos(zenith)),
        ),
        ambient=float(rng.uniform(0.45, 0.65)),
        exposure=float(rng.uniform(0.85, 1.05)),
        noise_sd=float(rng.uniform(1.5, 4.0)),
        blur_px=float(rng.uniform(0.4, 0.9)),
    )
    return replace(drawn, **fixed)
