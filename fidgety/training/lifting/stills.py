"""Single poses for the lifter, many at a time: what a window that stands still would show it.

A window costs as much as 300 rows and teaches one posture, one build and one camera. An infant that lies still needs
one row (`Lifter.still`), so hundreds of postures fit into a step: this is where the lifter learns how bodies look from
where, and windows are where it learns how they move.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fidgety.phantom.observe import draw_observer, observe_single_poses
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.records import FloatArray
from fidgety.runtime.upright import upright_one_by_one
from fidgety.skeleton import COCO_17, H36M_17, TRUNK
from fidgety.training.lifting.pairs import (
    GROUPS,
    MOST_TILT_DEG,
    UNLIKE_SHARE,
    Pairs,
    Posed,
    seen_trunk,
    true_upright,
)
from fidgety.training.lifting.postures import in_other_posture
from fidgety.training.lifting.proportions import in_other_proportions

__all__ = ["Stills"]

_OTHER_POSTURE_SHARE = 0.8
_PER_CAMERA = 8
_FACE_HIDDEN_SHARE, _LIMB_HIDDEN_SHARE, _KEYPOINT_HIDDEN_SHARE = 0.4, 0.08, 0.02
_TRUNK_M = 0.19
# Long limbs and a trunk seen from aslant look alike. Which is the likelier depends on how often cameras slant: as often
# as here they never do, so the seen trunk's length is learnt from cameras that recordings are asked for.
_LEAST_DOWNWARD = float(np.cos(np.radians(45.0)))
_HIP, _THORAX = H36M_17.indices("hip", "thorax")


class Stills:
    """`n_poses` postures of simulated infants to draw from; build, camera and what is hidden are new in every draw."""

    def __init__(self, rng: np.random.Generator, infants: Sequence[Posed], n_poses: int) -> None:
        keypoints, joints = zip(*(_posed(rng, infants[i % len(infants)]) for i in range(n_poses)), strict=True)
        self._keypoints_m, self._joints_m = np.stack(keypoints), np.stack(joints)

    def draw(self, rng: np.random.Generator, n_cameras: int, noise: PoseNoise) -> Pairs:
        """N = 8 `n_cameras` poses: features (N, 51), in_plane (N, 17, 2), joints (N, 17, 3), seen_trunk (N,)."""
        parts = [self._seen(rng, noise) for _ in range(n_cameras)]
        return Pairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _seen(self, rng: np.random.Generator, noise: PoseNoise) -> tuple[FloatArray, ...]:
        """What `draw` gives, of one camera's poses."""
        pick = rng.integers(0, len(self._joints_m), _PER_CAMERA)
        keypoints_m, joints_m = in_other_proportions(
            rng, self._keypoints_m[pick], self._joints_m[pick], _PER_CAMERA, UNLIKE_SHARE
        )
        camera = draw_observer(rng, joints_m, noise, MOST_TILT_DEG, is_often_overhead=False).camera
        xy = observe_single_poses(keypoints_m, joints_m, camera, noise, rng)
        scores = np.clip(rng.normal(0.9, 0.08, xy.shape[:2]), 0.05, 1.0).astype(np.float32)
        is_hidden = rng.random(xy.shape[:2]) < _KEYPOINT_HIDDEN_SHARE
        for group in GROUPS:
            share = _FACE_HIDDEN_SHARE if group is GROUPS[0] else _LIMB_HIDDEN_SHARE
            is_hidden[:, group] |= rng.random((_PER_CAMERA, 1)) < share
        is_hidden[:, COCO_17.indices(*TRUNK)] = False
        xy[is_hidden], scores[is_hidden] = np.nan, 0.0
        features, in_plane, trunk = upright_one_by_one(xy, scores)
        length = seen_trunk(camera, joints_m, trunk)
        if -camera.rotation[2, 2] < _LEAST_DOWNWARD:
            length = np.full_like(length, np.nan)
        return features, in_plane, true_upright(camera, joints_m, trunk), length


def _posed(rng: np.random.Generator, infant: Posed) -> tuple[FloatArray, FloatArray]:
    """One row of an infant, mostly in another posture: keypoints and joints (17, 3), metres, root at the hip, all of
    one trunk length.
    """
    at = int(rng.integers(len(infant.joints_m)))
    keypoints, joints = infant.keypoints_m[at : at + 1], infant.joints_m[at : at + 1]
    if rng.random() < _OTHER_POSTURE_SHARE:
        keypoints, joints = in_other_posture(rng, keypoints, joints)
    root = joints[0, _HIP]
    scale = _TRUNK_M / np.linalg.norm(joints[0, _THORAX] - root)
    return scale * (keypoints[0] - root), scale * (joints[0] - root)
