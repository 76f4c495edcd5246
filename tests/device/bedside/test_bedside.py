from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fidgety import bundle as bundles
from fidgety.device import bedside
from fidgety.device.bedside import Outcome, Session, run_session
from fidgety.device.camera import CameraError, Wanted
from fidgety.device.holdings import About, Infant
from fidgety.device.places import folder_place, store_place
from fidgety.device.store import Store
from fidgety.errors import DeviceError
from fidgety.records import Characteristics

FAST = "test:160x120@25,speed=8"


def session(camera: str, minutes: float = 0.05, has_guidance: bool = False, wait_s: float = 0.0) -> Session:
    return Session(camera, Wanted(), (minutes, minutes), wait_s, Characteristics(13.0), None, has_guidance)


def record(camera: str, folder: Path, minutes: float = 0.05) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    with folder_place(folder, said.append) as place:
        return run_session(session(camera, minutes), place, said.append), said


def run_command(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fidgety.cli", "record", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ("63", "no camera /dev/video63"),
        (f"{FAST},busy", "in use by another program"),
        (f"{FAST},forbidden", "group video"),
    ],
)
def test_run_session_without_a_camera_says_why_and_leaves_nothing(tmp_path: Path, camera: str, words: str) -> None:
    with pytest.raises(CameraError, match=words):
        record(camera, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".recorder.lock"]


def test_run_session_a_disk_that_is_too_small_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bedside, "free_mb", lambda _folder: 30.0)
    with pytest.raises(DeviceError, match=r"30 MB are free .* MB are needed"):
        record(FAST, tmp_path)


def test_run_session_a_second_recorder_is_refused(tmp_path: Path) -> None:
    with folder_place(tmp_path, print), pytest.raises(DeviceError, match="another recorder is at work"):
        record(FAST, tmp_path)


def test_run_session_a_camera_that_goes_keeps_what_is_there_and_ends_with_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bedside, "Plan", lambda: bedside_plan(return_s=1.0))
    outcome, said = record(f"{FAST},unplug-at=2", tmp_path, minutes=1.0)
    assert outcome.exit_code == 4 and outcome.finished is not None
    assert outcome.finished.duration_s == pytest.approx(2.0, abs=0.5)
    assert any("unplugged" in line for line in said)


def bedside_plan(**changes: float) -> object:
    from fidgety.device.recording_plan import Plan

    return Plan(**changes)


def test_run_session_without_a_bundle_records_and_says_that_nobody_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIDGETY_BUNDLE", str(tmp_path / "none"))
    assert bundles.default_bundle_path() == tmp_path / "none"
    outcome, said = record(FAST, tmp_path / "out")
    assert outcome.exit_code == 0 and outcome.verdict is None
    assert any("no guidance and no verdict" in line for line in said)


def test_run_session_puts_it_into_the_store_and_queues_it(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        about = About(Infant("A-17", "2026-08-20", "39+2"))
        with store_place(store, about, print) as place:
            outcome = run_session(session(FAST), place, print)
        (recording,) = store.recordings()
        assert recording.state == "queued" and recording.infant_id == "A-17"
        assert outcome.finished is not None
        assert recording.duration_s == outcome.finished.duration_s
        assert recording.n_dropped_frames == outcome.finished.drops.n_lost
        assert {file.kind for file in recording.files} == {"about", "video", "times"}


@pytest.mark.bundle
def test_record_command_guides_stops_at_sigterm_and_judges(tmp_path: Path) -> None:
    sample = Path(bedside.__file__).parents[1] / "demo" / "sample.mp4"
    words = ["--camera", f"test:{sample}@realtime,size=640x360", "--out", tmp_path, "--wait", "30", "--age-weeks", "13"]
    command = [sys.executable, "-m", "fidgety.cli", "record", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until_s = time.monotonic() + 90
        while not list(tmp_path.glob("*/video.mp4")) and process.poll() is None and time.monotonic() < until_s:
            time.sleep(0.1)
        time.sleep(3.0)
        assert (tmp_path / "guidance.png").is_file()
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=90)
    assert process.returncode == 3, err  # a few seconds are too short
    assert "Waiting for the infant" in err and "Recording. Good" in err and "Stopped by hand" in err
    assert "REPEAT" in out and "60 s are needed" in " ".join(out.split()) and "looked at while" in out
    assert not (tmp_path / "guidance.png").exists()  # no picture of the infant stays behind


def test_record_command_keeps_the_age_in_the_store(tmp_path: Path) -> None:
    """The age serves the verdict here and the score later."""
    store = tmp_path / "store"
    told = ("--infant", "A-17", "--age-weeks", "13")
    result = run_command("--camera", FAST, "--store", store, "--no-guidance", "--minutes", "0.1", *told)
    assert "R000001 (queued for scoring)" in result.stdout, result.stderr
    with Store.open(store) as opened:
        infant, (recording,) = opened.infant("A-17"), opened.recordings()
    age_weeks = 13.0 if recording.is_clock_trusted else None  # told for a day that nobody knows, it is no use
    assert (infant.age_weeks, infant.age_on) == (age_weeks, recording.recorded_on)
    assert infant.characteristics(recording.recorded_on).corrected_age_weeks == age_weeks


def test_record_command_an_age_of_nobody_is_refused_before_it_begins(tmp_path: Path) -> None:
    result = run_command("--camera", FAST, "--store", tmp_path / "store", "--age-weeks", "13")
    assert result.returncode == 2 and "whose dates or age is it" in result.stderr
    assert not (tmp_path / "store").exists()


def test_record_command_of_nonsense_ends_with_2(tmp_path: Path) -> None:
    result = run_command("--minutes", "5-3", "--camera", FAST, "--out", tmp_path)
    assert result.returncode == 2 and "--minutes '5-3'" in result.stderr
