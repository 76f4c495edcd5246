from __future__ import annotations

from datetime import date

import pytest

from fidgety.errors import UsageError
from fidgety.infant import characteristics, corrected_age_days, parse_date, parse_gestation_days

TODAY = date(2026, 11, 20)


def test_corrected_age_days_born_at_term_is_the_age() -> None:
    assert corrected_age_days(date(2026, 1, 1), date(2026, 4, 9), 280) == 98


def test_corrected_age_days_born_ten_weeks_early_loses_ten_weeks() -> None:
    assert corrected_age_days(date(2026, 1, 1), date(2026, 4, 9), 210) == 28


def test_corrected_age_days_before_term_is_negative() -> None:
    assert corrected_age_days(date(2026, 1, 1), date(2026, 1, 8), 28 * 7) == 7 - 84


def test_corrected_age_days_counts_the_leap_day() -> None:
    assert corrected_age_days(date(2024, 2, 28), date(2024, 3, 1), 280) == 2
    assert corrected_age_days(date(2025, 2, 28), date(2025, 3, 1), 280) == 1


def test_parse_date_leap_day() -> None:
    assert parse_date("2024-02-29", "born") == date(2024, 2, 29)


@pytest.mark.parametrize("text", ["2025-02-29", "2026-13-01", "31.03.2026", "20260331", "2026-W13-2", "soon", ""])
def test_parse_date_no_date_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"--recorded .* is no date.*2026-03-31"):
        parse_date(text, "recorded")


@pytest.mark.parametrize(
    ("text", "days"), [("39", 273), ("39+2", 275), (" 40+0 ", 280), ("22", 154), ("44", 308), ("28+6", 202)]
)
def test_parse_gestation_days_formats(text: str, days: int) -> None:
    assert parse_gestation_days(text) == days


@pytest.mark.parametrize("text", ["39+7", "39.5", "39w", "39+", "+3", "", "39 2", "273", "-39"])
def test_parse_gestation_days_other_formats_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"not understood.*39\+2"):
        parse_gestation_days(text)


@pytest.mark.parametrize("text", ["21+6", "45", "12"])
def test_parse_gestation_days_impossible_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="between 22 and 44 weeks"):
        parse_gestation_days(text)


def test_characteristics_from_dates() -> None:
    found = characteristics("2026-01-01", "2026-04-30", "38+0", sex="female", birth_weight_g=3100, today=TODAY)
    assert found.corrected_age_weeks == pytest.approx((119 - 14) / 7)
    assert found.gestation_weeks == pytest.approx(38.0)
    assert (found.sex, found.birth_weight_g) == ("female", 3100)
    assert found.are_complete


def test_characteristics_nothing_told_nothing_guessed() -> None:
    found = characteristics(today=TODAY)
    assert (found.corrected_age_weeks, found.gestation_weeks, found.sex, found.birth_weight_g) == (None,) * 4
    assert not found.are_complete


def test_characteristics_dates_win_over_a_rounded_age_that_agrees() -> None:
    found = characteristics("2026-01-01", "2026-04-09", "40", age_weeks=14.5, today=TODAY)
    assert found.corrected_age_weeks == pytest.approx(14.0)


def test_characteristics_recorded_today_is_allowed() -> None:
    found = characteristics("2026-08-14", "2026-11-20", "40", today=TODAY)
    assert found.corrected_age_weeks == pytest.approx(14.0)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"born": "2026-05-01", "recorded": "2026-04-01", "gestation": "40"}, "before the birth"),
        ({"born": "2026-05-01", "recorded": "2026-11-21", "gestation": "40"}, "yet to come"),
        ({"born": "2026-05-01"}, "--recorded is missing"),
        ({"recorded": "2026-05-01"}, "--born is missing"),
        ({"born": "2026-05-01", "recorded": "2026-08-01"}, "--gestation is missing.*not guessed"),
        ({"age_weeks": 400.0}, "makes no sense"),
        ({"age_weeks": -30.0}, "makes no sense"),
        ({"age_weeks": float("nan")}, "makes no sense"),
        (
            {"born": "2026-01-01", "recorded": "2026-04-09", "gestation": "40", "age_weeks": 16.0},
            "contradicts.*14.0 weeks",
        ),
        ({"sex": "boy"}, "write female or male"),
        ({"birth_weight_g": 3.2}, "in grams"),
        ({"birth_weight_g": 32000.0}, "in grams"),
        ({"birth_weight_g": float("nan")}, "in grams"),
    ],
)
def test_characteristics_nonsense_is_refused_with_the_reason(told: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        characteristics(**told, today=TODAY)  # type: ignore[arg-type]
