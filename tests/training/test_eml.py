"""EML finds what is there, finds nothing where there is nothing, and says so when it cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.eml import Eml
from fidgety.training.motion_features import feature_table
from fidgety.training.statistics.roc import auc

RecordingMaker = Callable[..., np.ndarray]
N = 32


@pytest.fixture(scope="module")
def recordings(moving: RecordingMaker) -> list[np.ndarray]:
    """Every other infant lacks most of the movement at 1.5 Hz; all of them differ in how much they move."""
    sizes = np.random.default_rng(0).uniform(0.7, 1.4, N)
    return [moving(250, 1.5, sizes[i] * (0.03 if i % 2 == 0 else 0.018), seed=i, tremble=0.003) for i in range(N)]


@pytest.fixture(scope="module")
def features(recordings: list[np.ndarray]) -> np.ndarray:
    return feature_table(recordings)


def _held_out_auc(features: np.ndarray, is_risk: np.ndarray) -> float:
    """Trained on one half, asked about the other, and the other way round."""
    scores, half = np.zeros(N), np.arange(N) // 2 % 2 == 0
    for learns in (half, ~half):
        system = Eml()
        system.fit(features[learns], is_risk[learns])
        scores[~learns] = system.risks(features[~learns])
    return auc(scores, is_risk)


def test_eml_separates_two_groups(features: np.ndarray) -> None:
    assert _held_out_auc(features, np.arange(N) % 2 == 1) > 0.9


def test_eml_is_at_chance_for_shuffled_labels(features: np.ndarray) -> None:
    """Shuffled within each group and half, so that the labels have nothing to do with the groups in either half."""
    rng = np.random.default_rng(5)
    is_risk = np.zeros(N, dtype=bool)
    for first in range(4):
        is_risk[rng.permutation(np.arange(first, N, 4))[: N // 8]] = True
    assert 0.3 < _held_out_auc(features, is_risk) < 0.7


def test_eml_scores_a_recording_as_its_features(recordings: list[np.ndarray], features: np.ndarray) -> None:
    system = Eml()
    system.fit(features, np.arange(N) % 2 == 1)
    risks = system.risks(features)
    assert risks.shape == (N,) and (risks >= 0.0).all() and (risks <= 1.0).all()
    assert system.risk(recordings[3]) == pytest.approx(risks[3], abs=1e-12)
    assert risks[1::2].min() > risks[::2].max()
    assert system.window_probabilities(recordings[3], np.array([0])) is None


def test_eml_of_the_same_seed_gives_the_same_scores(features: np.ndarray) -> None:
    scores = []
    for seed in (1, 1, 2):
        system = Eml(seed)
        system.fit(features, np.arange(N) % 2 == 1)
        scores.append(system.risks(features))
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_eml_refuses_what_it_cannot_learn_from(features: np.ndarray) -> None:
    system = Eml()
    with pytest.raises(UsageError, match="fit it first"):
        system.risks(features)
    with pytest.raises(UsageError, match="2 of 32 are risk"):
        system.fit(features, np.arange(N) < 2)
    with pytest.raises(UsageError, match=r"\(32, 107\)"):
        system.fit(features[:, 1:], np.arange(N) < 9)
