"""Tracks are those of the device, nothing is lifted twice, and poses of other networks are told."""

from __future__ import annotations

from collections.abc import Callable
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
from fidgety.runtime.origin import describe_origin
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.posefile import PoseWriter, open_poses
from fidgety.runtime.windows import cut_windows
from fidgety.training import cohort_tracks
from fidgety.training.cohort_tracks import chain_digest, cohort_digest, track_cohort
from fidgety.training.tracked import TrackedInfant


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


@pytest.fixture
def recorded(cohort: Cohort, tmp_path: Path) -> Callable[..., Cohort]:
    """recorded(headers): the cohort's recordings as tracks whose headers tell these things."""

    def make(*abouts: dict[str, Any]) -> Cohort:
        recordings = list(cohort.recordings)
        for i, (recording, about) in enumerate(zip(recordings, abouts, strict=False)):
            stored, path = open_poses(recording.path), tmp_path / f"{i}.poses"
            with PoseWriter(path, stored.skeleton, about) as writer:
                list(writer.copy(stored.poses))
            recordings[i] = replace(recording, path=path)
        return replace(cohort, recordings=tuple(recordings))

    return make


def _warnings(cohort: Cohort, bundle: Bundle, cache: Path) -> list[str]:
    told: list[str] = []
    track_cohort(cohort, bundle, cache, 10.0, told.append)
    return [one for one in told if one.startswith("warning")]


def test_track_cohort_says_whose_poses_are_of_another_network(
    recorded: Callable[..., Cohort], bundle: Bundle, cache: Path
) -> None:
    ours = describe_origin(bundle)
    foreign = {**ours, "pose_network": "f" * 64}
    cohort = recorded(ours, foreign, {}, foreign)
    another, unknown = _warnings(cohort, bundle, cache)
    assert f"2 of 4 pose tracks were read by another pose network than that of {bundle.label}" in another
    assert f"the first: {cohort.recordings[1].file}" in another and "make these tracks anew" in another
    assert f"1 of 4 pose tracks do not tell whether the pose network of {bundle.label} read them" in unknown
    assert cohort.recordings[2].file in unknown


def test_track_cohort_has_nothing_to_say_of_its_own_poses_and_of_simulated_ones(
    recorded: Callable[..., Cohort], cohort: Cohort, bundle: Bundle, cache: Path
) -> None:
    assert _warnings(cohort, bundle, cache) == []
    assert _warnings(recorded(describe_origin(bundle)), bundle, cache) == []


def test_share_follows_what_most_raters_say() -> None:
    told = LabelledClip("a", 0.0, 0.45, has_fms=True, n_raters=3, is_agreed=False)
    assert cohort_tracks._share(told) > 0.5
    assert cohort_tracks._share(replace(told, fms_share=0.6, has_fms=False)) == 0.5
    assert cohort_tracks._share(replace(told, fms_share=0.6)) == 0.6
