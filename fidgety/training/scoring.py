"""A model and its calibration on recordings that it never saw: one row a recording, one row a window.

The recording is scored as the device does: risk, FMs frequency = instances with P(FMs) at the threshold or above, and
P(FMs) every 20 frames. What cannot be assessed has a row without scores, so that nobody is lost (intention to screen).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fidgety.calibration.probability import sigmoid
from fidgety.records import FloatArray
from fidgety.training.calibrate import Calibration
from fidgety.training.models import Model, Reading
from fidgety.training.tracked import TrackedInfant, TrackedRecording

__all__ = ["Prediction", "WindowRow", "predict"]

_TINY = 1e-7


@dataclass(frozen=True, slots=True)
class Prediction:
    """One recording's row of predictions.csv; the names are its columns. None = an empty cell."""

    infant: str
    recording: str
    site: str
    is_risk: bool  # written as 1 or 0
    fms_category: str | None
    fold: int | None  # whose model scored it; None: the models of all folds
    risk: float | None  # calibrated
    fms_frequency: float | None
    n_windows: int  # instances that may be scored
    seconds_assessable: float
    risk_threshold: float
    fms_threshold: float | None
    margins: tuple[float, float] | None = None  # not a column: one model's raw logits, with and without characteristics


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window's row of windows.csv. Void windows have none."""

    recording: str
    start_s: float
    fold: int | None
    fms_probability: float  # calibrated


def predict(
    scorers: Sequence[tuple[Model, Calibration]], infants: Sequence[TrackedInfant], fold: int | None
) -> tuple[list[Prediction], list[WindowRow]]:
    """Score all recordings with one model, or with the mean of several: of their risks, probabilities, thresholds."""
    predictions: list[Prediction] = []
    windows: list[WindowRow] = []
    for infant in infants:
        for recording in infant.recordings:
            prediction, rows = _predict_one(scorers, infant, recording, fold)
            predictions.append(prediction)
            windows += rows
    return predictions, windows


def _predict_one(
    scorers: Sequence[tuple[Model, Calibration]], infant: TrackedInfant, recording: TrackedRecording, fold: int | None
) -> tuple[Prediction, list[WindowRow]]:
    risk, instances, localisation, readings = None, None, None, list[Reading]()
    if recording.is_assessable:
        readings = [model.read(recording, with_localisation=True) for model, _ in scorers]
        risk, instances, localisation = _mean_scores([one for _, one in scorers], readings)
    risk_threshold, fms_threshold = (
        float(np.mean([getattr(calibration, name) for _, calibration in scorers]))
        for name in ("risk_threshold", "fms_threshold")
    )
    prediction = Prediction(
        infant=infant.infant_id,
        recording=recording.file,
        site=infant.site,
        is_risk=infant.is_risk,
        fms_category=infant.category,
        fold=fold,
        risk=risk,
        fms_frequency=None if instances is None else float((instances >= fms_threshold).mean()),
        n_windows=len(recording.instance_starts),
        seconds_assessable=recording.seconds_assessable,
        risk_threshold=risk_threshold,
        fms_threshold=None if np.isnan(fms_threshold) else fms_threshold,
        margins=(readings[0].margin, readings[0].plain_margin) if len(readings) == 1 else None,
    )
    if localisation is None:
        return prediction, []
    starts_s = recording.localisation_starts / recording.rule.fps
    pairs = zip(starts_s, localisation, strict=True)
    return prediction, [WindowRow(recording.file, float(s), fold, float(p)) for s, p in pairs]


def _mean_scores(
    calibrations: Sequence[Calibration], readings: Sequence[Reading]
) -> tuple[float, FloatArray | None, FloatArray | None]:
    """Calibrated risk, P(FMs) of the instances, P(FMs) every 20 frames: means over the models."""
    risks, instances, localisation = [], [], []
    for calibration, reading in zip(calibrations, readings, strict=True):
        risks.append(float(sigmoid(calibration.risk_slope * reading.margin + calibration.risk_intercept)))
        if reading.instances is not None and reading.localisation is not None:
            instances.append(_calibrated(reading.instances, calibration.clip_temperature))
            localisation.append(_calibrated(reading.localisation, calibration.clip_temperature))
    mean_risk = float(np.mean(risks))
    if not instances:
        return mean_risk, None, None
    return mean_risk, np.mean(instances, axis=0), np.mean(localisation, axis=0)


def _calibrated(fms: FloatArray, temperature: float) -> FloatArray:
    """Raw P(FMs) (N,) -> softmax(logits / temperature)."""
    kept = np.clip(fms.astype(np.float64), _TINY, 1.0 - _TINY)
    return sigmoid((np.log(kept) - np.log1p(-kept)) / temperature).astype(np.float32)
