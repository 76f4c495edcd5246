"""The shortcut test: do length, frame rate, speed, activity or noise alone tell the classes apart? Then a network may
have learnt them in place of FMs.

Speeds are those of the track as the device holds it, whose filter keeps the FMs band: slower ones would tell slow
movement from quick, which is no shortcut. Noise is measured on the poses as they were stored. Only pose tracks have
them; a video shows its length.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from fidgety.cohort.records import Cohort, CohortRecording
from fidgety.cohort.tracks import open_track, whole_track
from fidgety.errors import UsageError
from fidgety.records import BoolArray, FloatArray
from fidgety.runtime.track import DEVICE_TRACK
from fidgety.skeleton import Skeleton
from fidgety.training.evaluation.cases import TOO_FEW, mean_by_owner
from fidgety.training.evaluation.study import Study, in_words
from fidgety.training.evaluation.tables import NOT_RUN, Cell, Table
from fidgety.training.statistics.groups import spread_of
from fidgety.training.statistics.inputs import DoubleArray
from fidgety.training.statistics.roc import estimate_auc

__all__ = ["Shortcuts", "measure_recording", "shortcut_table"]

_ENDS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
_KICK_TRUNKS_S = 1.85  # 35 cm/s on a trunk of 19 cm: quicker than FMs ever are
_ROUGH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])  # fourth differences: what is left of movement is small (posture.py)
_MEDIAN_TO_SD = 1.4826
_DIGITS = 3  # of seconds and Hz: ranks must not hang on rounding errors of times
_WORDS = {
    "duration_s": "duration, s",
    "fps": "frame rate, Hz",
    "mean_speed": "mean speed, trunks/s",
    "activity": "activity",
    "noise": "noise, trunks/1000",
}


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """What a recording shows beside FMs; NaN = not measured. Speeds are those of wrists and ankles about the hips."""

    duration_s: float
    fps: float  # one over the median pause between poses
    mean_speed: float  # trunk lengths a second
    activity: float  # share of the time in which an end of a limb is quicker than 35 cm/s
    noise: float  # SD from pose to pose, thousandths of the trunk, by fourth differences


def measure_recording(recording: CohortRecording) -> Shortcuts:
    """Measure a recording's stored poses; of a video the length alone. Raises SourceError where it cannot be read."""
    nan = float("nan")
    duration_s = nan if recording.duration_s is None else round(recording.duration_s, _DIGITS)
    if not recording.is_track:
        return Shortcuts(duration_s, nan, nan, nan, nan)
    stored = open_track(recording)
    poses = list(stored.poses)
    times_s = np.array([pose.time_s for pose in poses])
    noise = _noise(_ends(np.stack([pose.keypoints_xy for pose in poses]), stored.skeleton))
    fps = round(1.0 / float(np.median(np.diff(times_s))), _DIGITS) if len(times_s) > 1 else nan
    track = whole_track(poses, stored.skeleton, DEVICE_TRACK)
    return Shortcuts(duration_s, fps, *_speeds(_ends(track.keypoints_xy, stored.skeleton), track.fps), noise)


def shortcut_table(study: Study, setting: str) -> Table:
    """AUC of each measure alone; cohorts of pose tracks have all of them."""
    run, cohort = study.lead, study.cohorts.get(setting)
    title = f"Shortcut test: {in_words(setting)}"
    columns = ("measure", "recordings", "normal", "risk", "AUC")
    rows: tuple[tuple[Cell, ...], ...] = (("the cohort was not given", *(NOT_RUN,) * 4),)
    if cohort is not None and setting in run.settings:
        predictions = run.settings[setting]
        _, first, owner = np.unique(predictions.infants, return_index=True, return_inverse=True)
        measured = _measure_all(cohort, predictions.recordings.tolist())
        by_infant = [mean_by_owner(column, owner) for column in measured.T]
        rows = tuple(
            _row(_WORDS[field.name], column, values, predictions.is_risk[first])
            for field, column, values in zip(fields(Shortcuts), measured.T, by_infant, strict=True)
        )
    return Table(
        f"shortcuts_{setting}",
        title,
        columns,
        rows,
        (
            "Each measure by itself as a score of risk, DeLong's interval; .5 is chance, and both sides of it tell. "
            "Median (IQR) over infants. Speeds of wrists and ankles about the hips; activity: share of the time with "
            "an end quicker than 35 cm/s; noise: from pose to pose.",
        ),
    )


def _row(word: str, recordings: DoubleArray, values: DoubleArray, is_risk: BoolArray) -> tuple[Cell, ...]:
    is_known = ~np.isnan(values)
    n = int((~np.isnan(recordings)).sum())
    if n == 0:
        return (word, n, *(NOT_RUN,) * 3)
    try:
        area: Cell = estimate_auc(values[is_known], is_risk[is_known])
    except UsageError:  # fewer than two of a class
        area = TOO_FEW
    return (word, n, spread_of(values[~is_risk]), spread_of(values[is_risk]), area)


def _measure_all(cohort: Cohort, files: Sequence[str]) -> DoubleArray:
    """(R, 5) measures of these recordings."""
    by_file = {one.file: one for one in cohort.recordings}
    return np.array([astuple(measure_recording(by_file[file])) for file in files], dtype=np.float64)


def _ends(keypoints_xy: FloatArray, skeleton: Skeleton) -> DoubleArray:
    """(T, 4, 2) wrists and ankles about the middle of the hips, in trunk lengths; NaN where no infant was found."""
    wanted = [*_ENDS, "left_shoulder", "right_shoulder", "left_hip", "right_hip"]
    xy = keypoints_xy[:, skeleton.indices(*wanted)].astype(np.float64)
    shoulders, hips = xy[:, 4:6].mean(axis=1), xy[:, 6:8].mean(axis=1)
    trunk_px = np.linalg.norm(shoulders - hips, axis=-1)
    if np.isnan(trunk_px).all():
        return np.full((len(xy), len(_ENDS), 2), np.nan)
    return np.asarray((xy[:, :4] - hips[:, None]) / np.nanmedian(trunk_px))


def _speeds(ends: DoubleArray, fps: float) -> tuple[float, float]:
    """Mean speed and activity."""
    speeds = np.linalg.norm(np.diff(ends, axis=0), axis=-1) * fps
    is_known = np.isfinite(speeds).all(axis=1)
    if not is_known.any():
        return float("nan"), float("nan")
    known = speeds[is_known]
    return float(known.mean()), float((known.max(axis=1) > _KICK_TRUNKS_S).mean())


def _noise(ends: DoubleArray) -> float:
    """Poses that follow each other, whatever the pauses; a NaN voids the five poses around it."""
    if len(ends) < len(_ROUGH):
        return float("nan")
    rough = sum(weight * ends[i : len(ends) - 4 + i] for i, weight in enumerate(_ROUGH))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing but NaN: the median says so
        middle = float(np.nanmedian(np.abs(np.asarray(rough))))
    return 1e3 * _MEDIAN_TO_SD * middle / float(np.sqrt((_ROUGH**2).sum()))
