from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fidgety.bundle import Bundle, Manifest
from fidgety.records import PictureFacts
from fidgety.runtime.origin import describe_origin, origin_banner, origin_reasons
from fidgety.runtime.picture import PictureMonitor
from fidgety.runtime.posefile import PoseRecording
from fidgety.skeleton import BLAZEPOSE_33

FIGURES = tuple(PictureMonitor().measures())
FACTS = PictureFacts((1280, 720), dict.fromkeys(FIGURES, 1.0), None)


@pytest.fixture
def ours(manifest: Manifest, tmp_path: Path) -> Bundle:
    """A hospital's bundle: no banner."""
    files = {"pose_detector.onnx": "d" * 64, "pose_landmarks.onnx": "a" * 64, "mam_window.onnx": "b" * 64}
    provenance = replace(manifest.provenance, trained_on="recordings", banner=None)
    return Bundle(tmp_path, replace(manifest, files=files, provenance=provenance), "1" * 64)


def changed(bundle: Bundle, **files: str) -> Bundle:
    """Another version of it, some of its files other ones."""
    manifest = replace(bundle.manifest, version="2.0", files={**bundle.manifest.files, **files})
    return replace(bundle, manifest=manifest, sha256="2" * 64)


def track(about: dict[str, Any], pictures: PictureFacts | None = FACTS) -> PoseRecording:
    return PoseRecording("a.poses", BLAZEPOSE_33, [], 0, about, pictures)


def codes(recording: PoseRecording, bundle: Bundle) -> list[str]:
    reasons = list(origin_reasons(recording, bundle, FIGURES))
    assert not any(reason.is_blocking for reason in reasons)
    return [reason.code for reason in reasons]


def test_origin_reasons_own_track_has_none(ours: Bundle) -> None:
    assert codes(track(describe_origin(ours)), ours) == []


def test_origin_reasons_other_mam_behind_the_same_pose_network_has_none(ours: Bundle) -> None:
    """A bundle that was calibrated, or whose MAM was trained anew, reads the very same poses."""
    other = changed(ours, **{"mam_window.onnx": "c" * 64})
    surer = replace(other, manifest=replace(other.manifest, pose=replace(other.manifest.pose, sure_score=0.7)))
    for bundle in (other, surer):
        assert codes(track(describe_origin(ours)), bundle) == []


@pytest.mark.parametrize("name", ["pose_landmarks.onnx", "pose_detector.onnx"])
def test_origin_reasons_other_pose_network_names_both_bundles(ours: Bundle, name: str) -> None:
    other = changed(ours, **{name: "c" * 64})
    recording = track(describe_origin(other))
    assert codes(recording, ours) == ["other-pose-network"]
    (reason,) = origin_reasons(recording, ours, FIGURES)
    assert other.label in reason.sentence and ours.label in reason.sentence


def test_origin_reasons_other_way_of_reading_is_another_network(ours: Bundle) -> None:
    manifest = replace(ours.manifest, pose=replace(ours.manifest.pose, reads_both_sides=False))
    assert codes(track(describe_origin(replace(ours, manifest=manifest))), ours) == ["other-pose-network"]


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ({}, ["pose-network-unknown"]),
        ({"bundle": "x 1 (abc)"}, ["pose-network-unknown"]),
        ({"bundle": 3, "pose_network": ["x"]}, ["pose-network-unknown"]),
        ({"bundle": "test-bundle 1.0 (111111111111)"}, []),  # an older file of this very bundle
    ],
)
def test_origin_reasons_track_that_does_not_tell_its_network(
    ours: Bundle, about: dict[str, Any], wanted: list[str]
) -> None:
    assert codes(track(about), ours) == wanted


@pytest.mark.parametrize("pictures", [None, PictureFacts((8, 8), {"bright_luma": 180.0}, None)])
def test_origin_reasons_pictures_not_told_or_not_in_full(ours: Bundle, pictures: PictureFacts | None) -> None:
    assert codes(track(describe_origin(ours), pictures), ours) == ["picture-not-judged"]


def test_origin_banner_of_a_demo_pose_network_is_kept(ours: Bundle) -> None:
    provenance = replace(ours.manifest.provenance, banner="DEMO")
    demo = replace(ours, manifest=replace(ours.manifest, provenance=provenance))
    foreign = changed(demo, **{"pose_landmarks.onnx": "c" * 64})
    assert origin_banner(track(describe_origin(foreign)), ours) == "DEMO"
    assert origin_banner(track(describe_origin(foreign)), demo) == "DEMO"  # once
    assert origin_banner(track(describe_origin(demo)), ours) is None  # the demo was its MAM
    assert origin_banner(track({}), demo) == "DEMO"
