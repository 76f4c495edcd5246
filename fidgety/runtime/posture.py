"""What the poses say about a recording: is it an infant, on its back, in view, and is the pose steady enough?

Counts as poses pass by; what needs a median (sizes, jitter, frame times) keeps a few numbers a frame, about 0.4 MB a
minute.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from fidgety.records import FloatArray, Pose
from fidgety.skeleton import Skeleton

__all__ = ["TRUNK_MM", "PostureMonitor"]

TRUNK_MM = 190.0  # mid-hip to mid-shoulder of the mean infant of 3.5 months (SPEC 8)
_IN_VIEW = 0.5  # keypoint score from which a keypoint counts as observed
_LIMBS = tuple(f"{side}_{joint}" for joint in ("elbow", "wrist", "knee", "ankle") for side in ("left", "right"))
_DISTAL = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
# Fourth differences: movement of 10 mm at 2 Hz leaves .04 mm, white noise is amplified by the root of 1+16+36+16+1.
_DIFFERENCE = np.array([1.0, -4.0, 6.0, -4.0, 1.0], np.float32)
_DIFFERENCE_GAIN = float(np.sqrt((_DIFFERENCE**2).sum()))
_MEDIAN_TO_SD = 1.4826


class PostureMonitor:
    """Collects figures pose by pose. One owner, made anew for every recording."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._limbs = skeleton.indices(*_LIMBS)
        self._distal = skeleton.indices(*_DISTAL)
        self._trunk = skeleton.indices("left_shoulder", "right_shoulder", "left_hip", "right_hip")
        self._face = skeleton.indices("nose", "left_eye", "right_eye")
        self._legs = skeleton.indices("left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle")
        self._size: tuple[int, int] | None = None
        self._times_s: deque[float] = deque(maxlen=2)
        self._periods_s: list[float] = []
        self._n_poses = 0
        self._n_found = 0
        self._limbs_seen = np.zeros(len(self._limbs))
        self._distal_seen = np.zeros(len(self._distal))
        self._n_outside = 0.0
        self._n_front = 0
        self._trunks_px: list[float] = []
        self._leg_ratios: list[float] = []
        self._hips: list[tuple[float, float]] = []
        self._looks: list[bool] = []
        self._recent: deque[FloatArray] = deque(maxlen=5)
        self._roughness: list[float] = []

    def observe(self, pose: Pose, size_px: tuple[int, int] | None) -> None:
        """Count one pose; `size_px` = (width, height) of its picture where that is known."""
        self._n_poses += 1
        self._times_s.append(pose.time_s)
        if len(self._times_s) == 2:
            self._periods_s.append(self._times_s[1] - self._times_s[0])
        if pose.n_others is not None:
            self._looks.append(pose.n_others > 0)
        if pose.is_missing:
            self._recent.clear()
            return
        self._n_found += 1
        self._limbs_seen += pose.keypoint_scores[self._limbs] >= _IN_VIEW
        self._distal_seen += pose.keypoint_scores[self._distal] >= _IN_VIEW
        if size_px is not None:
            self._n_outside += float(_is_outside(pose.keypoints_xy[self._limbs], size_px).mean())
        self._observe_trunk(pose)
        self._observe_jitter(pose)

    def measures(self) -> dict[str, float | None]:
        """Figures by name, unit in the name; None = not measurable."""
        n = self._n_found
        period_s = float(np.median(self._periods_s)) if self._periods_s else None
        # Frames that should have come: lost ones count as frames without an infant.
        expected = self._n_poses if period_s is None else sum(max(1, round(p / period_s)) for p in self._periods_s) + 1
        trunk_px = float(np.median(self._trunks_px)) if self._trunks_px else None
        return {
            "source_fps": None if not period_s else 1.0 / period_s,
            "lost_frame_share": 1.0 - self._n_poses / expected if expected else None,
            "infant_share": self._n_found / self._n_poses if self._n_poses else None,
            "limb_coverage": float(self._limbs_seen.mean() / n) if n else None,
            "distal_coverage": float(self._distal_seen.min() / n) if n else None,
            "outside_share": self._n_outside / n if n else None,
            "supine_share": self._n_front / n if n else None,
            "leg_to_trunk": float(np.median(self._leg_ratios)) if self._leg_ratios else None,
            "travel_trunks": self._travel(trunk_px),
            "other_share": float(np.mean(self._looks)) if self._looks else None,
            "trunk_px": trunk_px,
            "jitter_mm": self._jitter_mm(trunk_px),
        }

    def _observe_trunk(self, pose: Pose) -> None:
        left_shoulder, right_shoulder, left_hip, right_hip = pose.keypoints_xy[self._trunk]
        hips, shoulders = (left_hip + right_hip) / 2, (left_shoulder + right_shoulder) / 2
        down = hips - shoulders
        trunk_px = float(np.hypot(*down))
        if not np.isfinite(trunk_px) or trunk_px < 1.0:
            return
        self._trunks_px.append(trunk_px)
        self._hips.append((float(hips[0]), float(hips[1])))
        across = left_shoulder - right_shoulder + left_hip - right_hip
        # Seen from the front the left side lies clockwise of the line from shoulders to hips.
        is_front = float(across[0] * down[1] - across[1] * down[0]) > 0.15 * trunk_px**2
        has_face = float(pose.keypoint_scores[self._face].mean()) >= _IN_VIEW
        self._n_front += is_front and has_face
        legs = pose.keypoints_xy[self._legs].reshape(2, 3, 2)
        self._leg_ratios.append(float(np.linalg.norm(np.diff(legs, axis=1), axis=-1).sum() / 2 / trunk_px))

    def _observe_jitter(self, pose: Pose) -> None:
        self._recent.append(pose.keypoints_xy[self._limbs])
        if len(self._recent) == 5:
            rough = np.einsum("t,tkc->kc", _DIFFERENCE, np.stack(self._recent))
            self._roughness.append(float(np.median(np.abs(rough))) / _DIFFERENCE_GAIN)

    def _jitter_mm(self, trunk_px: float | None) -> float | None:
        """Standard deviation of the pose noise, as if white, in mm of a trunk of TRUNK_MM."""
        roughness = [value for value in self._roughness if np.isfinite(value)]
        if not roughness or not trunk_px:
            return None
        return _MEDIAN_TO_SD * float(np.median(roughness)) * TRUNK_MM / trunk_px

    def _travel(self, trunk_px: float | None) -> float | None:
        """How far the hips wander (5th to 95th percentile, the larger axis) in trunk lengths."""
        if not self._hips or not trunk_px:
            return None
        low, high = np.percentile(np.array(self._hips), [5, 95], axis=0)
        return float((high - low).max()) / trunk_px


def _is_outside(points: FloatArray, size_px: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    width, height = size_px
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1))
