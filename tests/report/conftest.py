"""Assessments to look at: a scored one with bouts, voids and moments, and one that may not be scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fidgety.records import (
    Assessment,
    Characteristics,
    FloatArray,
    FmsFrequency,
    Moment,
    Quality,
    QualityReason,
    Risk,
    Stretch,
    WindowScore,
)
from fidgety.skeleton import H36M_17

BANNER = "DEMO - trained on simulated movement - not for clinical use"
WARNING = QualityReason(
    "age-unknown",
    False,
    "The corrected age is not known; the score holds for 9 to 20 weeks only.",
    "Give --born, --recorded and --gestation, or --age-weeks.",
)
TOO_SHORT = QualityReason(
    "too-short",
    True,
    "Only 10 s can be assessed; at least 60 s are needed.",
    "Record the infant for at least 3 minutes.",
)


def make_keypoints(seed: int, amplitude_px: float) -> FloatArray:
    """(240, 17, 2) pixels: an infant on its back, head up, whose joints wander smoothly."""
    x_y = {
        "hip": (640, 440),
        "right_hip": (605, 442),
        "right_knee": (545, 505),
        "right_ankle": (590, 580),
        "left_hip": (675, 442),
        "left_knee": (740, 500),
        "left_ankle": (690, 582),
        "spine": (640, 365),
        "thorax": (640, 285),
        "nose": (640, 225),
        "head": (640, 165),
        "left_shoulder": (700, 295),
        "left_elbow": (765, 255),
        "left_wrist": (745, 190),
        "right_shoulder": (580, 295),
        "right_elbow": (520, 330),
        "right_wrist": (545, 265),
    }
    reach = [
        3.0 if name.endswith(("wrist", "ankle")) else 1.5 if name.endswith(("elbow", "knee")) else 0.3 for name in x_y
    ]
    noise = np.random.default_rng(seed).normal(size=(240 + 24, 17, 2))
    kernel = np.hanning(25) / np.linalg.norm(np.hanning(25))
    smooth = np.apply_along_axis(np.convolve, 0, noise, kernel, "valid")
    rest = np.array([x_y[name] for name in H36M_17.keypoints], np.float64)
    return np.asarray(rest + amplitude_px * np.array(reach)[:, None] * smooth, np.float32)


def make_moment(start_s: float, fms_probability: float, seed: int) -> Moment:
    """One moment of 9.6 s; a right ankle and a few whole frames are not observed."""
    keypoints_xy = make_keypoints(seed, 6.0 if fms_probability > 0.5 else 1.5)
    keypoints_xy[100:104] = np.nan
    keypoints_xy[150:180, H36M_17.index["right_ankle"]] = np.nan
    return Moment(start_s, start_s + 9.6, fms_probability, keypoints_xy)


def make_timeline(duration_s: float, void: tuple[float, float]) -> tuple[WindowScore, ...]:
    """Localisation windows every 0.8 s; those that touch `void` (seconds) are void."""
    windows = []
    for i in range(int((duration_s - 9.6) / 0.8) + 1):
        start_s, end_s = 0.8 * i, 0.8 * i + 9.6
        if start_s < void[1] and end_s > void[0]:
            windows.append(WindowScore(start_s, end_s, False, True, None, None, "gap too long"))
            continue
        share = 0.5 + 0.35 * np.sin(start_s / 6.0) + 0.14 * np.sin(start_s / 1.7)
        windows.append(
            WindowScore(start_s, end_s, i % 7 == 0, True, float(share), (float(share), 1 - float(share)), None)
        )
    return tuple(windows)


def make_assessment(**changes: Any) -> Assessment:
    """A scored recording of 180 s; `changes` replace fields."""
    assessment = Assessment(
        recording="infant_07_supine.mp4",
        recording_sha256="9f2c" * 16,
        duration_s=180.0,
        source_fps=29.97,
        quality=Quality(
            (), {"limb_coverage": 0.934, "blur": 12.3456789, "second_person_share": None, "noise_floor_mm": 0.44}
        ),
        characteristics=Characteristics(13.4, 39.5, "female", 3250.0),
        frequency=FmsFrequency(16, 25, 0.64, 0.41, 0.82),
        risk=Risk(0.12, 0.05, 0.24, 0.5, False, True),
        timeline=make_timeline(180.0, (94.0, 97.0)),
        bouts=(
            Stretch(4.8, 22.4),
            Stretch(42.0, 60.5),
            Stretch(79.0, 88.0),
            Stretch(118.0, 136.4),
            Stretch(155.2, 173.6),
        ),
        voids=(Stretch(94.0, 97.0),),
        most_certain_fms=(make_moment(8.0, 0.98, 1), make_moment(46.4, 0.97, 2), make_moment(120.8, 0.95, 3)),
        most_certain_non_fms=(make_moment(26.4, 0.02, 4), make_moment(64.0, 0.03, 5), make_moment(139.2, 0.04, 6)),
        bundle="mam-phantom 0.1.0 (abcdef012345)",
        banner=BANNER,
        settings={"fidgety": "0.1.0", "fms_threshold": 0.5, "versions": {"onnxruntime": "1.23.2"}, "engine": "CPU"},
    )
    return replace(assessment, **changes)


def make_refusal(**changes: Any) -> Assessment:
    """A recording of 10 s without a score, although windows were scored on the way."""
    return replace(
        make_assessment(
            recording="short.mp4",
            duration_s=10.0,
            quality=Quality((TOO_SHORT, WARNING), {"assessable_s": 10.0}),
            frequency=None,
            risk=None,
            timeline=make_timeline(10.4, (90.0, 90.0)),
            bouts=(Stretch(0.0, 9.6),),
            voids=(),
        ),
        **changes,
    )


@pytest.fixture
def scored() -> Assessment:
    return make_assessment()


@pytest.fixture
def refused() -> Assessment:
    return make_refusal()


@pytest.fixture
def warned() -> Assessment:
    return make_assessment(
        quality=Quality((WARNING,), {}),
        characteristics=Characteristics(sex="male"),
        risk=Risk(0.71, 0.38, 0.9, 0.5, True, False),
    )


@pytest.fixture
def build() -> Callable[..., Assessment]:
    """`make_assessment`, for tests that change a field."""
    return make_assessment


@pytest.fixture
def build_moment() -> Callable[[float, float, int], Moment]:
    return make_moment
