"""Everything that goes wrong at the bedside ends with one clear sentence and the right exit code."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.demo_files import demo_file
from fidgety.records import Characteristics
from fidgety.runtime.pipeline import Job, assess_recording
from fidgety.runtime.source import open_source

from .conftest import REAL, Run

AGE = ("--age-weeks", "13")
Scenes = Callable[[str], Path]


def assert_no_number(text: str) -> None:
    """Not assessable: neither a frequency nor a risk, in no form."""
    assert "NOT ASSESSABLE" in text
    assert not re.search(r"FMs frequency|Risk\s+\d|\d+/\d+ windows", text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "there is no recording"),
        (lambda path: path.mkdir(), "holds no recordings"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("not a video\n" * 50), "no readable video"),
        (lambda path: path.write_bytes(os.urandom(4096)), "no readable video"),
    ],
    ids=["missing", "folder", "empty", "text", "noise"],
)
def test_score_file_that_is_no_recording(
    run: Run, tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "infant.mp4"
    make(path)
    outcome = run("score", path, *AGE)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""


def test_score_truncated_mp4_says_so(run: Run, scenes: Scenes, tmp_path: Path) -> None:
    whole = scenes("plain").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    outcome = run("score", path, *AGE)
    assert outcome.code == 2
    assert "cut off" in outcome.err


def test_score_sound_alone_says_so(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "cry.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    outcome = run("score", path, *AGE)
    assert outcome.code == 2
    assert "no picture track" in outcome.err


@pytest.mark.parametrize(
    ("scene", "code"),
    [
        ("one-frame", "too-short"),
        ("empty-mat", "no-infant"),
        ("floor", "no-infant"),
        ("dark", "no-infant"),
        ("adult", "not-an-infant"),
        ("prone", "not-supine"),
        ("two-infants", "second-person"),
        ("cut-off", "cut-off"),
        ("blurred", "blurred"),
        ("8-fps", "frame-rate-too-low"),
        ("4k", "too-short"),
    ],
)
def test_score_recording_that_cannot_be_assessed(run: Run, scenes: Scenes, scene: str, code: str) -> None:
    outcome = run("score", scenes(scene), *AGE, "--json", "--out", "results")
    assert outcome.code == 3
    result = json.loads(outcome.out)
    assert result["fms_frequency"] is None
    assert result["risk"] is None
    assert result["timeline"] == []
    blocking = [reason["code"] for reason in result["quality"]["reasons"] if reason["is_blocking"]]
    assert code in blocking, (blocking, result["quality"]["measures"])
    again = run("score", scenes(scene), *AGE, "--out", "results")
    assert again.code == 3
    assert_no_number(again.out)


def test_score_moving_camera_is_warned_of(run: Run, scenes: Scenes) -> None:
    outcome = run("score", scenes("shaking"), *AGE, "--json")
    reasons = {reason["code"]: reason["is_blocking"] for reason in json.loads(outcome.out)["quality"]["reasons"]}
    assert reasons["camera-moving"] is False


@pytest.mark.parametrize("scene", ["plain", "upside-down", "sideways", "uneven", "120-fps", "lost-frames"])
def test_check_good_recording_has_no_fault_but_its_length(run: Run, scenes: Scenes, scene: str) -> None:
    outcome = run("check", scenes(scene), *AGE, "--min-assessable-s", "1")
    faults = [line for line in outcome.out.splitlines() if line.startswith("* ")]
    allowed = {"lost-frames": ["lost"], "120-fps": ["can be assessed"]}.get(scene, [])
    assert all(any(word in fault for word in allowed) for fault in faults), outcome.out
    assert outcome.code == (3 if scene == "120-fps" else 0)  # 1 s holds no window
    assert ("KEEP" in outcome.out) is (outcome.code == 0)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--born", "2026-02-30", "--recorded", "2026-05-01"), "no date"),
        (("--born", "2026-05-01", "--recorded", "2026-02-01", "--gestation", "40"), "before the birth"),
        (("--born", "2026-01-01", "--recorded", "2999-01-01", "--gestation", "40"), "yet to come"),
        (("--born", "2026-01-01"), "--recorded is missing"),
        (("--born", "2026-01-01", "--recorded", "2026-04-01"), "--gestation is missing"),
        (("--age-weeks", "13", "--gestation", "12"), "between 22 and 44"),
        (("--age-weeks", "900"), "makes no sense"),
        (("--age-weeks", "13", "--sex", "x"), "female or male"),
        (("--age-weeks", "13", "--birth-weight", "3"), "in grams"),
    ],
)
def test_score_statements_that_make_no_sense(run: Run, options: tuple[str, ...], message: str) -> None:
    outcome = run("score", "infant.mp4", *options)
    assert outcome.code == 2
    assert message in outcome.err


@pytest.fixture(scope="module")
def plain_track(scenes: Scenes, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The poses of the plain recording."""
    path = tmp_path_factory.mktemp("track") / "plain.poses"
    with open_source(str(scenes("plain"))) as source:
        assess_recording(source, bundle, Job("plain", Characteristics(13.0), poses_path=path))
    return path


@pytest.mark.parametrize(
    ("options", "code"),
    [((), "age-unknown"), (("--age-weeks", "30"), "age-outside"), (("--age-weeks", "8.9"), "age-outside")],
)
def test_score_without_a_fitting_age_is_not_assessable(
    run: Run, plain_track: Path, options: tuple[str, ...], code: str
) -> None:
    outcome = run("score", plain_track, *options, "--min-assessable-s", "5", "--json")
    assert outcome.code == 3
    assert code in [reason["code"] for reason in json.loads(outcome.out)["quality"]["reasons"]]


def test_score_missing_bundle_says_how_to_get_one(run: Run, tmp_path: Path) -> None:
    outcome = run("score", "infant.mp4", *AGE, "--bundle", tmp_path / "nothing")
    assert outcome.code == 5
    assert "fidgety bundle build" in outcome.err


@pytest.mark.parametrize("victim", ["manifest.json", "pose_detector.onnx", "mam_window.onnx", "mam_info.onnx"])
@pytest.mark.parametrize("harm", ["flip", "delete"])
def test_score_damaged_bundle_is_refused(run: Run, bundle: Bundle, tmp_path: Path, victim: str, harm: str) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy)
    target = copy / victim
    if harm == "delete":
        target.unlink()
    else:
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 0x40
        target.write_bytes(content)
    outcome = run("score", "infant.mp4", *AGE, "--bundle", copy)
    if victim == "manifest.json" and harm == "flip":
        assert outcome.code in (2, 5)  # a flipped letter inside a free text leaves a manifest that reads well
        return
    assert outcome.code == 5
    assert outcome.out == ""


def test_score_camera_that_is_not_there(run: Run) -> None:
    outcome = run("score", "99", *AGE, "--seconds", "5")
    assert outcome.code == 2
    assert "99" in outcome.err


def test_score_output_folder_is_a_file(run: Run, scenes: Scenes, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    outcome = run("score", scenes("10-s"), *AGE, "--out", tmp_path / "taken")
    assert outcome.code == 2
    assert "is no folder" in outcome.err


def test_score_read_only_folder(run: Run, scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the folder's refusal is put in by hand where the first byte would be written."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    outcome = run("score", scenes("one-frame"), *AGE, "--out", "results")
    assert outcome.code == 4
    assert "cannot be written" in outcome.err
    assert "Read-only" in outcome.err


def test_score_full_disk(scenes: Scenes, tmp_path: Path) -> None:
    """A limit on the size of files stops the poses in the middle, as a full disk does."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); from fidgety.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "score", str(scenes("floor")), *AGE, "--out", str(tmp_path / "results")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 4, done.stderr
    assert "cannot be written" in done.stderr
    assert done.stdout == ""
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.usefixtures("bundle")
def test_score_stopped_in_the_middle_leaves_nothing_half_done(tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [sys.executable, "-m", "fidgety.cli", "score", str(demo_file("sample.mp4")), *AGE, "--out", str(results)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _wait_for(lambda: any(path.stat().st_size > 100_000 for path in results.glob("*.poses.part")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped" in err
    assert out == ""
    assert list(results.iterdir()) == []


def test_score_file_being_written_is_refused(run: Run, scenes: Scenes, tmp_path: Path) -> None:
    """The recording grows while it is read: a thread appends to it until the command is done."""
    import threading

    recording = tmp_path / "growing.mp4"
    shutil.copy(scenes("floor"), recording)
    is_done = threading.Event()

    def grow() -> None:
        while not is_done.is_set():
            with recording.open("ab") as stream:
                stream.write(b"\0" * 64)
            time.sleep(0.05)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        outcome = run("score", recording, *AGE)
    finally:
        is_done.set()
        writer.join()
    assert outcome.code == 2
    assert "changed while it was read" in outcome.err


def test_score_many_one_bad_file_stops_nothing(run: Run, scenes: Scenes, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no")
    outcome = run("score", bad, scenes("floor"), scenes("one-frame"), *AGE, "--csv", "all.csv")
    assert outcome.code == 2
    assert "bad.mp4" in outcome.err
    assert "floor.mp4" in outcome.out
    assert "2 recordings" in outcome.out
    assert len(Path("all.csv").read_text().strip().splitlines()) == 3


@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="the real test data is not beside the project")
def test_score_real_infant_is_too_short_and_nothing_else(run: Run) -> None:
    clip = REAL / "video" / "infant_topdown_faceblur.mp4"
    outcome = run("score", clip, *AGE, "--json", "--out", "results")
    assert outcome.code == 3
    reasons = json.loads(outcome.out)["quality"]["reasons"]
    assert [reason["code"] for reason in reasons if reason["is_blocking"]] == ["too-short"]
    (poses,) = Path("results").glob("*.poses")
    scored = run("score", poses, *AGE, "--json", "--min-assessable-s", "10")
    assert scored.code == 0
    assert json.loads(scored.out)["fms_frequency"]["n_instances"] == 2


def _wait_for(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
