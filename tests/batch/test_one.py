"""What is scored already is found again, and only where it is of the very same inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.batch import one
from fidgety.batch.one import Outputs, Request, score_one
from fidgety.bundle import Bundle
from fidgety.records import Assessment, Characteristics, Pose
from fidgety.report.page import render_report
from fidgety.runtime.posefile import PoseWriter, open_poses
from fidgety.runtime.quality import judge_quality

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
