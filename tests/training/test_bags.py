"""The batch rule: balanced clips, one normal and one risk bag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from fidgety.bundle import Manifest
from fidgety.errors import UsageError
from fidgety.training.bags import CLEAR_CLIPS, ClipPool, draw_bag_pair, soft_targets
from fidgety.training.tracked import TrackedRecording, WindowRule

SHARES = (0.0, 0.05, 0.2, 0.45, 0.6, 0.9)  # of the clips of an infant with FMs, 20 frames apart


def _recording(manifest: Manifest, number: int, shares: Sequence[float], *, is_risk: bool) -> TrackedRecording:
    """540 frames of noise, its rated clips, and its number for characteristics."""
    joints = np.random.default_rng(number).normal(size=(540, 17, 3)).astype(np.float32)
    return TrackedRecording(
        infant_id=str(number),
        file=f"{number}.poses",
        sha256="",
        is_risk=is_risk,
        characteristics=np.full(4, number, np.float32),
        joints=joints,
        is_observed=np.ones(len(joints), bool),
        clip_starts=20 * np.arange(len(shares)),
        clip_shares=np.array(shares, np.float32),
        rule=WindowRule(manifest.mam, 25.0, 9.0),
        is_simulated=True,
    )


@pytest.fixture
def recordings(manifest: Manifest) -> list[TrackedRecording]:
    """Two infants with FMs, two without."""
    normal = [_recording(manifest, number, SHARES, is_risk=False) for number in (0, 1)]
    return normal + [_recording(manifest, number, (0.0,) * 6, is_risk=True) for number in (2, 3)]


def test_soft_targets_ramp_about_one_half() -> None:
    shares = np.array([0.0, 0.35, 0.425, 0.5, 0.65, 1.0], dtype=np.float32)
    targets = soft_targets(shares, 0.3)
    assert np.allclose(targets[:, 0], [0, 0, 0.25, 0.5, 1, 1], atol=1e-6)
    assert np.allclose(targets.sum(axis=1), 1.0)
    assert soft_targets(shares, 0.0)[:, 0].tolist() == [0, 0, 0, 0, 1, 1]


def test_clip_pool_draws_balanced_clips_with_true_labels(recordings: list[TrackedRecording]) -> None:
    clips = ClipPool(recordings).draw(np.random.default_rng(0), 12)
    assert clips.windows.shape == (12, 240, 17, 3)
    assert clips.labels.tolist().count(0) == clips.labels.tolist().count(1) == 6
    assert ((clips.shares > 0.5) == (clips.labels == 0)).all()
    offered = {(one.joints[s : s + 240].tobytes(), share) for one in recordings for s, share in _clips(one)}
    assert all((w.tobytes(), float(s)) in offered for w, s in zip(clips.windows, clips.shares, strict=True))


def test_clip_pool_draws_what_is_doubtful_as_often_as_what_is_clear(recordings: list[TrackedRecording]) -> None:
    shares = ClipPool(recordings).draw(np.random.default_rng(0), 400).shares
    assert np.mean(shares[shares > 0.5] < 0.7) == pytest.approx(0.5, abs=0.1)
    assert np.mean(shares[shares <= 0.5] > 0.3) == pytest.approx(0.25, abs=0.1)  # one of 18 clips


def test_clip_pool_of_clear_clips_leaves_out_the_doubtful_ones(recordings: list[TrackedRecording]) -> None:
    clips = ClipPool(recordings, CLEAR_CLIPS).draw(np.random.default_rng(0), 12)
    assert (clips.shares[clips.labels == 1] <= 0.1).all()
    assert (clips.shares[clips.labels == 0] > 0.8).all()


def test_clip_pool_without_fms_is_refused(recordings: list[TrackedRecording]) -> None:
    with pytest.raises(UsageError, match="with and without FMs"):
        ClipPool(recordings[2:])


def test_draw_bag_pair_is_a_normal_and_a_risk_recording(recordings: list[TrackedRecording]) -> None:
    pair = draw_bag_pair(np.random.default_rng(1), recordings, 3)
    assert pair.windows.shape == (2, 3, 240, 17, 3)
    assert [recordings[int(row[0])].is_risk for row in pair.characteristics] == [False, True]
    with pytest.raises(UsageError, match="normal and risk"):
        draw_bag_pair(np.random.default_rng(1), recordings[2:], 3)


def test_draw_bag_pair_without_characteristics_says_so(recordings: list[TrackedRecording]) -> None:
    unknown = [replace(one, characteristics=None) for one in recordings]
    assert np.isnan(draw_bag_pair(np.random.default_rng(1), unknown, 2).characteristics).all()


def _clips(recording: TrackedRecording) -> list[tuple[int, float]]:
    return [(int(s), float(share)) for s, share in zip(recording.clip_starts, recording.clip_shares, strict=True)]
