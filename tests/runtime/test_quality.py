from __future__ import annotations

import pytest

from fidgety.bundle import Manifest, QualityLimits
from fidgety.records import Characteristics, Quality
from fidgety.runtime.quality import before_scoring, judge_quality

GOOD: dict[str, float | None] = {
    "source_fps": 30.0,
    "lost_frame_share": 0.0,
    "infant_share": 1.0,
    "limb_coverage": 0.95,
    "distal_coverage": 0.9,
    "outside_share": 0.0,
    "supine_share": 1.0,
    "leg_to_trunk": 1.15,
    "travel_trunks": 0.2,
    "other_share": 0.0,
    "trunk_px": 200.0,
    "jitter_mm": 0.6,
    "noise_floor_mm": 0.5,
    "bright_luma": 180.0,
    "sharpness": 0.3,
    "camera_shift_share": 0.0,
    "assessable_s": 170.0,
}
AT_14_WEEKS = Characteristics(corrected_age_weeks=14.0)


@pytest.fixture
def limits(manifest: Manifest) -> QualityLimits:
    return manifest.quality


def codes(quality: Quality) -> list[str]:
    return [reason.code for reason in quality.reasons]


def test_judge_quality_good_recording_has_no_reason(limits: QualityLimits) -> None:
    quality = judge_quality(GOOD, AT_14_WEEKS, limits)
    assert quality.reasons == () and quality.is_assessable
    assert dict(quality.measures) == GOOD


@pytest.mark.parametrize(
    ("name", "bad", "still_good", "code"),
    [
        ("infant_share", 0.49, 0.51, "no-infant"),
        ("infant_share", 0.0, 0.51, "no-infant"),
        ("leg_to_trunk", 1.65, 1.55, "not-an-infant"),
        ("travel_trunks", 1.6, 1.4, "not-an-infant"),
        ("supine_share", 0.79, 0.81, "not-supine"),
        ("limb_coverage", 0.69, 0.71, "poor-coverage"),
        ("distal_coverage", 0.49, 0.51, "distal-unseen"),
        ("outside_share", 0.16, 0.14, "cut-off"),
        ("other_share", 0.21, 0.0, "second-person"),
        ("bright_luma", 59.0, 61.0, "too-dark"),
        ("sharpness", 0.049, 0.051, "blurred"),
        ("jitter_mm", 3.1, 2.9, "jitter"),
        ("noise_floor_mm", 2.1, 1.9, "jitter"),
        ("source_fps", 14.0, 15.0, "frame-rate-too-low"),
        ("still_share", 0.51, 0.02, "frozen"),
        ("assessable_s", 59.0, 60.0, "too-short"),
    ],
)
def test_judge_quality_each_figure_blocks_beyond_its_limit_only(
    limits: QualityLimits, name: str, bad: float, still_good: float, code: str
) -> None:
    quality = judge_quality({**GOOD, name: bad}, AT_14_WEEKS, limits)
    assert codes(quality) == [code]
    assert not quality.is_assessable
    (reason,) = quality.reasons
    assert reason.sentence.endswith(".") and len(reason.action) > 5
    assert "None" not in reason.sentence and "nan" not in reason.sentence
    assert codes(judge_quality({**GOOD, name: still_good}, AT_14_WEEKS, limits)) == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("other_share", 0.1, "second-person-briefly"),
        ("lost_frame_share", 0.05, "dropped-frames"),
        ("still_share", 0.2, "frozen"),
        ("camera_shift_share", 0.9, "camera-moving"),
    ],
)
def test_judge_quality_warnings_do_not_block(limits: QualityLimits, name: str, value: float, code: str) -> None:
    quality = judge_quality({**GOOD, name: value}, AT_14_WEEKS, limits)
    assert codes(quality) == [code]
    assert quality.is_assessable


@pytest.mark.parametrize(
    ("days", "code", "is_assessable"),
    [
        (9 * 7 - 1, "age-outside", False),
        (9 * 7, "age-near-limit", True),
        (9 * 7 + 2, "age-near-limit", True),
        (9 * 7 + 3, "age-near-limit", True),
        (9 * 7 + 4, None, True),
        (14 * 7, None, True),
        (20 * 7 - 4, None, True),
        (20 * 7 - 3, "age-near-limit", True),
        (20 * 7 - 2, "age-near-limit", True),
        (20 * 7, "age-near-limit", True),
        (20 * 7 + 1, "age-outside", False),
        (-10, "age-outside", False),
    ],
)
def test_judge_quality_age(limits: QualityLimits, days: int, code: str | None, is_assessable: bool) -> None:
    quality = judge_quality(GOOD, Characteristics(corrected_age_weeks=days / 7), limits)
    assert codes(quality) == ([] if code is None else [code])
    assert quality.is_assessable == is_assessable


def test_judge_quality_age_is_said_in_weeks_and_days(limits: QualityLimits) -> None:
    (reason,) = judge_quality(GOOD, Characteristics(corrected_age_weeks=60 / 7), limits).reasons
    assert "8 weeks 4 days" in reason.sentence
    (reason,) = judge_quality(GOOD, Characteristics(corrected_age_weeks=-10 / 7), limits).reasons
    assert "10 days short of term" in reason.sentence


def test_judge_quality_unknown_age_blocks(limits: QualityLimits) -> None:
    quality = judge_quality(GOOD, Characteristics(), limits)
    assert codes(quality) == ["age-unknown"] and not quality.is_assessable
    assert "--gestation" in quality.reasons[0].action


def test_judge_quality_what_stood_still_is_not_called_dropped(limits: QualityLimits) -> None:
    assert codes(judge_quality({**GOOD, "lost_frame_share": 0.3, "still_share": 0.29}, AT_14_WEEKS, limits)) == [
        "frozen"
    ]
    both = judge_quality({**GOOD, "lost_frame_share": 0.3, "still_share": 0.2}, AT_14_WEEKS, limits)
    assert codes(both) == ["frozen", "dropped-frames"]
    assert "10 %" in both.reasons[1].sentence


def test_judge_quality_what_was_not_measured_is_no_reason(limits: QualityLimits) -> None:
    for name in set(GOOD) - {"infant_share"}:
        assert codes(judge_quality({**GOOD, name: None}, AT_14_WEEKS, limits)) == []
        assert codes(judge_quality({k: v for k, v in GOOD.items() if k != name}, AT_14_WEEKS, limits)) == []


def test_judge_quality_infant_not_looked_for_blocks(limits: QualityLimits) -> None:
    assert codes(judge_quality({**GOOD, "infant_share": None}, AT_14_WEEKS, limits)) == ["no-infant"]
    assert codes(judge_quality({}, AT_14_WEEKS, limits)) == ["no-infant"]


def test_judge_quality_no_infant_leaves_out_what_follows_from_it(limits: QualityLimits) -> None:
    measures = {**GOOD, "infant_share": 0.1, "limb_coverage": 0.0, "assessable_s": 0.0, "bright_luma": 20.0}
    assert codes(judge_quality(measures, AT_14_WEEKS, limits)) == ["no-infant", "too-dark"]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("jitter_mm", 20.0, "jitter"), ("outside_share", 0.3, "cut-off"), ("bright_luma", 30.0, "too-dark")],
)
def test_judge_quality_poor_pose_is_not_called_prone(limits: QualityLimits, name: str, value: float, code: str) -> None:
    assert codes(judge_quality({**GOOD, "supine_share": 0.2, name: value}, AT_14_WEEKS, limits)) == [code]


def test_judge_quality_all_reasons_are_listed_blocking_ones_first(limits: QualityLimits) -> None:
    measures = {**GOOD, "lost_frame_share": 0.1, "jitter_mm": 9.0, "assessable_s": 5.0}
    quality = judge_quality(measures, Characteristics(corrected_age_weeks=9.1), limits)
    assert codes(quality) == ["jitter", "too-short", "age-near-limit", "dropped-frames"]
    assert [reason.is_blocking for reason in quality.reasons] == [True, True, False, False]


def test_judge_quality_codes_are_stable_kebab_case(limits: QualityLimits) -> None:
    measures = {**GOOD, "jitter_mm": 9.0, "sharpness": 0.0, "other_share": 1.0, "source_fps": 8.0}
    for code in codes(judge_quality(measures, Characteristics(), limits)):
        assert code == code.lower() and " " not in code and "_" not in code


def test_judge_quality_an_interrupted_recording_is_not_called_short(limits: QualityLimits) -> None:
    measures = {**GOOD, "assessable_s": 15.6}
    (short,) = judge_quality(measures, AT_14_WEEKS, limits, 16.0).reasons
    (stalled,) = judge_quality(measures, AT_14_WEEKS, limits, 180.0).reasons
    assert (short.code, stalled.code) == ("too-short", "interrupted") and stalled.is_blocking
    assert "15 s can be assessed; 60 s are needed" in stalled.sentence and "stall" in stalled.action
    assert codes(judge_quality({**GOOD, "assessable_s": 59.2}, AT_14_WEEKS, limits, 60.4)) == ["too-short"]
    assert codes(judge_quality({**GOOD, "assessable_s": 60.0}, AT_14_WEEKS, limits, 180.0)) == []


def test_judge_quality_seconds_that_are_too_few_are_not_rounded_to_enough(limits: QualityLimits) -> None:
    (reason,) = judge_quality({**GOOD, "assessable_s": 59.6}, AT_14_WEEKS, limits).reasons
    assert reason.sentence == "59 s can be assessed; 60 s are needed."


@pytest.mark.parametrize(
    ("weeks", "said"),
    [
        (8.995, "is 8.995 weeks;"),
        (20.01, "is 20.01 weeks;"),
        (8.7, "is 8 weeks 5 days;"),
        (20.3, "is 20 weeks 2 days;"),
    ],
)
def test_judge_quality_a_refused_age_is_said_to_lie_outside(limits: QualityLimits, weeks: float, said: str) -> None:
    (reason,) = judge_quality(GOOD, Characteristics(corrected_age_weeks=weeks), limits).reasons
    assert reason.code == "age-outside" and said in reason.sentence


def test_judge_quality_judges_the_age_that_a_result_keeps(limits: QualityLimits) -> None:
    for weeks in (9.0 - 1e-9, 20.0 + 1e-9):
        assert codes(judge_quality(GOOD, Characteristics(corrected_age_weeks=weeks), limits)) == ["age-near-limit"]


def test_before_scoring_an_unknown_age_is_asked_for_and_blocks_nothing(limits: QualityLimits) -> None:
    quality = before_scoring(judge_quality(GOOD, Characteristics(), limits))
    assert codes(quality) == ["age-unknown"] and quality.is_assessable
    assert quality.reasons[0].action == "give the infant's dates, or its age, when it is scored"
    both = before_scoring(judge_quality({**GOOD, "jitter_mm": 9.0}, Characteristics(), limits))
    assert codes(both) == ["jitter", "age-unknown"] and not both.is_assessable
    outside = before_scoring(judge_quality(GOOD, Characteristics(corrected_age_weeks=8.0), limits))
    assert not outside.is_assessable
