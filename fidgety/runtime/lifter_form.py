"""The lifter's form: what its training, its exported graph and its streaming must agree on.

Rows that each layer looks ahead and remembers, what is averaged slowly, and how bones make depths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fidgety.records import FloatArray
from fidgety.runtime.upright import N_FEATURES
from fidgety.skeleton import H36M_17

__all__ = [
    "BONES",
    "MOST_FACTOR",
    "N_BONES",
    "N_SLOW",
    "OUTPUTS",
    "SLOW_REACH",
    "SLOW_ROWS",
    "SOFTNESS",
    "bone_sums",
    "bone_vectors",
    "cache_shapes",
    "reach_of",
    "whole_reach",
]

# Running means, one after the other, of what the lifter corrects in the plane, of the seen trunk's length and of the
# bones': under .1 of it passes from .5 Hz on.
SLOW_ROWS = (51, 25)
MOST_FACTOR = 0.5  # of what a joint's place in the plane is corrected by: perspective and foreshortening
SOFTNESS = 0.1  # trunk lengths: noise of a bone that lies flat is not to become depth
_HIP, _SPINE, _THORAX = H36M_17.indices("hip", "spine", "thorax")
# The trunk is one bone, and the spine lies in its middle: two bones of one line would be folded to fit.
BONES = ((_HIP, _THORAX), *(bone for bone in H36M_17.bones if _SPINE not in bone))
N_BONES = len(BONES)
# What `leave` tells in every row: of each joint a factor and an offset in x and y; of each bone log length and turn.
OUTPUTS = (len(H36M_17), 2 * len(H36M_17), N_BONES, N_BONES)
N_SLOW = 2 * len(H36M_17) + 1 + N_BONES
SLOW_REACH = sum(rows // 2 for rows in SLOW_ROWS)


def reach_of(dilation: int) -> int:
    """Rows that a layer of kernel 3 looks ahead, and back: means over `dilation` rows, `dilation` apart."""
    return dilation + dilation // 2


def whole_reach(dilations: Sequence[int]) -> int:
    """Rows that the lifter looks ahead, and back."""
    return sum(map(reach_of, dilations)) + SLOW_REACH


def cache_shapes(channels: int, dilations: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """What the lifter remembers between two chunks, by the names of its inputs."""
    sizes = (N_FEATURES, *(channels,) * (len(dilations) - 1))
    shapes = {f"cache_{i}": (1, c, 2 * reach_of(d)) for i, (c, d) in enumerate(zip(sizes, dilations, strict=True))}
    slow = {f"cache_slow_{i}": (1, N_SLOW, rows - 1) for i, rows in enumerate(SLOW_ROWS)}
    turn = {"cache_turn": (SLOW_REACH, N_BONES)}
    return {**shapes, **slow, **turn, "cache_plane": (whole_reach(dilations), 17, 2)}


def bone_vectors() -> FloatArray:
    """(15, 17): joints of H36M-17 -> BONES, far end less near end."""
    matrix = np.zeros((N_BONES, len(H36M_17)), np.float32)
    for row, (near, far) in enumerate(BONES):
        matrix[row, near], matrix[row, far] = -1.0, 1.0
    return matrix


def bone_sums() -> FloatArray:
    """(17, 15): BONES -> joints, what the bones between the hip and a joint add up to."""
    middle = np.zeros((1, len(H36M_17)))
    middle[0, [_SPINE, _HIP, _THORAX]] = 1.0, -0.5, -0.5
    at_hip = np.eye(1, len(H36M_17), _HIP)
    whole = np.linalg.inv(np.concatenate([bone_vectors(), at_hip, middle]))
    return np.asarray(np.round(2 * whole[:, :N_BONES]) / 2, np.float32)
