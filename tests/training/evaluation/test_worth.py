"""Slope 1, intercept 0; net benefit and screening by hand."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.special import expit, logit

from fidgety.training.evaluation.evaluation import read_study
from fidgety.training.evaluation.tables import NOT_RUN, format_cell
from fidgety.training.evaluation.worth import calibration_table, decision_table, screening_table


def test_calibration_table_of_risks_that_are_what_they_say(known_study: Any, figures: Any) -> None:
    row = figures(calibration_table(known_study, "internal"))["MAM"]
    assert (row["infants"], row["Brier"]) == (40, pytest.approx(0.16))  # .2 x .64 + .8 x .04
    assert row["slope"] == pytest.approx(1.0) and row["intercept"] == pytest.approx(0.0, abs=1e-6)
    assert row["in the large"] == pytest.approx(0.0, abs=1e-6)


def test_calibration_table_of_risks_too_certain_and_too_high(maker: Any, cohort: Any, figures: Any) -> None:
    def said(number: int) -> float:
        return float(expit(2.0 * logit(0.2 if number < 20 else 0.8) + 0.6))

    row = figures(calibration_table(read_study([maker.run(risk=said)], cohort, []), "internal"))["MAM"]
    assert row["slope"] == pytest.approx(0.5) and row["intercept"] == pytest.approx(-0.3)
    assert row["in the large"] < 0.0


def test_calibration_table_of_risks_that_part_the_classes(maker: Any, cohort: Any, figures: Any) -> None:
    run = maker.run(risk=lambda number: 0.9 if number in maker.at_risk else 0.1)
    row = figures(calibration_table(read_study([run], cohort, []), "internal"))["MAM"]
    assert format_cell(row["slope"]) == "not defined"
    assert row["Brier"] == pytest.approx(0.01)


def test_decision_table_by_hand(known_study: Any, figures: Any) -> None:
    found = figures(decision_table(known_study, "internal"))
    assert found["MAM"]["0.3"] == pytest.approx(16 / 40 - 4 / 40 * 0.3 / 0.7)
    assert found["MAM"]["0.1"] == found["refer all"]["0.1"] == pytest.approx(0.5 - 0.5 * 0.1 / 0.9)
    assert found["STAM"]["0.5"] == found["refer all"]["0.5"] == 0.0
    assert found["WO-GMA"]["0.3"] == NOT_RUN


def test_screening_table_refers_who_could_not_be_assessed(known_study: Any, figures: Any) -> None:
    row = figures(screening_table(known_study, "internal"))["EML"]  # infants 0 (risk), 1 and 2 are lost
    assert (row["infants"], row["lost, risk"], row["lost, normal"]) == (40, 1, 2)
    assert row["assessable"].value == 37 / 40
    assert (row["sensitivity, all"].value, row["specificity, all"].value) == (17 / 20, 14 / 20)
    assert (row["sensitivity, assessed"].value, row["specificity, assessed"].value) == (16 / 19, 14 / 18)


def test_screening_table_where_nobody_was_assessed(maker: Any, cohort: Any, figures: Any) -> None:
    study = read_study(
        [maker.run("a", risk=lambda _: None, has_windows=False), maker.run("b", system="stam")], cohort, []
    )
    row = figures(screening_table(study, "internal"))["MAM"]
    assert row["sensitivity, assessed"] == "nobody" and row["sensitivity, all"].value == 1.0
    assert figures(calibration_table(study, "internal"))["MAM"]["slope"] == "too few infants"
    assert figures(decision_table(study, "internal"))["MAM"]["0.3"] == "too few infants"
