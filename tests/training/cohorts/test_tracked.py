"""Windows of a tracked recording are those that the device would score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.cohort.inclusion import InclusionRules, include
from fidgety.cohort.read import read_cohort
from fidgety.phantom.cohort_files import CohortPlan, write_cohort
from fidgety.phantom.cohort_kinds import CLIPS
from fidgety.training.cohort_tracks import track_cohort
from fidgety.training.tracked import TrackedRecording


@pytest.fixture(scope="module")
def recording(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> TrackedRecording:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, CohortPlan(CLIPS, seed=2, n_infants=4, n_cameras=1, duration_s=(16.0, 17.0)))
    cohort = include(read_cohort(folder), InclusionRules(min_recording_s=10.0)).cohort
    return track_cohort(cohort, bundle, folder / "tracks", 10.0, lambda _: None)[0].recordings[0]


def _with_gap(recording: TrackedRecording, first: int, length: int) -> TrackedRecording:
    joints, is_observed = recording.joints.copy(), recording.is_observed.copy()
    joints[first : first + length] = np.nan
    is_observed[first : first + length] = False
    return replace(recording, joints=joints, is_observed=is_observed)


def test_recording_bridges_short_gaps_and_voids_long_ones(recording: TrackedRecording) -> None:
    short = _with_gap(recording, 100, 5)
    assert short.instance_starts.tolist() == recording.instance_starts.tolist()
    assert np.isfinite(short.windows([0])).all() and np.isfinite(short.filled()[:240]).all()
    long = _with_gap(recording, 100, 6)
    assert 0 not in long.instance_starts and 0 not in long.localisation_starts
    assert (long.localisation_starts >= 101).all() and (long.clip_starts >= 101).all()
    assert len(long.clip_starts) == len(long.clip_shares) < len(recording.clip_starts)
    assert np.isnan(long.filled()[:106]).all()
    nothing = _with_gap(recording, 0, len(recording.joints))
    assert not nothing.is_assessable and nothing.seconds_assessable == 0.0


def test_recording_of_localisation_windows_alone_is_not_assessable(recording: TrackedRecording) -> None:
    between = _with_gap(_with_gap(recording, 0, 7), 300, 6)
    assert len(between.localisation_starts) > 1 and not len(between.instance_starts)
    assert between.seconds_assessable == 0.0


def test_recording_draws_instances_that_may_be_scored(recording: TrackedRecording) -> None:
    drawn = recording.instances(np.random.default_rng(0), 5, shift=7)
    assert drawn.shape == (5, 240, 17, 3)
    offered = recording.windows([7, 157])
    assert all(any(np.array_equal(one, other) for other in offered) for one in drawn)
    gap = _with_gap(recording, 0, 150)  # no window of the grid from 7 on can be scored but the second
    assert all(np.array_equal(one, offered[1]) for one in gap.instances(np.random.default_rng(0), 3, shift=7))
    assert np.array_equal(gap.instances(np.random.default_rng(0), 1, shift=30), recording.windows([150]))


def test_recording_mirroring_swaps_left_and_right(recording: TrackedRecording) -> None:
    both = recording.mirroring()
    drawn = [both.clip(np.random.default_rng(seed), 20) for seed in range(8)]
    plain = recording.clip(np.random.default_rng(0), 20)
    kinds = {np.array_equal(one, plain) for one in drawn}
    assert kinds == {True, False}
    mirrored = next(one for one in drawn if not np.array_equal(one, plain))
    assert np.array_equal(mirrored[:, 13, 0], -plain[:, 16, 0])  # left wrist, right wrist
    assert np.array_equal(mirrored[:, 13, 1:], plain[:, 16, 1:])
