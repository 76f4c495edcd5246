"""Simulated infants -> Subjects: what is true of a recording, and its windows' true labels (views.py has what the
device would see of it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError
from fidgety.phantom.cohort import RISK_CATEGORIES, draw_characteristics, simulate_cohort
from fidgety.phantom.kinematics import Control, coco17, h36m17, simulate_control
from fidgety.phantom.motion import Category, Motion
from fidgety.records import Characteristics, FloatArray

__all__ = ["FPS", "INSTANCE_STRIDE", "WINDOW", "Subject", "simulate_subjects", "subject_of"]

FPS = 25.0
WINDOW = 240
INSTANCE_STRIDE = 150


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One simulated infant's recording: truth only, no camera yet.

    joints_m, keypoints_m: (T, 17, 3) float32, H36M-17 and COCO-17, world frame, 25 Hz. has_fms: (T,) bool, in a bout.
    characteristics: (4,) float32: sex (1 = male), gestation weeks, birth weight g, corrected age weeks.
    is_calm: nothing but FMs and ordinary movement: no crying, vigorous kicking or tremor.
    """

    joints_m: FloatArray
    keypoints_m: FloatArray
    has_fms: NDArray[np.bool_]
    category: Category
    characteristics: FloatArray
    is_calm: bool = True

    @property
    def is_risk(self) -> bool:
        return self.category in RISK_CATEGORIES

    def shares(self, stride: int) -> FloatArray:
        """FMs share in [0, 1] of the windows that start every `stride` frames."""
        covered = np.concatenate([[0], np.cumsum(self.has_fms)])
        starts = self.starts(stride)
        return np.asarray((covered[starts + WINDOW] - covered[starts]) / WINDOW, dtype=np.float32)

    def starts(self, stride: int) -> NDArray[np.int64]:
        """First frames of all whole windows, `stride` apart."""
        return np.arange(0, len(self.joints_m) - WINDOW + 1, stride)

    @property
    def fms_frequency(self) -> float:
        """True share of instances (stride 150) of which bouts fill more than half."""
        return float((self.shares(INSTANCE_STRIDE) > 0.5).mean())


def subject_of(motion: Motion, characteristics: FloatArray) -> Subject:
    """What training keeps of a simulated recording. Raises ValueError for another rate than 25 Hz."""
    if motion.fps != FPS:
        raise ValueError(f"training reads movement at {FPS} Hz, got {motion.fps}")
    time_s = np.arange(len(motion)) / FPS
    has_fms = np.zeros(len(motion), dtype=bool)
    for bout in motion.bouts:
        has_fms |= (time_s >= bout.start_s) & (time_s < bout.end_s)
    told = motion.confounders
    is_calm = not (told.crying or told.kicks or told.tremor)
    return Subject(h36m17(motion), coco17(motion), has_fms, motion.category, characteristics, is_calm)


def simulate_subjects(
    n_infants: int, duration_s: float, seed: int, *, heavy_share: float = 0.0, control_share: float = 0.1
) -> list[Subject]:
    """A cohort of `n_infants`, each recorded for `duration_s`, and controls that move without FMs beside it.

    `heavy_share`: of restless infants, who kick, cry and tremble at once: what is most easily taken for FMs, or hides
    them. `control_share`: controls per infant (motionless, breathing, slow posture, kicks, tremor, crying in turn);
    their category is `absent` and their characteristics are drawn like everybody's. Everything follows from `seed`.
    """
    span_s = (duration_s, duration_s)
    infants = simulate_cohort(n_infants, seed, duration_s=span_s, fps=FPS, heavy_share=heavy_share)
    subjects = [subject_of(infant.motion, characteristics_row(infant.characteristics)) for infant in infants]
    return subjects + _simulate_controls(round(n_infants * control_share), duration_s, seed)


def _simulate_controls(n_controls: int, duration_s: float, seed: int) -> list[Subject]:
    kinds, subjects = get_args(Control), []
    for number in range(n_controls):
        rng = np.random.default_rng([seed, 2, number])
        motion = simulate_control(kinds[number % len(kinds)], int(rng.integers(2**31)), duration_s, FPS)
        subjects.append(subject_of(motion, characteristics_row(draw_characteristics(rng))))
    return subjects


def characteristics_row(known: Characteristics) -> FloatArray:
    """(4,) float32 in the order and units of the Info Branch. Raises UsageError where one is not known."""
    if not known.are_complete:
        raise UsageError("the Info Branch learns from complete characteristics only")
    sex = 1.0 if known.sex == "male" else 0.0
    row = (sex, known.gestation_weeks, known.birth_weight_g, known.corrected_age_weeks)
    return np.array(row, dtype=np.float32)
