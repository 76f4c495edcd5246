"""AUC and kappa against known values."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.evaluate import ScoredRecording, auc, clip_figures, kappa
from fidgety.training.samples import Subject


def test_auc_counts_pairs_and_halves_ties() -> None:
    assert auc([0.9, 0.8, 0.3, 0.1], [True, False, True, False]) == 0.75
    assert auc([0.5, 0.5], [True, False]) == 0.5
    with pytest.raises(UsageError, match="both classes"):
        auc([0.1, 0.2], [True, True])


def test_kappa_takes_chance_away() -> None:
    one = [True] * 25 + [False] * 25
    other = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    assert kappa(one, other) == pytest.approx(0.4)  # .70 agreement, .50 by chance
    assert kappa([True, True], [True, True]) == 0.0


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
