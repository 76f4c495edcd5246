"""Shows that a pose network of the user's own sees, in recorded frames of an infant, what BlazePose sees there.

Both start anew on every frame: the detector, four ways round, the surest reading. A network whose colours, grid, order
of keypoints or scale are described wrongly fails here, and not at the bedside. The limits are loose: the networks name
slightly other places (hips by a tenth of the trunk and more), and this is no measure of accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fidgety.bundle import Bundle
from fidgety.errors import BundleError
from fidgety.records import FloatArray, Frame
from fidgety.runtime.blazepose import Region
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import frame_from_rgb
from fidgety.skeleton import COCO_17

__all__ = ["OwnPoseReport", "require_own_pose"]

NEAR_TRUNKS = 0.25  # a keypoint agrees so near to BlazePose's: left and right hips are .46 apart
MIN_SHARE = 0.75  # of trunk and limb keypoints that agree
MIN_FOUND = 0.75  # of the frames in which BlazePose sees somebody
MIN_CHANGE_TRUNKS = 0.01
_BODY = COCO_17.keypoints[5:]


@dataclass(frozen=True, slots=True)
class OwnPoseReport:
    """What the gate saw."""

    n_frames: int  # in which BlazePose saw somebody
    n_found: int  # of them, by this network
    share: float  # of trunk and limb keypoints that agree
    median_trunks: float  # between both networks
    change_trunks: float  # least, of this network's keypoints, from one frame to another
    empty_presence: float  # in a grey picture

    def __str__(self) -> str:
        return (
            f"own pose network: somebody in {self.n_found} of {self.n_frames} frames, {100 * self.share:.0f} % of "
            f"trunk and limb keypoints within {NEAR_TRUNKS} of the trunk of BlazePose's, "
            f"median {self.median_trunks:.3f}, "
            f"presence {self.empty_presence:.2f} in a grey picture"
        )


def require_own_pose(own: Bundle, blazepose: Bundle, frames: Sequence[Frame]) -> OwnPoseReport:
    """Read `frames` with both bundles' networks. Raises BundleError naming what does not hold."""
    report = _measure(own, blazepose, frames)
    rules = {
        "BlazePose sees an infant in three frames at least": report.n_frames >= 3,
        f"it finds somebody in {100 * MIN_FOUND:.0f} % of them": report.n_found >= MIN_FOUND * report.n_frames,
        f"{100 * MIN_SHARE:.0f} % of the keypoints agree": report.share >= MIN_SHARE,
        "other frames give other keypoints": report.change_trunks >= MIN_CHANGE_TRUNKS,
        "nobody is seen in a grey picture": report.empty_presence < own.manifest.pose.presence_threshold,
    }
    if failed := [rule for rule, holds in rules.items() if not holds]:
        raise BundleError(
            f"the pose network does not pass: it must hold that {failed[0]} ({report}); check its description"
        )
    return report


def _measure(own: Bundle, blazepose: Bundle, frames: Sequence[Frame]) -> OwnPoseReport:
    n_frames, found, errors = 0, [], []
    for frame in frames:
        theirs = _keypoints(blazepose, frame)
        if theirs is None:
            continue
        n_frames += 1
        ours = _keypoints(own, frame)
        if ours is not None:
            trunk_px = _trunk_px(theirs)
            found.append(ours / trunk_px)
            errors.append(np.linalg.norm(ours - theirs, axis=1) / trunk_px)
    steps = [float(np.abs(a - b).max()) for i, a in enumerate(found) for b in found[:i]]
    apart = np.concatenate(errors) if errors else np.full(1, np.inf)
    return OwnPoseReport(
        n_frames=n_frames,
        n_found=len(found),
        share=float((apart < NEAR_TRUNKS).mean()),
        median_trunks=float(np.median(apart)),
        change_trunks=min(steps, default=0.0),
        empty_presence=_empty_presence(own),
    )


def _keypoints(bundle: Bundle, frame: Frame) -> FloatArray | None:
    """Trunk and limb keypoints (12, 2) px of a start on this frame alone; None = nobody."""
    estimator = PoseEstimator(bundle)
    (pose,) = estimator.poses([frame])
    return None if pose.is_missing else pose.keypoints_xy[estimator.skeleton.indices(*_BODY)]


def _trunk_px(keypoints_xy: FloatArray) -> float:
    shoulders, hips = keypoints_xy[:2].mean(axis=0), keypoints_xy[6:8].mean(axis=0)
    return max(float(np.hypot(*(hips - shoulders))), 1.0)


def _empty_presence(own: Bundle) -> float:
    grey = frame_from_rgb(np.full((256, 256, 3), 128, np.uint8))
    return PoseEstimator(own).read(grey, Region(128.0, 128.0, 256.0, 0.0)).presence
