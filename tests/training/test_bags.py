"""The batch rule: balanced clips, one normal and one risk bag."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.phantom.pose_noise import assumed_pose_noise
from fidgety.training.bags import CLEAR_CLIPS, ClipPool, draw_bag_pair, soft_targets
from fidgety.training.samples import Subject, simulate_subjects

NOISE = assumed_pose_noise()


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    return simulate_subjects(10, 30.0, seed=4, control_share=0.0)


def test_soft_targets_ramp_about_one_half() -> None:
    shares = np.array([0.0, 0.35, 0.425, 0.5, 0.65, 1.0], dtype=np.float32)
    targets = soft_targets(shares, 0.3)
    assert np.allclose(targets[:, 0], [0, 0, 0.25, 0.5, 1, 1], atol=1e-6)
    assert np.allclose(targets.sum(axis=1), 1.0)
    assert soft_targets(shares, 0.0)[:, 0].tolist() == [0, 0, 0, 0, 1, 1]


def test_clip_pool_draws_balanced_clips_with_true_labels(subjects: list[Subject]) -> None:
    clips = ClipPool(subjects).draw(np.random.default_rng(0), 12, NOISE)
    assert clips.windows.shape == (12, 240, 17, 3)
    assert clips.labels.tolist().count(0) == clips.labels.tolist().count(1) == 6
    assert ((clips.shares > 0.5) == (clips.labels == 0)).all()


def test_clip_pool_of_clear_clips_leaves_out_the_doubtful_ones(subjects: list[Subject]) -> None:
    clips = ClipPool(subjects, CLEAR_CLIPS).draw(np.random.default_rng(0), 12, NOISE)
    assert ((clips.shares == 0.0) == (clips.labels == 1)).all()
    assert (clips.shares[clips.labels == 0] > 0.8).all()


def test_clip_pool_without_fms_is_refused(subjects: list[Subject]) -> None:
    with pytest.raises(UsageError, match="with and without FMs"):
        ClipPool([s for s in subjects if s.category == "absent"])


def test_draw_bag_pair_is_a_normal_and_a_risk_recording(subjects: list[Subject]) -> None:
    marked = [replace(s, characteristics=np.full(4, i, np.float32)) for i, s in enumerate(subjects)]
    pair = draw_bag_pair(np.random.default_rng(1), marked, 3, NOISE)
    assert pair.windows.shape == (2, 3, 240, 17, 3)
    assert [subjects[int(row[0])].is_risk for row in pair.characteristics] == [False, True]
    with pytest.raises(UsageError, match="normal and risk"):
        draw_bag_pair(np.random.default_rng(1), [s for s in subjects if s.is_risk], 3, NOISE)
