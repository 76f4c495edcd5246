"""A simulated cohort on disk: one COCO-17 pose track per infant, as camera and pose network would have given it, and a
table of the truth. `fidgety score` takes the tracks.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import DeviceError
from fidgety.phantom.cohort import Infant, simulate_cohort
from fidgety.phantom.fidgety_movements import true_fms_frequency
from fidgety.phantom.kinematics import coco17, h36m17
from fidgety.phantom.observe import Observer, draw_observer
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.records import FloatArray
from fidgety.skeleton import COCO_17, H36M_17

__all__ = ["COLUMNS", "NOISE_FILE", "observe_coco17", "write_cohort"]

NOISE_FILE = Path(__file__).with_name("pose_noise.npz")  # measured by `fidgety phantom noise`
COLUMNS = (
    "infant",
    "file",
    "category",
    "fms_frequency",
    "n_bouts",
    "duration_s",
    "fps",
    "corrected_age_weeks",
    "gestation_weeks",
    "sex",
    "birth_weight_g",
    "activity",
    "kicks",
    "crying",
    "tremor",
)
# Eyes err as the nose does, ears as the head.
_STANDS_FOR = {"left_eye": "nose", "right_eye": "nose", "left_ear": "head", "right_ear": "head"}


def write_cohort(folder: Path, n_infants: int, seed: int) -> int:
    """Simulate infants and write `<id>.npz` (xyc (T, 17, 3), fps) and `cohort.csv`; gives the number of infants.

    Raises DeviceError when the folder cannot be written.
    """
    noise = PoseNoise.load(NOISE_FILE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "cohort.csv.part").open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(COLUMNS)
            for i, infant in enumerate(simulate_cohort(n_infants, seed)):
                rng = np.random.default_rng([seed, i, 0x0B5])
                observer = draw_observer(rng, h36m17(infant.motion), noise)
                xyc = observe_coco17(infant, observer, rng)
                np.savez_compressed(folder / f"{infant.infant_id}.npz", xyc=xyc, fps=np.float64(infant.fps))
                table.writerow(_row(infant))
        (folder / "cohort.csv.part").replace(folder / "cohort.csv")
    except OSError as error:
        raise DeviceError(f"the cohort cannot be written to {folder}: {error.strerror}") from error
    return n_infants


def observe_coco17(infant: Infant, observer: Observer, rng: np.random.Generator) -> FloatArray:
    """(T, 17, 3) float32: x, y in px as the observer's camera sees them, with its noise, and confidence 1."""
    xy, _ = observer.camera.project(coco17(infant.motion))
    joints_xy, _ = observer.camera.project(h36m17(infant.motion))
    hip, thorax = H36M_17.indices("hip", "thorax")
    torso_px = float(np.median(np.linalg.norm(joints_xy[:, thorax] - joints_xy[:, hip], axis=-1)))
    level = observer.level * observer.noise.level_at((joints_xy - np.median(joints_xy, axis=0)) / torso_px, infant.fps)
    noise = observer.noise.sample(rng, len(xy), infant.fps)[..., :2] * level[..., None] + observer.offset[:, :2]
    error: NDArray[np.float64] = noise[:, H36M_17.indices(*(_STANDS_FOR.get(k, k) for k in COCO_17.keypoints))]
    seen = xy + torso_px * error
    return np.concatenate([seen, np.ones_like(seen[..., :1])], axis=-1).astype(np.float32)


def _row(infant: Infant) -> list[object]:
    known, confounders = infant.characteristics, infant.confounders
    return [
        infant.infant_id,
        f"{infant.infant_id}.npz",
        infant.category,
        round(true_fms_frequency(infant.motion.bouts, infant.duration_s), 4),
        len(infant.motion.bouts),
        infant.duration_s,
        infant.fps,
        known.corrected_age_weeks,
        known.gestation_weeks,
        known.sex,
        known.birth_weight_g,
        confounders.activity,
        confounders.kicks,
        confounders.crying,
        confounders.tremor,
    ]
