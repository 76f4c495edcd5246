"""An Assessment as plain text for a small screen: at most 60 columns, about 20 lines, no colour codes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from fidgety.records import Assessment, Quality, QualityReason, Stretch
from fidgety.report.wording import (
    RISK_NAME,
    clean_name,
    describe_class,
    describe_info_branch,
    describe_noise_floor,
    describe_predictive_value,
    format_clock,
    format_interval,
    format_percent,
    list_reasons,
    scored_parts,
    total_s,
)

__all__ = ["format_assessment", "format_line", "format_quality", "format_summary"]

_LABEL_WIDTH = 13
_MAX_STRETCH_LINES = 3


def format_assessment(assessment: Assessment, width: int = 60) -> str:
    """The whole result in lines of at most `width` (>= 40) characters.

    A recording that could not be assessed gets NOT ASSESSABLE with each reason and what to do, and never a number for
    frequency or risk (SPEC 4, 7). No line break at the end.
    """
    lines = [*_banner_lines(assessment, width), _title(assessment, width), "-" * width]
    scored = scored_parts(assessment)
    blocking, warnings = list_reasons(assessment)
    if scored is None:
        lines += ["NOT ASSESSABLE", *_reason_lines(blocking, width)]
        if warnings:
            lines += ["Also:", *_reason_lines(warnings, width)]
        lines += _field("Bundle", clean_name(assessment.bundle), width)
        return "\n".join(lines)
    frequency, risk = scored
    counted = f"{frequency.n_fms}/{frequency.n_instances} windows = {format_percent(frequency.value)} %"
    lines += _field("FMs frequency", counted, width)
    lines += _field("", f"95 % interval {format_interval(frequency.low, frequency.high)}", width)
    lines += _field("Risk", f"{format_percent(risk.probability)} % {RISK_NAME}", width)
    lines += _field("", f"95 % interval {format_interval(risk.low, risk.high)}", width)
    lines += _field("Class", describe_class(risk), width)
    lines += _field("", f"threshold {format_percent(risk.threshold)} %", width)
    if (predictive := describe_predictive_value(risk)) is not None:
        lines += _field("", predictive, width)
    lines += _field("Info Branch", describe_info_branch(assessment, risk), width)
    lines += _field("Quality", _count(len(warnings), "warning") if warnings else "ok", width)
    lines += _reason_lines(warnings, width)
    if (floor := describe_noise_floor(assessment.quality)) is not None:
        lines += _field("Noise floor", floor, width)
    lines += _stretch_lines("Bouts", assessment.bouts, width)
    if assessment.voids:
        lines += _stretch_lines("Not scored", assessment.voids, width)
    lines += _field("Bundle", clean_name(assessment.bundle), width)
    return "\n".join(lines)


def format_line(assessment: Assessment, width: int = 80) -> str:
    """One recording in one line of at most `width` (>= 60) characters, ending in the first word of the banner."""
    scored = scored_parts(assessment)
    if scored is None:
        blocking, _ = list_reasons(assessment)
        rest = "NOT ASSESSABLE: " + ", ".join(clean_name(reason.code) for reason in blocking)
    else:
        frequency, risk = scored
        rest = (
            f"FMs {frequency.n_fms}/{frequency.n_instances} {format_percent(frequency.value)} %  "
            f"risk {format_percent(risk.probability)} %  {'RISK' if risk.is_risk else 'normal'}"
        )
    if assessment.banner:
        rest += f"  [{clean_name(assessment.banner).split()[0]}]"
    name_width = max(width - len(rest) - 2, 16)
    return f"{_shorten(clean_name(assessment.recording), name_width)}  {rest}"[:width]


def format_quality(recording: str, quality: Quality, width: int = 60) -> str:
    """The verdict of the quality gate alone: KEEP or REPEAT, each reason and what to do."""
    lines = [_shorten(clean_name(recording), width), "-" * width]
    if not quality.is_assessable:
        lines.append("REPEAT: it cannot be assessed")
    elif any(reason.code == "age-unknown" for reason in quality.reasons):
        lines.append("KEEP: it can be assessed once its age is known")
    else:
        lines.append("KEEP: it can be assessed")
    return "\n".join([*lines, *_reason_lines(quality.reasons, width)])


def format_summary(assessments: Sequence[Assessment], width: int = 80) -> str:
    """A table of many recordings, one row each, banners above, counts below; at most `width` (>= 64) columns."""
    lines = []
    for banner in dict.fromkeys(one.banner for one in assessments if one.banner):
        lines += textwrap.wrap(clean_name(banner), width)
    columns = f"{'length':>6}  {'FMs':>7} {'%':>3} {'interval':>9}  {'risk':>4}  class"
    name_width = width - 46
    lines += [f"{'recording':<{name_width}}  {columns}", "-" * width]
    lines += [_summary_row(one, name_width)[:width] for one in assessments]
    scores = [scored_parts(one) for one in assessments]
    n_risk = sum(score is not None and score[1].is_risk for score in scores)
    n_refused = sum(score is None for score in scores)
    lines += ["-" * width, f"{_count(len(assessments), 'recording')}: {n_risk} risk, "]
    lines[-1] += f"{len(scores) - n_risk - n_refused} normal, {n_refused} not assessable"
    return "\n".join(lines)


def _summary_row(assessment: Assessment, name_width: int) -> str:
    name = _shorten(clean_name(assessment.recording), name_width)
    start = f"{name:<{name_width}}  {format_clock(assessment.duration_s):>6}  "
    scored = scored_parts(assessment)
    if scored is None:
        blocking, _ = list_reasons(assessment)
        return f"{start}not assessable: {', '.join(clean_name(reason.code) for reason in blocking)}"
    frequency, risk = scored
    interval = format_interval(frequency.low, frequency.high)[:-2]
    return (
        f"{start}{f'{frequency.n_fms}/{frequency.n_instances}':>7} {format_percent(frequency.value):>3} "
        f"{interval:>9}  {format_percent(risk.probability):>4}  {'RISK' if risk.is_risk else 'normal'}"
    )


def _banner_lines(assessment: Assessment, width: int) -> list[str]:
    return textwrap.wrap(clean_name(assessment.banner), width) if assessment.banner else []


def _title(assessment: Assessment, width: int) -> str:
    length = format_clock(assessment.duration_s)
    if assessment.source_fps > 0:  # a pose track does not know it
        length += f", {assessment.source_fps:.4g} fps"
    name = _shorten(clean_name(assessment.recording), width - len(length) - 2)
    return f"{name:<{width - len(length)}}{length}"


def _field(label: str, value: str, width: int) -> list[str]:
    """`label` and `value` in two columns, the value wrapped."""
    head, indent = f"{label:<{_LABEL_WIDTH}}  ", " " * (_LABEL_WIDTH + 2)
    return _wrap(value, width, head, indent) or [head.rstrip()]


def _wrap(text: str, width: int, first: str, then: str) -> list[str]:
    """Lines of at most `width`; options such as --age-weeks stay whole."""
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)


def _reason_lines(reasons: Sequence[QualityReason], width: int) -> list[str]:
    lines = []
    for reason in reasons:
        lines += _wrap(clean_name(reason.sentence), width, "* ", "  ")
        lines += _wrap(clean_name(reason.action), width, "  -> ", "     ")
    return lines


def _stretch_lines(label: str, stretches: Sequence[Stretch], width: int) -> list[str]:
    """Count, total and the first stretches; what does not fit is counted, never silently left out."""
    if not stretches:
        return _field(label, "none", width)
    lines = _field(label, f"{len(stretches)}, {format_clock(total_s(stretches))} in all", width)
    per_line = max((width - 2) // 13, 1)
    n_shown = min(len(stretches), per_line * _MAX_STRETCH_LINES)
    if n_shown < len(stretches):
        n_shown -= 1
    spans = [f"{format_clock(one.start_s)}-{format_clock(one.end_s)}" for one in stretches[:n_shown]]
    if n_shown < len(stretches):
        spans.append(f"+{len(stretches) - n_shown} more")
    rows = (spans[i : i + per_line] for i in range(0, len(spans), per_line))
    return lines + [f"  {'  '.join(row)}" for row in rows]


def _shorten(name: str, width: int) -> str:
    """`name` in at most `width` characters; the middle goes, since beginnings and endings tell names apart."""
    if len(name) <= width:
        return name
    tail = (width - 3) // 2
    return f"{name[: width - 3 - tail]}...{name[len(name) - tail :]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
