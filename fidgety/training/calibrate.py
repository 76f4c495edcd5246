"""Held-out training infants -> temperature, Platt's line and thresholds of one model. Test infants never come here.

The risk threshold follows from what a missed infant weighs (the protocol's `miss_weight`). Youden's, picked on some
thirty held-out infants whom MAM parts well, lay anywhere between .27 and .69, and weighs a miss like a false alarm.

Where a system learned from rated clips, its FMs threshold brings the held-out clips' FMs frequency nearest to the
raters'. Where it did not, no clip has a say: the threshold is the one at which the FMs frequency parts the held-out
classes best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.calibration.operating_point import choose_fms_threshold, cost_threshold
from fidgety.calibration.probability import fit_platt, fit_temperature, sigmoid
from fidgety.records import BoolArray, FloatArray
from fidgety.training.models import Model, Reading
from fidgety.training.statistics.roc import auc
from fidgety.training.tracked import TrackedRecording

__all__ = ["Calibration", "RatedLogits", "calibrate_model", "prior_shift", "risk_line"]

_LEAST_SLOPE = 0.25  # of Platt's line on clips: a network whose logits say less of them has no prior to correct

# One recording's rated clips: raw logits (C, 2), the raters' FMs shares (C,)
RatedLogits = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `bundle.ProbabilityCalibration` and `bundle.OperatingPoint` need, and the figures that it was chosen by."""

    clip_temperature: float
    risk_slope: float
    risk_intercept: float
    fms_threshold: float
    risk_threshold: float
    fms_frequency_mae: float
    n_recordings: int


def prior_shift(rated: Sequence[RatedLogits]) -> FloatArray:
    """(2,) float32, to be added to the logits: even odds where as many clips hold FMs as not.

    Training draws as many clips with FMs as without, and many near one half, so that the raw network finds FMs too
    often. The shift is the intercept of Platt's line of the held-out clips over its slope. Zero where nothing can be
    told: clips of one class, or logits that hardly follow it.
    """
    logits, has_fms = _together(rated)
    if has_fms.all() or not has_fms.any():
        return np.zeros(2, np.float32)
    slope, intercept = fit_platt(logits[:, 0] - logits[:, 1], has_fms)
    half = 0.5 * intercept / slope if slope >= _LEAST_SLOPE else 0.0
    return np.array([half, -half], np.float32)


def calibrate_model(
    model: Model, held: Sequence[TrackedRecording], rated: Sequence[RatedLogits], miss_weight: float
) -> Calibration:
    """Calibrate on held-out recordings and, where there are any, the logits of held-out clips. `miss_weight`: false
    alarms that one missed infant weighs as much as.

    Raises UsageError where the recordings are all of one class.
    """
    readings = [model.read(recording, with_localisation=False) for recording in held]
    is_risk = np.array([recording.is_risk for recording in held])
    slope, intercept = risk_line([(reading.margin, reading.plain_margin) for reading in readings], is_risk)
    temperature, fms_threshold, mae = _on_clips(rated) if rated else _on_bags(readings, is_risk)
    return Calibration(
        clip_temperature=round(temperature, 4),
        risk_slope=round(slope, 4),
        risk_intercept=round(intercept, 4),
        fms_threshold=fms_threshold,
        risk_threshold=round(cost_threshold(miss_weight), 4),
        fms_frequency_mae=round(mae, 4),
        n_recordings=len(held),
    )


def risk_line(margins: Sequence[tuple[float, float]], is_risk: BoolArray) -> tuple[float, float]:
    """Slope and intercept of Platt's line, fitted on each recording's raw logit with and without characteristics. One
    that falls would turn the ranking of a few held-out infants into everybody's: then there is none (1, 0).
    """
    slope, intercept = fit_platt(np.array(margins).T.ravel(), np.concatenate([is_risk, is_risk]))
    return (slope, intercept) if slope > 0.0 else (1.0, 0.0)


def _on_clips(rated: Sequence[RatedLogits]) -> tuple[float, float, float]:
    """Temperature, FMs threshold, and the mean absolute error of the FMs frequency there."""
    logits, has_fms = _together(rated)
    temperature = 1.0 if has_fms.all() or not has_fms.any() else fit_temperature(logits, has_fms)
    probabilities = [sigmoid((one[:, 0] - one[:, 1]).astype(np.float64) / temperature) for one, _ in rated]
    return temperature, *choose_fms_threshold(probabilities, [float((shares > 0.5).mean()) for _, shares in rated])


def _on_bags(readings: Sequence[Reading], is_risk: BoolArray) -> tuple[float, float, float]:
    """No temperature, the threshold that parts the classes best, of equally good ones the middle; no error is known."""
    scored = [reading.instances for reading in readings if reading.instances is not None]
    if not scored:
        return 1.0, float("nan"), float("nan")
    candidates = np.unique(np.quantile(np.concatenate(scored), np.linspace(0.02, 0.98, 49)))
    figures = np.array([auc([-float((p >= cut).mean()) for p in scored], is_risk) for cut in candidates])
    best: NDArray[np.int64] = np.flatnonzero(figures >= figures.max() - 1e-9)
    return 1.0, float(candidates[best[len(best) // 2]]), float("nan")


def _together(rated: Sequence[RatedLogits]) -> tuple[FloatArray, BoolArray]:
    logits, shares = (np.concatenate(part) for part in zip(*rated, strict=True))
    return logits, shares > 0.5
