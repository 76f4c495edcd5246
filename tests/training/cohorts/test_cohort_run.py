"""A cohort on disk, trained on and cross-validated: nobody on both sides, resumed equals straight, labels shuffled."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from fidgety.bundle import Bundle
from fidgety.calibration.probability import fit_platt
from fidgety.errors import Stopped
from fidgety.export.mam import BAG_GRAPH, INFO_GRAPH, WINDOW_GRAPH
from fidgety.training import cohort_tracks
from fidgety.training.task import Options

COLUMNS = (
    "infant,recording,site,is_risk,fms_category,fold,risk,fms_frequency,n_windows,seconds_assessable,risk_threshold,"
    "fms_threshold"
)
Rows = list[dict[str, str]]
Train = Callable[..., Path]


def _rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _account(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "run.json").read_text()))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as saved:
        return {name: saved[name] for name in saved.files}


def _same(one: Path, other: Path) -> bool:
    first, second = _arrays(one), _arrays(other)
    return all(np.array_equal(first[name], second[name]) for name in first.keys() | second.keys())


def test_train_cohort_keeps_infants_on_one_side(mam: Path) -> None:
    models = _account(mam)["models"]
    assert [model["fold"] for model in models] == [0, 1, None]
    for model in models:
        learn, held, test = (set(model[side]) for side in ("learn", "held", "test"))
        assert not learn & held and not learn & test and not held & test
        assert len(learn | held | test) == 16
        assert not set(model["clips_learn"]) & set(model["clips_held"])
        assert len(model["clips_learn"] + model["clips_held"]) == 8
    assert sorted(models[0]["test"] + models[1]["test"]) == sorted(models[2]["learn"] + models[2]["held"])


def test_train_cohort_predicts_everybody_once(mam: Path) -> None:
    assert (mam / "predictions.csv").read_text().splitlines()[0] == COLUMNS
    rows, models = _rows(mam / "predictions.csv"), _account(mam)["models"]
    assert len(rows) == len({row["recording"] for row in rows}) == 16
    for row in rows:
        model = models[int(row["fold"])]
        assert row["infant"] in model["test"]
        assert (row["is_risk"] == "1") == (row["fms_category"] in ("sporadic", "absent"))
        assert 0.0 <= float(row["risk"]) <= 1.0 and 0.0 <= float(row["fms_frequency"]) <= 1.0
        assert float(row["risk_threshold"]) == model["calibration"]["risk_threshold"]
        assert row["n_windows"] == "1" and 12.0 < float(row["seconds_assessable"]) <= 13.0
    windows = _rows(mam / "windows.csv")
    starts = [float(row["start_s"]) for row in windows if row["recording"] == rows[0]["recording"]]
    assert starts == pytest.approx([0.8 * i for i in range(len(starts))]) and len(starts) > 3
    assert {row["recording"] for row in windows} == {row["recording"] for row in rows}


def test_train_cohort_leaves_an_account(mam: Path, folder: Path) -> None:
    account = _account(mam)
    assert (account["system"], account["without"], account["input"], account["pose"]) == ("mam", [], "difference", "3d")
    assert account["protocol"]["name"] == "reduced" and account["protocol"]["values"]["mam"]["frame_stride"] == 37
    assert (account["folds"], account["seed"], account["shuffle_labels"]) == (2, 1, False)
    assert len(account["seconds"]) == 2 and "torch" in account["versions"]
    assert "Included: 8 normal, 8 at risk." in account["flow"]
    assert account["cohort_digest"] != account["clips_digest"]
    rows = _rows(mam / "folds" / "fold-0" / "log.csv")
    assert [row["phase"] for row in rows] == ["ref"] * 4 + ["main"] * 4
    hashes = {
        sha256[:16]
        for who in ("participants", "clip_participants")
        for recordings in account[who].values()
        for sha256 in recordings
    }
    assert len(hashes) == 24 and hashes <= {path.name[:16] for path in (folder / "tracks").iterdir()}
    assert not (mam / "tracks").exists()
    assert _same(folder / "mam" / "models" / "final.npz", folder / "mam" / "mam.npz")


def test_train_cohort_shares_the_ref_branch(mam: Path) -> None:
    logs = [(mam / "folds" / name / "log.csv").read_text().splitlines() for name in ("fold-0", "fold-1", "final")]
    assert logs[0][1:5] == logs[1][1:5] == logs[2][1:5]
    assert logs[0][5:] != logs[1][5:]


def test_train_cohort_calibrates_the_final_model_on_all_infants_out_of_fold(mam: Path) -> None:
    rows = [row for fold in (0, 1) for row in _rows(mam / "folds" / f"fold-{fold}" / "margins.csv")]
    assert {row["recording"] for row in rows} == {row["recording"] for row in _rows(mam / "predictions.csv")}
    margins = np.array([[float(row["margin"]), float(row["plain_margin"])] for row in rows])
    is_risk = np.array([row["is_risk"] == "1" for row in rows])
    line = fit_platt(margins.T.ravel(), np.tile(is_risk, 2))
    line = line if line[0] > 0 else (1.0, 0.0)
    settings, final = json.loads((mam / "mam.json").read_text()), _account(mam)["models"][2]["calibration"]
    told = settings["probability"]
    assert (told["risk_slope"], told["risk_intercept"]) == pytest.approx(line, abs=1e-3)
    assert (final["risk_slope"], final["risk_intercept"]) == (told["risk_slope"], told["risk_intercept"])
    assert final["n_recordings"] == 16 and "16 recordings out of fold" in settings["operating_point"]["chosen_by"]
    assert json.loads((mam / "folds" / "final" / "fold.json").read_text())["calibration"] == final
    for row, (margin, _) in zip(rows, margins, strict=True):  # what the fold itself made of it
        (given,) = (one for one in _rows(mam / "predictions.csv") if one["recording"] == row["recording"])
        fold = _account(mam)["models"][int(given["fold"])]["calibration"]
        risk = 1 / (1 + np.exp(-(fold["risk_slope"] * margin + fold["risk_intercept"])))
        assert float(given["risk"]) == pytest.approx(risk, abs=1e-5)


def test_train_cohort_exports_what_a_bundle_takes(mam: Path, bundle: Bundle) -> None:
    settings = json.loads((mam / "mam.json").read_text())
    assert (settings["name"], settings["trained_on"]) == ("demo", "phantom")
    assert settings["lifter"]["graph"] == "lifter.onnx"
    calibration = _account(mam)["models"][2]["calibration"]
    assert settings["operating_point"]["risk_threshold"] == calibration["risk_threshold"]
    assert settings["probability"]["clip_temperature"] == calibration["clip_temperature"]
    for name in (WINDOW_GRAPH, BAG_GRAPH, INFO_GRAPH):
        ort.InferenceSession(str(mam / name), providers=["CPUExecutionProvider"])
    account = json.loads((mam / "training_log.json").read_text())
    assert account["infants"] == {"learnt from": 12, "held out": 4, "clips learnt from": 6, "clips held out": 2}
    assert account["command"] == settings["command"] and account["calibration"] == calibration
    assert len((mam / "training_log.csv").read_text().splitlines()) == 1 + 8
    assert (mam / "lifter.onnx").read_bytes() == bundle.file("lifter.onnx").read_bytes()


@pytest.mark.parametrize("stop_at", ["ref: phase ref step 4", "1: phase main step 4"])
def test_train_cohort_resumed_is_the_run_that_was_not_stopped(
    mam: Path, train: Train, tmp_path: Path, stop_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(line: str) -> None:
        if line.startswith(stop_at):
            raise Stopped(line)

    monkeypatch.setattr(cohort_tracks, "lift_poses", lambda *_: pytest.fail("lifted again"))
    with pytest.raises(Stopped):
        train(tmp_path / "cut", Options(), kill)
    assert not (tmp_path / "cut" / "run.json").exists()
    told: list[str] = []
    train(tmp_path / "cut", Options(), told.append)
    assert ("fold 0: done before" in told) == (not stop_at.startswith("ref"))
    for name in ("fold-0", "fold-1", "final"):
        assert _same(mam / "models" / f"{name}.npz", tmp_path / "cut" / "models" / f"{name}.npz"), name
    for name in ("predictions.csv", "windows.csv"):
        assert (mam / name).read_text() == (tmp_path / "cut" / name).read_text()


def test_train_cohort_thresholds_do_not_depend_on_the_test_fold(folder: Path, train: Train, tmp_path: Path) -> None:
    """Labels of the infants of fold 0 are turned round: what fold 0 chose must stay, what fold 1 chose may not."""
    runs = []
    for name, turned in (("plain", ()), ("turned", ("absent", "continual"))):
        cohort = Path(shutil.copytree(folder / "internal", tmp_path / name))
        rows = _rows(cohort / "infants.csv")
        for number, row in enumerate(sorted(rows, key=lambda one: one["label"])):
            row["fold"] = str(number % 2)
            if turned and row["fold"] == "0":
                row["label"] = "normal" if row["label"] == "risk" else "risk"
                row["fms_category"] = "continual" if row["label"] == "normal" else "absent"
        _write(cohort / "infants.csv", rows)
        train(tmp_path / f"{name}-out", Options("wo-gma"), cohort=cohort)
        runs.append(_account(tmp_path / f"{name}-out")["models"])
    plain, turned_ = runs
    assert plain[0]["test"] == turned_[0]["test"] and len(plain[0]["test"]) == 8
    assert plain[0]["calibration"] == turned_[0]["calibration"]
    assert _same(tmp_path / "plain-out" / "models" / "fold-0.npz", tmp_path / "turned-out" / "models" / "fold-0.npz")
    assert plain[1]["calibration"] != turned_[1]["calibration"]


def _write(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def test_train_cohort_of_shuffled_labels(wo_gma: Path, train: Train, tmp_path: Path) -> None:
    out = train(tmp_path / "shuffled", Options("wo-gma"), is_shuffled=True)
    assert _account(out)["shuffle_labels"] is True
    before, after = ({row["infant"]: row["is_risk"] for row in _rows(run / "predictions.csv")} for run in (wo_gma, out))
    assert before.keys() == after.keys() and before != after
    assert sorted(before.values()) == sorted(after.values())
