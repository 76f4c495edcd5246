"""AUC .8, and all of it, as the module `conftest` derives it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.training.evaluation.evaluation import read_study
from fidgety.training.evaluation.performance import fold_table, paired_table, pooled_table, shuffle_table
from fidgety.training.evaluation.tables import NOT_RUN, format_cell


def test_fold_table_is_mean_and_sd_over_folds(known_study: Any, figures: Any) -> None:
    found = figures(fold_table(known_study))["MAM"]
    # Folds 0 to 3: 9 pairs right, 6 tied and 1 wrong of 16; fold 4 has no infant on the wrong side.
    assert found["folds"] == 5
    assert (found["AUC"].mean, found["AUC"].sd) == (pytest.approx(0.8), pytest.approx(math.sqrt(0.05 / 4)))
    for name in ("sensitivity", "specificity", "PPV", "NPV", "accuracy"):
        assert (found[name].mean, found[name].sd) == (pytest.approx(0.8), pytest.approx(math.sqrt(0.05 / 4)))
    assert (found["protocol"], found["training, s"]) == ("reduced", 60)


def test_fold_table_says_what_was_not_run(known_study: Any, figures: Any) -> None:
    found = figures(fold_table(known_study))
    assert found.names == ["MAM", "STAM", "WO-GMA", "EML"]
    assert set(found["WO-GMA"].values()) == {"WO-GMA", NOT_RUN}


def test_pooled_table_of_known_figures(known_study: Any, figures: Any) -> None:
    found = figures(pooled_table(known_study, "internal"))["MAM"]
    assert (found["infants"], found["at risk"]) == (40, 20)
    # Every positive of .8 is above 16 of 20 and tied with 4: .9; of .2: .4. The same for negatives.
    variance = 2 * np.var([0.9] * 16 + [0.4] * 4, ddof=1) / 20
    reach = 1.959964 * math.sqrt(variance)
    assert found["AUC"].value == pytest.approx(0.8)
    assert (found["AUC"].low, found["AUC"].high) == (pytest.approx(0.8 - reach), pytest.approx(0.8 + reach))
    assert format_cell(found["sensitivity"]) == ".800 (.584-.919)"  # Wilson, 16 of 20
    assert format_cell(found["accuracy"]) == ".800 (.652-.895)"  # 32 of 40


def test_pooled_table_leaves_out_who_was_not_assessed(known_study: Any, figures: Any) -> None:
    found = figures(pooled_table(known_study, "internal"))["EML"]
    assert (found["infants"], found["at risk"]) == (37, 19)
    assert (found["PPV"].value, found["NPV"].value) == (16 / 20, 14 / 17)


def test_pooled_table_of_an_external_cohort_stands_apart(known_study: Any, figures: Any) -> None:
    found = figures(pooled_table(known_study, "b"))
    assert found["MAM"]["AUC"].value == pytest.approx(0.8)
    assert found["STAM"]["AUC"] == found["EML"]["AUC"] == NOT_RUN


def test_paired_table_of_a_system_that_knows_nothing(known_study: Any, figures: Any) -> None:
    found = figures(paired_table(known_study, "internal"))
    assert found.names == ["MAM - STAM", "MAM - EML", "STAM - EML"]
    row = found["MAM - STAM"]
    assert row["difference"].value == pytest.approx(0.3) and row["AUC, second"].value == 0.5
    z = 0.3 / math.sqrt(2 * np.var([0.9] * 16 + [0.4] * 4, ddof=1) / 20)
    alone = figures(paired_table(replace(known_study, runs=known_study.runs[:2]), "internal"))["MAM - STAM"]
    assert alone["p (Holm)"].value == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-6)
    assert row["p (Holm)"].value >= 2 * alone["p (Holm)"].value  # Holm, three rows
    assert (found["MAM - EML"]["infants"], found["MAM - EML"]["p (Holm)"].value) == (37, 1.0)


def test_thresholds_of_folds_move_accuracy_and_no_auc(maker: Any, cohort: Path, figures: Any) -> None:
    one, two = maker.run("one"), maker.run("two", system="stam")
    for row in range(2, 42, 5):  # fold 0: nobody is found at risk any more
        maker.edit(one / "predictions.csv", row, risk_threshold="0.9")
    study = read_study([one, two], cohort, [])
    row = figures(paired_table(study, "internal"))["MAM - STAM"]
    assert (row["difference"].value, row["p (Holm)"].value) == (0.0, 1.0)
    found = figures(pooled_table(study, "internal"))["MAM"]
    assert found["AUC"].value == pytest.approx(0.8)
    assert found["sensitivity"].value == 13 / 20  # three of fold 0 were found before


def test_paired_table_of_one_system(known_study: Any, figures: Any) -> None:
    assert figures(paired_table(known_study, "b")).names == ["two systems or more are needed"]


def test_shuffle_table_holds_the_shuffled_runs_alone(known_study: Any, figures: Any) -> None:
    found = figures(shuffle_table(known_study))
    assert found.names == ["MAM on shuffled labels"]
    row = found["MAM on shuffled labels"]
    assert row["AUC"].value == pytest.approx(0.5)  # even infants: 10 of 20 on either side
    assert (row["infants"], row["at risk"]) == (40, 20)
    reach = 1.959964 * math.sqrt(41 / (12 * 20 * 20))  # .181: .4 to .6 would call three seeds of ten a leak
    chance = row["AUC by chance"]
    assert (chance.value, chance.low, chance.high) == (0.5, pytest.approx(0.5 - reach), pytest.approx(0.5 + reach))
    (note,) = shuffle_table(known_study).notes
    assert "a sign, not a proof" in note and ".4 to .6" in note
