"""Each system and each ablation once from end to end, and what is refused before anything is trained."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.errors import UsageError
from fidgety.training.apply import apply_run
from fidgety.training.task import Options

Rows = list[dict[str, str]]
Train = Callable[..., Path]


def _rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _account(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "run.json").read_text()))


def _write(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


@pytest.mark.usefixtures("mam")
def test_train_cohort_stam(train: Train, tmp_path: Path) -> None:
    out = train(tmp_path / "stam", Options("stam"))
    rows = _rows(out / "predictions.csv")
    assert len(rows) == 16 and all(0.0 <= float(row["risk"]) <= 1.0 and row["fms_frequency"] for row in rows)
    assert len(_rows(out / "windows.csv")) > 16
    assert not (out / "mam.json").exists() and not (out / "models" / "final.npz").exists()
    assert _account(out)["clips_digest"] is None


@pytest.mark.usefixtures("mam")
def test_train_cohort_eml_scores_no_windows(train: Train, folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    out = train(tmp_path / "eml", Options("eml"))
    rows = _rows(out / "predictions.csv")
    assert len(rows) == 16 and all(0.0 <= float(row["risk"]) <= 1.0 for row in rows)
    assert {(row["fms_frequency"], row["fms_threshold"]) for row in rows} == {("", "")}
    assert _rows(out / "windows.csv") == []
    predictions = apply_run(out, folder / "external", bundle)
    assert len({one.risk for one in predictions}) > 1 and all(one.fms_frequency is None for one in predictions)


@pytest.mark.usefixtures("mam")
@pytest.mark.parametrize(
    "options",
    [
        Options(without=frozenset({"ref"}), inputs="coordinates+velocity"),
        Options(without=frozenset({"info", "closeness"}), pose="2d"),
    ],
)
def test_train_cohort_with_parts_left_out(train: Train, tmp_path: Path, options: Options) -> None:
    out = train(tmp_path / "ablation", options)
    account, log = _account(out), _rows(out / "folds" / "fold-0" / "log.csv")
    assert (account["without"], account["input"]) == (sorted(options.without), options.inputs)
    assert len(_rows(out / "predictions.csv")) == 16 and not (out / "mam.json").exists()
    assert {row["phase"] for row in log} == ({"main"} if "ref" in options.without else {"ref", "main"})
    assert ("clip" in log[-1]) == ("ref" not in options.without)
    assert not ("closeness" in options.without and "closeness" in log[-1])


def test_train_cohort_takes_over_the_ref_branch_of_another_run(mam: Path, train: Train, tmp_path: Path) -> None:
    told: list[str] = []
    out = train(tmp_path / "taken", Options(without=frozenset({"closeness"})), told.append, ref_of=mam)
    assert not [line for line in told if line.startswith("ref:")]
    own = train(tmp_path / "own", Options(without=frozenset({"closeness"})))
    with np.load(out / "models" / "fold-0.npz") as one, np.load(own / "models" / "fold-0.npz") as other:
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
    with pytest.raises(UsageError, match="is another one: its input differs"):
        train(tmp_path / "other", Options(inputs="velocity"), ref_of=mam)
    with pytest.raises(UsageError, match="has no Ref Branch that could be taken over"):
        train(tmp_path / "none", Options(without=frozenset({"ref"})), ref_of=mam)


def test_train_cohort_counts_who_has_no_characteristics(folder: Path, train: Train, tmp_path: Path) -> None:
    cohort = Path(shutil.copytree(folder / "internal", tmp_path / "cohort"))
    rows = _rows(cohort / "infants.csv")
    for row in rows[:5]:
        row["birth_weight_g"] = ""
    _write(cohort / "infants.csv", rows)
    out = train(tmp_path / "out", Options(without=frozenset({"ref"})), cohort=cohort, clips=None)
    account = _account(out)
    assert account["n_without_characteristics"] == 5
    missing = {row["id"] for row in rows[:5]}
    for model in account["models"]:
        assert model["n_without_characteristics"] == len(missing & set(model["learn"]))
    assert all(row["risk"] for row in _rows(out / "predictions.csv"))
    for row in rows:
        row["birth_weight_g"] = ""
    _write(cohort / "infants.csv", rows)
    with pytest.raises(UsageError, match=r"0 recordings have them.*--without info"):
        train(tmp_path / "nobody", Options(without=frozenset({"ref"})), cohort=cohort, clips=None)


def test_train_cohort_refuses(folder: Path, wo_gma: Path, train: Train, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="8 infants at risk cannot be dealt out to 9 folds"):
        train(tmp_path / "one", Options(), n_folds=9)
    with pytest.raises(UsageError, match=r"--clips.*--without ref"):
        train(tmp_path / "two", Options(), clips=None)
    with pytest.raises(UsageError, match="are not apart from the cohort"):
        train(tmp_path / "three", Options(), clips=folder / "internal")
    with pytest.raises(UsageError, match=r"holds another run \(seed differs: 1 there, 2 here\)"):
        train(wo_gma, Options("wo-gma"), seed=2)
    with pytest.raises(UsageError, match="nobody is included"):
        train(tmp_path / "four", Options(), min_recording_s=60.0)
    assert not (tmp_path / "one" / "settings.json").exists()


@pytest.mark.parametrize("changes", [{"inputs": "velocity"}, {"without": frozenset({"info"})}])
def test_options_refuse_mams_switches_for_others(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="MAM's own: leave them out for stam"):
        Options("stam", **changes)
    with pytest.raises(UsageError, match="picture plane"):
        Options("eml", pose="2d")
