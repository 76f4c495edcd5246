"""How far a pose network is from the truth on frames held out: errors in trunk lengths, share within a tenth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fidgety.records import FloatArray, Frame
from fidgety.runtime.blazepose import Landmarks, Region, crop_picture
from fidgety.runtime.heatmap_pose import decode_heatmaps
from fidgety.runtime.source import frame_from_rgb
from fidgety.skeleton import COCO_17
from fidgety.training.pose.annotations import AnnotatedFrame
from fidgety.training.pose.crops import crop_of
from fidgety.training.pose.network import CELL_PX, CROP_PX, HeatmapNetwork

__all__ = ["KeypointErrors", "measure_network", "measure_reader"]

_NEAR = 0.1
_LIMBS = COCO_17.indices(*(f"{s}_{j}" for s in ("left", "right") for j in ("elbow", "wrist", "knee", "ankle")))


@dataclass(frozen=True, slots=True)
class KeypointErrors:
    """Over all annotated keypoints of all frames, in lengths of the frame's own trunk."""

    n_frames: int
    n_recordings: int
    mean: float
    limbs_mean: float
    median: float
    share_within_tenth: float  # PCK at .1

    def __str__(self) -> str:
        return (
            f"mean {self.mean:.4f} of the trunk (limbs {self.limbs_mean:.4f}, median {self.median:.4f}), "
            f"PCK@.1 {self.share_within_tenth:.3f} on {self.n_frames} frames of {self.n_recordings} recordings"
        )


def measure_network(network: HeatmapNetwork, frames: Sequence[AnnotatedFrame]) -> KeypointErrors:
    """A network in torch, on the crop that the true keypoints ask for, decoded as the runtime decodes."""

    def read(frame: Frame, region: Region) -> FloatArray:
        matrix = region.image_from_crop(CROP_PX)
        crop = crop_picture(frame, matrix, CROP_PX, low=0.0, is_replicated=True)
        cells, _ = decode_heatmaps(network.heatmaps(torch.from_numpy(crop))[0].numpy(), "likelihood")
        return np.asarray(cells * CELL_PX @ matrix[:, :2].T + matrix[:, 2], np.float32)

    was_training = network.training
    network.eval()
    with torch.inference_mode():
        errors = _errors(read, frames)
    network.train(was_training)
    return errors


def measure_reader(
    read: Callable[[Frame, Region], Landmarks], order: Sequence[int], frames: Sequence[AnnotatedFrame]
) -> KeypointErrors:
    """A network of the runtime on the same crops. `order`: where COCO-17's keypoints are among its own."""
    return _errors(lambda frame, region: read(frame, region).keypoints_xy[list(order)], frames)


def _errors(read: Callable[[Frame, Region], FloatArray], frames: Sequence[AnnotatedFrame]) -> KeypointErrors:
    rows = []
    for one in frames:
        hips, end = _trunk(one.keypoints_xy)
        found = read(frame_from_rgb(one.picture()), crop_of(one.keypoints_xy))
        # A keypoint without a place is as wrong as the crop's centre is: it must not leave the mean.
        found = np.where(np.isnan(found), hips, found)
        rows.append(np.linalg.norm(found - one.keypoints_xy, axis=1) / np.linalg.norm(end - hips))
    errors = np.stack(rows)
    return KeypointErrors(
        n_frames=len(frames),
        n_recordings=len({frame.recording for frame in frames}),
        mean=float(np.nanmean(errors)),
        limbs_mean=float(np.nanmean(errors[:, _LIMBS])),
        median=float(np.nanmedian(errors)),
        share_within_tenth=float((errors[np.isfinite(errors)] < _NEAR).mean()),
    )


def _trunk(keypoints_xy: FloatArray) -> tuple[FloatArray, FloatArray]:
    hips = keypoints_xy[COCO_17.indices("left_hip", "right_hip")].mean(axis=0)
    return hips, keypoints_xy[COCO_17.indices("left_shoulder", "right_shoulder")].mean(axis=0)
