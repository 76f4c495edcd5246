"""The skeleton as a graph: what ST-GCN and MS-G3D sum over. Bones of `fidgety.skeleton` -> matrices of joints.

A matrix M acts on the joints' features as y_i = sum_j M_ij x_j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError
from fidgety.records import FloatArray
from fidgety.skeleton import Skeleton

__all__ = ["WindowScales", "hop_counts", "hop_partitions", "window_scales"]


@dataclass(frozen=True, slots=True, eq=False)
class WindowScales:
    """MS-G3D's graphs over a window of frames, S scales, in the parts that they are made of.

    The matrix of scale s between joint i in frame t and joint j in frame u is across[s, i, j] + (own[s, i] if i = j and
    t = u): every frame pair holds the same block, so that (S, 17 frames, 17 frames) is never written out.
    """

    across: FloatArray  # (S, K, K)
    own: FloatArray  # (S, K)


def hop_counts(skeleton: Skeleton) -> NDArray[np.int64]:
    """(K, K) bones on the shortest way from joint to joint; K where there is none."""
    n_joints = len(skeleton)
    hops = np.full((n_joints, n_joints), n_joints, dtype=np.int64)
    np.fill_diagonal(hops, 0)
    for a, b in skeleton.bones:
        hops[a, b] = hops[b, a] = 1
    for via in range(n_joints):
        hops = np.minimum(hops, hops[:, via, None] + hops[None, via])
    return np.minimum(hops, n_joints)


def hop_partitions(skeleton: Skeleton, max_hop: int) -> FloatArray:
    """(max_hop + 1, K, K) float32: joints within `max_hop` bones, parted by hops ("distance" of ST-GCN, Yan 2018).

    The sum over the parts has rows that sum to one: a mean over all that a joint reaches. Raises UsageError for
    `max_hop` below 0.
    """
    if max_hop < 0:
        raise UsageError(f"max_hop {max_hop}: 0 or more")
    hops = hop_counts(skeleton)
    n_reached = (hops <= max_hop).sum(axis=1, keepdims=True)
    return np.stack([(hops == hop) / n_reached for hop in range(max_hop + 1)]).astype(np.float32)


def window_scales(skeleton: Skeleton, n_scales: int, n_frames: int) -> WindowScales:
    """Disentangled scales 0 to `n_scales` - 1 of a window of `n_frames` (MS-G3D, Liu 2020).

    The window's graph joins a joint to itself and its neighbours in every frame. Scale s holds what is exactly s steps
    away, and the joint in its own frame; each is normalised symmetrically, D^-1/2 A D^-1/2. Raises UsageError where
    either number is below 1.
    """
    if n_scales < 1 or n_frames < 1:
        raise UsageError(f"{n_scales} scales of {n_frames} frames: 1 or more of each")
    hops = hop_counts(skeleton)
    # One step leads to the same joint in any other frame: what is no hop away in the skeleton is one step away here.
    across = np.stack([np.zeros_like(hops, dtype=bool), hops <= 1, *(hops == s for s in range(2, n_scales))])[:n_scales]
    own = np.ones((n_scales, len(skeleton)))
    own[1:2] = 0.0  # hops <= 1 holds it
    root = np.sqrt(n_frames * across.sum(axis=2) + own)  # of the degrees, (S, K)
    scaled = across / (root[:, :, None] * root[:, None, :])
    return WindowScales(scaled.astype(np.float32), (own / root**2).astype(np.float32))
