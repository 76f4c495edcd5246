"""Normal infants are found to have 8 of 14, sporadic FMs 2, absent ones none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fidgety.training.evaluation.frequency import (
    NO_WINDOWS,
    agreement_table,
    category_table,
    group_table,
    measure_agreement,
)
from fidgety.training.evaluation.references import Clips
from fidgety.training.evaluation.tables import NOT_RUN


def test_group_table_of_known_frequencies(known_study: Any, figures: Any) -> None:
    found = figures(group_table(known_study, "internal"))
    normal, risk = found["MAM"]["normal"], found["MAM"]["risk"]
    assert (normal.n, normal.median, normal.lower_quartile) == (20, pytest.approx(8 / 14), pytest.approx(8 / 14))
    assert (risk.median, risk.lower_quartile, risk.upper_quartile) == (
        pytest.approx(2 / 14),
        0.0,
        pytest.approx(2 / 14),
    )
    values = [8 / 14] * 20, [2 / 14] * 12 + [0.0] * 8
    assert found["MAM"]["p"].value == pytest.approx(stats.mannwhitneyu(*values).pvalue)
    assert found["MAM"]["AUC"].value == 1.0
    assert found["EML"]["AUC"] == NO_WINDOWS and found["WO-GMA"]["AUC"] == NOT_RUN


def test_category_table_has_the_four_categories(known_study: Any, figures: Any) -> None:
    row = figures(category_table(known_study, "internal"))["MAM"]
    medians = {name: row[name].median for name in ("continual", "intermittent", "sporadic", "absent")}
    assert medians == pytest.approx({"continual": 8 / 14, "intermittent": 8 / 14, "sporadic": 2 / 14, "absent": 0.0})
    assert (row["sporadic"].n, row["absent"].n) == (12, 8)


def test_agreement_table_against_the_truth(known_study: Any, figures: Any) -> None:
    row = figures(agreement_table(known_study, "internal"))["MAM"]
    spread = 1.959964 * (1 / 14) * 0.5 * math.sqrt(40 / 39)  # half of the recordings miss one clip of 14
    assert (row["reference"], row["recordings"]) == ("true bouts", 40)
    assert row["bias"] == pytest.approx(-1 / 28) and row["mean error"] == pytest.approx(1 / 28)
    assert (row["lower limit"], row["upper limit"]) == (
        pytest.approx(-1 / 28 - spread, abs=1e-6),
        pytest.approx(-1 / 28 + spread, abs=1e-6),
    )


def test_agreement_table_against_the_first_rater_where_there_is_no_truth(known_study: Any, figures: Any) -> None:
    row = figures(agreement_table(known_study, "b"))["MAM"]
    assert row["reference"] == "ann" and row["bias"] == pytest.approx(-1 / 28)


def test_measure_agreement_counts_clips_that_both_have() -> None:
    nan = float("nan")
    clips = Clips(np.array(["a", "a", "a", "b"]), np.array([1.0, 0, 1, 1]), {"r": np.array([1.0, 1, nan, nan])})
    found = measure_agreement(clips, "r")
    assert found is not None
    assert found.recordings.tolist() == ["a"]
    assert (found.measured.tolist(), found.reference.tolist(), found.bias) == ([0.5], [1.0], -0.5)
    assert math.isnan(found.low)
    assert measure_agreement(Clips(clips.recordings, clips.system, {"r": np.full(4, nan)}), "r") is None
