"""Simulated infants -> lifted tracks as the device would hold them: what MAM's windows are cut from.

    Subject --observe_keypoints--> keypoints (T, 17, 2) px --TrackLifter--> joints (T, 17, 3) trunk lengths

The lifter is the very graph that the device runs. Every recording is seen by several observers, each with a camera and
pose errors of its own, once and for all: lifting a window anew for every step would cost more than the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.bundle import LifterSettings
from fidgety.phantom.observe import draw_observer, mirror_points, observe_keypoints
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.records import FloatArray, PoseTrack
from fidgety.runtime.lift import TrackLifter
from fidgety.skeleton import COCO_17, H36M_17
from fidgety.training.samples import FPS, INSTANCE_STRIDE, WINDOW, Subject

__all__ = ["LifterGraph", "Seen", "lift_keypoints", "see"]

_CLIP_STRIDE = 10  # frames between the clips that may be drawn
_CHUNK_ROWS = 500  # of the lifter: nothing waits for the rows here


@dataclass(frozen=True, slots=True)
class LifterGraph:
    """The lifter that the tracks go through."""

    path: Path
    settings: LifterSettings


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One simulated recording as several observers saw it. tracks: (T, 17, 3) float32 each, trunk lengths."""

    subject: Subject
    tracks: tuple[FloatArray, ...]

    @property
    def is_risk(self) -> bool:
        return self.subject.is_risk

    @property
    def characteristics(self) -> FloatArray:
        """(4,) float32, all known."""
        return self.subject.characteristics

    @property
    def clip_starts(self) -> NDArray[np.int64]:
        """(C,) first frames of the clips that may be drawn."""
        return self.subject.starts(_CLIP_STRIDE)

    @property
    def clip_shares(self) -> FloatArray:
        """(C,) their true FMs shares."""
        return self.subject.shares(_CLIP_STRIDE)

    def clip(self, rng: np.random.Generator, start: int) -> FloatArray:
        """The window (240, 17, 3) that starts at frame `start`, as any one of the observers saw it."""
        return self.tracks[int(rng.integers(len(self.tracks)))][start : start + WINDOW]

    def instances(self, rng: np.random.Generator, n_instances: int | None = None, shift: int = 0) -> FloatArray:
        """Instances (N, 240, 17, 3) that one observer saw; `n_instances` random ones, default all in order.

        `shift`: first frame of the instance grid. Fewer windows than asked for are drawn with replacement.
        """
        track = self.tracks[int(rng.integers(len(self.tracks)))]
        starts = np.arange(shift, len(track) - WINDOW + 1, INSTANCE_STRIDE)
        if n_instances is not None:
            starts = rng.choice(starts, n_instances, replace=len(starts) < n_instances)
        return np.stack([track[start : start + WINDOW] for start in starts])


def see(subjects: Iterable[Subject], noise: PoseNoise, lifter: LifterGraph, n_views: int, seed: int) -> list[Seen]:
    """Every recording seen by `n_views` observers; every other one sees the mirror-image infant. All follows from
    `seed`."""
    return [
        Seen(subject, tuple(_view(subject, noise, lifter, [seed, number, view]) for view in range(n_views)))
        for number, subject in enumerate(subjects)
    ]


def _view(subject: Subject, noise: PoseNoise, lifter: LifterGraph, seed: Sequence[int]) -> FloatArray:
    rng = np.random.default_rng(seed)
    keypoints_m, joints_m = subject.keypoints_m, subject.joints_m
    if seed[-1] % 2:
        keypoints_m, joints_m = mirror_points(keypoints_m, COCO_17), mirror_points(joints_m, H36M_17)
    return lift_keypoints(observe_keypoints(keypoints_m, joints_m, draw_observer(rng, joints_m, noise), rng), lifter)


def lift_keypoints(xy: FloatArray, lifter: LifterGraph, scores: FloatArray | None = None) -> FloatArray:
    """COCO-17 keypoints (T, 17, 2) px of a whole track at 25 Hz -> joints (T, 17, 3), trunk lengths.

    `scores`: (T, 17) in [0, 1]; default .9 throughout.
    """
    known = np.full(xy.shape[:2], 0.9, np.float32) if scores is None else scores
    stream = TrackLifter(lifter.path, lifter.settings, min(_CHUNK_ROWS, len(xy)))
    first = stream.push(PoseTrack(COCO_17.name, FPS, 0, xy, known, np.ones(len(xy), bool)))
    return np.concatenate([first.joints, stream.finish().joints])
