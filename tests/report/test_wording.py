from __future__ import annotations

from dataclasses import replace

import pytest

from fidgety.records import Assessment, Risk, Stretch
from fidgety.report.wording import (
    clean_name,
    describe_class,
    describe_info_branch,
    describe_predictive_value,
    format_clock,
    format_interval,
    format_percent,
    list_reasons,
    scored_parts,
    total_s,
)


@pytest.mark.parametrize(
    ("seconds", "clock"), [(0.0, "00:00"), (59.4, "00:59"), (59.6, "01:00"), (3661.0, "61:01"), (-0.01, "00:00")]
)
def test_format_clock_rounds_to_the_nearest_second(seconds: float, clock: str) -> None:
    assert format_clock(seconds) == clock


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0"), (1.0, "100"), (0.001, "<1"), (0.999, ">99"), (0.005, "1"), (0.125, "13"), (0.64, "64")],
)
def test_format_percent_never_reads_as_certain_unless_it_is(share: float, text: str) -> None:
    assert format_percent(share) == text


def test_format_interval_names_both_ends() -> None:
    assert format_interval(0.05, 0.999) == "5->99 %"


def test_clean_name_replaces_escapes_line_breaks_and_broken_bytes() -> None:
    cleaned = clean_name("a\x1b[31m\nb\udcff\u202ec å.mp4")
    assert cleaned == "a\ufffd[31m\ufffdb\ufffd\ufffdc å.mp4"
    assert cleaned.encode("utf-8")


def test_total_s_counts_overlap_once() -> None:
    assert total_s([Stretch(10.0, 20.0), Stretch(0.0, 5.0), Stretch(15.0, 22.0)]) == pytest.approx(17.0)
    assert total_s([]) == 0.0


def test_describe_predictive_value_only_where_a_site_told_its_prevalence() -> None:
    risk = Risk(0.3, 0.1, 0.45, 0.5, False, True)
    assert describe_predictive_value(risk) is None
    told = replace(risk, prevalence=0.1, predictive_value=0.974)
    assert describe_predictive_value(told) == "right in 97 % of cases (prevalence 10 %)"


def test_describe_class_tells_when_the_interval_spans_the_threshold() -> None:
    risk = Risk(0.3, 0.1, 0.45, 0.5, False, True)
    assert describe_class(risk) == "normal: continual or intermittent FMs"
    assert describe_class(replace(risk, high=0.5)).endswith("(interval spans the threshold)")
    assert describe_class(replace(risk, probability=0.8, low=0.5, high=0.9, is_risk=True)) == (
        "risk: sporadic or absent FMs"
    )


def test_describe_info_branch_names_what_is_missing(warned: Assessment) -> None:
    assert warned.risk is not None
    assert describe_info_branch(warned, warned.risk) == "left out (not known: corrected age, gestation, birth weight)"


def test_scored_parts_are_none_when_a_reason_blocks_although_numbers_exist(
    scored: Assessment, refused: Assessment
) -> None:
    assert scored_parts(scored) == (scored.frequency, scored.risk)
    assert scored_parts(replace(scored, quality=refused.quality)) is None
    assert scored_parts(replace(scored, risk=None)) is None


def test_list_reasons_without_a_score_always_has_a_blocking_one(scored: Assessment) -> None:
    blocking, warnings = list_reasons(replace(scored, frequency=None))
    assert [reason.code for reason in blocking] == ["no-score"]
    assert warnings == []
    assert list_reasons(scored) == ([], [])
