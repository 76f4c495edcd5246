from __future__ import annotations

from fidgety.bundle import Manifest
from fidgety.device.frame_log import Drops
from fidgety.device.looks import Part
from fidgety.device.verdict import format_verdict, judge_recording
from fidgety.records import Characteristics, QualityReason

INFANT = Characteristics(13.0)
NO_DROPS = Drops(0, 0, 0.04)
GOOD: dict[str, float | None] = {
    "infant_share": 1.0,
    "supine_share": 1.0,
    "limb_coverage": 1.0,
    "distal_coverage": 1.0,
    "bright_luma": 200.0,
    "sharpness": 0.5,
    "travel_trunks": 0.1,
}


def sparse(seconds: float = 180.0, assessable_s: float = 178.0, **changes: float) -> Part:
    return Part("sparse", 178, seconds, assessable_s, {**GOOD, "jitter_mm": None, **changes})


def stretch(**measures: float) -> Part:
    return Part("stretch", 400, 16.0, 9.6, {"jitter_mm": 0.3, "noise_floor_mm": 0.5, "infant_share": 0.0, **measures})


def test_judge_recording_a_good_one_is_kept(manifest: Manifest) -> None:
    verdict = judge_recording([sparse(), stretch()], 4500, 180.0, NO_DROPS, INFANT, manifest)
    assert verdict.is_kept and verdict.is_judged and verdict.is_noise_judged
    assert verdict.quality.measures["infant_share"] == 1.0  # a stretch tells of noise alone: its time counts once
    assert verdict.quality.measures["source_fps"] == 4499 / 180.0
    text = format_verdict(verdict)
    assert text.startswith("KEEP") and "178 of 4500" in text.replace("\n", " ") and "400 in a row" in text


def test_judge_recording_trembling_is_found_in_the_stretch(manifest: Manifest) -> None:
    parts = [sparse(), stretch(jitter_mm=9.0)]
    verdict = judge_recording(parts, 4500, 180.0, NO_DROPS, INFANT, manifest)
    assert [reason.code for reason in verdict.quality.reasons] == ["jitter"]
    assert format_verdict(verdict).startswith("REPEAT")


def test_judge_recording_without_a_stretch_says_that_trembling_was_not_judged(manifest: Manifest) -> None:
    verdict = judge_recording([sparse()], 4500, 180.0, NO_DROPS, INFANT, manifest)
    assert verdict.is_kept and not verdict.is_noise_judged
    assert "was not judged" in format_verdict(verdict).replace("\n", " ")


def test_judge_recording_passes_are_weighed_by_their_time(manifest: Manifest) -> None:
    dense = Part("dense", 750, 30.0, 28.0, {**GOOD, "infant_share": 0.0, "jitter_mm": 0.2})
    verdict = judge_recording([dense, sparse(90.0, 80.0)], 3000, 120.0, NO_DROPS, INFANT, manifest)
    assert verdict.quality.measures["infant_share"] == 0.75
    assert verdict.quality.measures["assessable_s"] == 108.0


def test_judge_recording_time_without_frames_is_not_assessable(manifest: Manifest) -> None:
    drops = Drops(None, 3250, 130.0, ((20.0, 150.0),))
    verdict = judge_recording([sparse()], 1250, 180.0, drops, INFANT, manifest)
    assert {"interrupted", "dropped-frames"} <= {reason.code for reason in verdict.quality.reasons}


def test_judge_recording_nobody_looked_is_no_good_word(manifest: Manifest) -> None:
    verdict = judge_recording([], 4500, 180.0, NO_DROPS, INFANT, manifest)
    assert not verdict.is_judged
    assert format_verdict(verdict).startswith("NOT JUDGED")


def test_judge_recording_an_age_that_is_not_told_yet_is_no_reason_to_repeat(manifest: Manifest) -> None:
    verdict = judge_recording([sparse()], 4500, 180.0, NO_DROPS, Characteristics(), manifest)
    assert verdict.is_kept
    assert [reason.code for reason in verdict.quality.reasons] == ["age-unknown"]


def test_judge_recording_an_age_outside_the_span_is_said_at_the_bedside(manifest: Manifest) -> None:
    verdict = judge_recording([sparse()], 4500, 180.0, NO_DROPS, Characteristics(30.0), manifest)
    assert not verdict.is_kept


def test_judge_recording_the_recorders_own_words_come_along(manifest: Manifest) -> None:
    more = [QualityReason("camera-lost", False, "The camera went.", "look at its plug")]
    verdict = judge_recording([sparse()], 4500, 180.0, NO_DROPS, INFANT, manifest, more)
    assert "look at its plug" in format_verdict(verdict)


def test_judge_recording_stalls_that_leave_hardly_an_instance_whole_are_a_reason_to_repeat(manifest: Manifest) -> None:
    """Looks that are a second apart see no stall of .3 s; the score would refuse the recording for them."""
    stalls = tuple((start + 0.0, start + 0.32) for start in range(5, 180, 10))
    drops = Drops(None, 7 * len(stalls), 0.32, stalls)
    verdict = judge_recording([sparse()], 4374, 180.0, drops, INFANT, manifest)
    assert not verdict.is_kept
    assert "interrupted" in [reason.code for reason in verdict.quality.reasons]
    few = Drops(None, 14, 0.32, stalls[::9])
    kept = judge_recording([sparse()], 4486, 180.0, few, INFANT, manifest)
    assert kept.is_kept and (kept.quality.measures["assessable_s"] or 0.0) > 120.0


def test_judge_recording_short_gaps_that_the_score_bridges_cost_nothing(manifest: Manifest) -> None:
    bridged = Drops(None, 85, 0.24, tuple((start + 0.0, start + 0.24) for start in range(5, 175, 10)))
    verdict = judge_recording([sparse()], 4415, 180.0, bridged, INFANT, manifest)
    assert verdict.quality.measures["assessable_s"] == 178.0
