"""Infants are drawn, with all their rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.bootstrap import bootstrap_by_infant
from fidgety.training.statistics.roc import auc, estimate_auc


def test_bootstrap_of_a_mean_has_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 100)
    estimate = bootstrap_by_infant(lambda rows: values[rows].mean(), np.arange(100))
    reach = 1.96 * values.std() / 10
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.low, estimate.high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.05)
    assert (estimate.n_infants, estimate.n_resamples, estimate.n_undefined) == (100, 2000, 0)


def test_bootstrap_does_not_take_copies_for_evidence() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 30)
    once = bootstrap_by_infant(lambda rows: values[rows].mean(), np.arange(30), n_resamples=300)
    copied, owner = np.tile(values, 4), np.tile(np.arange(30), 4)
    four_times = bootstrap_by_infant(lambda rows: copied[rows].mean(), owner, n_resamples=300)
    assert (four_times.low, four_times.high) == pytest.approx((once.low, once.high))


def test_bootstrap_keeps_the_rows_of_an_infant_together() -> None:
    infants = np.array(["b", "a", "b", "c", "b", "a"])
    seen = []

    def figure(rows: np.ndarray) -> float:
        seen.append(np.bincount(rows, minlength=6))
        return 0.0

    bootstrap_by_infant(figure, infants, n_resamples=50)
    assert seen[0].tolist() == [1] * 6
    counts = np.array(seen[1:])
    assert (counts[:, [0, 2]] == counts[:, [4]]).all() and (counts[:, 1] == counts[:, 5]).all()
    assert (counts[:, 0] + counts[:, 1] + counts[:, 3] == 3).all()
    assert len(np.unique(counts, axis=0)) > 5


def test_bootstrap_of_an_auc_is_about_delongs() -> None:
    rng = np.random.default_rng(4)
    is_positive = rng.random(150) < 0.4
    scores = rng.normal(0.0, 1.0, 150) + is_positive
    estimate = bootstrap_by_infant(lambda rows: auc(scores[rows], is_positive[rows]), np.arange(150), n_resamples=1000)
    delong = estimate_auc(scores, is_positive)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        (delong.value, delong.low, delong.high), abs=0.02
    )


def test_bootstrap_follows_its_seed_and_level() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 30)

    def run(seed: int, level: float) -> tuple[float, float]:
        found = bootstrap_by_infant(lambda rows: values[rows].mean(), np.arange(30), 200, seed, level)
        return found.low, found.high

    assert run(1, 0.95) == run(1, 0.95) != run(2, 0.95)
    assert run(1, 0.5)[0] > run(1, 0.95)[0]


def test_bootstrap_counts_resamples_without_the_figure() -> None:
    is_positive = np.arange(12) < 4
    scores = np.arange(12.0)
    estimate = bootstrap_by_infant(lambda rows: auc(scores[rows], is_positive[rows]), np.arange(12), seed=3)
    assert estimate.n_undefined / 2000 == pytest.approx((8 / 12) ** 12, abs=0.005)
    assert math.isfinite(estimate.low)


def test_bootstrap_of_too_few() -> None:
    is_positive = np.array([True, False, False, False])
    with pytest.raises(UsageError, match="resamples have no such figure: 4 infants are too few"):
        bootstrap_by_infant(lambda rows: auc(rows, is_positive[rows]), np.arange(4))
    with pytest.raises(UsageError, match="two infants or more: got 1"):
        bootstrap_by_infant(lambda _: 0.0, ["a", "a"])
    with pytest.raises(UsageError, match="one for each row"):
        bootstrap_by_infant(lambda _: 0.0, [])
    with pytest.raises(UsageError, match="both classes"):
        bootstrap_by_infant(lambda rows: auc(rows, rows >= 0), np.arange(4))
