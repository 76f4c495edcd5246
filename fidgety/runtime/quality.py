"""What makes a recording assessable: a code, a sentence and an action for each reason (SPEC 7).

Takes figures (from PostureMonitor, PictureMonitor and the windows) and the bundle's limits, gives the verdict. A figure
that could not be measured (None) is no reason, except where the thing itself must be known: the infant and its age.
Crying and being held are not looked for: nothing here could tell them reliably, and the README says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from fidgety.bundle import QualityLimits
from fidgety.records import Characteristics, Quality, QualityReason

__all__ = ["before_scoring", "judge_quality"]

_MOST_STILL = 0.5  # share of the time: a recording whose picture stands still for longer tells of something else
_WARNED_SHARE = 0.02  # of frames lost, or of time without a new picture
_AGE_ACTION = "give --age-weeks, or --born, --recorded and --gestation"
_INTERRUPTED_S = 10.0  # without an interruption less is missing: .8 s at the end, or a recording of no whole window


def judge_quality(
    measures: Mapping[str, float | None],
    characteristics: Characteristics,
    limits: QualityLimits,
    duration_s: float | None = None,
) -> Quality:
    """The verdict on one recording. Every reason that holds is listed; blocking ones first.

    duration_s: of the whole recording, where it is known: it tells one that is short from one that is interrupted.
    """
    reasons = [*_age_reasons(characteristics, limits)]
    infant_share = measures.get("infant_share")
    if infant_share is None or infant_share < limits.min_infant_share:
        found = f"in {_percent(infant_share)} of the frames" if infant_share else "in no frame"
        reasons.append(
            _blocking(
                "no-infant",
                f"An infant was found {found}.",
                "lay the infant on its back in the middle of the picture, whole body in view, and record again",
            )
        )
        reasons.extend(_picture_reasons(measures, limits))
    else:
        reasons.extend(_body_reasons(measures, limits))
        reasons.extend(_picture_reasons(measures, limits))
        reasons.extend(_time_reasons(measures, limits, duration_s))
    ordered = sorted(reasons, key=lambda reason: not reason.is_blocking)
    return Quality(tuple(ordered), dict(measures))


def before_scoring(quality: Quality) -> Quality:
    """The verdict while nothing is scored yet: an age that nobody has told is asked for, and is no reason to repeat."""
    reasons = [
        replace(one, is_blocking=False, action="give the infant's dates, or its age, when it is scored")
        if one.code == "age-unknown"
        else one
        for one in quality.reasons
    ]
    return replace(quality, reasons=tuple(sorted(reasons, key=lambda reason: not reason.is_blocking)))


def _age_reasons(characteristics: Characteristics, limits: QualityLimits) -> Iterator[QualityReason]:
    low, high = limits.min_age_weeks, limits.max_age_weeks
    span = f"{low:g} to {high:g} weeks corrected age"
    if characteristics.corrected_age_weeks is None:
        yield _blocking("age-unknown", f"The corrected age is not known; FMs are judged at {span} only.", _AGE_ACTION)
        return
    age = round(characteristics.corrected_age_weeks, 6)  # what a stored result keeps is what is judged
    if not low <= age <= high:
        yield _blocking(
            "age-outside",
            f"The infant's corrected age is {_age_outside(age, limits)}; FMs are judged at {span}.",
            "record again within that span" if age < low else "use an assessment made for this age",
        )
    elif round(min(age - low, high - age) * 7, 6) <= limits.age_margin_days:
        yield _warning(
            "age-near-limit",
            f"The infant's corrected age is {_weeks_and_days(age)}, near the end of the span of {span}.",
            "check the dates; a repeat nearer the middle of the span says more",
        )


def _body_reasons(measures: Mapping[str, float | None], limits: QualityLimits) -> Iterator[QualityReason]:
    if _over(measures, "leg_to_trunk", limits.max_leg_to_trunk) or _over(
        measures, "travel_trunks", limits.max_travel_trunks
    ):
        yield _blocking(
            "not-an-infant",
            "The body has not the proportions of an infant, or moves through the picture.",
            "record an infant of 9 to 20 weeks that lies on its back",
        )
    elif _under(measures, "supine_share", limits.min_supine_share) and not _is_misread(measures, limits):
        yield _blocking(
            "not-supine",
            f"The infant's front is seen in {_percent(measures['supine_share'])} of the frames only.",
            "lay the infant on its back, camera above; when it rolls over, turn it back and start again",
        )
    if _under(measures, "limb_coverage", limits.min_limb_coverage):
        yield _blocking(
            "poor-coverage",
            f"The limbs are seen in {_percent(measures['limb_coverage'])} of the frames only.",
            "take blankets and toys away, bare arms and legs, and have the whole body in the picture",
        )
    elif _under(measures, "distal_coverage", limits.min_distal_coverage):
        yield _blocking(
            "distal-unseen",
            f"A wrist or an ankle is seen in {_percent(measures['distal_coverage'])} of the frames only.",
            "bare hands and feet and keep them in the picture",
        )
    if _over(measures, "outside_share", limits.max_outside_share):
        yield _blocking(
            "cut-off",
            f"The picture's edge cuts off {_percent(measures['outside_share'])} of the limbs.",
            "move the camera back or to the middle until the whole infant is in the picture",
        )
    if _over(measures, "other_share", limits.max_other_share):
        yield _blocking(
            "second-person",
            f"Another person is in the picture in {_percent(measures['other_share'])} of the looks.",
            "record the infant alone",
        )
    elif measures.get("other_share"):
        yield _warning("second-person-briefly", "Another person was in the picture for a moment.", "step back")


def _is_misread(measures: Mapping[str, float | None], limits: QualityLimits) -> bool:
    """True when the poses are too poor to say which side is up: their cause is named instead."""
    return (
        _trembles(measures, limits)
        or _over(measures, "outside_share", limits.max_outside_share)
        or _under(measures, "bright_luma", limits.min_bright_luma)
    )


def _trembles(measures: Mapping[str, float | None], limits: QualityLimits) -> bool:
    """True when noise rivals the signal: quick noise everywhere, or limbs that never lie still."""
    return _over(measures, "jitter_mm", limits.max_jitter_mm) or _over(
        measures, "noise_floor_mm", limits.max_noise_floor_mm
    )


def _picture_reasons(measures: Mapping[str, float | None], limits: QualityLimits) -> Iterator[QualityReason]:
    still = measures.get("still_share") or 0.0
    if still > _WARNED_SHARE:
        reason = _blocking if still > _MOST_STILL else _warning
        yield reason(
            "frozen",
            f"The picture stands still for {_percent(still)} of the recording, as no camera's does by itself.",
            "check the camera, its cable and the program that records, and record again",
        )
    if _under(measures, "bright_luma", limits.min_bright_luma):
        yield _blocking("too-dark", "The picture is too dark.", "put on the light or open the curtains")
    if _under(measures, "sharpness", limits.min_sharpness):
        yield _blocking("blurred", "The picture is blurred.", "wipe the lens and focus on the infant")
    if _over(measures, "camera_shift_share", limits.max_camera_shift_share):
        # MAM reads differences between joints of one frame, from which a camera's movement drops out; where it smears
        # the picture or upsets the pose, `blurred` and `jitter` say so.
        yield _warning("camera-moving", "The camera moves.", "put the camera on a stand and do not touch it")
    if _trembles(measures, limits):
        trembling_mm = max(measures.get(name) or 0.0 for name in ("jitter_mm", "noise_floor_mm"))
        yield _blocking(
            "jitter",
            f"The pose trembles by {trembling_mm:.1f} mm, as much as fidgety movements themselves.",
            "use a better camera or resolution, more light, and let the infant fill the picture",
        )


def _time_reasons(
    measures: Mapping[str, float | None], limits: QualityLimits, duration_s: float | None
) -> Iterator[QualityReason]:
    if _under(measures, "source_fps", limits.min_source_fps):
        yield _blocking(
            "frame-rate-too-low",
            f"The recording has {measures['source_fps']:.1f} frames a second; FMs need {limits.min_source_fps:g}.",
            "set the camera to 25 or 30 frames a second",
        )
    lost = (measures.get("lost_frame_share") or 0.0) - (measures.get("still_share") or 0.0)  # told of by itself
    if lost > _WARNED_SHARE:
        yield _warning("dropped-frames", f"The camera lost {_percent(lost)} of its frames.", "close other programs")
    assessable_s = measures.get("assessable_s")
    if assessable_s is None or assessable_s >= limits.min_assessable_s:
        return
    seconds = f"{math.floor(assessable_s)} s can be assessed; {limits.min_assessable_s:g} s are needed"
    is_long = duration_s is not None and duration_s >= limits.min_assessable_s
    if duration_s is not None and is_long and duration_s - assessable_s > _INTERRUPTED_S:
        yield _blocking(
            "interrupted",
            f"Interruptions leave too few whole windows of this recording: {seconds}.",
            "see that the camera does not stall and nothing hides the infant, then record 3 to 5 minutes in one go",
        )
    else:
        yield _blocking("too-short", f"{seconds}.", "record 3 to 5 minutes while the infant is awake and content")


def _blocking(code: str, sentence: str, action: str) -> QualityReason:
    return QualityReason(code, True, sentence, action)


def _warning(code: str, sentence: str, action: str) -> QualityReason:
    return QualityReason(code, False, sentence, action)


def _under(measures: Mapping[str, float | None], name: str, limit: float) -> bool:
    value = measures.get(name)
    return value is not None and value < limit


def _over(measures: Mapping[str, float | None], name: str, limit: float) -> bool:
    value = measures.get(name)
    return value is not None and value > limit


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.0f} %"


def _age_outside(weeks: float, limits: QualityLimits) -> str:
    """An age beyond the span; in decimals where the nearest whole day lies within it."""
    if limits.min_age_weeks * 7 <= round(weeks * 7) <= limits.max_age_weeks * 7:
        return f"{weeks:.9g} weeks"
    return _weeks_and_days(weeks)


def _weeks_and_days(weeks: float) -> str:
    days = round(weeks * 7)
    return f"{days // 7} weeks {days % 7} days" if days >= 0 else f"{-days} days short of term"
