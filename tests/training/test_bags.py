"""The batch rule: balanced clips, one normal and one risk bag."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.phantom.pose_noise import assumed_pose_noise
from fidgety.training.bags import CLEAR_CLIPS, ClipPool, draw_bag_pair, soft_targets
from fidgety.training.lifter_files import take_lifter
from fidgety.training.samples import simulate_subjects
from fidgety.training.views import Seen, see


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    lifter = take_lifter(None, tmp_path_factory.mktemp("lifter")).graph
    return see(simulate_subjects(10, 30.0, seed=4, control_share=0.0), assumed_pose_noise(), lifter, 2, 4)


def test_soft_targets_ramp_about_one_half() -> None:
    shares = np.array([0.0, 0.35, 0.425, 0.5, 0.65, 1.0], dtype=np.float32)
    targets = soft_targets(shares, 0.3)
    assert np.allclose(targets[:, 0], [0, 0, 0.25, 0.5, 1, 1], atol=1e-6)
    assert np.allclose(targets.sum(axis=1), 1.0)
    assert soft_targets(shares, 0.0)[:, 0].tolist() == [0, 0, 0, 0, 1, 1]


def test_clip_pool_draws_balanced_clips_with_true_labels(recordings: list[Seen]) -> None:
    clips = ClipPool(recordings).draw(np.random.default_rng(0), 12)
    assert clips.windows.shape == (12, 240, 17, 3)
    assert clips.labels.tolist().count(0) == clips.labels.tolist().count(1) == 6
    assert ((clips.shares > 0.5) == (clips.labels == 0)).all()


def test_clip_pool_of_clear_clips_leaves_out_the_doubtful_ones(recordings: list[Seen]) -> None:
    clips = ClipPool(recordings, CLEAR_CLIPS).draw(np.random.default_rng(0), 12)
    assert ((clips.shares == 0.0) == (clips.labels == 1)).all()
    assert (clips.shares[clips.labels == 0] > 0.8).all()


def test_clip_pool_without_fms_is_refused(recordings: list[Seen]) -> None:
    with pytest.raises(UsageError, match="with and without FMs"):
        ClipPool([r for r in recordings if r.subject.category == "absent"])


def test_draw_bag_pair_is_a_normal_and_a_risk_recording(recordings: list[Seen]) -> None:
    marked = [
        replace(r, subject=replace(r.subject, characteristics=np.full(4, i, np.float32)))
        for i, r in enumerate(recordings)
    ]
    pair = draw_bag_pair(np.random.default_rng(1), marked, 3)
    assert pair.windows.shape == (2, 3, 240, 17, 3)
    assert [recordings[int(row[0])].subject.is_risk for row in pair.characteristics] == [False, True]
    with pytest.raises(UsageError, match="normal and risk"):
        draw_bag_pair(np.random.default_rng(1), [r for r in recordings if r.subject.is_risk], 3)
