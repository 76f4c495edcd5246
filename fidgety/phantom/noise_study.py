"""How wrong is the pose network on the phantom? Renders recordings, runs the real chain, compares with the truth.

The outcome (`pose_noise.npz`, a PoseNoise) is what the training tracks carry, so that MAM learns on poses as the device
sees them. Infants, cameras and looks are drawn from seeds that no evaluation uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from fidgety.bundle import Bundle, TrackSettings
from fidgety.phantom.appearance import draw_appearance
from fidgety.phantom.camera import Camera
from fidgety.phantom.kinematics import simulate_motion
from fidgety.phantom.motion import Category, Motion
from fidgety.phantom.pose_noise import PoseNoise, measure_pose_noise
from fidgety.phantom.scene import draw_camera
from fidgety.phantom.truth import read_camera, read_truth
from fidgety.phantom.video import render_recording
from fidgety.records import FloatArray, Pose
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.runtime.track import track_poses
from fidgety.skeleton import Skeleton, joints_matrix

__all__ = ["Study", "run_study"]

FPS = 25.0
_MIN_OBSERVED = 0.98  # of the frames: a recording that the network loses tells nothing of its noise


@dataclass(frozen=True, slots=True)
class Study:
    """Which recordings are rendered."""

    n_recordings: int = 12
    duration_s: float = 24.0
    first_seed: int = 900_000


def run_study(study: Study, bundle: Bundle, folder: Path) -> PoseNoise:
    """Render into `folder` (what is there is used again), estimate poses, measure.

    Raises UsageError when fewer than two recordings can be used.
    """
    estimated = [_pair(seed, study.duration_s, bundle, folder) for seed in _seeds(study)]
    return measure_pose_noise([pair for pair in estimated if pair is not None], FPS)


def _seeds(study: Study) -> range:
    return range(study.first_seed, study.first_seed + study.n_recordings)


def _scene(seed: int, duration_s: float) -> tuple[Motion, Camera]:
    """An infant of any category before a camera of any kind."""
    rng = np.random.default_rng([seed, 0xCA4])
    categories: tuple[Category, ...] = get_args(Category)
    motion = simulate_motion(seed, categories[seed % len(categories)], duration_s, FPS)
    camera = draw_camera(rng, motion, (0.5, 0.85))
    return motion, camera


def _pair(seed: int, duration_s: float, bundle: Bundle, folder: Path) -> tuple[FloatArray, FloatArray] | None:
    """(observed, true) tracks (T, 17, 2) px before smoothing; None when the network lost the infant."""
    path = folder / f"study-{seed}.mp4"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        motion, camera = _scene(seed, duration_s)
        render_recording(path, motion, camera, draw_appearance(seed))
    with open_source(str(path)) as source:
        estimator = PoseEstimator(bundle)
        poses = list(estimator.poses(source.frames()))
    observed = _track(poses, estimator.skeleton, TrackSettings(FPS, (1.0,), bundle.manifest.track.max_bridge_ms))
    truth = read_camera(path).project(read_truth(path).joints_m)[0][: len(observed)]
    if len(observed) != len(truth) or np.isnan(observed).any(axis=(1, 2)).mean() > 1 - _MIN_OBSERVED:
        return None
    return _without_gaps(observed), truth.astype(np.float32)


def _track(poses: Iterator[Pose] | list[Pose], skeleton: Skeleton, settings: TrackSettings) -> FloatArray:
    pieces = track_poses(poses, settings, skeleton.name, len(skeleton))
    return np.concatenate([joints_matrix(skeleton) @ piece.keypoints_xy for piece in pieces])


def _without_gaps(track: FloatArray) -> FloatArray:
    """The few frames without a pose take the last one before them (the study is about noise, not about gaps)."""
    is_there = np.isfinite(track).all(axis=(1, 2))
    last = np.maximum.accumulate(np.where(is_there, np.arange(len(track)), np.flatnonzero(is_there)[0]))
    return track[last]
