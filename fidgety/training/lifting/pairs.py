"""Simulated infants -> pairs for the lifter: COCO-17 keypoints as the device would see them, true H36M-17 joints.

Every draw puts the infant into another posture (`postures.py`), gives it another build (`proportions.py`), looks
through a new camera (overhead to 70 degrees, any turn, any distance) with new pose errors (`phantom/observe.py`), and
hides keypoints: for moments, for the whole window, or a whole group of them. Limbs are misread for seconds, and scored
low then, as real ones that are drawn up. Single poses come from `stills.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.camera import Camera
from fidgety.phantom.cohort import simulate_cohort
from fidgety.phantom.kinematics import coco17, h36m17
from fidgety.phantom.observe import draw_observer, observe_keypoints
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.records import FloatArray
from fidgety.runtime.upright import UprightFrame
from fidgety.skeleton import COCO_17, H36M_17, joints_matrix
from fidgety.training.lifting.postures import in_other_posture
from fidgety.training.lifting.proportions import in_other_proportions

__all__ = [
    "GROUPS",
    "MOST_TILT_DEG",
    "UNLIKE_SHARE",
    "Pairs",
    "Posed",
    "draw_pairs",
    "seen_trunk",
    "simulate_posed",
    "true_upright",
]

FPS = 25.0
_WARM_UP = 60  # rows before a window, from which the slow trunk comes
MOST_TILT_DEG = 70.0  # beyond the 45 that recordings are asked for, so that 45 is no edge
_OTHER_POSTURE_SHARE = 0.7
UNLIKE_SHARE = 1.0  # of the builds, `proportions.py`
_AT_AN_END_SHARE = 0.2
_MISREAD_SHARE = 0.3  # of windows
_MISREAD_TRUNKS = 0.3  # SD of how far off
_HIP, _THORAX = H36M_17.indices("hip", "thorax")
# Legs tucked away, an arm under a blanket, the face turned off or blurred: groups go together.
GROUPS = (
    COCO_17.indices("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    COCO_17.indices("left_elbow", "left_wrist"),
    COCO_17.indices("right_elbow", "right_wrist"),
    COCO_17.indices("left_knee", "left_ankle"),
    COCO_17.indices("right_knee", "right_ankle"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """One infant's true points, world frame, metres, 25 Hz: keypoints_m (T, 17, 3) COCO-17, joints_m (T, 17, 3)."""

    keypoints_m: FloatArray
    joints_m: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """B windows. features (B, T + 2 reach, 51), in_plane (B, T + 2 reach, 17, 2), joints (B, T, 17, 3): all float32,
    upright, root at the hip, the first two in lengths of the seen trunk, joints in lengths of the infant's. seen_trunk
    (B, T): how long the one is in lengths of the other; NaN where nobody is to learn from it.
    """

    features: FloatArray
    in_plane: FloatArray
    joints: FloatArray
    seen_trunk: FloatArray


def simulate_posed(n_infants: int, duration_s: float, seed: int) -> list[Posed]:
    """A cohort of all categories, two in five restless."""
    infants = simulate_cohort(n_infants, seed, duration_s=(duration_s, duration_s), fps=FPS, heavy_share=0.4)
    return [Posed(coco17(infant.motion), h36m17(infant.motion)) for infant in infants]


def draw_pairs(
    rng: np.random.Generator,
    infants: Sequence[Posed],
    n_windows: int,
    n_rows: int,
    noise: PoseNoise,
    reach: int,
) -> Pairs:
    """`n_windows` windows of `n_rows` lifted rows, and `reach` rows to either side, from random infants."""
    drawn = [_draw(rng, infants[int(rng.integers(len(infants)))], n_rows, noise, reach) for _ in range(n_windows)]
    return Pairs(*(np.stack(parts) for parts in zip(*drawn, strict=True)))


def _draw(rng: np.random.Generator, infant: Posed, n_rows: int, noise: PoseNoise, reach: int) -> tuple[FloatArray, ...]:
    """features, in_plane, joints and seen_trunk of one window."""
    n_all = n_rows + 2 * reach
    start = int(rng.integers(0, len(infant.joints_m) - n_all - _WARM_UP))
    rows = slice(start, start + n_all + _WARM_UP)
    keypoints_m, joints_m = infant.keypoints_m[rows], infant.joints_m[rows]
    if rng.random() < _OTHER_POSTURE_SHARE:
        keypoints_m, joints_m = in_other_posture(rng, keypoints_m, joints_m)
    keypoints_m, joints_m = in_other_proportions(rng, keypoints_m, joints_m, unlike_share=UNLIKE_SHARE)
    observer = draw_observer(rng, joints_m, noise, MOST_TILT_DEG)
    xy = observe_keypoints(keypoints_m, joints_m, observer, rng)
    scores = _scores(rng, xy)
    _hide(rng, xy, scores)
    features, in_plane, trunk = UprightFrame().apply(xy, scores)
    upright = true_upright(observer.camera, joints_m, trunk)
    pick = _WARM_UP + _rows_shown(rng, n_all, reach)
    lifted, length = pick[reach : n_all - reach], seen_trunk(observer.camera, joints_m, trunk)
    return features[pick], in_plane[pick], upright[lifted], length[lifted]


def _rows_shown(rng: np.random.Generator, n_all: int, reach: int) -> NDArray[np.int64]:
    """(n_all,) which row stands where: at an end of a recording the last one repeats."""
    rows = np.arange(n_all)
    if rng.random() < _AT_AN_END_SHARE:
        outside = int(rng.integers(1, reach + 1))
        return np.clip(rows, outside, None) if rng.random() < 0.5 else np.clip(rows, None, n_all - 1 - outside)
    return rows


def true_upright(camera: Camera, joints_m: FloatArray, trunk: NDArray[np.complex128]) -> FloatArray:
    """World joints (T, 17, 3), metres -> what the lifter is to tell, (T, 17, 3) float32: camera's axes, turned as the
    seen trunks (T,) are stood upright, root at the hip of each row, trunk lengths of the infant.
    """
    seen = camera.to_camera(joints_m)
    seen = (seen - seen[:, _HIP : _HIP + 1]) / np.median(np.linalg.norm(seen[:, _THORAX] - seen[:, _HIP], axis=-1))
    turn = (-1j * np.conj(trunk / np.maximum(np.abs(trunk), 1e-9)))[:, None]
    plane = (seen[..., 0] + 1j * seen[..., 1]) * turn
    return np.stack([plane.real, plane.imag, seen[..., 2]], axis=-1).astype(np.float32)


def seen_trunk(camera: Camera, joints_m: FloatArray, trunk: NDArray[np.complex128]) -> FloatArray:
    """(T,) float32: the seen trunks (T,) px in lengths of the infant's own, as far off as its hip; NaN: none seen."""
    seen = camera.to_camera(joints_m)
    true_m = np.median(np.linalg.norm(seen[:, _THORAX] - seen[:, _HIP], axis=-1))
    length = np.abs(trunk) * seen[:, _HIP, 2] / (camera.focal_px * true_m)
    return np.where(trunk == 0, np.nan, length).astype(np.float32)


def _scores(rng: np.random.Generator, xy: FloatArray) -> FloatArray:
    """Scores (T, 17) float32: high, and low where a limb of `xy` is misread for seconds, which is done here, in place.

    On a real infant whose legs are drawn up, knees and ankles are read .1 to .6 sure, and wander.
    """
    n_rows = len(xy)
    scores = np.clip(rng.normal(0.9, 0.08, (n_rows, len(COCO_17))), 0.05, 1.0).astype(np.float32)
    if rng.random() < _MISREAD_SHARE:
        limb = GROUPS[int(rng.integers(1, len(GROUPS)))]
        at, length = int(rng.integers(0, n_rows)), int(rng.integers(25, n_rows))
        rows = slice(at, min(at + length, n_rows))
        shape = (rows.stop - rows.start, len(limb))
        steps = rng.standard_normal((*shape, 2)) * _MISREAD_TRUNKS / np.sqrt(50.0)  # wanders by its SD in two seconds
        off = rng.standard_normal((len(limb), 2)) * _MISREAD_TRUNKS + np.cumsum(steps, axis=0)
        xy[rows, limb] += (off * _trunk_px(xy)).astype(np.float32)
        scores[rows, limb] = rng.uniform(0.1, 0.6) + 0.1 * rng.standard_normal(shape)
    return np.clip(scores, 0.05, 1.0)


def _trunk_px(xy: FloatArray) -> float:
    trunk = joints_matrix(COCO_17)[[_THORAX, _HIP]] @ np.median(xy, axis=0)
    return float(np.linalg.norm(trunk[0] - trunk[1]))


def _hide(rng: np.random.Generator, xy: FloatArray, scores: FloatArray) -> None:
    """Hides keypoints in `xy` (T, 17, 2) and `scores` (T, 17), in place: NaN, score 0."""
    n_rows = len(xy)
    if rng.random() < 0.25:
        _mask(xy, scores, slice(None), GROUPS[int(rng.integers(len(GROUPS)))])
    if rng.random() < 0.1:
        _mask(xy, scores, slice(None), GROUPS[0])
    for _ in range(rng.poisson(1.5)):
        at, length = int(rng.integers(_WARM_UP // 2, n_rows)), int(rng.integers(5, 80))  # the trunk is seen first
        rows = slice(at, at + length)
        if rng.random() < 0.2:
            _mask(xy, scores, rows, list(range(len(COCO_17))))
        else:
            _mask(xy, scores, rows, GROUPS[int(rng.integers(len(GROUPS)))])


def _mask(xy: FloatArray, scores: FloatArray, rows: slice, keypoints: list[int]) -> None:
    xy[rows, keypoints], scores[rows, keypoints] = np.nan, 0.0
