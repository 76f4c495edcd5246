"""How well a clip network does on infants it has not seen: figures for the training log, from recordings whose
truth is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fidgety.calibration.probability import sigmoid
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.records import FloatArray
from fidgety.training.networks.mam import ClipNetwork
from fidgety.training.samples import INSTANCE_STRIDE, Subject
from fidgety.training.statistics.agreement import kappa
from fidgety.training.statistics.roc import auc
from fidgety.training.views import LifterGraph, see

__all__ = ["Recording", "ScoredRecording", "clip_figures", "observe_recordings", "score_recordings"]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One held-out infant as one camera saw it. windows: (N, 240, 17, 3) float32, all instances in order."""

    subject: Subject
    windows: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRecording:
    """A recording's instances with the network's raw logits (N, 2) float32 and true FMs shares (N,)."""

    subject: Subject
    logits: FloatArray
    shares: FloatArray


def observe_recordings(
    subjects: Sequence[Subject], noise: PoseNoise, lifter: LifterGraph, seed: int
) -> list[Recording]:
    """Every subject seen once, by observers that follow from `seed`."""
    rng = np.random.default_rng(seed)
    return [Recording(seen.subject, seen.instances(rng)) for seen in see(subjects, noise, lifter, 1, seed)]


@torch.inference_mode()
def score_recordings(network: ClipNetwork, recordings: Sequence[Recording], batch: int = 32) -> list[ScoredRecording]:
    """Logits of all instances, in single precision."""
    was_training = network.training
    network.eval()
    windows = np.concatenate([recording.windows for recording in recordings])
    pieces = [network(torch.from_numpy(windows[i : i + batch]))[0].numpy() for i in range(0, len(windows), batch)]
    network.train(was_training)
    logits, scored, first = np.concatenate(pieces), [], 0
    for recording in recordings:
        last = first + len(recording.windows)
        scored.append(ScoredRecording(recording.subject, logits[first:last], recording.subject.shares(INSTANCE_STRIDE)))
        first = last
    return scored


def clip_figures(scored: Sequence[ScoredRecording], temperature: float, threshold: float) -> dict[str, float]:
    """Clip AUC and kappa, the same on clear clips (FMs share outside .35-.65), FMs-frequency error, AUC of the
    frequency. `clip_kappa` is NaN where all clips are, and are read as, one class.
    """
    fms = [probabilities_of(recording.logits, temperature) for recording in scored]
    probability = np.concatenate(fms)
    share = np.concatenate([recording.shares for recording in scored])
    clear = np.abs(share - 0.5) > 0.15
    measured = np.array([(p >= threshold).mean() for p in fms])
    truth = np.array([(recording.shares > 0.5).mean() for recording in scored])
    is_risk = np.array([recording.subject.is_risk for recording in scored])
    return {
        "clip_auc": auc(probability, share > 0.5),
        "clip_kappa": kappa(probability >= threshold, share > 0.5),
        "clear_clip_auc": auc(probability[clear], share[clear] > 0.5),
        "clear_clip_accuracy": float(((probability >= threshold) == (share > 0.5))[clear].mean()),
        "fms_frequency_mae": float(np.abs(measured - truth).mean()),
        "fms_frequency_worst": float(np.abs(measured - truth).max()),
        "fms_frequency_bias": float((measured - truth).mean()),
        "fms_frequency_risk_auc": auc(-measured, is_risk),
    }


def probabilities_of(logits: FloatArray, temperature: float) -> NDArray[np.float64]:
    """(N, 2) logits -> (N,) P(FMs)."""
    return sigmoid((logits[:, 0] - logits[:, 1]).astype(np.float64) / temperature)
