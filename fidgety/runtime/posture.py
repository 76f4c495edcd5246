"""What the poses say about a recording: is it an infant, on its back, in view, and is the pose steady enough?

Poses are collected and digested 64 at a time, since numpy costs as much for one pose as for 64. What needs
a median (sizes, jitter, frame times) keeps a few numbers a frame, 60 kB a minute.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from fidgety.records import BoolArray, FloatArray, Pose
from fidgety.skeleton import TRUNK, Skeleton

__all__ = ["TRUNK_MM", "PostureMonitor"]

TRUNK_MM = 190.0  # mid-hip to mid-shoulder of the mean infant of 3.5 months (SPEC 8)
_IN_VIEW = 0.5  # keypoint score from which a keypoint counts as observed
_LIMBS = tuple(f"{side}_{joint}" for joint in ("elbow", "wrist", "knee", "ankle") for side in ("left", "right"))
_DISTAL = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
# Fourth differences: movement of 10 mm at 2 Hz leaves .04 mm, white noise is amplified by the root of 1+16+36+16+1.
_DIFFERENCE = np.array([1.0, -4.0, 6.0, -4.0, 1.0], np.float32)
_DIFFERENCE_GAIN = float(np.sqrt((_DIFFERENCE**2).sum()))
_MEDIAN_TO_SD = 1.4826
_TOGETHER = 64  # poses digested at once


class PostureMonitor:
    """Collects figures pose by pose. One owner, made anew for every recording."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._limbs = skeleton.indices(*_LIMBS)
        self._distal = skeleton.indices(*_DISTAL)
        self._trunk = skeleton.indices(*TRUNK)
        self._face = skeleton.indices("nose", "left_eye", "right_eye")
        self._legs = skeleton.indices("left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle")
        self._waiting: list[Pose] = []
        self._size_px: tuple[int, int] | None = None
        self._last_time_s: float | None = None
        self._periods_s = array("d")
        self._n_poses = 0
        self._n_found = 0
        self._limbs_seen = np.zeros(len(self._limbs))
        self._distal_seen = np.zeros(len(self._distal))
        self._n_sized, self._n_outside = 0, 0.0
        self._n_front = 0
        self._trunks_px = array("f")
        self._leg_ratios = array("f")
        self._hips_x, self._hips_y = array("f"), array("f")
        self._n_looks, self._n_with_others = 0, 0
        self._recent = np.empty((0, len(self._limbs), 2), np.float32)  # limbs of up to 4 poses in a row before these
        self._roughness = array("f")

    def observe(self, pose: Pose, size_px: tuple[int, int] | None) -> None:
        """Count one pose; `size_px` = (width, height) of its picture where that is known."""
        if size_px != self._size_px:
            self._digest()
            self._size_px = size_px
        self._waiting.append(pose)
        if len(self._waiting) == _TOGETHER:
            self._digest()

    def measures(self) -> dict[str, float | None]:
        """Figures by name, unit in the name; None = not measurable."""
        self._digest()
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
            "outside_share": self._n_outside / self._n_sized if self._n_sized else None,
            "supine_share": self._n_front / n if n else None,
            "leg_to_trunk": float(np.median(self._leg_ratios)) if self._leg_ratios else None,
            "travel_trunks": self._travel(trunk_px),
            "other_share": self._n_with_others / self._n_looks if self._n_looks else None,
            "trunk_px": trunk_px,
            "jitter_mm": self._jitter_mm(trunk_px),
        }

    def _digest(self) -> None:
        poses, self._waiting = self._waiting, []
        for pose in poses:
            if self._last_time_s is not None:
                self._periods_s.append(pose.time_s - self._last_time_s)
            self._last_time_s = pose.time_s
            if pose.n_others is not None:
                self._n_looks += 1
                self._n_with_others += pose.n_others > 0
        self._n_poses += len(poses)
        for run in _runs(poses):
            if run[0].is_missing:
                self._recent = self._recent[:0]
            else:
                self._digest_found(np.stack([p.keypoints_xy for p in run]), np.stack([p.keypoint_scores for p in run]))

    def _digest_found(self, xy: FloatArray, scores: FloatArray) -> None:
        """Poses in a row with an infant: keypoints (N, K, 2) image px, scores (N, K)."""
        self._n_found += len(xy)
        self._limbs_seen += (scores[:, self._limbs] >= _IN_VIEW).sum(axis=0)
        self._distal_seen += (scores[:, self._distal] >= _IN_VIEW).sum(axis=0)
        limbs = xy[:, self._limbs]
        if self._size_px is not None:
            self._n_sized += len(xy)
            self._n_outside += float(_is_outside(limbs, self._size_px).mean(axis=1).sum())
        self._digest_trunk(xy, scores)
        in_a_row = np.concatenate([self._recent, limbs])
        self._recent = in_a_row[-4:]
        if len(in_a_row) >= len(_DIFFERENCE):
            pieces = np.lib.stride_tricks.sliding_window_view(in_a_row, len(_DIFFERENCE), axis=0)  # (M, limbs, 2, 5)
            rough = np.abs(pieces @ _DIFFERENCE).reshape(len(pieces), -1)
            self._roughness.extend((np.median(rough, axis=1) / _DIFFERENCE_GAIN).tolist())

    def _digest_trunk(self, xy: FloatArray, scores: FloatArray) -> None:
        left_shoulder, right_shoulder, left_hip, right_hip = np.moveaxis(xy[:, self._trunk], 1, 0)
        hips, shoulders = (left_hip + right_hip) / 2, (left_shoulder + right_shoulder) / 2
        down = hips - shoulders
        trunk_px = np.hypot(down[:, 0], down[:, 1])
        is_whole = np.isfinite(trunk_px) & (trunk_px >= 1.0)
        across = left_shoulder - right_shoulder + left_hip - right_hip
        # Seen from the front the left side lies clockwise of the line from shoulders to hips.
        is_front = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0] > 0.15 * trunk_px**2
        has_face = scores[:, self._face].mean(axis=1) >= _IN_VIEW
        self._n_front += int((is_whole & is_front & has_face).sum())
        legs = xy[:, self._legs].reshape(-1, 2, 3, 2)
        legs_px = np.linalg.norm(np.diff(legs, axis=2), axis=-1).sum(axis=(1, 2)) / 2
        self._trunks_px.extend(trunk_px[is_whole].tolist())
        self._hips_x.extend(hips[is_whole, 0].tolist())
        self._hips_y.extend(hips[is_whole, 1].tolist())
        self._leg_ratios.extend((legs_px[is_whole] / trunk_px[is_whole]).tolist())

    def _jitter_mm(self, trunk_px: float | None) -> float | None:
        """Standard deviation of the pose noise, as if white, in mm of a trunk of TRUNK_MM."""
        roughness = np.array(self._roughness)
        roughness = roughness[np.isfinite(roughness)]
        if not len(roughness) or not trunk_px:
            return None
        return _MEDIAN_TO_SD * float(np.median(roughness)) * TRUNK_MM / trunk_px

    def _travel(self, trunk_px: float | None) -> float | None:
        """How far the hips wander (5th to 95th percentile, the larger axis) in trunk lengths."""
        if not self._hips_x or not trunk_px:
            return None
        low, high = np.percentile(np.array([self._hips_x, self._hips_y]), [5, 95], axis=1)
        return float((high - low).max()) / trunk_px


def _runs(poses: Sequence[Pose]) -> list[list[Pose]]:
    """Stretches of poses with an infant, and of those without."""
    return [list(run) for _, run in groupby(poses, key=lambda pose: pose.is_missing)]


def _is_outside(points: FloatArray, size_px: tuple[int, int]) -> BoolArray:
    """(..., 2) image px -> (...)."""
    width, height = size_px
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1))
