"""A trained lifter's graph, and whole tracks through it as the device would lift them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidgety.bundle import LifterSettings
from fidgety.export.lifter import lifter_shape
from fidgety.export.publish import trained_file
from fidgety.records import FloatArray, PoseTrack
from fidgety.runtime.lift import TrackLifter
from fidgety.skeleton import COCO_17

__all__ = ["LifterGraph", "lift_keypoints", "open_lifter"]

_GRAPH, _WEIGHTS = "lifter.onnx", "lifter.npz"
_FPS = 25.0
_CHUNK_ROWS = 500  # nothing waits for the rows here


@dataclass(frozen=True, slots=True)
class LifterGraph:
    """Where the streaming graph lies, and its shape."""

    path: Path
    settings: LifterSettings


def open_lifter(folder: Path | None = None) -> LifterGraph:
    """The lifter that `train-lifter` wrote into `folder`, the demo's unless told. Raises BundleError without one."""
    shape = lifter_shape(trained_file(_WEIGHTS, folder))
    return LifterGraph(trained_file(_GRAPH, folder), LifterSettings(_GRAPH, *shape))


def lift_keypoints(xy: FloatArray, lifter: LifterGraph, scores: FloatArray | None = None) -> FloatArray:
    """COCO-17 keypoints (T, 17, 2) px of a whole track at 25 Hz -> joints (T, 17, 3), trunk lengths.

    `scores`: (T, 17) in [0, 1]; default .9 throughout.
    """
    known = np.full(xy.shape[:2], 0.9, np.float32) if scores is None else scores
    stream = TrackLifter(lifter.path, lifter.settings, min(_CHUNK_ROWS, len(xy)))
    first = stream.push(PoseTrack(COCO_17.name, _FPS, 0, xy, known, np.ones(len(xy), bool)))
    return np.concatenate([first.joints, stream.finish().joints])
