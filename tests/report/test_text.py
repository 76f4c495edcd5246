from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fidgety.records import Assessment, Quality, QualityReason, Stretch
from fidgety.report.page import render_report
from fidgety.report.text import format_assessment, format_line, format_quality, format_summary

from .conftest import BANNER


@pytest.mark.parametrize("width", [40, 48, 60])
def test_format_assessment_fits_a_small_screen(scored: Assessment, width: int) -> None:
    lines = format_assessment(replace(scored, recording="x" * 300 + ".mp4"), width).splitlines()
    assert max(map(len, lines)) <= width
    if width == 60:
        assert len(lines) <= 20


def test_format_assessment_states_every_finding(scored: Assessment) -> None:
    text = format_assessment(scored)
    for part in (
        BANNER,
        "infant_07_supine.mp4",
        "03:00, 29.97 fps",
        "16/25 windows = 64 %",
        "95 % interval 41-82 %",
        "12 % risk (sporadic or absent FMs)",
        "95 % interval 5-24 %",
        "normal: continual or intermittent FMs",
        "threshold 50 %",
        "Info Branch    used",
        "Quality        ok",
        "Noise floor    0.4 mm (FMs: 3 to 20 mm)",
        "5, 01:22 in all",
        "02:35-02:54",
        "01:34-01:37",
        "mam-phantom 0.1.0 (abcdef012345)",
    ):
        assert part in text


def test_results_say_what_a_finding_is_worth_at_the_site(scored: Assessment) -> None:
    assert scored.risk is not None
    told = replace(scored, risk=replace(scored.risk, prevalence=0.1, predictive_value=0.974))
    assert "               right in 97 % of cases (prevalence 10 %)" in format_assessment(told).splitlines()
    assert "Right in 97 % of cases (prevalence 10 %) here. Infant’s" in render_report(told)
    assert "prevalence" not in format_assessment(scored) + render_report(scored)


def test_format_assessment_not_assessable_gives_reasons_and_no_number(refused: Assessment) -> None:
    text = format_assessment(refused)
    assert "NOT ASSESSABLE" in text
    assert BANNER in text
    for reason in refused.quality.reasons:
        for sentence in (reason.sentence, reason.action):
            assert " ".join(sentence.split()) in " ".join(text.split())
    for word in ("FMs frequency", "Risk", "%", "Bouts"):
        assert word not in text


def test_format_assessment_with_warnings_gives_their_actions(warned: Assessment) -> None:
    text = format_assessment(warned)
    assert "Quality        1 warning" in text
    assert "\n     --age-weeks." in text, "an option must not be broken at its hyphen"
    assert "interval spans" in text
    assert "left out (not known: corrected age," in text


def test_format_assessment_counts_the_bouts_that_do_not_fit(build: Callable[..., Assessment]) -> None:
    bouts = tuple(Stretch(10.0 * i, 10.0 * i + 5) for i in range(30))
    text = format_assessment(build(bouts=bouts, duration_s=300.0))
    assert "30, 02:30 in all" in text
    n_spans = sum(f"{10 * i // 60:02d}:{10 * i % 60:02d}-" in text for i in range(30))
    assert f"+{30 - n_spans} more" in text
    assert format_assessment(build(bouts=())).count("Bouts          none") == 1


def test_format_assessment_lets_no_terminal_escape_through(build: Callable[..., Assessment]) -> None:
    text = format_assessment(build(recording="\x1b[2Jevil\n.mp4"))
    assert "\x1b" not in text
    assert "\ufffd[2Jevil\ufffd.mp4" in text


def test_format_line_is_one_line_for_both_outcomes(scored: Assessment, refused: Assessment) -> None:
    assert format_line(scored) == "infant_07_supine.mp4  FMs 16/25 64 %  risk 12 %  normal  [DEMO]"
    assert format_line(refused) == "short.mp4  NOT ASSESSABLE: too-short  [DEMO]"
    long_name = replace(scored, recording="a" * 100 + "_z.mp4", banner=None)
    assert len(format_line(long_name, 60)) == 60
    assert "_z.mp4  FMs" in format_line(long_name, 60)


@pytest.mark.parametrize("width", [64, 80])
def test_format_summary_counts_outcomes_and_shows_the_banner_once(
    scored: Assessment, refused: Assessment, warned: Assessment, width: int
) -> None:
    text = format_summary([scored, refused, warned], width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count(BANNER) == 1
    assert text.splitlines()[-1] == "3 recordings: 1 risk, 1 normal, 1 not assessable"
    assert "not assessable: too-short" in text


def test_format_quality_says_whether_to_keep_it_and_what_is_not_known_yet() -> None:
    unknown = QualityReason("age-unknown", False, "The corrected age is not known.", "give it")
    short = QualityReason("too-short", True, "12 s can be assessed.", "record again")
    titles = [format_quality("a.mp4", Quality(reasons, {})).splitlines()[2] for reasons in ((), (unknown,), (short,))]
    assert titles == [
        "KEEP: it can be assessed",
        "KEEP: it can be assessed once its age is known",
        "REPEAT: it cannot be assessed",
    ]
