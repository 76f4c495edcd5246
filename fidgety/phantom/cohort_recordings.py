"""One recording of a phantom cohort on disk: a pose track or a video, and the truth beside it.

name.poses, name.mp4 -> name.truth.json (bouts, category, seed, camera, observer); a video's joints lie in
name.truth.npz too (`truth.py`). `read_bouts` reads the bouts of either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fidgety.phantom.appearance import draw_appearance
from fidgety.phantom.cohort_kinds import CohortKind, draw_site_camera, draw_site_observer
from fidgety.phantom.kinematics import coco17, h36m17
from fidgety.phantom.motion import Motion
from fidgety.phantom.observe import Observer, observe_keypoints
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.phantom.video import render_recording
from fidgety.records import FloatArray, Pose, Stretch
from fidgety.runtime.posefile import PoseWriter
from fidgety.skeleton import COCO_17

__all__ = ["read_bouts", "write_rendered", "write_track"]

_SCORE = 0.9  # of every keypoint: the simulated pose network knows no doubt


def write_track(
    path: Path,
    motion: Motion,
    kind: CohortKind,
    noise: PoseNoise,
    site: np.random.Generator,
    rng: np.random.Generator,
) -> None:
    """Write what camera and pose network of this site make of a movement, as a `.poses` file, and its truth.

    `site` draws camera and observer, `rng` the errors themselves.
    Poses come at the camera's rate and before the track's filter, like the device's own: read through the runtime's
    track they are what the device would hold. Raises DeviceError where a pose cannot be written, OSError for the truth.
    """
    observer = draw_site_observer(site, motion, kind, noise)
    xy = observe_keypoints(coco17(motion), h36m17(motion), observer, rng, fps=motion.fps, weights=(1.0,))
    with PoseWriter(path, COCO_17, {"recording": path.stem, "source": "fidgety phantom cohort"}) as writer:
        for pose in _poses(xy, motion.fps):
            writer.write(pose)
    _write_truth(path, motion, observer)


def write_rendered(path: Path, motion: Motion, kind: CohortKind, site: np.random.Generator) -> None:
    """Render a movement as this site's camera sees it (MP4) and write its truth. `site` draws camera and appearance.

    Slow: 11 frames a second at 720p, 6 at 1080p, on one core.
    """
    camera = draw_site_camera(site, motion, kind)
    look = draw_appearance(int(site.integers(2**31)), **kind.appearance)
    render_recording(path, motion, camera, look, threads=1)


def read_bouts(path: Path) -> tuple[Stretch, ...]:
    """The true FMs bouts of the recording `path`, to the millisecond. Raises FileNotFoundError where no truth lies
    beside it.
    """
    about = json.loads(_truth_path(path).read_text(encoding="utf-8"))
    return tuple(Stretch(float(start_s), float(end_s)) for start_s, end_s in about["bouts_s"])


def _poses(xy: FloatArray, fps: float) -> Iterator[Pose]:
    """`xy`: (T, 17, 2) float32 px."""
    scores = np.full(len(COCO_17), _SCORE, np.float32)
    nothing = np.full((len(COCO_17), 3), np.nan, np.float32)
    for index, keypoints_xy in enumerate(xy):
        yield Pose(index, index / fps, keypoints_xy, scores, nothing, _SCORE, None)


def _write_truth(path: Path, motion: Motion, observer: Observer) -> None:
    about = {
        "recording": path.name,
        "category": motion.category,
        "seed": motion.seed,
        "fps": motion.fps,
        "n_frames": len(motion),
        "bouts_s": [[round(bout.start_s, 3), round(bout.end_s, 3)] for bout in motion.bouts],
        "anatomy": asdict(motion.anatomy),
        "confounders": asdict(motion.confounders),
        "camera": asdict(observer.camera),
        "observer": {
            "level": observer.level,
            "outlier_rate_hz": observer.outlier_rate_hz,
            "dropout_rate_hz": observer.dropout_rate_hz,
        },
    }
    _truth_path(path).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _truth_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.truth.json")
