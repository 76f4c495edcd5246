"""The participant flow, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from fidgety.cohort.inclusion import InclusionRules, format_flow, include
from fidgety.cohort.records import (
    MAM_2023,
    ClipRating,
    Cohort,
    CohortInfant,
    CohortRecording,
    age_days_at,
    characteristics_at,
)

BORN = date(2024, 1, 1)
BOTH = frozenset({"training", "evaluation"})
GOOD = CohortInfant("good", BORN, 280, "male", 3000.0, "continual", "normal", "here", BOTH, None)  # type: ignore[arg-type]


def _infant(name: str, **changes: Any) -> CohortInfant:
    return replace(GOOD, infant_id=name, **changes)


def _recording(infant: str, file: str, age_days: int | None = 90, duration_s: float | None = 100.0) -> CohortRecording:
    recorded = None if age_days is None else BORN + timedelta(days=age_days)
    return CohortRecording(infant, file, Path(file), recorded, file, duration_s)


COHORT = Cohort(
    Path("cohort"),
    MAM_2023,
    infants=(
        _infant("good"),
        _infant("risk", fms_category=None, label="risk"),
        _infant("no-consent", consents=frozenset({"training"})),
        _infant("abnormal", fms_category="abnormal", label=None),
        _infant("unlabelled", fms_category=None, label=None),
        _infant("unrecorded"),
        _infant("no-date", born=None),
        _infant("old"),
        _infant("short"),
        _infant("half-short"),
    ),
    recordings=(
        _recording("good", "good.poses"),
        _recording("risk", "risk-1.poses", 63),  # 9 weeks to the day
        _recording("risk", "risk-2.poses", 140),  # 20 weeks to the day
        _recording("risk", "risk-3.poses", 62),
        _recording("no-consent", "no-consent.poses"),
        _recording("abnormal", "abnormal.poses", None, None),
        _recording("unlabelled", "unlabelled.poses"),
        _recording("no-date", "no-date-1.poses"),
        _recording("no-date", "no-date-2.poses"),
        _recording("old", "old.poses", 141),
        _recording("short", "short.poses", duration_s=59.9),
        _recording("half-short", "half-short-1.poses", duration_s=60.0),
        _recording("half-short", "half-short-2.poses", duration_s=None),
    ),
    ratings=(ClipRating("good.poses", 0.0, 0.7, "x"), ClipRating("old.poses", 0.0, 0.7, "x")),
)


def test_include_counts_every_step_and_its_reason() -> None:
    flow = include(COHORT).flow
    assert (flow.n_infants, flow.n_recordings, flow.n_normal, flow.n_risk) == (10, 13, 2, 1)
    assert [(step.reason, step.infants, step.recordings) for step in flow.steps] == [
        ("no consent to evaluation", ("no-consent",), ("no-consent.poses",)),
        ("abnormal FMs", ("abnormal",), ("abnormal.poses",)),
        ("FMs category not known", ("unlabelled",), ("unlabelled.poses",)),
        ("no recording", ("unrecorded",), ()),
        ("corrected age not known", ("no-date",), ("no-date-1.poses", "no-date-2.poses")),
        ("corrected age outside 9 to 20 weeks", ("old",), ("risk-3.poses", "old.poses")),
        ("length of the recording not known", (), ("half-short-2.poses",)),
        ("recording shorter than 60 s", ("short",), ("short.poses",)),
    ]
    assert [(step.n_infants_left, step.n_recordings_left) for step in flow.steps] == [
        (9, 12),
        (8, 11),
        (7, 10),
        (6, 10),
        (5, 8),
        (4, 6),
        (4, 5),
        (3, 4),
    ]


def test_include_keeps_infants_recordings_and_ratings_of_the_included() -> None:
    cohort = include(COHORT).cohort
    assert [one.infant_id for one in cohort.infants] == ["good", "risk", "half-short"]
    assert [one.file for one in cohort.recordings] == [
        "good.poses",
        "risk-1.poses",
        "risk-2.poses",
        "half-short-1.poses",
    ]
    assert [one.file for one in cohort.ratings] == ["good.poses"]


def test_include_for_training_asks_for_another_consent() -> None:
    included = include(COHORT, InclusionRules(use="training"))
    assert "no-consent" in {one.infant_id for one in included.cohort.infants}
    assert included.flow.steps[0] == replace(
        included.flow.steps[0], reason="no consent to training", infants=(), n_infants_left=10
    )


def test_include_age_is_corrected_by_the_gestation() -> None:
    """Born ten weeks early: at 90 days of age it is 20 days after term."""
    early = replace(COHORT, infants=(_infant("good", gestation_days=210),), recordings=COHORT.recordings[:1])
    assert age_days_at(early.infants[0], early.recordings[0]) == 20
    assert characteristics_at(early.infants[0], early.recordings[0]).corrected_age_weeks == pytest.approx(20 / 7)
    assert not include(early).cohort.infants
    assert include(early, InclusionRules(min_age_weeks=2.0)).cohort.infants


def test_include_shorter_recordings_where_the_rule_says_so() -> None:
    included = include(COHORT, InclusionRules(min_recording_s=30.0))
    assert "short" in {one.infant_id for one in included.cohort.infants}
    assert included.flow.steps[-1].reason == "recording shorter than 30 s"


def test_format_flow_is_a_table_of_participants_and_recordings() -> None:
    lines = format_flow(include(COHORT).flow).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["", "participants", "recordings", "left", "recordings left"]
    assert cells[2] == ["in the tables", "", "", "10", "13"]
    assert cells[8] == ["corrected age outside 9 to 20 weeks", "-1", "-2", "4", "6"]
    assert cells[9] == ["length of the recording not known", "0", "-1", "4", "5"]
    assert cells[11] == ["included for evaluation", "", "", "3", "4"]
    assert len({len(line) for line in lines[:12]}) == 1  # it reads as plain text too
    assert lines[-1] == "Included: 2 normal, 1 at risk."
