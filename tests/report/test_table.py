from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from fidgety.errors import DeviceError
from fidgety.records import Assessment
from fidgety.report.table import (
    CSV_COLUMNS,
    assessment_from_json,
    assessment_to_json,
    read_json,
    write_csv,
    write_json,
)

_NOT_EXACT = {"timeline", "most_certain_fms", "most_certain_non_fms", "quality"}


def test_assessment_to_json_round_trips(scored: Assessment, tmp_path: Path) -> None:
    write_json(tmp_path / "result.json", scored)
    back = read_json(tmp_path / "result.json")
    for field in fields(Assessment):
        if field.name not in _NOT_EXACT:
            assert getattr(back, field.name) == getattr(scored, field.name), field.name
    assert back.quality.reasons == scored.quality.reasons
    assert back.quality.measures == {
        "limb_coverage": 0.934,
        "blur": 12.345679,
        "second_person_share": None,
        "noise_floor_mm": 0.44,
    }
    assert len(back.timeline) == len(scored.timeline)
    for mine, theirs in zip(back.timeline, scored.timeline, strict=True):
        assert (mine.void, mine.is_instance) == (theirs.void, theirs.is_instance)
        assert mine.start_s == pytest.approx(theirs.start_s, abs=5e-4)
        assert mine.fms_probability == pytest.approx(theirs.fms_probability, abs=5e-7)
    moment = back.most_certain_fms[0]
    assert (moment.start_s, moment.fms_probability) == (8.0, 0.98)
    assert moment.keypoints_xy.shape == (240, 17, 2)
    assert np.isnan(moment.keypoints_xy).all(), "keypoints are not stored and must not look as if they were"


def test_assessment_to_json_is_stable_when_read_and_written_again(scored: Assessment, warned: Assessment) -> None:
    for assessment in (scored, warned):
        once = json.loads(json.dumps(assessment_to_json(assessment), allow_nan=False))
        assert assessment_to_json(assessment_from_json(once)) == once


def test_assessment_to_json_not_assessable_holds_no_score(refused: Assessment, scored: Assessment) -> None:
    for assessment in (refused, replace(scored, quality=refused.quality)):
        data = assessment_to_json(assessment)
        assert data["is_assessable"] is False
        assert data["fms_frequency"] is None
        assert data["risk"] is None
        assert "probability" not in json.dumps(data)
        assert data["timeline"] == data["bouts"] == data["most_certain_fms"] == []
        assert [reason["code"] for reason in data["quality"]["reasons"]] == ["too-short", "age-unknown"]
        assert assessment_from_json(data).is_assessable is False


def test_assessment_to_json_takes_any_setting(build: Callable[..., Assessment]) -> None:
    settings = {"n": np.int64(3), "x": np.float32(0.5), "bad": float("nan"), "path": Path("a/b"), "pair": (1, 2.0)}
    data = assessment_to_json(build(settings=settings))
    assert data["settings"] == {"n": 3, "x": 0.5, "bad": None, "path": str(Path("a/b")), "pair": [1, 2.0]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 99}',
        b"\xff\xfe",
        b'{"format": 1, "recording": "a.mp4"}',
    ],
)
def test_read_json_damaged_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match="score"):
        read_json(path)


def test_assessment_from_json_with_a_key_of_another_version_raises(scored: Assessment) -> None:
    data = assessment_to_json(scored)
    data["risk"]["colour"] = "green"
    with pytest.raises(DeviceError, match="colour"):
        assessment_from_json(data)


def test_read_json_missing_is_a_device_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be read"):
        read_json(tmp_path / "none.json")


def test_write_csv_has_one_row_per_recording(
    tmp_path: Path, scored: Assessment, refused: Assessment, warned: Assessment
) -> None:
    odd = replace(warned, recording='a,"b"\n.mp4')
    write_csv(tmp_path / "all.csv", [scored, refused, odd])
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["recording"] for row in rows] == ["infant_07_supine.mp4", "short.mp4", 'a,"b"\ufffd.mp4']
    assert tuple(rows[0]) == CSV_COLUMNS
    assert (rows[0]["n_fms"], rows[0]["fms_frequency"], rows[0]["is_risk"]) == ("16", "0.64", "false")
    assert (rows[0]["n_bouts"], rows[0]["not_scored_s"], rows[0]["risk_threshold"]) == ("5", "3.0", "0.5")
    empty = {"blocking_reasons", "warnings", "prevalence", "predictive_value"}  # no site chose the threshold
    assert {column for column in CSV_COLUMNS if not rows[0][column]} == empty
    assert rows[1]["blocking_reasons"] == "too-short"
    assert rows[1]["warnings"] == "age-unknown"
    for column in ("n_fms", "fms_frequency", "risk_probability", "risk_low", "is_risk", "n_bouts", "bouts_s"):
        assert rows[1][column] == "", column
    assert rows[2]["corrected_age_weeks"] == ""
