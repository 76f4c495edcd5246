"""What clips truly hold, or what raters say of them, beside what a run found in its windows.

Both are laid on one grid: a window and a clip are the same where they start within half a frame. Phantoms have their
true bouts beside the recording; other cohorts have raters' clips (clips.csv); some have both, some neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fidgety.cohort.annotations import annotate_bouts, has_fms
from fidgety.cohort.records import Cohort, CohortRecording
from fidgety.phantom.cohort_recordings import read_bouts
from fidgety.training.evaluation.records import Predictions, TextArray
from fidgety.training.statistics.inputs import DoubleArray

__all__ = ["TRUTH", "Clips", "Reference", "gather_references", "system_clips"]

TRUTH = "true bouts"
_FPS = 25  # starts are compared by the frame

Key = tuple[str, int]  # recording, first frame


@dataclass(frozen=True, slots=True)
class Reference:
    """One reading of a cohort's clips: true bouts or a rater. has_fms: by recording and first frame."""

    name: str
    has_fms: Mapping[Key, bool]


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """Clips that the system scored, beside the references. recordings: (C,) str. All readings: (C,) float64, 1 = FMs,
    0 = none, NaN = not rated.
    """

    recordings: TextArray
    system: DoubleArray
    references: Mapping[str, DoubleArray]


def gather_references(cohort: Cohort) -> tuple[Reference, ...]:
    """The true bouts where recordings have them, then the raters in the order in which the table names them."""
    truth: dict[Key, bool] = {}
    for recording in cohort.recordings:
        truth |= _true_clips(recording)
    raters: dict[str, dict[Key, bool]] = {}
    for rating in cohort.ratings:
        raters.setdefault(rating.rater, {})[_key(rating.file, rating.start_s)] = has_fms(rating.fms_share)
    found = [Reference(TRUTH, truth)] if truth else []
    return (*found, *(Reference(name, readings) for name, readings in raters.items()))


def system_clips(predictions: Predictions, references: tuple[Reference, ...]) -> Clips:
    """The run's windows that are not void, at the thresholds of the networks that scored them, and the references'
    readings of the same clips.
    """
    windows = predictions.windows
    thresholds = dict(zip(predictions.recordings.tolist(), predictions.fms_thresholds.tolist(), strict=True))
    limits = np.array([thresholds[name] for name in windows.recordings.tolist()], dtype=np.float64)
    is_scored = ~np.isnan(windows.fms_probabilities) & ~np.isnan(limits)
    recordings, starts = windows.recordings[is_scored], windows.start_s[is_scored]
    keys = [_key(name, start_s) for name, start_s in zip(recordings.tolist(), starts.tolist(), strict=True)]
    found = (windows.fms_probabilities[is_scored] >= limits[is_scored]).astype(np.float64)
    return Clips(recordings, found, {one.name: _readings(one, keys) for one in references})


def _readings(reference: Reference, keys: list[Key]) -> DoubleArray:
    return np.array([reference.has_fms.get(key, np.nan) for key in keys], dtype=np.float64)


def _true_clips(recording: CohortRecording) -> dict[Key, bool]:
    """Clips of a phantom's recording; none where no truth lies beside it."""
    try:
        bouts = read_bouts(recording.path)
    except FileNotFoundError:
        return {}
    clips = annotate_bouts(bouts, recording.duration_s or 0.0)
    pairs = zip(clips.start_s.tolist(), clips.has_fms.tolist(), strict=True)
    return {_key(recording.file, start_s): holds for start_s, holds in pairs}


def _key(file: str, start_s: float) -> Key:
    return file, round(start_s * _FPS)
