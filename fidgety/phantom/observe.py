"""What a pose network would have seen of a phantom: true points in the world -> noisy keypoints in the picture,
without rendering.

A random camera projects the points; a `PoseNoise`, measured on rendered videos that went through the pose network,
puts its errors on them: coloured noise that joints share and that grows with their movement, slow bias, movement seen
with the wrong gain, outliers, short dropouts. What comes out looks like the runtime's track and trains the lifter and
MAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.camera import Camera
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.records import FloatArray
from fidgety.runtime.track import BAND_WEIGHTS, smooth_rows
from fidgety.skeleton import COCO_17, H36M_17, Skeleton

__all__ = ["Observer", "draw_observer", "mirror_points", "observe_keypoints", "observe_single_poses"]

_HIP, _THORAX = H36M_17.indices("hip", "thorax")
# Eyes err as the nose does, ears as the head.
_STANDS_FOR = {"left_eye": "nose", "right_eye": "nose", "left_ear": "head", "right_ear": "head"}
_ERRS_AS = H36M_17.indices(*(_STANDS_FOR.get(keypoint, keypoint) for keypoint in COCO_17.keypoints))


@dataclass(frozen=True, slots=True, eq=False)
class Observer:
    """One camera and one pose network's mood, the same for the whole of a recording.

    level: factor on the noise. offset: (17, 2) constant error with the infant upright, torso lengths. gain: (17,) of
    movement.
    outlier_rate_hz, dropout_rate_hz: per joint and per recording.
    """

    camera: Camera
    noise: PoseNoise
    level: float
    offset: FloatArray
    gain: FloatArray
    outlier_rate_hz: float
    dropout_rate_hz: float


def draw_observer(
    rng: np.random.Generator,
    joints_m: FloatArray,
    noise: PoseNoise,
    most_tilt_deg: float = 45.0,
    *,
    is_often_overhead: bool = True,
) -> Observer:
    """A random camera over an infant, (T, 17, 3) world joints in metres, and random errors of the kind `noise`
    describes.

    Tilt 0 to `most_tilt_deg` degrees towards any side, any turn in the picture, .6-1.6 m away. `is_often_overhead`:
    every second tilt is below .3 of the largest; evenly between otherwise.
    """
    camera = Camera.looking_at(
        np.median(joints_m[:, _HIP], axis=0) + np.array([0.0, 0.08, 0.0]),
        distance_m=float(rng.uniform(0.6, 1.6)),
        tilt_deg=float(rng.uniform(0.0, most_tilt_deg) * (rng.choice([0.3, 1.0]) if is_often_overhead else 1.0)),
        azimuth_deg=float(rng.uniform(0.0, 360.0)),
        roll_deg=float(rng.uniform(0.0, 360.0)),
    )
    return Observer(
        camera=camera,
        noise=noise,
        level=float(np.exp(rng.normal(0.0, noise.level_log_sd))),
        offset=(noise.offset_mean + rng.standard_normal((len(H36M_17), 2)) * noise.offset_sd[:, None]).astype(
            np.float32
        ),
        gain=rng.normal(noise.gain_mean, noise.gain_sd).clip(0.3, 1.6).astype(np.float32),
        outlier_rate_hz=float(noise.outlier_rate_hz * rng.exponential()),
        dropout_rate_hz=float(noise.dropout_rate_hz * rng.exponential()),
    )


def _bridge_dropouts(joints: NDArray[np.float64], rate_hz: float, fps: float, rng: np.random.Generator) -> None:
    """Loses stretches of 1-5 whole frames and bridges them linearly, in place, as the runtime bridges short gaps."""
    n_frames = len(joints)
    for _ in range(rng.poisson(rate_hz * n_frames / fps)):
        length = int(rng.integers(1, 6))
        if n_frames < length + 2:
            continue
        start = int(rng.integers(1, n_frames - length))
        weight = (np.arange(1, length + 1) / (length + 1))[:, None, None]
        joints[start : start + length] = (1 - weight) * joints[start - 1] + weight * joints[start + length]


def _add_outliers(
    joints: NDArray[np.float64], size_px: float, rate_hz: float, fps: float, rng: np.random.Generator
) -> None:
    """Throws single joints off by about `size_px` for 1-4 frames, in place."""
    n_frames, n_joints = joints.shape[:2]
    for _ in range(rng.poisson(rate_hz * n_joints * n_frames / fps)):
        start, joint = int(rng.integers(n_frames)), int(rng.integers(n_joints))
        joints[start : start + int(rng.integers(1, 5)), joint] += rng.normal(0.0, size_px, joints.shape[2])


def observe_keypoints(
    keypoints_m: FloatArray,
    joints_m: FloatArray,
    observer: Observer,
    rng: np.random.Generator,
    *,
    fps: float = 25.0,
    weights: Sequence[float] = BAND_WEIGHTS,
) -> FloatArray:
    """COCO-17 keypoints of the world (T, 17, 3), metres -> what the runtime's track would hold, (T, 17, 2) px float32.

    `joints_m`: the joints (T, 17, 3) of the same infant, by whose movement and errors the keypoints err. `weights`: of
    the track's filter.
    """
    if keypoints_m.shape != joints_m.shape or joints_m.shape[1:] != (len(H36M_17), 3):
        raise ValueError(f"keypoints, joints: expected (T, 17, 3) twice, got {keypoints_m.shape}, {joints_m.shape}")
    joints = observer.camera.project(joints_m)[0]
    torso_px = float(np.median(np.linalg.norm(joints[:, _THORAX] - joints[:, _HIP], axis=-1)))
    movement = joints - np.median(joints, axis=0)
    level = observer.level * observer.noise.level_at(movement / torso_px, fps)
    noise = observer.noise.sample(rng, len(joints), fps) * level[..., None] + _turned(observer.offset, joints)
    error = (observer.gain - 1.0)[:, None] * movement + observer.noise.leak @ movement + torso_px * noise
    seen = observer.camera.project(keypoints_m)[0] + error[:, _ERRS_AS]
    _add_outliers(seen, observer.noise.outlier_size * torso_px, observer.outlier_rate_hz, fps, rng)
    _bridge_dropouts(seen, observer.dropout_rate_hz, fps, rng)
    return smooth_rows(seen.astype(np.float32), weights)


def observe_single_poses(
    keypoints_m: FloatArray, joints_m: FloatArray, camera: Camera, noise: PoseNoise, rng: np.random.Generator
) -> FloatArray:
    """N unrelated poses, keypoints and joints (N, 17, 3) world metres -> COCO-17 as a pose network would see them,
    (N, 17, 2) px float32. Every one has lasting errors of its own; of single pictures no movement is known.
    """
    joints, _ = camera.project(joints_m)
    trunk = joints[:, _THORAX] - joints[:, _HIP]
    trunk = trunk[:, 0] + 1j * trunk[:, 1]
    offset = noise.offset_mean + rng.standard_normal((len(joints), len(H36M_17), 2)) * noise.offset_sd[:, None]
    error = (offset[..., 0] + 1j * offset[..., 1]) * (1j * trunk)[:, None]
    seen, _ = camera.project(keypoints_m)
    return np.asarray(seen + np.stack([error.real, error.imag], axis=-1)[:, _ERRS_AS], np.float32)


def _turned(offset: FloatArray, joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Offsets (17, 2) of an upright infant -> those of one that lies as in `joints` (T, 17, 2) px."""
    trunk = complex(*np.median(joints[:, _THORAX] - joints[:, _HIP], axis=0))
    turned = (offset[:, 0] + 1j * offset[:, 1]) * (1j * trunk / abs(trunk))
    return np.stack([turned.real, turned.imag], axis=-1)


def mirror_points(points_m: FloatArray, skeleton: Skeleton) -> FloatArray:
    """World points (T, K, 3) of the mirror-image infant: x turned over, left and right swapped."""
    swapped = points_m[:, list(skeleton.mirror)]
    return np.asarray(swapped * np.array([-1.0, 1.0, 1.0], dtype=np.float32))
