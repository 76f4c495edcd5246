"""Simulated infants -> pairs for the lifter: COCO-17 keypoints as the device would see them, true H36M-17 joints.

Every draw looks through a new camera (overhead to 45 degrees, any turn, any distance) with new pose errors
(`phantom/observe.py`), and hides keypoints: for moments, for the whole window, or a whole group of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.cohort import simulate_cohort
from fidgety.phantom.kinematics import coco17, h36m17
from fidgety.phantom.observe import Observer, draw_observer, observe_keypoints
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.records import FloatArray
from fidgety.runtime.upright import UprightFrame
from fidgety.skeleton import COCO_17, H36M_17

__all__ = ["Pairs", "Posed", "draw_pairs", "simulate_posed"]

FPS = 25.0
_WARM_UP = 60  # rows before a window, from which the slow trunk comes
_HIP, _THORAX = H36M_17.indices("hip", "thorax")
# Legs tucked away, an arm under a blanket, the face turned off or blurred: groups go together.
_GROUPS = (
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

    @property
    def trunk_m(self) -> float:
        """Median distance from hip to thorax."""
        return float(np.median(np.linalg.norm(self.joints_m[:, _THORAX] - self.joints_m[:, _HIP], axis=-1)))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """B windows. features (B, T + 2 reach, 51), in_plane (B, T + 2 reach, 17, 2), joints (B, T, 17, 3): all float32,
    upright, trunk lengths, root at the hip."""

    features: FloatArray
    in_plane: FloatArray
    joints: FloatArray


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
    features, in_plane, joints = (np.stack(parts) for parts in zip(*drawn, strict=True))
    return Pairs(features, in_plane, joints)


def _draw(
    rng: np.random.Generator, infant: Posed, n_rows: int, noise: PoseNoise, reach: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """features, in_plane and joints of one window."""
    n_all = n_rows + 2 * reach
    start = int(rng.integers(0, len(infant.joints_m) - n_all - _WARM_UP))
    rows = slice(start, start + n_all + _WARM_UP)
    keypoints_m, joints_m = infant.keypoints_m[rows], infant.joints_m[rows]
    observer = draw_observer(rng, joints_m, noise)
    xy = observe_keypoints(keypoints_m, joints_m, observer, rng)
    scores = _hide(rng, xy)
    features, in_plane, trunk = UprightFrame().apply(xy, scores)
    true = _seen_by(observer, joints_m) / infant.trunk_m
    turn = (-1j * np.conj(trunk / np.abs(trunk)))[:, None]  # the turn that stands the slow trunk upright
    plane = (true[..., 0] + 1j * true[..., 1]) * turn
    upright = np.stack([plane.real, plane.imag, true[..., 2]], axis=-1).astype(np.float32)
    low, high = _replicate(rng, n_all, reach) if rng.random() < 0.2 else (0, n_all)
    pick = _WARM_UP + np.clip(np.arange(n_all), low, high - 1)
    return features[pick], in_plane[pick], upright[_WARM_UP + reach : _WARM_UP + n_all - reach]


def _replicate(rng: np.random.Generator, n_all: int, reach: int) -> tuple[int, int]:
    """Range of rows of a window at an end of its recording: what lies outside repeats the row at the end."""
    outside = int(rng.integers(1, reach + 1))
    return (outside, n_all) if rng.random() < 0.5 else (0, n_all - outside)


def _seen_by(observer: Observer, joints_m: FloatArray) -> NDArray[np.float64]:
    """World joints (T, 17, 3) -> camera axes (x right, y down, z away), metres, root at the hip of each frame."""
    seen = observer.camera.to_camera(joints_m)
    return np.asarray(seen - seen[:, _HIP : _HIP + 1])


def _hide(rng: np.random.Generator, xy: FloatArray) -> FloatArray:
    """Scores (T, 17) float32; hides keypoints in `xy`, in place: NaN, score 0."""
    n_rows = len(xy)
    scores = np.clip(rng.normal(0.9, 0.08, (n_rows, len(COCO_17))), 0.05, 1.0).astype(np.float32)
    if rng.random() < 0.25:
        _mask(xy, scores, slice(None), _GROUPS[int(rng.integers(len(_GROUPS)))])
    if rng.random() < 0.1:
        _mask(xy, scores, slice(None), _GROUPS[0])
    for _ in range(rng.poisson(1.5)):
        at, length = int(rng.integers(_WARM_UP // 2, n_rows)), int(rng.integers(5, 80))  # the trunk is seen first
        rows = slice(at, at + length)
        if rng.random() < 0.2:
            _mask(xy, scores, rows, list(range(len(COCO_17))))
        else:
            _mask(xy, scores, rows, _GROUPS[int(rng.integers(len(_GROUPS)))])
    return scores


def _mask(xy: FloatArray, scores: FloatArray, rows: slice, keypoints: list[int]) -> None:
    xy[rows, keypoints], scores[rows, keypoints] = np.nan, 0.0
