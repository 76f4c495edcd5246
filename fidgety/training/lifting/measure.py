"""How right 3D joints are: arrays of lifted and true joints (N, 17, 3) in, figures out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.skeleton import H36M_17

__all__ = ["CLEAR", "aligned_distance", "aligned_error", "bone_variation", "depth_sign_share", "side_share"]

Joints = NDArray[np.float64]
_HIP, _THORAX = H36M_17.indices("hip", "thorax")
# Trunk lengths in depth between a bone's ends: what points so far away or near must be seen to.
CLEAR = 0.15


def aligned_error(lifted: Joints, true: Joints) -> NDArray[np.float64]:
    """(N,) `aligned_distance` of whole skeletons (N, 17, 3), in true trunk lengths."""
    return np.asarray(aligned_distance(lifted, true) / np.linalg.norm(true[:, _THORAX] - true[:, _HIP], axis=-1))


def aligned_distance(lifted: Joints, true: Joints) -> NDArray[np.float64]:
    """(N,) mean distance of points (N, J, 3) after the best similarity alignment of each frame, in the unit of `true`.

    Umeyama 1991, without reflections.
    """
    a = lifted - lifted.mean(axis=1, keepdims=True)
    b = true - true.mean(axis=1, keepdims=True)
    u, s, vt = np.linalg.svd(np.einsum("nji,njk->nik", a, b))
    sign = np.sign(np.linalg.det(u @ vt))
    s[:, -1] *= sign
    vt[:, -1] *= sign[:, None]
    rotated = a @ (u @ vt)
    scale = s.sum(axis=1) / np.maximum((a**2).sum(axis=(1, 2)), 1e-12)
    return np.asarray(np.linalg.norm(scale[:, None, None] * rotated - b, axis=-1).mean(axis=1))


def depth_sign_share(lifted: Joints, true: Joints, *, least_told: float = 0.0) -> float:
    """Share of the bones that truly point towards or away from the camera which do so when lifted.

    `least_told`: of those alone that the lifter tells to point so far either way, trunk lengths.
    """
    first, second = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
    trunk = np.linalg.norm(true[:, _THORAX] - true[:, _HIP], axis=-1)[:, None]
    deep = true[:, second, 2] - true[:, first, 2]
    seen = lifted[:, second, 2] - lifted[:, first, 2]
    told_trunk = np.linalg.norm(lifted[:, _THORAX] - lifted[:, _HIP], axis=-1)[:, None]
    is_clear = (np.abs(deep) > CLEAR * trunk) & (np.abs(seen) >= least_told * told_trunk)
    return float((np.sign(deep) == np.sign(seen))[is_clear].mean()) if is_clear.any() else float("nan")


def side_share(lifted: Joints, true: Joints) -> float:
    """Share of limb joints that lie nearer to the true joint of their own side than to that of the other."""
    limbs = H36M_17.indices(
        *(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle"))
    )
    other = [H36M_17.mirror[joint] for joint in limbs]
    own = np.linalg.norm(lifted[:, limbs] - true[:, limbs], axis=-1)
    return float((own < np.linalg.norm(lifted[:, limbs] - true[:, other], axis=-1)).mean())


def bone_variation(joints: Joints) -> NDArray[np.float64]:
    """(B,) SD over time of each bone's length over its mean length."""
    first, second = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
    length = np.linalg.norm(joints[:, first] - joints[:, second], axis=-1)
    return np.asarray(length.std(axis=0) / length.mean(axis=0))
