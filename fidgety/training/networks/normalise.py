"""Raw 3D windows -> what MAM reads: movement in the infant's own axes, in torso lengths. Part of the exported graph.

How a window is normalised is not published; this is ours, and a deviation of unknown size from the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fidgety.skeleton import H36M_17

__all__ = ["MOVEMENT_GAIN", "normalise_windows"]

MOVEMENT_GAIN = 10.0  # FMs move joints by some hundredths of a torso length; the network reads them as tenths
_TINY = 1e-6  # torso lengths squared; keeps a window of coinciding joints at zero instead of NaN
_HIP, _THORAX, _L_SHOULDER, _R_SHOULDER, _L_HIP, _R_HIP = H36M_17.indices(
    "hip", "thorax", "left_shoulder", "right_shoulder", "left_hip", "right_hip"
)


def _median_over_frames(values: Tensor) -> Tensor:
    """Lower median along axis 1, (B, T, ...) -> (B, ...), as TopK: sort and median do not export to ONNX opset 17."""
    n_frames = values.shape[1]
    return torch.topk(values, n_frames // 2 + 1, dim=1, largest=True, sorted=True).values[:, -1]


def _unit(vector: Tensor) -> Tensor:
    return vector / torch.sqrt((vector * vector).sum(-1, keepdim=True) + _TINY)


def normalise_windows(joints: Tensor) -> Tensor:
    """Raw windows -> movement of every joint about its mean place, in the trunk's axes, ten units to a torso length.

    joints: (B, T, 17, 3) float32, H36M-17, any unit: x right, y down, z away from the camera, or any turn of these
    in the picture. Returns (B, T, 17, 3): x to the infant's left, y to its head, z out of its chest. In order:

    1. Root at the hip of every frame.
    2. Depth holds posture, not movement: a joint's z is its mean over the window. The lifter shows
       .01 to .2 of what moves towards the camera in the FMs band (docs/FIDELITY.md): it is posture that it sees.
    3. Scale by the window's median hip-thorax distance.
    4. One rotation onto the median trunk frame: Gram-Schmidt on two median vectors, hip to thorax first, then right
       to left (shoulders and hips); the third axis is their cross product, so it is always a rotation and never a
       reflection.
    5. Each joint's mean place goes, times 10: posture is a hundred times larger than FMs and hides them. With it
       the network had learned nothing after 5,000 clips (AUC .60 held out), without it it had an AUC of .81.
    """
    rooted = joints - joints[:, :, _HIP : _HIP + 1]
    mean = rooted.mean(dim=1, keepdim=True)  # (B, 1, 17, 3)
    rooted = torch.cat([rooted[..., :2], mean[..., 2:].expand(-1, joints.shape[1], -1, -1)], dim=-1)
    up = rooted[:, :, _THORAX]
    torso = _median_over_frames(torch.sqrt((up * up).sum(-1, keepdim=True)))[:, None, None] + 1e-12
    left = rooted[:, :, _L_SHOULDER] - rooted[:, :, _R_SHOULDER] + rooted[:, :, _L_HIP] - rooted[:, :, _R_HIP]
    trunk = _median_over_frames(torch.cat([up, left], dim=-1)) / torso[:, 0, 0]  # (B, 6)
    camera_from_trunk = _trunk_axes(trunk[:, :3], trunk[:, 3:])
    movement = (rooted - mean) * (MOVEMENT_GAIN / torso)
    return torch.matmul(movement.flatten(1, 2), camera_from_trunk).reshape(joints.shape)


def _trunk_axes(up: Tensor, left: Tensor) -> Tensor:
    """Gram-Schmidt on (B, 3) and (B, 3): rotation (B, 3, 3) whose columns are left, up, out of the chest."""
    y = _unit(up)
    x = _unit(left - (left * y).sum(-1, keepdim=True) * y)
    z = torch.stack(
        [
            x[:, 1] * y[:, 2] - x[:, 2] * y[:, 1],
            x[:, 2] * y[:, 0] - x[:, 0] * y[:, 2],
            x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0],
        ],
        dim=-1,
    )
    return torch.stack([x, y, z], dim=-1)
