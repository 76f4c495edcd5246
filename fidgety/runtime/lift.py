"""2D keypoints -> H36M-17 in 3D, in pixels of the picture: x right, y down, z away from the camera.

For now the third axis is the pose network's own depth; a track without depth stays in the picture plane (z = 0), and
the result says so. In the plane the heat-map refined landmarks are used, not the network's world landmarks, because
the latter are not refined (docs/ARCHITECTURE.md has the figures). Deviation from SPEC 2: no temporal lifter yet, and
joint 10 (`head`) is the point between the ears, not the crown, since no crown is observed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fidgety.records import FloatArray, PoseTrack
from fidgety.skeleton import H36M_17, SKELETONS, Skeleton

__all__ = ["lift_track", "lifting_matrix"]


@lru_cache
def lifting_matrix(skeleton: Skeleton) -> FloatArray:
    """(17, K) float32: H36M-17 joints as weighted means of the skeleton's keypoints."""
    midpoints = {
        "hip": ("left_hip", "right_hip"),
        "thorax": ("left_shoulder", "right_shoulder"),
        "spine": ("left_hip", "right_hip", "left_shoulder", "right_shoulder"),
        "head": ("left_ear", "right_ear"),
    }
    matrix = np.zeros((len(H36M_17), len(skeleton)), np.float32)
    for row, joint in enumerate(H36M_17.keypoints):
        sources = midpoints.get(joint, (joint,))
        matrix[row, skeleton.indices(*sources)] = 1.0 / len(sources)
    return matrix


def lift_track(track: PoseTrack) -> FloatArray:
    """(T, 17, 3) float32 px; NaN where a keypoint that a joint needs is NaN; z = 0 where the track has no depth."""
    matrix = lifting_matrix(SKELETONS[track.skeleton])
    xyz = np.concatenate([track.keypoints_xy, track.depth_px[..., None]], axis=-1)
    is_unknown = np.isnan(track.keypoints_xy).any(axis=-1)  # (T, K)
    joints: FloatArray = matrix @ np.nan_to_num(xyz)
    joints[is_unknown.astype(np.float32) @ matrix.T > 0] = np.nan  # its weights are positive
    return joints
