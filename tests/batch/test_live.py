"""Cameras that show the sample: what one of them showed is never lost to another, and no password gets out."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import av
import pytest

from fidgety.batch import live
from fidgety.batch.live import default_track, held_place

from ..conftest import Run

CAMERAS = ("rtsp://nurse:s3cret@10.0.0.11/live", "rtsp://nurse:s3cret@10.0.0.12/live")
AGES = ("10", "15")
SECRETS = ("s3cret", "nurse")
RESULTS = (".html", ".json", ".poses")


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything happens at the same moment, as after a clock that was set back."""

    class Still(datetime):
        @classmethod
        def now(cls) -> Still:  # type: ignore[override]
            return cls(2026, 11, 28, 3, 15, 9)

    monkeypatch.setattr(live, "datetime", Still)


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch, clip: Path, typed: Run, tmp_path: Path) -> Run:
    """The command line in an empty folder; whatever camera is opened shows the sample recording."""
    real = av.open

    def opened(address: str, *arguments: object, **options: object) -> object:
        return real(str(clip)) if address.startswith("rtsp") else real(address, *arguments, **options)

    monkeypatch.setattr(av, "open", opened)
    monkeypatch.chdir(tmp_path)
    return typed


def assert_no_secret(outcome_text: str, folder: Path) -> None:
    texts = [outcome_text, *(path.name for path in folder.rglob("*"))]
    texts += [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    assert not [secret for secret in SECRETS for text in texts if secret in text]


@pytest.mark.bundle
@pytest.mark.usefixtures("still_clock")
def test_score_live_results_never_replace_each_other(cameras: Run, tmp_path: Path) -> None:
    said = ""
    for camera, age in zip((*CAMERAS, CAMERAS[0]), (*AGES, "12"), strict=True):
        outcome = cameras("score", camera, "--age-weeks", age, "--seconds", "1", "--out", "out")
        assert outcome.code == 3, outcome.err  # 1 s is too short
        (place,) = [line.split()[-1] for line in outcome.out.splitlines() if line.startswith("Report")]
        result = json.loads(Path(place).with_suffix(".json").read_text())
        assert result["recording"] == camera.replace("nurse:s3cret@", "")
        assert result["characteristics"]["corrected_age_weeks"] == float(age)
        assert result["settings"]["started_at"]
        said += outcome.out + outcome.err
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(names) == 9 and all(name.startswith("live-") for name in names)
    assert [suffix for suffix in RESULTS for name in names if name.endswith(suffix)] == sorted(RESULTS * 3)
    assert len({name.split("-")[1] for name in names}) == 2  # two cameras
    assert_no_secret(said, tmp_path)


@pytest.mark.bundle
def test_score_live_as_json_says_where_the_result_is(cameras: Run, tmp_path: Path) -> None:
    outcome = cameras("score", *CAMERAS, "--seconds", "1", "--out", "out", "--json", "--csv", "all.csv")
    pages = list((tmp_path / "out").glob("*.html"))
    assert len(pages) == 2
    assert all(str(page.relative_to(tmp_path)) in outcome.err for page in pages)
    assert_no_secret(outcome.out + outcome.err, tmp_path)
    assert "rtsp://10.0.0.11/live" in (tmp_path / "all.csv").read_text()


@pytest.mark.bundle
@pytest.mark.usefixtures("still_clock")
def test_pose_of_a_camera_never_replaces_a_track(cameras: Run, tmp_path: Path) -> None:
    first, second = (cameras("pose", CAMERAS[0], "--seconds", "1") for _ in range(2))
    assert first.code == second.code == 0
    tracks = [Path(outcome.out.split()[-1]) for outcome in (first, second)]
    assert len(set(tracks)) == 2 and all(track.is_file() for track in tracks)
    before = tracks[0].read_bytes()
    refused = cameras("pose", CAMERAS[1], "--seconds", "1", "--out", tracks[0])
    assert refused.code == 2 and "is there already" in refused.err
    assert tracks[0].read_bytes() == before
    assert_no_secret(first.out + second.err + refused.err, tmp_path)


@pytest.mark.bundle
def test_score_camera_that_fails_leaves_nothing_and_names_no_password(typed: Run, tmp_path: Path) -> None:
    address = "rtsp://nurse:s3cret@127.0.0.1:9/live"
    out = tmp_path / "out"
    for command in (("score", address, "--out", out), ("check", address)):
        outcome = typed(*command, "--age-weeks", "13", "--seconds", "5")
        assert outcome.code == 2
        assert "rtsp://127.0.0.1:9/live does not open" in outcome.err
        assert_no_secret(outcome.out + outcome.err, tmp_path)
    assert list(out.iterdir()) == []


@pytest.mark.usefixtures("still_clock")
def test_held_place_is_nobody_elses(tmp_path: Path) -> None:
    with held_place(tmp_path, "/dev/video0") as first, held_place(tmp_path, "/dev/video0") as second:
        assert first != second
    assert list(tmp_path.iterdir()) == []
    for suffix in RESULTS:
        with held_place(tmp_path, "/dev/video0") as stem:
            stem.with_name(stem.name + suffix).touch()  # also of one that ended half way
    assert len({path.stem for path in tmp_path.iterdir()}) == 3
    with held_place(tmp_path, "/dev/video0") as stem:
        assert stem.name.startswith("video0-") and stem.name.endswith("-2026-11-28T03-15-09-4")


def test_held_place_takes_any_address(tmp_path: Path) -> None:
    for camera in ("rtsp://10.0.0.11", "rtsp://camera/" + 300 * "x", "rtsp://camera/real?channel=1&subtype=0"):
        with held_place(tmp_path, camera) as stem:
            stem.with_name(f"{stem.name}.json").touch()
    assert {path.name.split("-")[0][:9] for path in tmp_path.iterdir()} == {"10.0.0.11", "xxxxxxxxx", "real"}


def test_default_track_of_a_file_lies_beside_it() -> None:
    assert default_track("ward/a.mp4") == Path("ward/a.poses")
