"""Another cohort is scored by the mean of the folds' models, and never an infant that they have seen."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.errors import UsageError
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
