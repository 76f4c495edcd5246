"""Infants of a calibration cohort -> temperature, Platt's line and thresholds, as a bundle's manifest holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fidgety.calibration.operating_point import choose_fms_threshold, choose_risk_threshold
from fidgety.calibration.probability import fit_platt, fit_temperature, sigmoid
from fidgety.training.evaluate import ScoredRecording, probabilities_of
from fidgety.training.networks.mam import Mam
from fidgety.training.statistics.roc import auc

__all__ = ["Calibration", "calibrate", "correct_prior", "fused_margins", "risk_figures"]


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


@torch.inference_mode()
def fused_margins(mam: Mam, scored: Sequence[ScoredRecording], *, with_info: bool) -> NDArray[np.float64]:
    """(R,) fused risk minus fused normal of each recording: the logit of softmax(bag + info)."""
    mam.eval()
    margins = []
    for recording in scored:
        instances = torch.from_numpy(recording.logits).softmax(-1)[None]
        fused = mam.bag(instances, torch.ones(1, instances.shape[1]))
        if with_info:
            fused = fused + mam.info(torch.from_numpy(recording.subject.characteristics)[None])
        margins.append(float(fused[0, 1] - fused[0, 0]))
    return np.array(margins)


@torch.no_grad()
def correct_prior(mam: Mam, scored: Sequence[ScoredRecording]) -> list[ScoredRecording]:
    """Move the clip network's last bias, in place, to the share of FMs that recordings have; gives the moved logits.

    Training draws as many clips with FMs as without, and many near one half, so that the raw network finds FMs too
    often. The shift is the intercept of Platt's line of the held-out instances over its slope. With it P(FMs) = .5
    means even odds.
    """
    logits = np.concatenate([recording.logits for recording in scored])
    holds_fms = np.concatenate([recording.shares > 0.5 for recording in scored])
    slope, intercept = fit_platt(logits[:, 0] - logits[:, 1], holds_fms)
    half = np.float32(0.5 * intercept / slope)
    shift = np.array([half, -half], dtype=np.float32)
    mam.clip.head.bias.add_(torch.from_numpy(shift))
    return [replace(recording, logits=recording.logits + shift) for recording in scored]


def calibrate(mam: Mam, scored: Sequence[ScoredRecording]) -> Calibration:
    """Fit everything on held-out recordings.

    One Platt line serves recordings with and without characteristics: it is fitted on both readings of every
    recording. Raises UsageError where the recordings are all of one class.
    """
    logits = np.concatenate([recording.logits for recording in scored])
    holds_fms = np.concatenate([recording.shares > 0.5 for recording in scored])
    temperature = fit_temperature(logits, holds_fms)
    fms = [probabilities_of(recording.logits, temperature) for recording in scored]
    fms_threshold, mae = choose_fms_threshold(fms, [recording.subject.fms_frequency for recording in scored])
    is_risk = np.array([recording.subject.is_risk for recording in scored])
    margins = fused_margins(mam, scored, with_info=False)
    both = np.concatenate([margins, fused_margins(mam, scored, with_info=True)])
    slope, intercept = fit_platt(both, np.concatenate([is_risk, is_risk]))
    risk_threshold = choose_risk_threshold(sigmoid(slope * margins + intercept), is_risk)
    return Calibration(
        clip_temperature=round(temperature, 4),
        risk_slope=round(slope, 4),
        risk_intercept=round(intercept, 4),
        fms_threshold=fms_threshold,
        risk_threshold=round(risk_threshold, 4),
        fms_frequency_mae=round(mae, 4),
        n_recordings=len(scored),
    )


def risk_figures(mam: Mam, scored: Sequence[ScoredRecording], calibration: Calibration) -> dict[str, float]:
    """AUC and accuracy of the risk, without characteristics, on recordings that the calibration has not seen."""
    is_risk = np.array([recording.subject.is_risk for recording in scored])
    margins = fused_margins(mam, scored, with_info=False)
    risk = sigmoid(calibration.risk_slope * margins + calibration.risk_intercept)
    return {
        "risk_auc": auc(risk, is_risk),
        "risk_accuracy": float(((risk >= calibration.risk_threshold) == is_risk).mean()),
    }
