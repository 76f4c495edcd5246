"""A simulated cohort on disk: one COCO-17 pose track per infant, as camera and pose network would have given it, and a
table of the truth. `fidgety score` takes the tracks.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from fidgety.errors import DeviceError
from fidgety.phantom.cohort import Infant, simulate_cohort
from fidgety.phantom.fidgety_movements import true_fms_frequency
from fidgety.phantom.kinematics import coco17, h36m17
from fidgety.phantom.observe import Observer, draw_observer, observe_keypoints
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.records import FloatArray

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
    """(T, 17, 3) float32: x, y in px as the observer's camera and pose network see them, and confidence 1."""
    motion = infant.motion
    seen = observe_keypoints(coco17(motion), h36m17(motion), observer, rng, fps=infant.fps, weights=(1.0,))
    return np.concatenate([seen, np.ones_like(seen[..., :1])], axis=-1)


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
