"""Golden vectors: stored inputs of each network, and what it made of them when it was known to be right.

Every network gets its own stored input, so that a fault is named where it is and none hides behind the one before.
Tried are the runtime's own stages on whatever engine they take, not bare graphs: decoder, crop, detector and landmark
network on frames of the sample recording; smoothing, doubt and lifter on a stored stretch of poses; MAM on stored
windows without FMs and with them; bag and info graph on stored scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from fidgety.bundle import Bundle
from fidgety.records import Characteristics, FloatArray, Frame, Pose, Window, WindowScore
from fidgety.runtime.assess import Mam
from fidgety.runtime.blazepose import Region
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import pose_skeleton

__all__ = [
    "TOLERANCES",
    "Arrays",
    "differences",
    "golden_inputs",
    "golden_outputs",
    "movement_outputs",
    "picture_outputs",
]

Arrays = Mapping[str, FloatArray]

# How far an output may be from the reference, in units of the array: what another processor's rounding or half
# precision makes passes, a fault does not. Pixels: median distance over limbs and trunk, since a keypoint that is
# hardly seen jumps by 2.5 px when one grey level is added to one pixel of a hundred. Measured (found, landmarks): that
# .23 and .07; noise of one grey level .89 and .54; a picture shifted by two pixels 2.4 and 2.2; swapped chroma planes
# 4.7 and 7.8; weights in 8 bits, one scale a channel, 1.8 and 1.8. One pixel is .9 mm. The others are largest
# differences: weights in half precision .0004, .0005 and .0001; in 8 bits .015 of a trunk and a logit of .006. MAM's
# weights 2 % larger: .28 (of a window that is sure to hold no FMs .02). A logit of .1 moves P(FMs) by .025 at most.
TOLERANCES = {
    "found_px": (1.5, "detector and landmark network, from the whole picture"),
    "landmarks_px": (1.0, "landmark network, in a fixed crop"),
    "joints": (0.01, "smoothing and lifter, in trunk lengths"),
    "logits": (0.1, "MAM's window network"),
    "risk": (0.02, "MAM's bag and info networks"),
}
_BODY = tuple(
    f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)
_FRAMES = (0, 40, 80)
_N_POSES = 250  # from the begin of the sample: ten seconds
_N_WINDOWS = 3  # one after another from the begin: without FMs, in doubt, with them
_CHARACTERISTICS = Characteristics(13.0, 39.3, "female", 3300.0)


def golden_inputs(sample: Path, bundle: Bundle) -> dict[str, FloatArray]:
    """Inputs taken from the sample by the bundle itself; kept, so that later runs see the very same ones."""
    with open_source(str(sample)) as source:
        estimator = PoseEstimator(bundle)
        n_rows = _N_WINDOWS * bundle.manifest.mam.window_frames
        poses = list(estimator.poses(islice(source.frames(), n_rows)))
    pieces = list(lift_poses(poses, estimator.skeleton, bundle))
    joints = np.concatenate([piece.joints for piece in pieces])
    rng = np.random.default_rng(5)
    share = rng.uniform(0.05, 0.95, 12).astype(np.float32)
    return {
        "regions": np.array([_region(poses[index]) for index in _FRAMES], np.float32),
        "keypoints_xy": np.stack([pose.keypoints_xy for pose in poses[:_N_POSES]]).astype(np.float32),
        "keypoint_scores": np.stack([pose.keypoint_scores for pose in poses[:_N_POSES]]).astype(np.float32),
        "window": joints[:n_rows].reshape(_N_WINDOWS, -1, *joints.shape[1:]).astype(np.float32),
        "class_probabilities": np.stack([share, 1 - share], axis=1),
    }


def golden_outputs(sample: Path, bundle: Bundle, inputs: Arrays, device: Device = CPU) -> dict[str, FloatArray]:
    """What the bundle makes of the inputs here and now. Raises BundleError, DeviceError, SourceError."""
    return {**picture_outputs(sample, bundle, inputs, device), **movement_outputs(bundle, inputs, device)}


def picture_outputs(sample: Path, bundle: Bundle, inputs: Arrays, device: Device = CPU) -> dict[str, FloatArray]:
    """Keypoints (frames, 33, 2), px: found in the whole picture, and read in the fixed crop."""
    frames = list(_frames(sample))
    estimator = PoseEstimator(bundle, device=device)
    regions = [Region(float(x), float(y), float(side), 0.0) for x, y, side in inputs["regions"]]
    read = [estimator.read(frame, region).keypoints_xy for frame, region in zip(frames, regions, strict=True)]
    found = [next(iter(PoseEstimator(bundle, device=device).poses([frame]))).keypoints_xy for frame in frames]
    return {"found_px": np.stack(found), "landmarks_px": np.stack(read)}


def movement_outputs(bundle: Bundle, inputs: Arrays, device: Device = CPU) -> dict[str, FloatArray]:
    """Lifted joints (rows, 17, 3), logits (windows, 2), risk with its interval (3).

    A reference that an earlier version recorded holds one window (frames, 17, 3), whose logits are (2).
    """
    mam = Mam(bundle, device=device)
    pieces = lift_poses(_poses(inputs), pose_skeleton(inputs["keypoints_xy"].shape[1]), bundle, device)
    risk = mam.risk(_scores(inputs), _CHARACTERISTICS)
    windows = np.asarray(inputs["window"], np.float32)
    logits = [
        mam.logits(Window(0, 0.0, 9.6, True, True, window, None)) for window in windows.reshape(-1, *windows.shape[-3:])
    ]
    return {
        "joints": np.concatenate([piece.joints for piece in pieces])[::10],
        "logits": np.stack(logits).reshape(*windows.shape[:-3], 2),
        "risk": np.array([risk.probability, risk.low, risk.high], np.float32),
    }


def differences(found: Arrays, expected: Arrays) -> dict[str, float]:
    """How far each output is from the expected one; infinite where shapes or missing values are not the same."""
    return {name: _apart(found[name], expected[name], is_px=name.endswith("_px")) for name in found}


def _apart(one: FloatArray, other: FloatArray, *, is_px: bool) -> float:
    if one.shape != other.shape or not np.array_equal(np.isnan(one), np.isnan(other)):
        return float("inf")
    if is_px:
        return float(np.nanmedian(np.linalg.norm(one - other, axis=-1)[:, pose_skeleton(one.shape[1]).indices(*_BODY)]))
    return float(np.nanmax(np.abs(one - other)))


def _frames(sample: Path) -> Iterator[Frame]:
    with open_source(str(sample)) as source:
        for frame in source.frames():
            if frame.frame_index in _FRAMES:
                yield frame
            if frame.frame_index >= _FRAMES[-1]:
                return


def _region(pose: Pose) -> tuple[float, float, float]:
    """An upright crop around the body: its centre and side, px."""
    low, high = pose.keypoints_xy.min(axis=0), pose.keypoints_xy.max(axis=0)
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), 1.3 * float((high - low).max())


def _poses(inputs: Arrays) -> Iterator[Pose]:
    nothing = np.full((inputs["keypoints_xy"].shape[1], 3), np.nan, np.float32)
    for index, (xy, scores) in enumerate(zip(inputs["keypoints_xy"], inputs["keypoint_scores"], strict=True)):
        yield Pose(index, index / 25.0, np.asarray(xy, np.float32), np.asarray(scores, np.float32), nothing, 1.0, None)


def _scores(inputs: Arrays) -> list[WindowScore]:
    rows = inputs["class_probabilities"]
    return [
        WindowScore(6.0 * i, 6.0 * i + 9.6, True, False, float(p), (float(p), float(q)), None)
        for i, (p, q) in enumerate(rows)
    ]
