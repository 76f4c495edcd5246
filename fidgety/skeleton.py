"""The three skeletons that poses travel in: names, order, mirror pairs, bones.

This is the only place where a keypoint index has a name. `BLAZEPOSE_33` is what the pose network gives, `COCO_17` what
foreign pose tracks hold, `H36M_17` what MAM reads. Left and right are the infant's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLAZEPOSE_33",
    "COCO_17",
    "H36M_17",
    "SKELETONS",
    "TRUNK",
    "Skeleton",
    "joints_matrix",
    "pose_skeleton",
    "trunk_px",
]

TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")  # its corners


@dataclass(frozen=True, slots=True)
class Skeleton:
    """An ordered set of named keypoints."""

    name: str
    keypoints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {name: i for i, name in enumerate(self.keypoints)})

    def __len__(self) -> int:
        return len(self.keypoints)

    def indices(self, *names: str) -> list[int]:
        """Indices of the named keypoints, in the order asked for."""
        return [self.index[name] for name in names]

    @property
    def mirror(self) -> tuple[int, ...]:
        """For each keypoint the index of its left/right counterpart (itself on the midline)."""
        swap = {"left": "right", "right": "left"}
        return tuple(self.index["_".join(swap.get(part, part) for part in name.split("_"))] for name in self.keypoints)


def _bones(keypoints: tuple[str, ...], *pairs: str) -> tuple[tuple[int, int], ...]:
    """'a-b' pairs of keypoint names as index pairs."""
    return tuple((keypoints.index(a), keypoints.index(b)) for a, b in (pair.split("-") for pair in pairs))


_COCO = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

_BLAZEPOSE = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "left_mouth",
    "right_mouth",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
)

_H36M = (
    "hip",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "spine",
    "thorax",
    "nose",
    "head",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
)

_LIMBS = (
    "left_shoulder-left_elbow",
    "left_elbow-left_wrist",
    "right_shoulder-right_elbow",
    "right_elbow-right_wrist",
    "left_hip-left_knee",
    "left_knee-left_ankle",
    "right_hip-right_knee",
    "right_knee-right_ankle",
)
_TRUNK = (
    "left_shoulder-right_shoulder",
    "left_hip-right_hip",
    "left_shoulder-left_hip",
    "right_shoulder-right_hip",
)

COCO_17 = Skeleton("coco17", _COCO, _bones(_COCO, *_LIMBS, *_TRUNK, "nose-left_ear", "nose-right_ear"))
BLAZEPOSE_33 = Skeleton(
    "blazepose33",
    _BLAZEPOSE,
    _bones(
        _BLAZEPOSE,
        *_LIMBS,
        *_TRUNK,
        "nose-left_ear",
        "nose-right_ear",
        "left_ankle-left_heel",
        "left_heel-left_foot_index",
        "right_ankle-right_heel",
        "right_heel-right_foot_index",
        "left_wrist-left_index",
        "right_wrist-right_index",
    ),
)
H36M_17 = Skeleton(
    "h36m17",
    _H36M,
    _bones(
        _H36M,
        *_LIMBS,
        "hip-right_hip",
        "hip-left_hip",
        "hip-spine",
        "spine-thorax",
        "thorax-nose",
        "nose-head",
        "thorax-left_shoulder",
        "thorax-right_shoulder",
    ),
)
SKELETONS: dict[str, Skeleton] = {s.name: s for s in (COCO_17, BLAZEPOSE_33, H36M_17)}


def pose_skeleton(n_keypoints: int) -> Skeleton:
    """The skeleton of poses of so many keypoints. Raises ValueError where no pose network gives as many."""
    for skeleton in (BLAZEPOSE_33, COCO_17):
        if len(skeleton) == n_keypoints:
            return skeleton
    raise ValueError(f"no pose has {n_keypoints} keypoints")


@lru_cache
def joints_matrix(skeleton: Skeleton) -> NDArray[np.float32]:
    """(17, K) float32: the joints of H36M-17 as weighted means of the skeleton's keypoints."""
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


def trunk_px(keypoints_xy: NDArray[np.floating], skeleton: Skeleton) -> float:
    """From the middle of the shoulders to that of the hips in keypoints (K, 2), px; NaN where one is missing."""
    shoulders, hips = keypoints_xy[skeleton.indices(*TRUNK)].reshape(2, 2, 2).mean(axis=1)
    return float(np.hypot(*(shoulders - hips)))
