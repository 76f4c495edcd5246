"""Reads a pose network of the user's own, heat maps or SimCC, on a crop: frame + region -> Landmarks of COCO-17.

BlazePose's detector starts the track; from then on the crop follows this network's own hips and shoulders. What such a
network calls a peak differs from one to the next, so two peaks of the description set the scale: one as joints have
that are hidden or misread, one as joints have that are plainly seen. Scores, and all thresholds behind them, then mean
the same as BlazePose's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fidgety.bundle import KeypointNetwork
from fidgety.records import FloatArray, Frame
from fidgety.runtime.blazepose import Landmarks, Region, crop_picture
from fidgety.runtime.heatmap_pose import decode_heatmaps, decode_simcc
from fidgety.runtime.session import Session
from fidgety.skeleton import COCO_17, TRUNK

__all__ = [
    "BODY_TO_TRUNK",
    "KeypointReader",
    "alignment_of",
    "decode_keypoints",
    "image_from_input",
    "input_picture",
    "read_keypoints",
]

# End of the body from the hips, in trunks: what BlazePose's alignment landmarks show on the sample recording (median
# of 120 readings; 90 % between 1.70 and 1.75), whose detector's crops it must fit. Their centre is the middle of the
# hips to .7 % of the trunk.
BODY_TO_TRUNK = 1.72
_TRUNK = COCO_17.indices(*TRUNK)
_HIDDEN, _PLAIN = 0.3, 0.95  # what the description's two peaks become
_WHOLE_TRUNK = 0.7  # mean score of shoulders and hips from which somebody is there for certain
_MIRROR = list(COCO_17.mirror)


class KeypointReader:
    """One network on one crop at a time. Calls may come from several threads."""

    skeleton = COCO_17

    def __init__(self, session: Session, network: KeypointNetwork) -> None:
        """session: of the graph that `network` describes (networks.keypoint_network)."""
        self._session, self._network = session, network

    def read(self, frame: Frame, region: Region) -> Landmarks:
        """The network's word on one crop of a frame."""
        raw = self._session.run(**{self._network.input: input_picture(frame, region, self._network)})
        return read_keypoints(raw, region, self._network)


def input_picture(frame: Frame, region: Region, network: KeypointNetwork) -> FloatArray:
    """(1, 3, h, w) float32: the region as the network wants it."""
    size = (network.width_px, network.height_px)
    rgb = crop_picture(frame, image_from_input(region, *size), size, low=0.0, is_replicated=True)
    colours = rgb if network.colours == "rgb" else rgb[:, ::-1]
    mean, sd = (np.array(each, np.float32).reshape(1, 3, 1, 1) for each in (network.mean, network.sd))
    return np.ascontiguousarray((colours * np.float32(255.0) - mean) / sd)


def read_keypoints(raw: Mapping[str, np.ndarray[Any, Any]], region: Region, network: KeypointNetwork) -> Landmarks:
    """The graph's outputs for a region -> Landmarks. A keypoint without a place lies at the crop's centre, score 0."""
    places, peaks = decode_keypoints(raw, network)
    scores = np.interp(peaks, (0.0, network.hidden_peak, network.plain_peak, 1.0), (0.0, _HIDDEN, _PLAIN, 1.0))
    centre = np.array([network.width_px, network.height_px], np.float32) / 2
    places = np.where(np.isnan(places), centre, places)
    matrix = image_from_input(region, network.width_px, network.height_px)
    keypoints_xy = (places @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    if region.is_mirrored:
        keypoints_xy, scores = keypoints_xy[_MIRROR], scores[_MIRROR]
    return Landmarks(
        keypoints_xy,
        scores.astype(np.float32),
        np.full((len(COCO_17), 3), np.nan, np.float32),
        min(1.0, float(scores[_TRUNK].mean()) / _WHOLE_TRUNK),
        alignment_of(keypoints_xy),
    )


def decode_keypoints(
    raw: Mapping[str, np.ndarray[Any, Any]], network: KeypointNetwork
) -> tuple[FloatArray, FloatArray]:
    """The graph's outputs -> places (17, 2) in px of its input, NaN = none, and peaks (17,)."""
    order = [network.keypoints.index(name) for name in COCO_17.keypoints]
    outputs = [raw[name][0] for name in network.outputs]
    if network.family == "simcc":
        bins, peaks = decode_simcc(outputs[0], outputs[1], network.values)
        return (bins / np.float32(network.split_ratio))[order], peaks[order]
    cells, peaks = decode_heatmaps(outputs[0], network.values)
    height, width = outputs[0].shape[1:]
    return _input_px(cells, network, width, height)[order], peaks[order]


def alignment_of(keypoints_xy: FloatArray) -> FloatArray:
    """(2, 2) px: middle of the hips and end of the body, from keypoints (17, 2) of COCO-17."""
    left_shoulder, right_shoulder, left_hip, right_hip = keypoints_xy[_TRUNK]
    hips = (left_hip + right_hip) / 2
    end = hips + BODY_TO_TRUNK * ((left_shoulder + right_shoulder) / 2 - hips)
    return np.stack([hips, end]).astype(np.float32)


def image_from_input(region: Region, width_px: int, height_px: int) -> FloatArray:
    """(2, 3) float32: image px from px of an input that holds the whole region, and more along its longer side."""
    side = min(width_px, height_px)
    matrix = region.image_from_crop(side)
    shift = np.array([width_px - side, height_px - side], np.float32) / 2
    matrix[:, 2] -= matrix[:, :2] @ shift
    return matrix


def _input_px(cells: FloatArray, network: KeypointNetwork, width: int, height: int) -> FloatArray:
    """Cells of the heat maps -> px of the input, by the grid that the network was taught on."""
    size = np.array([network.width_px, network.height_px], np.float32)
    n = np.array([width, height], np.float32)
    if network.grid == "corner":  # cell i is px i x stride: HRNet's first codec
        return np.asarray(cells * (size / n))
    if network.grid == "ends":  # first on first px, last on last: UDP, as ViTPose has it
        return np.asarray(cells * ((size - 1) / (n - 1)))
    return np.asarray((cells + np.float32(0.5)) * (size / n) - np.float32(0.5))
