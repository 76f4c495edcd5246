"""What is scored already is found again, and only where it is of the very same inputs; a track tells whose it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.batch import one
from fidgety.batch.one import Outputs, Request, score_one, write_poses
from fidgety.bundle import Bundle, sha256_of_file
from fidgety.errors import UnsettledError
from fidgety.phantom.video import write_video
from fidgety.records import Assessment, Characteristics, Pose
from fidgety.report.page import render_report
from fidgety.runtime.pipeline import Job
from fidgety.runtime.posefile import PoseWriter, open_poses
from fidgety.runtime.quality import judge_quality
from fidgety.skeleton import BLAZEPOSE_33

from .conftest import TrackMaker

pytestmark = pytest.mark.bundle
AT_13_WEEKS = Characteristics(13.0)


def no_watcher(_: object) -> None:
    return None


@pytest.fixture
def score(
    tmp_path: Path, bundle: Bundle, make_track: TrackMaker, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outputs]:
    """`score(characteristics)`: one track, whose result is the quality gate's word of the age alone."""

    def judge(address: str, sha256: str | None, _stem: object, request: Request, _watch: object) -> Assessment:
        measures = {"infant_share": 1.0, "assessable_s": 100.0}
        quality = judge_quality(measures, request.characteristics, bundle.manifest.quality)
        settings = {**one._settings(request), **request.device.settings(), **one.versions()}
        known = (Path(address).name, sha256, 100.0, 25.0, quality, request.characteristics, None, None)
        return Assessment(*known, (), (), (), (), (), bundle.label, None, settings)

    monkeypatch.setattr(one, "_score", judge)
    track, folder = make_track(tmp_path / "track.poses"), tmp_path / "out"
    folder.mkdir()
    return lambda infant: score_one(str(track), Request(bundle, infant, folder), no_watcher)


@pytest.mark.parametrize(("first", "second"), [(20.0, 20.01), (8.995, 9.0), (19.999, 20.0), (13.0, 13.001)])
def test_score_one_another_age_is_scored_anew(score: Callable[..., Outputs], first: float, second: float) -> None:
    assert score(Characteristics(first)).is_new
    outputs = score(Characteristics(second))
    assert outputs.is_new
    assert outputs.assessment.characteristics.corrected_age_weeks == second
    assert outputs.assessment.quality.is_assessable == (9.0 <= second <= 20.0)


def test_score_one_what_a_result_leaves_out_is_no_difference(score: Callable[..., Outputs]) -> None:
    infant = Characteristics(100 / 7, 275 / 7, "female", 3300.0)
    assert score(infant).is_new
    assert not score(infant).is_new
    for name, value in (("birth_weight_g", 3301.0), ("gestation_weeks", 276 / 7), ("sex", None)):
        assert score(replace(infant, **{name: value})).is_new


def test_score_one_a_result_without_its_report_is_made_anew(score: Callable[..., Outputs]) -> None:
    report = score(AT_13_WEEKS).report
    assert report is not None
    report.unlink()
    again = score(AT_13_WEEKS)
    assert again.is_new and report.is_file()
    assert not score(AT_13_WEEKS).is_new


def test_report_of_a_refused_age_says_it_as_it_is(score: Callable[..., Outputs]) -> None:
    assert "corrected age 8.995 weeks" in render_report(score(Characteristics(8.995)).assessment)
    assert "corrected age 8.9 weeks" in render_report(score(Characteristics(62 / 7)).assessment)


def without_stalls_every(path: Path, track: Path, period_s: float) -> Path:
    """The track without the .32 s from 5 s on, and so on."""
    stored = open_poses(track)

    def is_there(pose: Pose) -> bool:
        return (pose.time_s - 5.0) % period_s >= 0.32 - 1e-9

    with PoseWriter(path, stored.skeleton, {"recording": "phantom"}) as writer:
        for pose in filter(is_there, stored.poses):
            writer.write(pose)
    return path


def test_score_one_stalls_leave_no_result_of_a_window_or_two(
    tmp_path: Path, bundle: Bundle, make_track: TrackMaker
) -> None:
    """Windows every .8 s cover most of the recording; those that make the result are stalled, all but a few."""
    whole = make_track(tmp_path / "whole.poses", seconds=75.0)
    stalled = without_stalls_every(tmp_path / "stalled.poses", whole, 10.4)
    request = Request(bundle, AT_13_WEEKS, None)
    outputs = score_one(str(stalled), request, no_watcher)
    assert outputs.assessment.frequency is None and outputs.assessment.risk is None
    assert "interrupted" in [reason.code for reason in outputs.assessment.quality.reasons if reason.is_blocking]
    plain = score_one(str(whole), request, no_watcher).assessment
    assert plain.quality.measures["assessable_s"] == 74.4
    assert "interrupted" not in [reason.code for reason in plain.quality.reasons]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp4"
    write_video(path, (np.full((64, 64, 3), 90 + 2 * (i % 2), np.uint8) for i in range(20)), 10.0, threads=1)
    return path


def test_write_poses_tells_which_video_they_are_of(video: Path, bundle: Bundle, tmp_path: Path) -> None:
    n_poses = write_poses(str(video), tmp_path / "a.poses", bundle, None, 1, lambda _: None)
    stored = open_poses(tmp_path / "a.poses")
    assert stored.n_poses == n_poses == 20
    assert stored.about["recording"] == "a.mp4" and stored.about["bundle"] == bundle.label
    assert stored.about["recording_sha256"] == sha256_of_file(video)


def test_write_poses_of_a_video_that_grows_leaves_none(
    video: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_pose: Callable[..., Pose]
) -> None:
    def estimate(_: Any, __: Bundle, job: Job, ___: object) -> int:
        assert job.poses_path is not None
        with PoseWriter(job.poses_path, BLAZEPOSE_33, {}) as writer:
            writer.write(make_pose(0.0, None))
        with video.open("ab") as stream:
            stream.write(b"more")
        return 1

    monkeypatch.setattr(one, "estimate_poses", estimate)
    with pytest.raises(UnsettledError, match="changed while it was read"):
        write_poses(str(video), tmp_path / "a.poses", bundle, None, 1, lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
