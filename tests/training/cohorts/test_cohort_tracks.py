"""Tracks are those of the device, windows too, and nothing is lifted twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.cohort.annotations import LabelledClip, label_clips
from fidgety.cohort.inclusion import InclusionRules, include
from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import Cohort, characteristics_at
from fidgety.errors import UsageError
from fidgety.phantom.cohort_files import CohortPlan, write_cohort
from fidgety.phantom.cohort_kinds import CLIPS
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.posefile import open_poses
from fidgety.runtime.windows import cut_windows
from fidgety.training import cohort_tracks
from fidgety.training.cohort_tracks import (
    TrackedInfant,
    TrackedRecording,
    chain_digest,
    cohort_digest,
    track_cohort,
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, CohortPlan(CLIPS, seed=2, n_infants=4, n_cameras=2, duration_s=(16.0, 17.0)))
    return include(read_cohort(folder), InclusionRules(min_recording_s=10.0)).cohort


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracks")


@pytest.fixture(scope="module")
def infants(cohort: Cohort, bundle: Bundle, cache: Path) -> tuple[TrackedInfant, ...]:
    return track_cohort(cohort, bundle, cache, 10.0, lambda _: None)


def test_track_cohort_gives_what_the_tables_say(cohort: Cohort, infants: tuple[TrackedInfant, ...]) -> None:
    assert [infant.infant_id for infant in infants] == [infant.infant_id for infant in cohort.infants]
    for told, infant in zip(cohort.infants, infants, strict=True):
        assert (infant.site, infant.is_risk, infant.category) == (told.site, told.label == "risk", told.fms_category)
        for one, recording in zip(cohort.recordings_of(told), infant.recordings, strict=True):
            known = characteristics_at(told, one)
            row = [known.sex == "male", known.gestation_weeks, known.birth_weight_g, known.corrected_age_weeks]
            assert recording.characteristics == pytest.approx(np.array(row, float))
            assert recording.is_risk == infant.is_risk and recording.is_simulated
            clips = [clip for clip in label_clips(cohort.ratings) if clip.file == one.file]
            assert recording.clip_starts.tolist() == [round(clip.start_s * 25) for clip in clips]
            assert ((recording.clip_shares > 0.5) == [clip.has_fms for clip in clips]).all()


def test_track_cohort_windows_are_those_of_the_device(
    cohort: Cohort, infants: tuple[TrackedInfant, ...], bundle: Bundle
) -> None:
    recording, stored = infants[0].recordings[0], open_poses(cohort.recordings[0].path)
    pieces = lift_poses(stored.poses, stored.skeleton, bundle)
    cut = [one for one in cut_windows(pieces, bundle.manifest.mam, 25.0) if one.void is None]
    assert recording.instance_starts.tolist() == [one.start_frame for one in cut if one.is_instance]
    assert recording.localisation_starts.tolist() == [one.start_frame for one in cut if one.is_localisation]
    assert len(cut) > 5 and recording.is_assessable and recording.seconds_assessable > 15.0
    assert np.array_equal(recording.windows([one.start_frame for one in cut]), [one.joints_xyz for one in cut])


def test_track_cohort_lifts_nothing_twice(
    cohort: Cohort, infants: tuple[TrackedInfant, ...], bundle: Bundle, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(list(cache.iterdir())) == len(cohort.recordings)

    def lift(*_: object) -> None:
        raise AssertionError("lifted again")

    monkeypatch.setattr(cohort_tracks, "lift_poses", lift)
    again = track_cohort(cohort, bundle, cache, 10.0, lambda _: None)
    assert np.array_equal(again[1].recordings[0].joints, infants[1].recordings[0].joints, equal_nan=True)
    other = replace(bundle, manifest=replace(bundle.manifest, track=replace(bundle.manifest.track, max_bridge_ms=99.0)))
    assert chain_digest(other) != chain_digest(bundle)
    with pytest.raises(AssertionError, match="lifted again"):
        track_cohort(cohort, other, cache, 10.0, lambda _: None)


def test_cohort_digest_tells_of_every_change(cohort: Cohort) -> None:
    digest = cohort_digest(cohort)
    assert digest == cohort_digest(replace(cohort, folder=Path("elsewhere")))
    first, *others = cohort.infants
    recording, *rest = cohort.recordings
    told: list[dict[str, Any]] = [
        {"infant_id": "another"},
        {"label": None},
        {"fms_category": None},
        {"site": "another"},
        {"fold": 7},
        {"sex": "female" if first.sex == "male" else "male"},
        {"birth_weight_g": (first.birth_weight_g or 0.0) + 1.0},
        {"gestation_days": (first.gestation_days or 0) + 1},
        {"born": date(2020, 1, 1)},
    ]
    recorded: list[dict[str, Any]] = [{"recorded": date(2020, 5, 1)}, {"sha256": "another"}, {"file": "another"}]
    changed = [
        *(replace(cohort, infants=(replace(first, **one), *others)) for one in told),
        *(replace(cohort, recordings=(replace(recording, **one), *rest)) for one in recorded),
        replace(cohort, recordings=cohort.recordings[1:]),
        replace(cohort, ratings=cohort.ratings[1:]),
        replace(cohort, ratings=(replace(cohort.ratings[0], fms_share=0.51), *cohort.ratings[1:])),
    ]
    assert len({digest, *(cohort_digest(one) for one in changed)}) == 1 + len(changed)


def test_track_cohort_without_a_label(cohort: Cohort, bundle: Bundle, cache: Path) -> None:
    first, *others = cohort.infants
    with pytest.raises(UsageError, match=f"infant {first.infant_id} has no label"):
        track_cohort(
            replace(cohort, infants=(replace(first, label=None), *others)), bundle, cache, 10.0, lambda _: None
        )


def _with_gap(recording: TrackedRecording, first: int, length: int) -> TrackedRecording:
    joints, is_observed = recording.joints.copy(), recording.is_observed.copy()
    joints[first : first + length] = np.nan
    is_observed[first : first + length] = False
    return replace(recording, joints=joints, is_observed=is_observed)


def test_recording_bridges_short_gaps_and_voids_long_ones(infants: tuple[TrackedInfant, ...]) -> None:
    recording = infants[0].recordings[0]
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


def test_recording_of_localisation_windows_alone_is_not_assessable(infants: tuple[TrackedInfant, ...]) -> None:
    between = _with_gap(_with_gap(infants[0].recordings[0], 0, 7), 300, 6)
    assert len(between.localisation_starts) > 1 and not len(between.instance_starts)
    assert between.seconds_assessable == 0.0


def test_recording_draws_instances_that_may_be_scored(infants: tuple[TrackedInfant, ...]) -> None:
    recording = infants[0].recordings[0]
    drawn = recording.instances(np.random.default_rng(0), 5, shift=7)
    assert drawn.shape == (5, 240, 17, 3)
    offered = recording.windows([7, 157])
    assert all(any(np.array_equal(one, other) for other in offered) for one in drawn)
    gap = _with_gap(recording, 0, 150)  # no window of the grid from 7 on can be scored but the second
    assert all(np.array_equal(one, offered[1]) for one in gap.instances(np.random.default_rng(0), 3, shift=7))
    assert np.array_equal(gap.instances(np.random.default_rng(0), 1, shift=30), recording.windows([150]))


def test_recording_mirroring_swaps_left_and_right(infants: tuple[TrackedInfant, ...]) -> None:
    recording = infants[0].recordings[0]
    both = recording.mirroring()
    drawn = [both.clip(np.random.default_rng(seed), 20) for seed in range(8)]
    plain = recording.clip(np.random.default_rng(0), 20)
    kinds = {np.array_equal(one, plain) for one in drawn}
    assert kinds == {True, False}
    mirrored = next(one for one in drawn if not np.array_equal(one, plain))
    assert np.array_equal(mirrored[:, 13, 0], -plain[:, 16, 0])  # left wrist, right wrist
    assert np.array_equal(mirrored[:, 13, 1:], plain[:, 16, 1:])


def test_share_follows_what_most_raters_say() -> None:
    told = LabelledClip("a", 0.0, 0.45, has_fms=True, n_raters=3, is_agreed=False)
    assert cohort_tracks._share(told) > 0.5
    assert cohort_tracks._share(replace(told, fms_share=0.6, has_fms=False)) == 0.5
    assert cohort_tracks._share(replace(told, fms_share=0.6)) == 0.6
