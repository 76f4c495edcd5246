"""A simulated cohort on disk, in the format of `fidgety.cohort`: tables, and recordings with their truth beside them.

    folder/infants.csv, recordings.csv, clips.csv    clips where the kind of cohort has raters
    folder/recordings/ID.poses, ID.truth.json        one camera; ID-1, ID-2, ... with several

Everything follows from the plan. Dates, gestation, weight and sex agree with the infant's characteristics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from fidgety.cohort.annotations import ClipShares, annotate_bouts
from fidgety.cohort.layout import (
    CLIP_COLUMNS,
    CLIPS,
    INFANT_COLUMNS,
    INFANTS,
    RECORDING_COLUMNS,
    RECORDINGS,
    write_table,
)
from fidgety.cohort.raters import rate_clips
from fidgety.cohort.records import label_of
from fidgety.errors import DeviceError, UsageError
from fidgety.infant import TERM_DAYS
from fidgety.phantom.cohort import Infant, simulate_cohort
from fidgety.phantom.cohort_kinds import INTERNAL, CohortKind
from fidgety.phantom.cohort_recordings import write_rendered, write_track
from fidgety.phantom.pose_noise import PoseNoise, default_pose_noise

__all__ = ["N_TRIES", "CohortPlan", "write_cohort"]

_FIRST_DAY, _N_DAYS = date(2023, 1, 1), 730  # of the recordings
_RECORDINGS = "recordings"
N_TRIES = 8  # movements out of which the one is taken that is as lively as its pair's first


@dataclass(frozen=True, slots=True)
class CohortPlan:
    """Which cohort is simulated."""

    kind: CohortKind = INTERNAL
    seed: int = 1
    n_infants: int | None = None  # None: as many as its kind has
    n_cameras: int = 1  # recordings of each infant's one movement
    duration_s: tuple[float, float] = (90.0, 180.0)  # range, drawn from evenly, in whole seconds
    has_videos: bool = False  # pictures are rendered in place of pose tracks
    kappa: float = 0.8  # of the two raters, where clips are rated

    @property
    def n_recordings(self) -> int:
        """How many there will be."""
        return (self.kind.n_infants if self.n_infants is None else self.n_infants) * self.n_cameras

    @property
    def own_seed(self) -> int:
        """What the infants follow from: other ones for each kind of cohort."""
        return int(np.random.default_rng([self.seed, self.kind.stream, 0xC0407]).integers(2**31))


def write_cohort(folder: Path, plan: CohortPlan) -> int:
    """Simulate, observe or render, and write a cohort; gives the number of recordings. infants.csv comes last.

    Raises UsageError for a plan that makes no sense, a folder that holds a cohort already, or a kappa that the clips
    do not allow; DeviceError when the folder cannot be written.
    """
    _require_sense(plan)
    _make_folder(folder)
    infant_rows: list[list[object]] = []
    recording_rows: list[list[object]] = []
    shares: dict[str, ClipShares] = {}
    noise = default_pose_noise()
    for number, infant in enumerate(_infants(plan)):
        infant_id = f"{plan.kind.name}-{plan.seed}-{number:04d}"
        born, recorded = _dates(infant, np.random.default_rng([plan.own_seed, number, 0xDA7E]))
        infant_rows.append(_infant_row(infant_id, infant, born, plan.kind.site))
        clips = annotate_bouts(infant.motion.bouts, infant.duration_s)
        for file in _write_recordings(folder, infant_id, infant, plan, number, noise):
            recording_rows.append([infant_id, file, recorded])
            shares[file] = clips
    write_table(folder / RECORDINGS, RECORDING_COLUMNS, recording_rows)
    if plan.kind.has_clips:
        write_table(folder / CLIPS, CLIP_COLUMNS, _clip_rows(shares, plan))
    write_table(folder / INFANTS, INFANT_COLUMNS, infant_rows)
    return len(recording_rows)


def _require_sense(plan: CohortPlan) -> None:
    low, high = plan.duration_s
    if not 1.0 <= low <= high:
        raise UsageError(f"recordings of {low:g} to {high:g} s make no sense: give the shorter one first, at least 1 s")
    if plan.n_recordings < 1:
        raise UsageError("a cohort needs an infant and a camera: ask for at least one of each")


def _make_folder(folder: Path) -> None:
    if (folder / INFANTS).exists():
        raise UsageError(f"{folder} holds a cohort already: name another folder")
    try:
        (folder / _RECORDINGS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(f"the cohort cannot be written to {folder}: {error.strerror}") from error


def _infants(plan: CohortPlan) -> Iterable[Infant]:
    kind = plan.kind
    return simulate_cohort(
        plan.n_recordings // plan.n_cameras,
        plan.own_seed,
        mix=kind.mix,
        duration_s=plan.duration_s,
        fps=kind.fps,
        heavy_share=kind.heavy_share,
        control_share=kind.control_share,
        n_tries=N_TRIES,
    )


def _write_recordings(
    folder: Path, infant_id: str, infant: Infant, plan: CohortPlan, number: int, noise: PoseNoise
) -> list[str]:
    """One recording by each camera; gives their names in the tables."""
    files = []
    for camera in range(1, plan.n_cameras + 1):
        stem = infant_id if plan.n_cameras == 1 else f"{infant_id}-{camera}"
        file = f"{_RECORDINGS}/{stem}{'.mp4' if plan.has_videos else '.poses'}"
        site = np.random.default_rng([plan.own_seed, infant.pair, camera, 0x0B5])
        try:
            if plan.has_videos:
                write_rendered(folder / file, infant.motion, plan.kind, site)
            else:
                own = np.random.default_rng([plan.own_seed, number, camera, 0x0B6])
                write_track(folder / file, infant.motion, plan.kind, noise, site, own)
        except OSError as error:
            raise DeviceError(f"{folder / file} cannot be written: {error.strerror}") from error
        files.append(file)
    return files


def _dates(infant: Infant, rng: np.random.Generator) -> tuple[date, date]:
    """Days of birth and of the recording that give the infant's corrected age."""
    known = infant.characteristics
    recorded = _FIRST_DAY + timedelta(days=int(rng.integers(_N_DAYS)))
    age_days = round((known.corrected_age_weeks or 0.0) * 7)
    return recorded - timedelta(days=age_days + TERM_DAYS - _gestation_days(infant)), recorded


def _gestation_days(infant: Infant) -> int:
    return round((infant.characteristics.gestation_weeks or 0.0) * 7)


def _infant_row(infant_id: str, infant: Infant, born: date, site: str) -> list[object]:
    known, gestation_days = infant.characteristics, _gestation_days(infant)
    return [
        infant_id,
        born,
        f"{gestation_days // 7}+{gestation_days % 7}",
        known.sex,
        known.birth_weight_g,
        infant.category,
        label_of(infant.category),
        site,
        "yes",
        "yes",
        None,  # folds are the evaluation's
    ]


def _clip_rows(shares: Mapping[str, ClipShares], plan: CohortPlan) -> list[list[object]]:
    """What each rater says of each clip. Recordings of one movement by several cameras are rated one by one."""
    clips = [(file, start_s) for file, rated in shares.items() for start_s in rated.start_s]
    true = np.concatenate([rated.fms_share for rated in shares.values()])
    said = rate_clips(true, plan.kappa, [plan.own_seed, 0x4A7E])
    return [
        [file, round(float(start_s), 3), round(float(share), 4), f"rater-{rater}"]
        for rater, given in enumerate(said, start=1)
        for (file, start_s), share in zip(clips, given, strict=True)
    ]
