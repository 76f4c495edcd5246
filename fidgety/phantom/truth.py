"""The truth beside a rendered recording: where every joint was, in metres and in pixels, and when there were FMs.

name.mp4 -> name.truth.npz (arrays), name.truth.json (category, seed, camera, appearance: for a human to read)
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError
from fidgety.phantom.appearance import Appearance
from fidgety.phantom.camera import Camera
from fidgety.phantom.kinematics import h36m17
from fidgety.phantom.motion import Motion
from fidgety.phantom.render import shake_offset
from fidgety.records import FloatArray, Stretch

__all__ = ["Truth", "read_camera", "read_truth", "truth_of", "write_truth"]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known of a rendered recording. T frames (lost ones too), P body points, joints of H36M-17.

    Pictures are those of the video as it is shown (camera shake included); lengths are kept to 0.1 mm and
    0.05 px.
    """

    times_s: NDArray[np.float64]  # (T,) seconds from the first frame
    is_dropped: NDArray[np.bool_]  # (T,) True: this frame is not in the video
    points_m: FloatArray  # (T, P, 3) metres, world frame, in the order of BODY_POINTS
    points_xy: FloatArray  # (T, P, 2) pixels
    joints_m: FloatArray  # (T, 17, 3) metres, world frame
    joints_xy: FloatArray  # (T, 17, 2) pixels
    bouts_s: NDArray[np.float64]  # (N, 2) start and end of each FMs bout, seconds

    @property
    def bouts(self) -> tuple[Stretch, ...]:
        """The FMs bouts in order."""
        return tuple(Stretch(float(start), float(end)) for start, end in self.bouts_s)


def truth_of(
    motion: Motion,
    camera: Camera,
    appearance: Appearance,
    *,
    times_s: Sequence[float] | NDArray[np.float64] | None = None,
    dropped_frames: Collection[int] = (),
) -> Truth:
    """The truth of a recording without rendering it; arguments as for `render_recording`."""
    n = len(motion)
    times = np.arange(n) / motion.fps if times_s is None else np.asarray(times_s, dtype=np.float64)
    if times.shape != (n,):
        raise UsageError(f"{times.shape} times for {n} frames")
    is_dropped = np.zeros(n, dtype=bool)
    is_dropped[[index for index in dropped_frames if 0 <= index < n]] = True
    joints = h36m17(motion)
    slide = np.array([shake_offset(appearance, index) for index in range(n)])[:, None]
    return Truth(
        times_s=times,
        is_dropped=is_dropped,
        points_m=_rounded(motion.points_m, 1e-4),
        points_xy=_rounded(camera.project(motion.points_m)[0] + slide, 0.05),
        joints_m=_rounded(joints, 1e-4),
        joints_xy=_rounded(camera.project(joints)[0] + slide, 0.05),
        bouts_s=np.array([[bout.start_s, bout.end_s] for bout in motion.bouts]).reshape(-1, 2),
    )


def read_truth(path: Path) -> Truth:
    """The truth beside the recording `path`. Raises FileNotFoundError where there is none."""
    with np.load(_truth_path(path, "npz")) as arrays:
        return Truth(
            times_s=arrays["times_s"],
            is_dropped=arrays["is_dropped"],
            points_m=arrays["points_tenth_mm"].cumsum(axis=0).astype(np.float32) * np.float32(1e-4),
            points_xy=arrays["points_20th_px"].cumsum(axis=0).astype(np.float32) * np.float32(0.05),
            joints_m=arrays["joints_tenth_mm"].cumsum(axis=0).astype(np.float32) * np.float32(1e-4),
            joints_xy=arrays["joints_20th_px"].cumsum(axis=0).astype(np.float32) * np.float32(0.05),
            bouts_s=arrays["bouts_s"],
        )


def read_camera(path: Path) -> Camera:
    """The camera that took the recording `path`. Raises FileNotFoundError where no truth lies beside it."""
    about = json.loads(_truth_path(path, "json").read_text(encoding="utf-8"))["camera"]
    first, second, third = (tuple(row) for row in about.pop("camera_from_world"))
    return Camera(position_m=tuple(about.pop("position_m")), camera_from_world=(first, second, third), **about)


def write_truth(path: Path, truth: Truth, motion: Motion, camera: Camera, appearance: Appearance) -> None:
    """Positions as differences between frames in whole steps: small, and exact to the step."""

    def steps(values: FloatArray, step: float) -> NDArray[np.int32]:
        whole = np.rint(np.nan_to_num(values) / step).astype(np.int32)
        return np.asarray(np.diff(whole, axis=0, prepend=np.zeros_like(whole[:1])))

    part = _truth_path(path, "npz.part")
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            times_s=truth.times_s,
            is_dropped=truth.is_dropped,
            points_tenth_mm=_smallest(steps(truth.points_m, 1e-4)),
            points_20th_px=_smallest(steps(truth.points_xy, 0.05)),
            joints_tenth_mm=_smallest(steps(truth.joints_m, 1e-4)),
            joints_20th_px=_smallest(steps(truth.joints_xy, 0.05)),
            bouts_s=truth.bouts_s,
        )
    part.replace(_truth_path(path, "npz"))
    about = {
        "recording": path.name,
        "category": motion.category,
        "seed": motion.seed,
        "fps": motion.fps,
        "n_frames": len(motion),
        "dropped_frames": np.flatnonzero(truth.is_dropped).tolist(),
        "bouts_s": truth.bouts_s.round(3).tolist(),
        "anatomy": asdict(motion.anatomy),
        "confounders": asdict(motion.confounders),
        "camera": asdict(camera),
        "appearance": asdict(appearance),
    }
    part = _truth_path(path, "json.part")
    part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    part.replace(_truth_path(path, "json"))


def _truth_path(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.stem}.truth.{kind}")


def _rounded(values: NDArray[np.floating], step: float) -> FloatArray:
    return np.asarray(np.rint(values / step) * step, dtype=np.float32)


def _smallest(whole: NDArray[np.int32]) -> NDArray[np.signedinteger]:
    return whole.astype(np.int16) if np.abs(whole).max(initial=0) < 2**15 else whole
