"""Calibration on held-out recordings whose scores are made up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fidgety.training.calibrate import calibrate, correct_prior, fused_margins, risk_figures
from fidgety.training.evaluate import ScoredRecording
from fidgety.training.networks.mam import Mam
from fidgety.training.samples import Subject


def _scored(n_recordings: int = 40, offset: float = 0.0) -> list[ScoredRecording]:
    """Normal recordings with FMs in most of 30 windows, risk ones in few; margins follow the true share."""
    rng = np.random.default_rng(0)
    scored = []
    for number in range(n_recordings):
        is_risk = number % 2 == 1
        share = np.clip(rng.normal(0.15 if is_risk else 0.65, 0.3, 30), 0, 1).astype(np.float32)
        has_fms = np.zeros(240 + 29 * 150, dtype=bool)
        for i, value in enumerate(share):  # the first 150 frames of each window, so that windows do not mix
            has_fms[150 * i : 150 * i + round(150 * float(value))] = True
        joints = np.zeros((len(has_fms), 17, 3), np.float32)
        subject = Subject(
            joints, joints, has_fms, "absent" if is_risk else "continual", np.array([1, 38, 3000, 14], np.float32)
        )
        true = subject.shares(150)
        margin = 12.0 * (true - 0.5) + rng.normal(0.0, 1.0, 30) + offset
        scored.append(ScoredRecording(subject, np.stack([margin, 0 * margin], axis=1).astype(np.float32), true))
    return scored


def test_correct_prior_moves_even_odds_to_one_half() -> None:
    mam = Mam()
    before = mam.clip.head.bias.detach().clone()
    moved = correct_prior(mam, _scored(offset=2.5))
    shift = mam.clip.head.bias.detach() - before
    assert (shift[1] - shift[0]).item() == pytest.approx(2.5, abs=0.3)
    first = _scored(offset=2.5)[0]
    assert np.allclose(moved[0].logits - first.logits, shift.numpy(), atol=1e-6)


def test_calibrate_finds_thresholds_that_separate() -> None:
    torch.manual_seed(0)
    mam = Mam()
    mam.info.set_scaling(torch.tensor([[0.0, 30.0, 2000.0, 11.0], [1.0, 40.0, 3500.0, 17.0]]))
    calibration = calibrate(mam, _scored())
    assert calibration.n_recordings == 40
    assert 0.4 <= calibration.fms_threshold <= 0.6
    assert calibration.fms_frequency_mae < 0.05
    figures = risk_figures(mam, _scored(), calibration)
    assert figures["risk_auc"] > 0.95 and figures["risk_accuracy"] > 0.9
    assert calibration.risk_slope > 0.0


def test_fused_margins_with_info_differ_by_the_branch() -> None:
    torch.manual_seed(1)
    mam, scored = Mam(), _scored(4)
    with torch.inference_mode():
        info = mam.info.eval()(torch.from_numpy(scored[0].subject.characteristics)[None])[0]
    difference = fused_margins(mam, scored, with_info=True) - fused_margins(mam, scored, with_info=False)
    assert np.allclose(difference, float(info[1] - info[0]), atol=1e-6)
