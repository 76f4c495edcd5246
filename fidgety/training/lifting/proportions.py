"""Other proportions than the phantom's own: width of shoulders and hips, length of the limbs, size of the head.

The phantom's infants differ by 3 % in a segment. Real ones differ by more, and so do those who draw their keypoints:
one marks the hip at its joint, another at the outside of the body. A lifter that knows one build only takes a short
limb for one that points towards the camera.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray
from fidgety.skeleton import COCO_17, H36M_17
from fidgety.training.lifting.postures import LIMBS

__all__ = ["in_other_proportions"]

Points = NDArray[np.float64]

# Of the phantom's: shoulders .80 of a trunk wide, hips .47, arms .51 + .43, legs .56 + .61. An unlike build is drawn
# evenly between these, a like one a fifth as far from the phantom's.
_SHOULDERS, _HIPS = (0.75, 1.1), (0.45, 1.4)
_LIMBS, _SEGMENT_LOG_SD = (0.65, 1.1), 0.08
_HEAD = (0.8, 1.2)
_LIKE = 0.2
_HIP, _THORAX = H36M_17.indices("hip", "thorax")
_FACE = COCO_17.indices("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_HEAD_JOINTS = H36M_17.indices("nose", "head")


def in_other_proportions(
    rng: np.random.Generator,
    keypoints_m: FloatArray,
    joints_m: FloatArray,
    n_builds: int = 1,
    unlike_share: float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """COCO-17 keypoints and H36M-17 joints (T, 17, 3), metres -> the same of another build: same angles, same trunk.

    `n_builds`: 1 = one for all rows, T = another one for every row. `unlike_share`: of builds that are not like the
    phantom's.
    """
    keypoints, joints = keypoints_m.astype(np.float64), joints_m.astype(np.float64)
    build = _Build(rng, n_builds, unlike_share)
    for limb in LIMBS:
        _rebuild(limb, keypoints, joints, build)
    thorax = joints[:, None, _THORAX]
    for points, rows in ((keypoints, _FACE), (joints, _HEAD_JOINTS)):
        points[:, rows] = thorax + build.head * (points[:, rows] - thorax)
    return keypoints.astype(np.float32), joints.astype(np.float32)


class _Build:
    """Factors (n, 1), head (n, 1, 1), on the lengths of the phantom, alike on both sides."""

    def __init__(self, rng: np.random.Generator, n: int, unlike_share: float) -> None:
        far = np.where(rng.random((n, 1)) < unlike_share, 1.0, _LIKE)

        def drawn(least: float, most: float) -> Points:
            return np.asarray(1.0 + far * (rng.uniform(least, most, (n, 1)) - 1.0))

        limbs = drawn(*_LIMBS)
        self.width = {"shoulder": drawn(*_SHOULDERS), "hip": drawn(*_HIPS)}
        self.segment = {
            joint: limbs * np.exp(_SEGMENT_LOG_SD * far * rng.standard_normal((n, 1)))
            for joint in ("elbow", "wrist", "knee", "ankle")
        }
        self.head = drawn(*_HEAD)[..., None]


def _rebuild(limb: tuple[str, ...], keypoints: Points, joints: Points, build: _Build) -> None:
    """Sets one limb, root to end, in place."""
    names = [joint.split("_")[1] for joint in limb]
    before = joints[:, H36M_17.indices(*limb)]
    middle = joints[:, _THORAX if names[0] == "shoulder" else _HIP]
    after = [middle + (before[:, 0] - middle) * build.width[names[0]]]
    for i, name in enumerate(names[1:], start=1):
        after.append(after[-1] + (before[:, i] - before[:, i - 1]) * build.segment[name])
    for joint, points in zip(limb, after, strict=True):
        joints[:, H36M_17.index[joint]] = keypoints[:, COCO_17.index[joint]] = points
