"""2D keypoints -> H36M-17 in 3D, in pixels of the picture: x right, y down, z away from the camera.

For now the third axis is the pose network's own depth; a track without depth stays in the picture plane (z = 0), and
the result says so. In the plane the heat-map refined landmarks are used, not the network's world landmarks, because
the latter are not refined (docs/ARCHITECTURE.md has the figures). Deviation from SPEC 2: no temporal lifter yet, and
joint 10 (`head`) is the point between the ears, not the crown, since no crown is observed.
"""

from __future__ import annotations

import numpy as np

from fidgety.records import FloatArray, PoseTrack
from fidgety.skeleton import SKELETONS, joints_matrix

__all__ = ["lift_track"]


def lift_track(track: PoseTrack) -> FloatArray:
    """(T, 17, 3) float32 px; NaN where a keypoint that a joint needs is NaN; z = 0 where the track has no depth."""
    matrix = joints_matrix(SKELETONS[track.skeleton])
    xyz = np.concatenate([track.keypoints_xy, track.depth_px[..., None]], axis=-1)
    is_unknown = np.isnan(track.keypoints_xy).any(axis=-1)  # (T, K)
    joints: FloatArray = matrix @ np.nan_to_num(xyz)
    joints[is_unknown.astype(np.float32) @ matrix.T > 0] = np.nan  # its weights are positive
    return joints
