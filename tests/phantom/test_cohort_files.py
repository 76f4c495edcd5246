"""What is written is read again without a fault, follows from its seed, and differs between the sites as it should."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fidgety.cohort.annotations import annotate_bouts, has_fms, label_clips
from fidgety.cohort.inclusion import InclusionRules, include
from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import Cohort, age_days_at, characteristics_at
from fidgety.cohort.tracks import open_track
from fidgety.errors import DeviceError, UsageError
from fidgety.phantom.cohort import RISK_CATEGORIES, simulate_cohort
from fidgety.phantom.cohort_files import N_TRIES, CohortPlan, write_cohort
from fidgety.phantom.cohort_kinds import CLIPS, EXTERNAL, INTERNAL
from fidgety.phantom.cohort_recordings import read_bouts
from fidgety.phantom.truth import read_camera, read_truth

PLAN = CohortPlan(INTERNAL, seed=3, n_infants=6, duration_s=(10.0, 12.0))


@pytest.fixture(scope="module")
def internal(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("internal")
    assert write_cohort(folder, PLAN) == 6
    return read_cohort(folder)


def test_write_cohort_is_what_was_simulated(internal: Cohort) -> None:
    told_to = {"duration_s": (10.0, 12.0), "fps": 25.0, "heavy_share": 0.1, "n_tries": N_TRIES}
    simulated = list(simulate_cohort(6, PLAN.own_seed, **told_to))
    assert len(internal.infants) == 6 and not internal.ratings
    for number, (infant, true) in enumerate(zip(internal.infants, simulated, strict=True)):
        (recording,) = internal.recordings_of(infant)
        told, known = characteristics_at(infant, recording), true.characteristics
        assert infant.infant_id == f"internal-3-{number:04d}" and infant.site == "site-a"
        assert (infant.fms_category, infant.label == "risk") == (true.category, true.is_risk)
        assert (told.sex, told.birth_weight_g) == (known.sex, known.birth_weight_g)
        assert told.gestation_weeks == pytest.approx(known.gestation_weeks, abs=1 / 14)
        assert told.corrected_age_weeks == pytest.approx(known.corrected_age_weeks, abs=1 / 14)
        assert recording.duration_s == pytest.approx(true.duration_s)
        assert open_track(recording).n_poses == len(true.motion)
        bouts = read_bouts(recording.path)
        assert [(one.start_s, one.end_s) for one in bouts] == [
            (pytest.approx(bout.start_s, abs=1e-3), pytest.approx(bout.end_s, abs=1e-3)) for bout in true.motion.bouts
        ]


def test_write_cohort_poses_are_those_before_the_track_filter(internal: Cohort) -> None:
    """Above 8 Hz is noise, which the filter takes away: after it the shares below are a fortieth."""
    shares = []
    for recording in internal.recordings:
        xy = np.stack([pose.keypoints_xy for pose in open_track(recording).poses])
        tapered = (xy - xy.mean(axis=0)) * np.hanning(len(xy))[:, None, None]
        power = (np.abs(np.fft.rfft(tapered, axis=0)) ** 2).sum(axis=(1, 2))
        frequency_hz = np.fft.rfftfreq(len(xy), 1 / 25)
        shares.append(np.sqrt(power[frequency_hz > 8.0].sum() / power[frequency_hz > 0.5].sum()))
    assert np.median(shares) > 0.02


def test_write_cohort_all_are_included_but_for_the_length(internal: Cohort) -> None:
    assert include(internal, InclusionRules(min_recording_s=10.0)).flow.n_infants == 6
    assert len(include(internal, InclusionRules(min_recording_s=10.0)).cohort.infants) == 6
    assert not include(internal).cohort.infants


def test_write_cohort_follows_from_its_seed(internal: Cohort, tmp_path: Path) -> None:
    write_cohort(tmp_path / "again", PLAN)
    write_cohort(tmp_path / "other", replace(PLAN, seed=4))
    files = sorted(one.relative_to(internal.folder) for one in internal.folder.rglob("*") if one.is_file())
    assert len(files) == 2 + 2 * 6
    for file in files:
        assert (internal.folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file
    other = read_cohort(tmp_path / "other")
    assert not {one.sha256 for one in other.recordings} & {one.sha256 for one in internal.recordings}


def test_write_cohort_two_cameras_see_one_movement(internal: Cohort, tmp_path: Path) -> None:
    write_cohort(tmp_path / "two", replace(PLAN, n_cameras=2))
    two = read_cohort(tmp_path / "two")
    assert [one.sha256 for one in two.recordings][::2] != [one.sha256 for one in two.recordings][1::2]
    for infant, same in zip(internal.infants, two.infants, strict=True):
        first, second = two.recordings_of(same)
        assert infant == same and first.recorded == second.recorded
        assert (first.file, second.file) == tuple(f"recordings/{infant.infant_id}-{i}.poses" for i in (1, 2))
        assert read_bouts(first.path) == read_bouts(second.path) == read_bouts(internal.recordings_of(infant)[0].path)
        assert read_camera(first.path) != read_camera(second.path)


def _abouts(folder: Path, plan: CohortPlan) -> list[dict[str, dict[str, float]]]:
    write_cohort(folder, plan)
    return [json.loads(path.read_text()) for path in sorted(folder.glob("recordings/*.truth.json"))]


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, dict[str, float]]]]:
    """Forty infants of the external site, 1 s each: their folder and what is told of each."""
    folder = tmp_path_factory.mktemp("external") / "external"
    return folder, _abouts(folder, CohortPlan(EXTERNAL, 2, 40, 1, (1.0, 1.0)))


def test_write_cohort_external_is_another_site(
    external: tuple[Path, list[dict[str, dict[str, float]]]], tmp_path: Path
) -> None:
    folder, external_abouts = external
    internal = _abouts(tmp_path / "internal", CohortPlan(INTERNAL, 2, 40, 1, (1.0, 1.0)))
    sites = (tmp_path / "internal", folder)
    cameras = [[read_camera(path) for path in sorted(site.glob("recordings/*.poses"))] for site in sites]
    near, far = (np.median([one.position_m[2] for one in site]) for site in cameras)
    assert far > near + 0.1  # metres above the mat, in spite of the tilt
    low, high = ([np.degrees(np.arccos(-one.rotation[2, 2])) for one in site] for site in cameras)
    assert max(low) <= 20.0 + 1e-6 and min(high) >= 20.0 - 1e-6
    levels = [np.median([one["observer"]["level"] for one in site]) for site in (internal, external_abouts)]
    assert 1.2 < levels[1] / levels[0] < 1.9  # 1.5 times, drawn with a log SD of .35
    faults = [np.mean([one["observer"]["dropout_rate_hz"] for one in site]) for site in (internal, external_abouts)]
    assert faults[1] > 1.2 * faults[0]
    restless = [np.mean([one["confounders"]["crying"] for one in site]) for site in (internal, external_abouts)]
    assert restless[1] > restless[0]
    assert ({one["fps"] for one in internal}, {one["fps"] for one in external_abouts}) == ({25.0}, {30.0})
    risk = [np.mean([one["category"] in RISK_CATEGORIES for one in site]) for site in (internal, external_abouts)]
    assert risk[0] == 0.5 and risk[1] == pytest.approx(0.22, abs=0.03)
    assert not {one["seed"] for one in internal} & {one["seed"] for one in external_abouts}
    assert {one.site for one in read_cohort(folder).infants} == {"site-b"}


def test_write_cohort_clips_come_from_wider_apart_than_either_site(
    external: tuple[Path, list[dict[str, dict[str, float]]]], tmp_path: Path
) -> None:
    clips = _abouts(tmp_path / CLIPS.name, CohortPlan(CLIPS, 2, 40, 1, (10.0, 10.0)))
    assert {one["fps"] for one in clips} == {25.0, 30.0}
    tilts = [
        np.degrees(np.arccos(-read_camera(path).rotation[2, 2]))
        for path in sorted((tmp_path / CLIPS.name).glob("recordings/*.poses"))
    ]
    assert min(tilts) < 10.0 and max(tilts) > 40.0
    spread = [np.std(np.log([one["observer"]["level"] for one in site])) for site in (clips, external[1])]
    assert spread[0] > spread[1]
    bare = [one["category"] == "absent" and one["confounders"]["share_in_motion"] is None for one in clips]
    assert 0 < sum(bare) < sum(one["category"] == "absent" for one in clips)  # controls


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("clips")
    write_cohort(folder, CohortPlan(CLIPS, seed=1, n_infants=6, duration_s=(60.0, 90.0), kappa=0.6))
    return read_cohort(folder)


def test_write_cohort_clips_are_rated_by_two_with_the_kappa_asked_for(clips: Cohort) -> None:
    labelled = label_clips(clips.ratings)
    assert {one.n_raters for one in labelled} == {2}
    said = {(one.file, one.start_s, one.rater): has_fms(one.fms_share) for one in clips.ratings}
    raters = sorted({one.rater for one in clips.ratings})
    one, other = (np.array([said[clip.file, clip.start_s, rater] for clip in labelled]) for rater in raters)
    chance = one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean())
    kappa = ((one == other).mean() - chance) / (1 - chance)
    assert len(labelled) > 400
    assert kappa == pytest.approx(0.6, abs=0.12)  # three standard errors of .04


def test_write_cohort_clips_are_those_of_the_true_bouts(clips: Cohort) -> None:
    labelled = label_clips(clips.ratings)
    wrong = []
    for recording in clips.recordings:
        true = annotate_bouts(read_bouts(recording.path), recording.duration_s or 0.0)
        own = [one for one in labelled if one.file == recording.file]
        assert [one.start_s for one in own] == pytest.approx(true.start_s)
        wrong += [one.has_fms != share for one, share in zip(own, true.has_fms, strict=True)]
    assert 0.0 < np.mean(wrong) < 0.15  # two doubting raters together are better than either


def test_write_cohort_of_clips_without_fms_cannot_be_rated(tmp_path: Path) -> None:
    still = replace(CLIPS, mix={"absent": 1.0})
    with pytest.raises(UsageError, match="needs clips with and without FMs"):
        write_cohort(tmp_path / "still", CohortPlan(still, n_infants=2, duration_s=(12.0, 12.0)))


def test_write_cohort_videos_with_their_truth(tmp_path: Path) -> None:
    small = replace(INTERNAL, picture_px=(128, 72))
    assert write_cohort(tmp_path, CohortPlan(small, 5, 2, 1, (1.0, 1.0), has_videos=True)) == 2
    cohort = read_cohort(tmp_path)
    for recording in cohort.recordings:
        assert recording.path.suffix == ".mp4" and not recording.is_track
        assert recording.duration_s == pytest.approx(1.0, abs=0.05)
        assert len(read_truth(recording.path).times_s) == 25
        assert len(read_bouts(recording.path)) == len(read_truth(recording.path).bouts)


def test_write_cohort_dates_are_days_and_tell_the_age(internal: Cohort) -> None:
    with (internal.folder / "infants.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert all(len(row["born"]) == 10 and "+" in row["gestation"] for row in rows)
    infants = internal.infants_by_id
    ages = [age_days_at(infants[one.infant_id], one) for one in internal.recordings]
    assert all(age is not None and 63 <= age <= 140 for age in ages)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration_s": (20.0, 10.0)}, "shorter one first"),
        ({"duration_s": (0.0, 10.0)}, "at least 1 s"),
        ({"n_infants": 0}, "an infant and a camera"),
        ({"n_cameras": 0}, "an infant and a camera"),
    ],
)
def test_write_cohort_of_a_plan_without_sense(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        write_cohort(tmp_path / "cohort", replace(PLAN, **changes))  # type: ignore[arg-type]
    assert not (tmp_path / "cohort").exists()


def test_write_cohort_over_another_one(internal: Cohort) -> None:
    with pytest.raises(UsageError, match="holds a cohort already: name another folder"):
        write_cohort(internal.folder, PLAN)


def test_write_cohort_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DeviceError, match="cannot be written"):
        write_cohort(tmp_path / "taken", PLAN)
