"""One frame of a Motion -> the solids that make up its body: trunk, limbs, hands, feet, head, clothes.

Thicknesses are a chubby infant's (or a slim adult's) per length of its own segments; positions are the
Motion's and nothing else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.appearance import Appearance, Rgb
from fidgety.phantom.face import FaceLayout, paint_face
from fidgety.phantom.motion import BODY_POINTS, Anatomy, Motion
from fidgety.phantom.solids import Ellipsoid, Paint, RoundCone, Solid
from fidgety.records import FloatArray

__all__ = ["is_adult", "solids_of"]

Array64 = NDArray[np.float64]
_NAPPY: Rgb = (238.0, 240.0, 244.0)
_INDEX = {name: i for i, name in enumerate(BODY_POINTS)}


@dataclass(frozen=True, slots=True)
class _Build:
    """Radii in metres for the mean anatomy of its kind; trunk radii are half axes (across, along, deep)."""

    shoulder: float
    elbow: float
    wrist: float
    hip: float
    knee: float
    ankle: float
    neck: float
    chest: tuple[float, float, float]
    belly: tuple[float, float, float]
    pelvis: tuple[float, float, float]
    hand: float
    foot: float
    trunk_cm: float  # the trunk that these go with
    cloth: float  # thickness of a garment


_INFANT = _Build(
    shoulder=0.0265,
    elbow=0.0205,
    wrist=0.0150,
    hip=0.041,
    knee=0.0275,
    ankle=0.0185,
    neck=0.029,
    chest=(0.067, 0.082, 0.053),
    belly=(0.069, 0.086, 0.057),
    pelvis=(0.069, 0.058, 0.054),
    hand=0.0165,
    foot=0.0155,
    trunk_cm=19.0,
    cloth=0.003,
)
_ADULT = _Build(
    shoulder=0.062,
    elbow=0.043,
    wrist=0.029,
    hip=0.090,
    knee=0.058,
    ankle=0.042,
    neck=0.058,
    chest=(0.160, 0.19, 0.115),
    belly=(0.145, 0.18, 0.110),
    pelvis=(0.165, 0.13, 0.120),
    hand=0.034,
    foot=0.040,
    trunk_cm=50.0,
    cloth=0.010,
)


def is_adult(anatomy: Anatomy) -> bool:
    """An infant's trunk is below 30 cm, an adult's above."""
    return anatomy.trunk_cm > 30


def solids_of(motion: Motion, index: int, look: Appearance) -> list[Solid]:
    """The solids of frame `index`, in no order."""
    build = _ADULT if is_adult(motion.anatomy) else _INFANT
    points = motion.points_m[index].astype(np.float64)
    body = _Body(motion, points, motion.trunk_rotation[index].astype(np.float64), look, build)
    head = motion.head_rotation[index].astype(np.float64)
    solids = [*body.trunk(), *body.head(head)]
    for side in ("left", "right"):
        solids += [*body.arm(side), *body.leg(side)]
    return solids


class _Body:
    """Places the parts of one body in one frame."""

    def __init__(self, motion: Motion, points: Array64, trunk: Array64, look: Appearance, build: _Build) -> None:
        self.motion = motion
        self.points = points
        self.axes = trunk
        self.look = look
        self.build = build
        self.size = motion.anatomy.trunk_cm / build.trunk_cm
        self.skin: Rgb = look.skin_rgb
        red, green, blue = look.skin_rgb
        self.pink: Rgb = (min(red * 1.02, 255.0), green * 0.93, blue * 0.93)
        self.is_adult = build is _ADULT
        self.top_cloth = look.clothing != "nappy" or self.is_adult
        self.long_cloth = look.clothing == "sleepsuit" or self.is_adult

    def at(self, name: str) -> Array64:
        return np.asarray(self.points[_INDEX[name]])

    def trunk(self) -> Iterator[Solid]:
        build, size = self.build, self.size
        hip, top = self.at("mid_hip"), (self.at("left_shoulder") + self.at("right_shoulder")) / 2
        cloth = build.cloth if self.top_cloth else 0.0
        length = float(np.linalg.norm(top - hip))
        for share, radii, garment in (
            (0.68, build.chest, self.top_cloth),
            (0.34, build.belly, self.top_cloth),
            (0.06, build.pelvis, True),
        ):
            half = (radii[0] * size + cloth, radii[1] * size + cloth, radii[2] * size + cloth)
            paint: Paint = self.skin
            if garment:
                is_nappy = share < 0.1 and self.look.clothing in ("nappy", "vest") and not self.is_adult
                paint = _NAPPY if is_nappy else self._cloth(share * length, half, share < 0.1)
            yield Ellipsoid(hip + (top - hip) * share, self.axes, half, paint, merge_m=0.016 * size)
        shoulder = build.shoulder * size * 1.08 + cloth
        for side in ("left", "right"):
            inner = top + (self.at(f"{side}_shoulder") - top) * 0.35 - self.axes[:, 1] * 0.012 * size
            paint = self._cloth_plain() if self.top_cloth else self.skin
            yield RoundCone(inner, self.at(f"{side}_shoulder"), shoulder * 1.1, shoulder, paint, merge_m=0.014 * size)
        yield RoundCone(
            top - self.axes[:, 1] * 0.01 * size,
            self.at("head_centre"),
            build.neck * size * 1.1,
            build.neck * size,
            self.skin,
            merge_m=0.008 * size,
        )

    def arm(self, side: str) -> Iterator[Solid]:
        build, size = self.build, self.size
        shoulder, elbow, wrist = (self.at(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist"))
        r_shoulder, r_elbow, r_wrist = build.shoulder * size, build.elbow * size, build.wrist * size
        upper, fore = 0.0, 0.0
        if self.long_cloth:
            upper, fore = 1.0, 0.86
        elif self.look.clothing == "bodysuit":
            upper = 0.62
        yield from self._segment(shoulder, elbow, r_shoulder, r_elbow, upper, self.look.cloth_rgb)
        yield from self._segment(elbow, wrist, r_elbow, r_wrist, fore, self.look.cloth_rgb)
        yield from self._hand(side, shoulder, elbow, wrist)

    def leg(self, side: str) -> Iterator[Solid]:
        build, size = self.build, self.size
        hip, knee, ankle = (self.at(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
        r_hip, r_knee, r_ankle = build.hip * size, build.knee * size, build.ankle * size
        calf = knee + (ankle - knee) * 0.35
        cloth = self.look.cloth_second_rgb if self.is_adult else self.look.cloth_rgb
        thigh, shank = 0.12, 0.0
        if self.long_cloth:
            thigh, shank = 1.0, 1.0
        elif self.look.clothing == "bodysuit":
            thigh = 0.18
        else:
            cloth = _NAPPY
        yield from self._segment(hip, knee, r_hip, r_knee, thigh, cloth)
        yield from self._segment(knee, calf, r_knee, r_knee * 1.02, shank, cloth)
        yield from self._segment(calf, ankle, r_knee * 1.02, r_ankle, shank * 0.86, cloth)
        yield from self._foot(side, knee, ankle)

    def head(self, axes: Array64) -> Iterator[Solid]:
        height = self.motion.anatomy.head_height_cm / 100
        centre = self.at("head_centre")
        wide, deep = (0.385, 0.42) if self.is_adult else (0.41, 0.45)
        radii = (wide * height, 0.5 * height, deep * height)
        places = {name: axes.T @ (self.at(name) - centre) for name in ("left_eye", "right_eye", "nose")}
        face = paint_face(self.look, FaceLayout.of(places, radii), self.is_adult)
        yield Ellipsoid(centre, axes, radii, face, merge_m=0.003)
        nose = self.at("nose") - axes[:, 2] * 0.035 * height
        yield Ellipsoid(
            nose,
            axes,
            (0.062 * height, 0.052 * height, 0.055 * height),
            self.skin,
            merge_m=0.02 * height,
            is_small=True,
        )
        for side in ("left", "right"):
            ear_radii = (0.035 * height, 0.105 * height, 0.07 * height)
            yield Ellipsoid(self.at(f"{side}_ear"), axes, ear_radii, self.pink, merge_m=0.02 * height)

    def _segment(
        self, start: Array64, end: Array64, r_start: float, r_end: float, clothed: float, cloth: Rgb
    ) -> Iterator[Solid]:
        """A limb's segment of which the first share `clothed` is under a garment."""
        bare_from = max(clothed - 0.15, 0.0)
        if clothed < 1:
            inner = start + (end - start) * bare_from
            r_inner = r_start + (r_end - r_start) * bare_from
            yield RoundCone(inner, end, r_inner, r_end, self.skin, merge_m=0.006 * self.size)
        if clothed > 0:
            hem, thick = start + (end - start) * clothed, self.build.cloth
            r_hem = r_start + (r_end - r_start) * clothed + thick
            is_short = clothed < 0.3
            yield RoundCone(start, hem, r_start + thick, r_hem, cloth, merge_m=0.0015 * self.size, is_small=is_short)

    def _hand(self, side: str, shoulder: Array64, elbow: Array64, wrist: Array64) -> Iterator[Solid]:
        """Palm to the hand's point, four fingers, thumb. The thumb lies on the side to which the elbow bends."""
        r, hand = self.build.hand * self.size, self.at(f"{side}_hand")
        along = _unit(hand - wrist)
        bend = shoulder - elbow + self.axes[:, 1] * 0.03
        thumb_side = _unit(bend - along * (bend @ along))
        palm_out = np.cross(along, thumb_side)
        reach = float(np.linalg.norm(hand - wrist))
        yield RoundCone(wrist, hand, r * 0.85, r * 1.12, self.pink, merge_m=0.006)
        for i in range(4):
            spread = (1.5 - i) * 0.42
            root = hand + thumb_side * r * spread * 1.15
            tip = root + (along + thumb_side * spread * 0.16) * reach * (0.78 - 0.08 * abs(i - 1)) + palm_out * r * 0.3
            yield RoundCone(root, tip, r * 0.42, r * 0.34, self.pink, merge_m=0.004, is_small=True)
        root = wrist + (hand - wrist) * 0.45 + thumb_side * r * 0.6
        tip = root + (along * 0.75 + thumb_side * 0.65) * reach * 0.75
        yield RoundCone(root, tip, r * 0.48, r * 0.38, self.pink, merge_m=0.004, is_small=True)

    def _foot(self, side: str, knee: Array64, ankle: Array64) -> Iterator[Solid]:
        r = self.build.foot * self.size
        heel, toe = self.at(f"{side}_heel"), self.at(f"{side}_toe")
        along = _unit(toe - heel)
        across = _unit(np.cross(along, ankle - knee))
        up = np.cross(across, along)
        length = float(np.linalg.norm(toe - heel))
        paint: Rgb = self.pink if not self.is_adult else (60.0, 54.0, 52.0)
        inward = 1.0 if side == "left" else -1.0
        yield RoundCone(ankle, heel + along * r * 0.8, r * 1.15, r, paint, merge_m=0.008)
        yield RoundCone(ankle, heel + along * length * 0.62, r * 1.15, r * 0.95, paint, merge_m=0.008)
        sole = np.stack([across, along, up], axis=1)
        middle = heel + along * length * 0.55
        yield Ellipsoid(middle, sole, (r * 1.28, length * 0.44, r * 0.82), paint, merge_m=0.008)
        if self.is_adult:
            return
        for i, (place, size) in enumerate(((1.0, 0.50), (0.2, 0.45), (-0.6, 0.40))):
            tip = heel + along * (length - r * (0.35 + 0.25 * i)) - across * inward * place * r * 0.95
            yield RoundCone(tip - along * r * 0.8, tip, r * size, r * size, paint, merge_m=0.003, is_small=True)

    def _cloth_plain(self) -> Rgb:
        return self.look.cloth_rgb

    def _cloth(self, along_m: float, half: tuple[float, float, float], is_lower: bool) -> Paint:
        """A pattern that runs on over the trunk: stripes and dots by the place on the trunk, metres."""
        look = self.look
        if self.is_adult and is_lower:
            return look.cloth_second_rgb
        if look.cloth_pattern == "plain":
            return look.cloth_rgb
        first = np.array(look.cloth_rgb, dtype=np.float32)[:, None, None]
        second = np.array(look.cloth_second_rgb, dtype=np.float32)[:, None, None]
        pitch = 0.022 * self.size

        def paint(surface: FloatArray, pixel: float) -> FloatArray:
            soft = np.float32(1 / max(pixel * half[1] / pitch * 2 * np.pi, 0.15))
            wave = np.sin((surface[1] * np.float32(half[1]) + np.float32(along_m)) * np.float32(2 * np.pi / pitch))
            if look.cloth_pattern != "stripes":
                wave += np.sin(surface[0] * np.float32(half[0] * 2 * np.pi / pitch)) - np.float32(1.1)
            share = np.clip(wave * soft * 0.5 + 0.5, 0.0, 1.0)
            return np.asarray(first + (second - first) * share)

        return paint


def _unit(vector: Array64) -> Array64:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))
