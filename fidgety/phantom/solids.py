"""What bodies are built of: round cones and ellipsoids, each with a paint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray

__all__ = ["Ellipsoid", "Paint", "RoundCone", "Solid"]

Array64 = NDArray[np.float64]
# A colour, or a function of the surface coordinates: of an ellipsoid the unit sphere's (3, h, w), of a cone
# (1, h, w) the share of the way from its start to its end; and of the size of a pixel in those coordinates.
# It gives (3, h, w) colours.
Paint = tuple[float, float, float] | Callable[[FloatArray, float], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class RoundCone:
    """All balls on the way from `start_m` to `end_m`, radius going from `start_radius_m` to `end_radius_m`."""

    start_m: Array64  # (3,) metres, world
    end_m: Array64
    start_radius_m: float
    end_radius_m: float
    paint: Paint
    merge_m: float = 0.004  # depth over which it fades into what it runs into
    is_small: bool = False  # casts neither shadow nor rim: fingers, toes, a sleeve close over an arm

    @property
    def ends_m(self) -> tuple[Array64, ...]:
        return self.start_m, self.end_m

    @property
    def reach_m(self) -> float:
        return max(self.start_radius_m, self.end_radius_m)


@dataclass(frozen=True, slots=True, eq=False)
class Ellipsoid:
    """Half axes `radii_m` along the columns of `axes`."""

    centre_m: Array64  # (3,) metres, world
    axes: Array64  # (3, 3) world from ellipsoid
    radii_m: tuple[float, float, float]
    paint: Paint
    merge_m: float = 0.004
    is_small: bool = False

    @property
    def ends_m(self) -> tuple[Array64, ...]:
        return (self.centre_m,)

    @property
    def reach_m(self) -> float:
        return max(self.radii_m)


Solid = RoundCone | Ellipsoid
