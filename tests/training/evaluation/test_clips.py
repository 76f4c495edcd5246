"""Clip kappa from the two-by-two tables that `conftest` sets up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fidgety.training.evaluation.clips import clip_table, first_kappa, rater_table
from fidgety.training.evaluation.frequency import NO_WINDOWS
from fidgety.training.evaluation.references import Reference
from fidgety.training.evaluation.tables import NOT_RUN


def kappa(both: int, first: int, second: int, n: int) -> float:
    """From the numbers of clips that both, the first and the second call FMs."""
    agreed = (both + n - first - second + both) / n
    by_chance = (first * second + (n - first) * (n - second)) / n**2
    return (agreed - by_chance) / (1 - by_chance)


def test_clip_table_of_known_kappas(known_study: Any, figures: Any) -> None:
    row = figures(clip_table(known_study, "internal"))[("MAM", "true bouts")]
    assert (row["recordings"], row["not defined"], row["clips"]) == (40, 8, 560)  # absent FMs, and none found
    assert row["kappa by recording"].median == pytest.approx(kappa(8, 8, 9, 14))
    assert row["kappa by recording"].upper_quartile == 1.0  # sporadic FMs, all found
    assert row["kappa, all clips"] == pytest.approx(kappa(184, 184, 204, 560))
    assert row["agreement"] == pytest.approx(540 / 560)


def test_clip_table_says_who_scores_no_windows(known_study: Any, figures: Any) -> None:
    found = figures(clip_table(known_study, "internal"))
    assert found["EML"]["kappa, all clips"] == NO_WINDOWS
    assert found["WO-GMA"]["kappa, all clips"] == NOT_RUN


def test_clip_table_has_a_row_for_each_rater(known_study: Any, figures: Any) -> None:
    found = figures(clip_table(known_study, "b"))
    assert found[("MAM", "ann")]["kappa, all clips"] == pytest.approx(kappa(184, 184, 204, 560))
    # Ben says the other of the fourth clip: of 20 normal infants no longer FMs, of 20 others FMs.
    assert found[("MAM", "ben")]["kappa, all clips"] == pytest.approx(kappa(164, 184, 204, 560))


def test_clip_table_of_raters_of_other_clips(known_study: Any, figures: Any) -> None:
    elsewhere = replace(known_study, references={"internal": (Reference("eve", {("a000.npz", 7): True}),)})
    assert figures(clip_table(elsewhere, "internal"))["MAM"]["against"] == "no clip in common"


def test_rater_table_of_two_raters(known_study: Any, figures: Any) -> None:
    row = figures(rater_table(known_study, "b"))[("ann", "ben")]
    assert row["clips"] == 560 and row["agreement"] == pytest.approx(13 / 14)
    assert row["kappa, all clips"] == pytest.approx(kappa(184, 204, 204, 560))


def test_rater_table_without_raters(known_study: Any, figures: Any) -> None:
    assert figures(rater_table(known_study, "internal")).names == ["two raters or more are needed"]


def test_rater_table_of_raters_of_different_clips(known_study: Any, figures: Any) -> None:
    apart = (Reference("ann", {("a", 0): True}), Reference("ben", {("a", 20): True}))
    row = figures(rater_table(replace(known_study, references={"internal": apart}), "internal"))[("ann", "ben")]
    assert row["clips"] == "no clip in common"


def test_first_kappa_is_none_without_a_reference(known_study: Any) -> None:
    assert first_kappa(known_study.lead, "internal", ()) is None
    assert first_kappa(known_study.lead, "nowhere", known_study.references["internal"]) is None
