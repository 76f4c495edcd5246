"""Where the camera stands: world points in metres -> picture points in pixels.

A pinhole camera. World frame as in `motion.py` (the mat is z = 0, z points up, the infant's head lies towards
+y); camera frame x right, y down, z forward; picture as in `records.py` (origin at the centre of the top left
pixel). Hashable, so that what does not change between frames can be kept per camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import UsageError

__all__ = ["Camera"]

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera that stands still.

    position_m: where it stands, world frame, metres.
    camera_from_world: rotation, three rows of three.
    """

    width_px: int
    height_px: int
    focal_px: float
    position_m: Vector
    camera_from_world: tuple[Vector, Vector, Vector]

    @property
    def rotation(self) -> NDArray[np.float64]:
        """(3, 3) float64, camera from world."""
        return np.array(self.camera_from_world, dtype=np.float64)

    @property
    def centre_px(self) -> tuple[float, float]:
        """Principal point (x, y), pixels: the middle of the picture."""
        return (self.width_px - 1) / 2.0, (self.height_px - 1) / 2.0

    @classmethod
    def looking_at(
        cls,
        target_m: ArrayLike = (0.0, 0.0, 0.05),
        *,
        distance_m: float = 1.0,
        tilt_deg: float = 0.0,
        azimuth_deg: float = 0.0,
        roll_deg: float = 0.0,
        width_px: int = 1280,
        height_px: int = 720,
        focal_px: float | None = None,
    ) -> Camera:
        """A camera `distance_m` away from the target, which comes to lie in the middle of the picture.

        tilt_deg: 0 = straight above the mat, 90 = level with the floor; the camera leans over to the infant's
        feet, or, turned anticlockwise by azimuth_deg seen from above, to its left side (90), head (180),
        right side (270). roll_deg: turn of the infant in the picture, clockwise; 0 = head up, 90 = head to
        the right, 180 = head down. focal_px: default 0.9 x the picture's width (58 degrees across).
        Raises UsageError for a picture without pixels, a distance or a focal length that is not positive.
        """
        if width_px < 2 or height_px < 2 or distance_m <= 0 or (focal_px is not None and focal_px <= 0):
            raise UsageError(
                f"a camera needs pixels, distance and focal length: {width_px} x {height_px}, {distance_m} m"
            )
        tilted = _turn_about_floor_axis(np.radians(azimuth_deg), np.radians(tilt_deg))
        level = np.stack([tilted[:, 0], -tilted[:, 1], -tilted[:, 2]])
        c, s = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
        rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ level
        position = np.asarray(target_m, dtype=np.float64) + distance_m * tilted[:, 2]
        rows = [(float(row[0]), float(row[1]), float(row[2])) for row in rotation]
        return cls(
            width_px=width_px,
            height_px=height_px,
            focal_px=float(0.9 * width_px if focal_px is None else focal_px),
            position_m=(float(position[0]), float(position[1]), float(position[2])),
            camera_from_world=(rows[0], rows[1], rows[2]),
        )

    @classmethod
    def framing(
        cls,
        points_m: ArrayLike,
        *,
        fill: float = 0.75,
        tilt_deg: float = 0.0,
        azimuth_deg: float = 0.0,
        roll_deg: float = 0.0,
        width_px: int = 1280,
        height_px: int = 720,
        focal_px: float | None = None,
    ) -> Camera:
        """A camera that sees points (..., 3), metres, so that their box takes the share `fill` of the
        picture.

        The share is the larger one of width over width and height over height; above 1 the infant is cut off
        by the frame. Angles as in `looking_at`. Raises UsageError where `fill` is not positive.
        """
        if fill <= 0:
            raise UsageError(f"the infant has to fill some of the picture: fill {fill}")
        points = np.asarray(points_m, dtype=np.float64).reshape(-1, 3)
        target = (points.min(axis=0) + points.max(axis=0)) / 2
        distance = 1.0
        for _ in range(12):
            camera = cls.looking_at(
                target,
                distance_m=distance,
                tilt_deg=tilt_deg,
                azimuth_deg=azimuth_deg,
                roll_deg=roll_deg,
                width_px=width_px,
                height_px=height_px,
                focal_px=focal_px,
            )
            xy, depth = camera.project(points)
            low, high = xy.min(axis=0), xy.max(axis=0)
            # Slide the target under the middle of the box, then correct the distance.
            middle = (low + high) / 2 - np.array(camera.centre_px)
            right_down = camera.rotation[:2] * (float(depth.mean()) / camera.focal_px)
            target = target + middle @ right_down
            share = float(max((high - low) / np.array([width_px, height_px])))
            distance *= float(np.clip(share / fill, 0.25, 4.0))
        return camera

    def to_camera(self, points_m: ArrayLike) -> NDArray[np.float64]:
        """World points (..., 3), metres -> camera frame (..., 3), metres."""
        return np.asarray((np.asarray(points_m, dtype=np.float64) - self.position_m) @ self.rotation.T)

    def project(self, points_m: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """World points (..., 3), metres -> picture points (..., 2), pixels, and depths (...), metres along
        the optical axis.

        Points at or behind the camera (depth <= 0) come out as NaN pixels.
        """
        points = self.to_camera(points_m)
        depth = points[..., 2]
        safe = np.where(depth > 0, depth, np.nan)
        xy: NDArray[np.float64] = points[..., :2] / safe[..., None] * self.focal_px + self.centre_px
        return xy, depth

    def rays(self) -> NDArray[np.float64]:
        """World direction of every pixel, (H, W, 3), scaled to depth 1 m along the optical axis."""
        x = (np.arange(self.width_px) - self.centre_px[0]) / self.focal_px
        y = (np.arange(self.height_px) - self.centre_px[1]) / self.focal_px
        rotation = self.rotation
        across = x[None, :, None] * rotation[0] + y[:, None, None] * rotation[1]
        return np.asarray(across + rotation[2])


def _turn_about_floor_axis(axis_angle: float, angle: float) -> NDArray[np.float64]:
    """(3, 3) rotation by `angle` about the axis (cos, sin, 0) of `axis_angle` in the floor, radians."""
    kx, ky = np.cos(axis_angle), np.sin(axis_angle)
    cross = np.array([[0.0, 0.0, ky], [0.0, 0.0, -kx], [-ky, kx, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
