from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from fidgety.records import FloatArray, Frame, Pose, UInt8Array
from fidgety.runtime.picture import PictureMonitor

PoseMaker = Callable[..., Pose]
N_FRAMES = 40  # at 4 frames a second: 20 looks


@pytest.fixture(scope="module")
def mat() -> UInt8Array:
    """(600, 900) uint8: a patterned mat with enough to hold on to, well lit."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(60, 220, (60, 90), dtype=np.uint8), (900, 600), interpolation=cv2.INTER_CUBIC)
    fine = rng.normal(0, 12, (600, 900))
    return np.clip(coarse + cv2.GaussianBlur(fine, (0, 0), 1.0), 0, 255).astype(np.uint8)


def frame_of(luma: UInt8Array, i: int) -> Frame:
    chroma = np.full(((luma.shape[0] + 1) // 2, (luma.shape[1] + 1) // 2), 128, np.uint8)
    return Frame(i, i / 4, np.ascontiguousarray(luma), chroma, chroma, np.zeros((3, 4), np.float32))


def cut(mat: UInt8Array, dx: float = 0.0, dy: float = 0.0) -> UInt8Array:
    """(480, 720): what a camera sees that has moved by (dx, dy) px."""
    matrix = np.array([[1, 0, 60 + dx], [0, 1, 60 + dy]], np.float64)
    return np.asarray(cv2.warpAffine(mat, matrix, (720, 480), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))


@pytest.fixture
def body(lying_xy: FloatArray) -> FloatArray:
    """(33, 2) px in the middle of a 720 x 480 picture."""
    return (lying_xy - np.array([400, 340])) * 0.5 + np.array([360, 240])


def measure(pictures: list[UInt8Array], poses: list[Pose]) -> dict[str, float | None]:
    monitor = PictureMonitor()
    for i, (picture, pose) in enumerate(zip(pictures, poses, strict=True)):
        monitor.observe(frame_of(picture, i), pose)
    return monitor.measures()


@pytest.fixture
def lying(make_pose: PoseMaker, body: FloatArray) -> list[Pose]:
    return [make_pose(i / 4, body) for i in range(N_FRAMES)]


def test_measures_nothing_seen_is_none() -> None:
    assert measure([], []) == {"bright_luma": None, "sharpness": None, "camera_shift_share": None}


def test_measures_good_picture(mat: UInt8Array, lying: list[Pose]) -> None:
    measures = measure([cut(mat)] * N_FRAMES, lying)
    assert (measures["bright_luma"] or 0) > 150
    assert (measures["sharpness"] or 0) > 0.15
    assert measures["camera_shift_share"] == 0.0


def test_measures_dark_picture(mat: UInt8Array, lying: list[Pose]) -> None:
    dark = (cut(mat) * 0.15 + 16).astype(np.uint8)
    assert (measure([dark] * N_FRAMES, lying)["bright_luma"] or 0) < 60


def test_measures_dark_room_with_one_lit_lamp_is_still_dark(mat: UInt8Array, lying: list[Pose]) -> None:
    dark = (cut(mat) * 0.15 + 16).astype(np.uint8)
    dark[:30, :30] = 250
    assert (measure([dark] * N_FRAMES, lying)["bright_luma"] or 0) < 60


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_measures_blur_lowers_sharpness_whatever_the_noise(mat: UInt8Array, lying: list[Pose], noise: float) -> None:
    rng = np.random.default_rng(3)

    def sharpness(sigma_px: float) -> float:
        picture = cv2.GaussianBlur(cut(mat).astype(np.float32), (0, 0), sigma_px) if sigma_px else cut(mat)
        noisy = np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        return measure([noisy] * 2, lying[:2])["sharpness"] or 0

    sharp, slight, heavy = sharpness(0), sharpness(3.0), sharpness(9.0)
    assert sharp > 0.15
    assert heavy < 0.6 * slight
    assert heavy < 0.5 * sharp


def test_measures_little_light_does_not_lower_sharpness(mat: UInt8Array, lying: list[Pose]) -> None:
    sharp = measure([cut(mat)] * 2, lying[:2])["sharpness"] or 0
    dim = measure([(cut(mat) * 0.3 + 16).astype(np.uint8)] * 2, lying[:2])["sharpness"] or 0
    assert dim == pytest.approx(sharp, rel=0.1)


def test_measures_sharpness_looks_at_the_infant_alone(mat: UInt8Array, lying: list[Pose]) -> None:
    blurred = np.asarray(cv2.GaussianBlur(cut(mat), (0, 0), 9.0))
    (left, top), (right, bottom) = (
        (lying[0].keypoints_xy.min(axis=0) - 30).astype(int),
        (lying[0].keypoints_xy.max(axis=0) + 30).astype(int),
    )
    out_of_focus = cut(mat).copy()
    out_of_focus[top:bottom, left:right] = blurred[top:bottom, left:right]
    all_blurred = measure([blurred] * 2, lying[:2])["sharpness"]
    assert measure([out_of_focus] * 2, lying[:2])["sharpness"] == pytest.approx(all_blurred, rel=0.1)
    assert (all_blurred or 1) < 0.4 * (measure([cut(mat)] * 2, lying[:2])["sharpness"] or 0)


def test_measures_sharpness_is_alike_at_720p_and_twice_that(make_pose: PoseMaker, body: FloatArray) -> None:
    rng = np.random.default_rng(4)
    scales = (4, 8, 16, 32, 64)  # detail of every size, so that the larger picture really holds more
    layers = [cv2.resize(rng.normal(size=(1920 // k, 2880 // k)), (2880, 1920)) for k in scales]
    large = np.clip(128 + 20 * sum(layers), 0, 255).astype(np.uint8)
    small = np.asarray(cv2.resize(large, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    centred = 2 * body - np.array([0, 40])  # 500 px of a picture of 1440 x 960
    at_small = measure([small] * 2, [make_pose(i / 4, centred) for i in range(2)])["sharpness"] or 0
    at_large = measure([large] * 2, [make_pose(i / 4, 2 * centred) for i in range(2)])["sharpness"] or 0
    assert at_large == pytest.approx(at_small, rel=0.1)


def test_measures_nobody_in_the_picture_has_no_sharpness(mat: UInt8Array, make_pose: PoseMaker) -> None:
    poses = [make_pose(i / 4, None) for i in range(N_FRAMES)]
    measures = measure([cut(mat)] * N_FRAMES, poses)
    assert measures["sharpness"] is None
    assert measures["camera_shift_share"] == 0.0


def test_measures_infant_outside_the_picture_has_no_sharpness(
    mat: UInt8Array, make_pose: PoseMaker, body: FloatArray
) -> None:
    poses = [make_pose(i / 4, body + np.array([2000, 0])) for i in range(4)]
    assert measure([cut(mat)] * 4, poses)["sharpness"] is None


def test_measures_hand_held_camera_moves(mat: UInt8Array, lying: list[Pose]) -> None:
    rng = np.random.default_rng(1)
    pictures = [cut(mat, *rng.uniform(-15, 15, 2)) for _ in range(N_FRAMES)]
    assert (measure(pictures, lying)["camera_shift_share"] or 0) > 0.8


def test_measures_camera_that_trembles_by_less_than_a_pixel_stands(mat: UInt8Array, lying: list[Pose]) -> None:
    rng = np.random.default_rng(1)
    pictures = [cut(mat, *rng.uniform(-0.7, 0.7, 2)) for _ in range(N_FRAMES)]
    assert measure(pictures, lying)["camera_shift_share"] == 0.0


def test_measures_camera_that_is_pushed_once_counts_once(mat: UInt8Array, lying: list[Pose]) -> None:
    pictures = [cut(mat)] * 20 + [cut(mat, 20, 5)] * 20
    assert measure(pictures, lying)["camera_shift_share"] == pytest.approx(1 / 19)


def test_measures_infant_that_moves_before_a_still_camera(make_pose: PoseMaker, body: FloatArray) -> None:
    background = np.full((480, 720), 150, np.uint8)
    for x in range(20, 700, 60):  # little to hold on to, and much more of it on the infant
        background[12:24, x : x + 12] = background[450:462, x : x + 12] = 30
    clothes = np.random.default_rng(2).integers(80, 220, (30, 18), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    pictures, poses = [], []
    for i in range(N_FRAMES):
        moved = body + 8 * np.array([(-1) ** (i // 2), 0])
        left, top = moved.min(axis=0).astype(int)
        picture = background.copy()
        picture[top : top + 240, left : left + 144] = clothes
        pictures.append(picture)
        poses.append(make_pose(i / 4, moved))
    assert measure(pictures, poses)["camera_shift_share"] == 0.0
    unseen = [make_pose(i / 4, None) for i in range(N_FRAMES)]
    assert (measure(pictures, unseen)["camera_shift_share"] or 0) > 0.8  # what it is without the infant masked


def test_measures_plain_background_has_nothing_to_hold_on_to(make_pose: PoseMaker, body: FloatArray) -> None:
    plain = [np.full((480, 720), 180, np.uint8)] * N_FRAMES
    poses = [make_pose(i / 4, body) for i in range(N_FRAMES)]
    assert measure(plain, poses)["camera_shift_share"] is None


def test_observe_looks_twice_a_second_only(mat: UInt8Array, lying: list[Pose]) -> None:
    monitor = PictureMonitor()
    bright, dark = cut(mat), np.full((480, 720), 16, np.uint8)
    for i in range(60):  # 30 frames a second: only frames 0, 15, 30, 45 are looked at
        frame = frame_of(bright if i % 15 == 0 else dark, i)
        monitor.observe(Frame(i, i / 30, frame.luma, frame.chroma_u, frame.chroma_v, frame.rgb_from_yuv), lying[0])
    assert (monitor.measures()["bright_luma"] or 0) > 150
