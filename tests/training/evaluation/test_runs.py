"""RUN folders: read as they are, and refused with file, row and column where they make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.evaluation.records import INTERNAL, NO_FOLD
from fidgety.training.evaluation.runs import read_run, read_runs


def test_read_run_gives_account_predictions_and_windows(maker: Any) -> None:
    folder = maker.run(seed=7, without=["ref", "closeness"], risk=lambda i: None if i == 3 else 0.25)
    run = read_run(folder)
    assert (run.account.system, run.account.without, run.account.protocol) == ("mam", ("closeness", "ref"), "reduced")
    assert (run.account.seed, sum(run.account.seconds), run.label) == (7, 60.0, "MAM without closeness and ref")
    predictions = run.internal
    assert len(predictions) == 40 and predictions.is_risk.sum() == 20
    assert np.flatnonzero(np.isnan(predictions.risks)).tolist() == [3]
    assert predictions.folds.tolist()[:7] == [0, 1, 2, 3, 4, 0, 1]
    assert len(predictions.windows) == 40 * 14
    assert run.is_ablation


def test_read_run_finds_external_settings(maker: Any) -> None:
    folder = maker.run()
    maker.setting(folder / "external-b", prefix="b", site="site-b", is_external=True)
    run = read_run(folder)
    assert list(run.settings) == [INTERNAL, "b"]
    assert set(run.settings["b"].folds.tolist()) == {NO_FOLD}


def test_read_run_of_an_external_cohort_called_internal(maker: Any) -> None:
    folder = maker.run()
    maker.setting(folder / "external-internal", prefix="b", is_external=True)
    with pytest.raises(UsageError, match="external-internal is no name of an external cohort"):
        read_run(folder)


@pytest.mark.parametrize("how", ["header", "missing"])
def test_read_run_of_a_system_that_scores_no_windows(maker: Any, how: str) -> None:
    folder = maker.run(has_windows=False, system="eml")
    if how == "missing":
        (folder / "windows.csv").unlink()
    run = read_run(folder)
    assert len(run.internal.windows) == 0 and np.isnan(run.internal.fms_frequencies).all()


def test_read_run_takes_nan_and_empty_cells_of_windows_as_void(maker: Any) -> None:
    folder = maker.run()
    maker.edit(folder / "windows.csv", 2, fms_probability="")
    maker.edit(folder / "windows.csv", 3, fms_probability="nan")
    assert np.flatnonzero(np.isnan(read_run(folder).internal.windows.fms_probabilities)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("file", "row", "cells", "message"),
    [
        ("predictions.csv", 5, {"risk": "1.2"}, r"predictions.csv:5:risk: '1.2': a share or probability lies between"),
        ("predictions.csv", 5, {"risk": "high"}, r"predictions.csv:5:risk: 'high' is no number"),
        ("predictions.csv", 5, {"is_risk": "maybe"}, r"predictions.csv:5:is_risk: 'maybe' is no class"),
        ("predictions.csv", 5, {"fold": "one"}, r"predictions.csv:5:fold: 'one': number the folds"),
        ("predictions.csv", 5, {"fold": ""}, r"predictions.csv:5:fold: out-of-fold predictions name their fold"),
        ("predictions.csv", 5, {"fms_category": "rare"}, r"predictions.csv:5:fms_category: 'rare' is no category"),
        ("predictions.csv", 5, {"is_risk": "1"}, r"predictions.csv:5:is_risk: intermittent FMs contradict"),
        ("predictions.csv", 5, {"risk_threshold": ""}, r"predictions.csv:5:risk_threshold: a risk needs its threshold"),
        ("predictions.csv", 5, {"n_windows": "-1"}, r"predictions.csv:5:n_windows: '-1' is no count"),
        ("predictions.csv", 5, {"recording": "a000.npz"}, r"predictions.csv:5:recording: a000.npz is in row 2 already"),
        ("windows.csv", 4, {"start_s": ""}, r"windows.csv:4:start_s: this cell may not be empty"),
        ("windows.csv", 4, {"start_s": "1e400"}, r"windows.csv:4:start_s: '1e400' is too large a number"),
        ("predictions.csv", 5, {"seconds_assessable": "1e400"}, r"predictions.csv:5:seconds_assessable: '1e400' is"),
        ("windows.csv", 4, {"start_s": "0.8"}, r"windows.csv:4:start_s: this window is in row 3 already"),
        ("windows.csv", 4, {"recording": "x.npz"}, r"windows.csv:4:recording: x.npz is not in predictions.csv"),
        ("windows.csv", 4, {"fold": "3"}, r"windows.csv:4:fold: fold 3, but a000.npz is in fold 0"),
    ],
)  # fmt: skip
def test_read_run_names_file_row_and_column(
    maker: Any, file: str, row: int, cells: dict[str, str], message: str
) -> None:
    folder = maker.run()
    maker.edit(folder / file, row, **cells)
    with pytest.raises(UsageError, match=message):
        read_run(folder)


def test_read_run_of_windows_that_start_late(maker: Any) -> None:
    folder = maker.run()
    for row in (4, 5):
        maker.edit(folder / "windows.csv", row, start_s="1e307")
    with pytest.raises(UsageError, match=r"windows.csv:5:start_s: this window is in row 4 already"):
        read_run(folder)


def test_read_run_of_an_infant_in_two_folds(maker: Any) -> None:
    folder = maker.run(has_windows=False)
    maker.edit(folder / "predictions.csv", 7, infant="a000")  # row 2 is a000's, in fold 0 as this one
    maker.edit(folder / "predictions.csv", 8, infant="a000", is_risk="1")
    with pytest.raises(
        UsageError, match=r"predictions.csv:8:fold: infant a000 is in fold 1 here and in fold 0 in row 2"
    ):
        read_run(folder)


def test_read_run_of_an_infant_of_two_classes(maker: Any) -> None:
    folder = maker.run(has_windows=False)
    maker.edit(folder / "predictions.csv", 7, infant="a000")
    with pytest.raises(UsageError, match=r"predictions.csv:7:is_risk: infant a000 is of the other class in row 2"):
        read_run(folder)


def test_read_run_names_the_external_file_and_its_folds(maker: Any) -> None:
    folder = maker.run()
    maker.setting(folder / "external-b", prefix="b")
    with pytest.raises(UsageError, match=r"external-b/predictions.csv:2:fold: external recordings have no fold"):
        read_run(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "resnet"}, r"run.json:system: .*'mam', 'stam', 'wo-gma' or 'eml'"),
        ({"seed": "one"}, r"run.json:seed: "),
        ({"protocol": {"name": "full"}}, r"run.json:protocol.values: Field required"),
    ],
)
def test_read_run_of_an_account_that_makes_no_sense(maker: Any, change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_run(maker.run(**change))


@pytest.mark.parametrize(
    ("content", "message"), [(None, "did not come to its end"), ("{", "is no JSON text"), ("[]", "valid dictionary")]
)
def test_read_run_of_an_unfinished_or_damaged_folder(maker: Any, content: str | None, message: str) -> None:
    folder = maker.run()
    (folder / "run.json").unlink() if content is None else (folder / "run.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_run(folder)


@pytest.mark.parametrize(("n_risk", "message"), [(1, "infants at risk: 1"), (39, "infants normal: 1")])
def test_read_run_of_a_class_with_fewer_than_two(maker: Any, n_risk: int, message: str) -> None:
    folder = maker.run(label=lambda i: i < n_risk, shuffle_labels=True)
    with pytest.raises(UsageError, match=f"{message}; an evaluation needs two or more of each class"):
        read_run(folder)


def test_read_runs_tells_runs_of_one_system_apart(maker: Any) -> None:
    runs = read_runs([maker.run("one"), maker.run("two", seed=2), maker.run("three", system="stam")])
    assert [run.label for run in runs] == ["MAM (reduced, seed 1, run 1)", "MAM (reduced, seed 2, run 2)", "STAM"]


def test_read_runs_takes_each_folder_once(maker: Any) -> None:
    folder = maker.run()
    with pytest.raises(UsageError, match="is named twice"):
        read_runs([folder, folder / "."])
    with pytest.raises(UsageError, match="no runs"):
        read_runs([])
    with pytest.raises(UsageError, match="there is no folder"):
        read_runs([Path("/nowhere")])


def test_read_run_allows_more_to_be_told(maker: Any) -> None:
    folder = maker.run(machine="a box")
    assert json.loads((folder / "run.json").read_text())["machine"] == "a box"
    assert read_run(folder).label == "MAM"


def test_read_run_of_a_network_that_learned_from_whom_it_is_tested_on(maker: Any) -> None:
    models = [{"fold": 0, "learn": ["a001", "a002"], "held": ["a003"]}, {"fold": None, "learn": ["a000"], "held": []}]
    assert read_run(maker.run("good", models=models)).account.learners == {0: {"a001", "a002", "a003"}}
    models[0]["held"] = ["a003", "a005"]  # a005 is in fold 0
    with pytest.raises(UsageError, match=r"bad, fold 0: infants on both sides of the split: a005\. Keep all"):
        read_run(maker.run("bad", models=models))
