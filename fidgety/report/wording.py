"""Words and numbers that every output shares, so that screen, table and page cannot say different things."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fidgety.records import Assessment, Characteristics, FmsFrequency, Quality, QualityReason, Risk, Stretch

__all__ = [
    "NORMAL_CLASS",
    "RISK_CLASS",
    "RISK_NAME",
    "clean_name",
    "describe_class",
    "describe_info_branch",
    "describe_noise_floor",
    "describe_predictive_value",
    "format_clock",
    "format_interval",
    "format_percent",
    "format_weeks",
    "list_reasons",
    "missing_characteristics",
    "scored_parts",
    "total_s",
]

RISK_NAME = "risk (sporadic or absent FMs)"
RISK_CLASS = "risk: sporadic or absent FMs"
NORMAL_CLASS = "normal: continual or intermittent FMs"
_NO_REASON = QualityReason(
    code="no-score",
    is_blocking=True,
    sentence="No score was given for this recording.",
    action="Record the infant again, lying on its back, awake and calm, for at least 3 minutes.",
)


def clean_name(name: str) -> str:
    """`name` with control characters, lone surrogates and other unprintable characters shown as U+FFFD.

    A file name may hold terminal escape sequences, line breaks or bytes that are no text; none of them may reach an
    output.
    """
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)


def format_clock(seconds: float) -> str:
    """Seconds as mm:ss, rounded to the nearest second; minutes go on past 59."""
    whole = math.floor(max(seconds, 0.0) + 0.5)
    return f"{whole // 60:02d}:{whole % 60:02d}"


def format_percent(share: float) -> str:
    """A share in [0, 1] as whole percent without the sign; what is not quite 0 or 1 never reads as 0 or 100."""
    if 0.0 < share < 0.005:
        return "<1"
    if 0.995 <= share < 1.0:
        return ">99"
    return f"{math.floor(share * 100 + 0.5)}"


def format_interval(low: float, high: float, dash: str = "-") -> str:
    """An interval of shares in [0, 1] as whole percent: `41-82 %`."""
    return f"{format_percent(low)}{dash}{format_percent(high)} %"


def format_weeks(weeks: float) -> str:
    """An age in weeks to one decimal; all of them where one would make whole weeks of what is not: 8.995, never 9.0."""
    rounded = f"{weeks:.1f}"
    is_whole = float(rounded).is_integer() and round(weeks, 6) != float(rounded)
    return f"{round(weeks, 6):.9g}" if is_whole else rounded


def scored_parts(assessment: Assessment) -> tuple[FmsFrequency, Risk] | None:
    """Frequency and risk, or None where no number may be shown: one of them is missing, or a quality reason blocks."""
    if assessment.frequency is None or assessment.risk is None or not assessment.quality.is_assessable:
        return None
    return assessment.frequency, assessment.risk


def list_reasons(assessment: Assessment) -> tuple[list[QualityReason], list[QualityReason]]:
    """Blocking reasons and warnings. A recording without a score always has at least one blocking reason."""
    reasons = assessment.quality.reasons
    blocking = [reason for reason in reasons if reason.is_blocking]
    warnings = [reason for reason in reasons if not reason.is_blocking]
    if scored_parts(assessment) is None and not blocking:
        blocking = [_NO_REASON]
    return blocking, warnings


def describe_class(risk: Risk) -> str:
    """The class at the operating point, and whether the interval leaves it open."""
    name = RISK_CLASS if risk.is_risk else NORMAL_CLASS
    return f"{name} (interval spans the threshold)" if risk.low < risk.threshold <= risk.high else name


def describe_predictive_value(risk: Risk) -> str | None:
    """How often such a finding is right where it was made; None where the site told no prevalence."""
    if risk.prevalence is None or risk.predictive_value is None:
        return None
    right, prevalence = format_percent(risk.predictive_value), format_percent(risk.prevalence)
    return f"right in {right} % of cases (prevalence {prevalence} %)"


def describe_noise_floor(quality: Quality) -> str | None:
    """How still the quietest limbs look, beside the movements that are looked for; None where it was not measured."""
    floor_mm = quality.measures.get("noise_floor_mm")
    return None if floor_mm is None else f"{floor_mm:.1f} mm (FMs: 3 to 20 mm)"


def missing_characteristics(characteristics: Characteristics) -> list[str]:
    """Names of the characteristics that the Info Branch would need and that are not known."""
    named = {
        "corrected age": characteristics.corrected_age_weeks,
        "gestation": characteristics.gestation_weeks,
        "sex": characteristics.sex,
        "birth weight": characteristics.birth_weight_g,
    }
    return [name for name, value in named.items() if value is None]


def describe_info_branch(assessment: Assessment, risk: Risk) -> str:
    """Whether the infant's characteristics went into the risk, and if not, why."""
    if risk.used_characteristics:
        return "used"
    missing = missing_characteristics(assessment.characteristics)
    return f"left out (not known: {', '.join(missing)})" if missing else "left out"


def total_s(stretches: Iterable[Stretch]) -> float:
    """Length of all stretches together, seconds; overlapping parts count once."""
    total, reached = 0.0, -math.inf
    for stretch in sorted(stretches, key=lambda one: one.start_s):
        start = max(stretch.start_s, reached)
        total += max(stretch.end_s - start, 0.0)
        reached = max(reached, stretch.end_s)
    return total
