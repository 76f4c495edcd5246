"""What is left on disk and in a pipe: never a number where none may be given, and never another run's result."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.bundle import Bundle, sha256_of_file, write_bundle

from ..conftest import copy_beginning
from .conftest import REAL, Run

AGE = ("--age-weeks", "13")
Scenes = Callable[[str], Path]
SCORE_COLUMNS = (
    "n_fms",
    "n_instances",
    "fms_frequency",
    "fms_frequency_low",
    "fms_frequency_high",
    "risk_probability",
    "risk_low",
    "risk_high",
    "is_risk",
    "n_bouts",
    "bouts_s",
)


def assert_no_score_anywhere(folder: Path, table: Path, text: str) -> None:
    """Neither frequency nor risk nor a window's probability in text, JSON, CSV, HTML."""
    assert "NOT ASSESSABLE" in text
    assert not re.search(r"FMs frequency|\d+/\d+ windows|Risk\s+\d|Class\s", text)
    (stored,) = folder.glob("*.json")
    result = json.loads(stored.read_text())
    assert result["is_assessable"] is False
    assert (result["fms_frequency"], result["risk"]) == (None, None)
    for name in ("timeline", "bouts", "most_certain_fms", "most_certain_non_fms"):
        assert result[name] == []
    (row,) = csv.DictReader(io.StringIO(table.read_text()))
    assert row["is_assessable"] == "false"
    assert {name: row[name] for name in SCORE_COLUMNS} == dict.fromkeys(SCORE_COLUMNS, "")
    assert row["blocking_reasons"]
    (page,) = folder.glob("*.html")
    html = page.read_text()
    assert "fms_probability" not in html
    assert not re.search(r"\d+\s*/\s*\d+ windows", html)


def test_score_not_assessable_leaves_no_number_anywhere(run: Run, scenes: Scenes) -> None:
    outcome = run("score", scenes("10-s"), *AGE, "--out", "results", "--csv", "all.csv")
    assert outcome.code == 3
    assert_no_score_anywhere(Path("results"), Path("all.csv"), outcome.out)
    (stored,) = Path("results").glob("*.json")
    reasons = json.loads(stored.read_text())["quality"]["reasons"]
    assert "too-short" in [reason["code"] for reason in reasons if reason["is_blocking"]]


@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="the real test data is not beside the project")
def test_score_real_low_resolution_clip_is_refused_for_its_pose_and_leaves_no_number_anywhere(
    run: Run, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    copy_beginning(REAL / "video" / "infant_lowres_annotated.mp4", clip, 14.0)
    outcome = run("score", clip, *AGE, "--min-assessable-s", "10", "--out", "results", "--csv", "all.csv")
    assert outcome.code == 3
    assert_no_score_anywhere(Path("results"), Path("all.csv"), outcome.out)
    (stored,) = Path("results").glob("*.json")
    quality = json.loads(stored.read_text())["quality"]
    codes = {reason["code"] for reason in quality["reasons"] if reason["is_blocking"]}
    assert "jitter" in codes, quality["measures"]
    assert not codes & {"too-dark", "second-person", "not-an-infant", "not-supine"}


def test_score_result_is_found_again_only_where_nothing_differs(run: Run, scenes: Scenes, bundle: Bundle) -> None:
    recording = scenes("one-frame")

    def is_found(*options: object) -> bool:
        outcome = run("score", recording, "--out", "results", *options)
        assert outcome.code in (0, 3)
        return "scored before" in outcome.out

    lowered = (*AGE, "--min-assessable-s", "5")
    assert not is_found(*lowered)
    assert is_found(*lowered)
    assert not is_found(*AGE)  # a result under a lowered rule must not pass for one under the bundle's own
    assert is_found(*AGE)
    assert not is_found(*AGE, "--seconds", "4")
    assert not is_found("--age-weeks", "14")
    assert not is_found("--age-weeks", "14", "--sex", "male")
    assert not is_found("--age-weeks", "14", "--sex", "male", "--force")
    other = Path("other-bundle")
    write_bundle(
        other,
        dataclasses.replace(bundle.manifest, version="another"),
        {name: bundle.path / name for name in bundle.manifest.files},
    )
    assert not is_found("--age-weeks", "14", "--sex", "male", "--bundle", other)


def test_score_damaged_result_is_made_anew(run: Run, scenes: Scenes) -> None:
    run("score", scenes("one-frame"), *AGE, "--out", "results")
    (stored,) = Path("results").glob("*.json")
    whole = json.loads(stored.read_text())
    stored.write_text(stored.read_text()[:200])
    outcome = run("score", scenes("one-frame"), *AGE, "--out", "results")
    assert outcome.code == 3
    assert "scored before" not in outcome.out
    assert json.loads(stored.read_text())["quality"] == whole["quality"]


def test_score_two_recordings_of_one_name_never_meet(run: Run, scenes: Scenes, tmp_path: Path) -> None:
    for folder, scene in (("first", "one-frame"), ("second", "floor")):
        (tmp_path / folder).mkdir()
        shutil.copy(scenes(scene), tmp_path / folder / "infant.mp4")
    outcome = run("score", tmp_path / "first" / "infant.mp4", tmp_path / "second" / "infant.mp4", *AGE, "--out", "both")
    assert outcome.code == 3
    assert len(list(Path("both").glob("infant-*.json"))) == 2


def test_score_many_as_json_is_one_object_a_line(run: Run, scenes: Scenes) -> None:
    outcome = run("score", scenes("one-frame"), scenes("floor"), *AGE, "--json")
    assert outcome.code == 3
    results = [json.loads(line, parse_constant=_refuse) for line in outcome.out.splitlines()]
    assert [result["recording"] for result in results] == ["one-frame.mp4", "floor.mp4"]
    assert "same infant" in outcome.err  # the log goes its own way


def test_score_many_ends_with_a_summary(run: Run, scenes: Scenes) -> None:
    outcome = run("score", scenes("one-frame"), scenes("floor"), *AGE)
    assert outcome.code == 3
    assert outcome.out.splitlines()[-1] == "2 recordings: 0 risk, 0 normal, 2 not assessable"


def test_check_says_repeat_and_writes_nothing(run: Run, scenes: Scenes) -> None:
    repeated = run("check", scenes("one-frame"), *AGE)
    assert repeated.code == 3
    assert "REPEAT" in repeated.out
    assert "60 s are needed" in repeated.out
    assert list(Path().iterdir()) == []


def test_check_without_an_age_warns_and_keeps(run: Run, scenes: Scenes) -> None:
    kept = run("check", scenes("plain"), "--min-assessable-s", "5")
    assert kept.code == 0
    assert "KEEP" in kept.out and "The corrected age is not known" in kept.out
    repeated = run("check", scenes("plain"), "--min-assessable-s", "5", "--age-weeks", "8")
    assert repeated.code == 3 and "REPEAT" in repeated.out


def test_check_missing_file_among_good_ones(run: Run, scenes: Scenes) -> None:
    outcome = run("check", "nothing.mp4", scenes("one-frame"), *AGE)
    assert outcome.code == 2
    assert "there is no recording nothing.mp4" in outcome.err
    assert "REPEAT" in outcome.out


def test_pose_that_cannot_be_written_leaves_nothing(run: Run, scenes: Scenes, tmp_path: Path) -> None:
    outcome = run("pose", scenes("one-frame"), "--out", tmp_path / "nowhere" / "track.poses")
    assert outcome.code == 4
    assert "cannot be written" in outcome.err
    assert not (tmp_path / "nowhere").exists()


def test_pose_of_missing_recording(run: Run) -> None:
    outcome = run("pose", "nothing.mp4")
    assert outcome.code == 2
    assert outcome.out == ""
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("99", "does not open"),
        ("/dev/video99", "there is no recording"),
        ("rtsp://127.0.0.1:9/nothing", "does not open"),
    ],
)
def test_score_camera_that_does_not_answer(run: Run, address: str, message: str) -> None:
    outcome = run("score", address, *AGE, "--seconds", "5")
    assert outcome.code == 2
    assert message in outcome.err
    assert address in outcome.err


def test_score_track_that_is_no_track(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.poses").write_bytes(b'{"format": "something else"}\n' + bytes(100))
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 cut off")
    np.savez(tmp_path / "c.npz", xyc=np.zeros((20, 5, 3)))
    for name, message in (("a.poses", "no pose track"), ("b.npz", "no .npz archive"), ("c.npz", "(T, 17, 3)")):
        outcome = run("score", tmp_path / name, *AGE, "--fps", "25")
        assert outcome.code == 2
        assert message in outcome.err


def _garbage(graph: Path, _: dict[str, Any]) -> None:
    graph.write_bytes(b"\x08\x07" + bytes(500))


def _unknown_key(_: Path, manifest: dict[str, Any]) -> None:
    manifest["mam"]["window_seconds"] = 9.6


def _missing_key(_: Path, manifest: dict[str, Any]) -> None:
    del manifest["quality"]["max_jitter_mm"]


def _wrong_type(_: Path, manifest: dict[str, Any]) -> None:
    manifest["operating_point"]["fms_threshold"] = "half"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_garbage, "does not load"),
        (_unknown_key, "window_seconds"),
        (_missing_key, "max_jitter_mm"),
        (_wrong_type, "operating_point.fms_threshold"),
    ],
)
def test_score_bundle_that_does_not_fit_is_refused(
    run: Run,
    bundle: Bundle,
    scenes: Scenes,
    tmp_path: Path,
    harm: Callable[[Path, dict[str, Any]], None],
    message: str,
) -> None:
    """Hashes that agree are not enough: keys, types and graphs must be what this program knows."""
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    harm(copy / "mam_window.onnx", manifest)
    manifest["files"]["mam_window.onnx"] = sha256_of_file(copy / "mam_window.onnx")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    outcome = run("score", scenes("one-frame"), *AGE, "--bundle", copy)
    assert outcome.code == 5
    assert message in outcome.err
    assert outcome.out == ""


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
