from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fidgety.bundle import Manifest
from fidgety.device.guidance import ADVICE, GOOD, Adviser, Finding, Looker
from fidgety.records import FloatArray, Frame, Pose, UInt8Array
from fidgety.runtime.source import frame_from_rgb

PoseMaker = Callable[..., Pose]


@pytest.fixture(scope="module")
def mat() -> UInt8Array:
    """(800, 800, 3) uint8: a light, patterned mat with edges to hold on to."""
    rng = np.random.default_rng(5)
    squares = np.kron(rng.integers(140, 230, (40, 40)), np.ones((20, 20)))
    return np.repeat(squares[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.fixture
def looker(manifest: Manifest) -> Looker:
    return Looker(manifest.quality)


def frame_of(picture: UInt8Array, time_s: float = 0.0) -> Frame:
    return frame_from_rgb(picture, time_s=time_s)


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}


def test_look_an_infant_that_lies_well_gives_nothing(
    looker: Looker, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker
) -> None:
    for second in range(3):
        assert looker.look(frame_of(mat, second), make_pose(second, lying_xy, n_others=0)) == []


def test_look_nobody_there(looker: Looker, mat: UInt8Array, make_pose: PoseMaker) -> None:
    assert codes(looker.look(frame_of(mat), make_pose(0.0, None))) == {"no-infant"}


def test_look_in_the_dark(looker: Looker, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker) -> None:
    assert "too-dark" in codes(looker.look(frame_of(mat // 8), make_pose(0.0, lying_xy)))


def test_look_a_second_person_holds_until_the_detector_says_otherwise(
    looker: Looker, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker
) -> None:
    found = [
        "second-person" in codes(looker.look(frame_of(mat, i), make_pose(i, lying_xy, n_others=n)))
        for i, n in enumerate([0, 1, None, 0])
    ]
    assert found == [False, True, True, False]


def test_look_face_down(looker: Looker, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker) -> None:
    mirrored = lying_xy * np.array([-1, 1], np.float32) + np.array([800, 0], np.float32)
    assert "not-supine" in codes(looker.look(frame_of(mat), make_pose(0.0, mirrored)))


@pytest.mark.parametrize(
    ("shift", "towards"), [((-330, 0), (1, 0)), ((330, 0), (-1, 0)), ((0, 380), (0, -1)), ((0, -280), (0, 1))]
)
def test_look_cut_off_says_where_to_go(
    looker: Looker,
    mat: UInt8Array,
    lying_xy: FloatArray,
    make_pose: PoseMaker,
    shift: tuple[int, int],
    towards: tuple[int, int],
) -> None:
    pose = make_pose(0.0, lying_xy + np.array(shift, np.float32))
    assert Finding("cut-off", towards) in looker.look(frame_of(mat), pose)


def test_look_hidden_limbs(looker: Looker, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker) -> None:
    pose = make_pose(0.0, lying_xy)
    pose.keypoint_scores[13:] = 0.1
    assert "poor-coverage" in codes(looker.look(frame_of(mat), pose))


def test_look_far_away(looker: Looker, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker) -> None:
    assert "too-small" in codes(looker.look(frame_of(mat), make_pose(0.0, 400 + (lying_xy - 400) / 2)))


def test_look_a_camera_that_was_pushed(
    looker: Looker, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker
) -> None:
    pose: Pose = make_pose(0.0, lying_xy)
    looker.look(frame_of(mat), pose)
    found = codes(looker.look(frame_of(np.roll(mat, 9, axis=1), 1.0), pose))
    assert "camera-moving" in found and "leaning-in" not in found


def test_look_somebody_leans_in(looker: Looker, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker) -> None:
    pose: Pose = make_pose(0.0, lying_xy)
    looker.look(frame_of(mat), pose)
    with_arm = mat.copy()
    with_arm[:, :140] = (120, 80, 60)
    assert codes(looker.look(frame_of(with_arm, 1.0), pose)) == {"leaning-in"}
    assert looker.look(frame_of(with_arm, 2.0), pose) == []  # what stays is not somebody who moves


def test_look_out_of_focus(manifest: Manifest, mat: UInt8Array, lying_xy: FloatArray, make_pose: PoseMaker) -> None:
    looker = Looker(replace(manifest.quality, min_sharpness=0.22))  # as in the demo bundle
    assert looker.look(frame_of(mat), make_pose(0.0, lying_xy)) == []
    soft = np.asarray(cv2.GaussianBlur(mat, (0, 0), 12), np.uint8)
    assert "blurred" in codes(looker.look(frame_of(soft, 1.0), make_pose(1.0, lying_xy)))


def test_observe_says_the_most_urgent_first() -> None:
    adviser = Adviser()
    every = [Finding(one.code) for one in reversed(ADVICE)]
    assert adviser.observe(every).code == "too-dark"
    assert adviser.observe([]).code == "too-dark"
    assert adviser.observe([]) is GOOD


def test_observe_does_not_flicker() -> None:
    adviser = Adviser()
    adviser.observe([])
    looks = [[Finding("blurred")], [], [Finding("blurred")], [], [Finding("blurred")], [Finding("blurred")], [], []]
    assert [adviser.observe(one).code for one in looks] == ["good"] * 5 + ["blurred", "blurred", "good"]


def test_observe_the_first_look_counts_at_once() -> None:
    adviser = Adviser()
    assert adviser.observe([Finding("no-infant")]).code == "no-infant"
    assert adviser.is_doubtful
    adviser.observe([])
    assert not adviser.is_doubtful


def test_observe_keeps_the_direction_of_what_it_says() -> None:
    adviser = Adviser()
    adviser.observe([Finding("cut-off", (1, 0))])
    adviser.observe([])
    assert adviser.towards == (1, 0)
    adviser.observe([])
    assert adviser.towards == (0, 0)
