"""What is told of the infant -> Characteristics: dates, gestation and corrected age, checked and never guessed.

Corrected age in days = (recorded - born) - (280 - gestation in days) (SPEC 7).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from fidgety.errors import UsageError
from fidgety.records import Characteristics

__all__ = ["characteristics", "corrected_age_days", "parse_date", "parse_gestation_days"]

TERM_DAYS = 280
_GESTATION_WEEKS = (22, 44)
_BIRTH_WEIGHT_G = (300.0, 7000.0)
_OLDEST_WEEKS = 260.0


def characteristics(
    born: str | None = None,
    recorded: str | None = None,
    gestation: str | None = None,
    age_weeks: float | None = None,
    sex: str | None = None,
    birth_weight_g: float | None = None,
    today: date | None = None,
) -> Characteristics:
    """What the command line was told, as one record. Raises UsageError when it makes no sense or contradicts itself."""
    gestation_days = None if gestation is None else parse_gestation_days(gestation)
    return Characteristics(
        corrected_age_weeks=_age_weeks(born, recorded, gestation_days, age_weeks, today or date.today()),
        gestation_weeks=None if gestation_days is None else gestation_days / 7,
        sex=_sex(sex),
        birth_weight_g=_birth_weight(birth_weight_g),
    )


def parse_date(text: str, name: str) -> date:
    """A date as YYYY-MM-DD. Raises UsageError."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:  # newer Pythons take other ways of writing too
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--{name} {text!r} is no date: write it as year-month-day, for example 2026-03-31") from None


def parse_gestation_days(text: str) -> int:
    """'39' or '39+2' (weeks + days) -> days. Raises UsageError outside 22 to 44 weeks."""
    match = re.fullmatch(r"(\d{1,2})(?:\+([0-6]))?", text.strip())
    if match is None:
        raise UsageError(f"--gestation {text!r} is not understood: write weeks, or weeks+days, for example 39+2")
    weeks, days = int(match[1]), int(match[2] or 0)
    low, high = _GESTATION_WEEKS
    if not low <= weeks <= high:
        raise UsageError(f"--gestation {text!r}: a gestation lies between {low} and {high} weeks")
    return weeks * 7 + days


def corrected_age_days(born: date, recorded: date, gestation_days: int) -> int:
    """Days since term: negative before it."""
    return (recorded - born).days - (TERM_DAYS - gestation_days)


def _age_weeks(
    born: str | None, recorded: str | None, gestation_days: int | None, age_weeks: float | None, today: date
) -> float | None:
    from_dates = None
    if born is not None or recorded is not None:
        if born is None or recorded is None:
            missing = "born" if born is None else "recorded"
            raise UsageError(f"--{missing} is missing: --born and --recorded are needed together")
        born_on, recorded_on = parse_date(born, "born"), parse_date(recorded, "recorded")
        if recorded_on < born_on:
            raise UsageError(f"recorded on {recorded_on}, before the birth on {born_on}: check both dates")
        if recorded_on > today:
            raise UsageError(f"recorded on {recorded_on}, which is yet to come (today is {today}): check the date")
        if gestation_days is None:
            raise UsageError("--gestation is missing: without it the corrected age is not known, and it is not guessed")
        from_dates = corrected_age_days(born_on, recorded_on, gestation_days) / 7
    if age_weeks is None:
        return from_dates
    if not -20.0 <= age_weeks <= _OLDEST_WEEKS:
        raise UsageError(f"--age-weeks {age_weeks:g} makes no sense: give the corrected age in weeks")
    if from_dates is not None and round(abs(from_dates - age_weeks), 6) > 1.0:  # ages reckoned on are not quite whole
        raise UsageError(
            f"--age-weeks {age_weeks:g} contradicts the dates, which give {from_dates:.1f} weeks corrected"
        )
    return age_weeks if from_dates is None else from_dates


def _sex(text: str | None) -> Literal["female", "male"] | None:
    if text is None or text == "female" or text == "male":
        return text  # type: ignore[return-value]
    raise UsageError(f"--sex {text!r}: write female or male, or leave it out")


def _birth_weight(grams: float | None) -> float | None:
    low, high = _BIRTH_WEIGHT_G
    if grams is not None and not low <= grams <= high:
        raise UsageError(f"--birth-weight {grams:g}: give it in grams, between {low:g} and {high:g}")
    return grams
