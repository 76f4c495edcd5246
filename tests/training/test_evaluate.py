"""Figures of held-out recordings whose logits are known."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.training.evaluate import ScoredRecording, clip_figures
from fidgety.training.samples import Subject


def test_clip_figures_of_two_recordings() -> None:
    def recording(category: str, margins: list[float], shares: list[float]) -> ScoredRecording:
        subject = Subject(
            *(np.zeros((1, 17, 3), np.float32),) * 2, np.zeros(1, bool), category, np.zeros(4, np.float32)
        )  # type: ignore[arg-type]
        logits = np.stack([np.array(margins), np.zeros(len(margins))], axis=1).astype(np.float32)
        return ScoredRecording(subject, logits, np.array(shares, dtype=np.float32))

    scored = [
        recording("continual", [3, 2, 1, -1], [0.9, 1, 0.8, 0.45]),
        recording("absent", [-2, 0.5, -3, -4], [0] * 4),
    ]
    figures = clip_figures(scored, temperature=1.0, threshold=0.5)
    assert figures["clip_auc"] == 1.0
    assert figures["fms_frequency_mae"] == pytest.approx((0.0 + 0.25) / 2)
    assert figures["fms_frequency_bias"] == pytest.approx(0.125)
    assert figures["fms_frequency_risk_auc"] == 1.0
    assert figures["clear_clip_accuracy"] == pytest.approx(6 / 7)
