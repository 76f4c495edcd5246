"""Another cohort is scored by the mean of the folds' models, and never an infant that they have seen."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.errors import UsageError
from fidgety.runtime.posefile import PoseWriter, open_poses
from fidgety.training import apply
from fidgety.training.apply import apply_run


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _account(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "run.json").read_text()))


def test_apply_run_is_the_mean_of_the_folds(wo_gma: Path, folder: Path, bundle: Bundle) -> None:
    predictions = apply_run(wo_gma, folder / "external", bundle)
    rows = _rows(wo_gma / "external-external" / "predictions.csv")
    assert len(rows) == len(predictions) == 8
    assert {(row["fold"], row["site"]) for row in rows} == {("", "site-b")}
    calibrations = [model["calibration"] for model in _account(wo_gma)["models"]]
    mean = np.mean([one["risk_threshold"] for one in calibrations])
    assert all(float(row["risk_threshold"]) == pytest.approx(mean, abs=1e-6) for row in rows)
    assert len(_rows(wo_gma / "external-external" / "windows.csv")) > 8
    again = apply_run(wo_gma, folder / "external", bundle)
    assert [one.risk for one in again] == [one.risk for one in predictions]


def test_apply_run_by_the_model_of_all_infants(mam: Path, folder: Path, bundle: Bundle) -> None:
    predictions = apply_run(mam, folder / "external", bundle, tracks=folder / "tracks", by_final=True)
    rows = _rows(mam / "external-external-final" / "predictions.csv")
    assert len(rows) == len(predictions) == 8 and not (mam / "external-external").exists()
    calibration = next(one for one in _account(mam)["models"] if one["fold"] is None)["calibration"]
    assert all(float(row["risk_threshold"]) == pytest.approx(calibration["risk_threshold"]) for row in rows)


def test_apply_run_refuses_where_there_is_no_model_of_all_infants(wo_gma: Path, folder: Path, bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="Leave --final out"):
        apply_run(wo_gma, folder / "external", bundle, by_final=True)


def test_apply_run_refuses(wo_gma: Path, folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="was in the training of"):
        apply_run(wo_gma, folder / "internal", bundle)
    with pytest.raises(UsageError, match=r"run.json: name a folder"):
        apply_run(tmp_path, folder / "external", bundle)
    manifest = replace(bundle.manifest, track=replace(bundle.manifest.track, max_bridge_ms=99.0))
    with pytest.raises(UsageError, match="through another chain"):
        apply_run(wo_gma, folder / "external", replace(bundle, manifest=manifest))


def _respelled(folder: Path, target: Path) -> Path:
    """The internal cohort as another export has it: the site spelled otherwise, the tracks made anew."""
    shutil.copytree(folder / "internal", target)
    rows = _rows(target / "infants.csv")
    with (target / "infants.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(row | {"site": "Site A"} for row in rows)
    _change_tracks(target)
    return target


def _copied(run: Path, target: Path, **changes: Any) -> Path:
    """A run with another account; None takes a key out."""
    shutil.copytree(run, target, ignore=shutil.ignore_patterns("external-*", "tracks"))
    account = {name: value for name, value in (_account(run) | changes).items() if value is not None}
    (target / "run.json").write_text(json.dumps(account), encoding="utf-8")
    return target


def test_apply_run_refuses_infants_that_it_knows_at_another_site(
    wo_gma: Path, folder: Path, bundle: Bundle, tmp_path: Path
) -> None:
    cohort = _respelled(folder, tmp_path / "again")
    born = _rows(cohort / "infants.csv")[0]["born"]
    with pytest.raises(UsageError, match=rf"was in the training of .*born {born}.* and 6 more\. Its scores would"):
        apply_run(wo_gma, cohort, bundle)


def test_apply_run_of_a_run_that_keeps_names_and_files_alone(
    mam: Path, folder: Path, bundle: Bundle, tmp_path: Path
) -> None:
    old = _copied(mam, tmp_path / "old", known_by=None)
    tracks = folder / "tracks"
    for name in ("internal", "clips"):
        with pytest.raises(UsageError, match=rf"was in the training of .*: infant {name}-6-0000 of "):
            apply_run(old, folder / name, bundle, tracks=tracks)
    participants = _account(mam)["participants"]
    renamed = {f"x{name}": hashes for name, hashes in participants.items()}
    other = _copied(mam, tmp_path / "other", known_by=None, participants=renamed)
    with pytest.raises(UsageError, match=r"internal-6-0000.poses is a recording of infant xinternal-6-0000 of "):
        apply_run(other, folder / "internal", bundle, tracks=tracks)
    assert len(apply_run(old, folder / "external", bundle, tracks=tracks, by_final=True)) == 8


def test_apply_run_overwrites_no_other_cohort(
    mam: Path, folder: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sites call their folders alike."""
    run, boston, bonn = (_copied(mam, tmp_path / "run"), *(tmp_path / site / "export" for site in ("boston", "bonn")))
    shutil.copytree(folder / "external", boston)
    shutil.copytree(folder / "external", bonn)
    _change_tracks(bonn)  # the same ids and names, other recordings
    options: Mapping[str, Any] = {"tracks": folder / "tracks", "by_final": True}
    apply_run(run, boston, bundle, **options)
    place = run / "external-export-final"
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(apply, "track_cohort", lambda *_: pytest.fail("lifted before it was refused"))
        with pytest.raises(UsageError, match=r"export-final holds scores of recordings that are not in .*bonn/export"):
            apply_run(run, bonn, bundle, **options)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    apply_run(run, boston, bundle, **options)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    place.rename(run / "external-boston-final")
    assert len(apply_run(run, bonn, bundle, **options)) == 8


def _change_tracks(cohort: Path) -> None:
    for path in sorted(cohort.glob("recordings/*.poses")):
        stored = open_poses(path)
        poses = [replace(pose, keypoints_xy=pose.keypoints_xy + np.float32(0.01)) for pose in stored.poses]
        with PoseWriter(path, stored.skeleton, stored.about) as writer:
            for pose in poses:
                writer.write(pose)
