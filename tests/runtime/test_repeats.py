from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from fidgety.phantom.video import write_video
from fidgety.records import FloatArray, Frame, Pose, UInt8Array
from fidgety.runtime.repeats import RepeatFilter
from fidgety.runtime.source import open_source

PoseMaker = Callable[..., Pose]
SIZE = (180, 320)  # every pixel of it is compared
_CHROMA = np.full((90, 160), 128, np.uint8)
_MATRIX = np.zeros((3, 4), np.float32)


def frames_of(pictures: Sequence[UInt8Array], fps: float = 25.0) -> list[Frame]:
    return [Frame(i, i / fps, luma, _CHROMA, _CHROMA, _MATRIX) for i, luma in enumerate(pictures)]


def noise(n: int, seed: int = 0) -> list[UInt8Array]:
    """n pictures of a sensor that sees nothing move."""
    rng = np.random.default_rng(seed)
    return [rng.normal(120, 2, SIZE).round().astype(np.uint8) for _ in range(n)]


def kept(pictures: Sequence[UInt8Array], fps: float = 25.0) -> list[int]:
    return [frame.frame_index for frame in RepeatFilter().frames(frames_of(pictures, fps))]


def pictures_in(path: Path, first: int, n: int, step: int) -> list[UInt8Array]:
    """(H, W, 3) RGB: every `step`-th pixel of n frames of a video, edges and noise as they are."""
    with av.open(str(path)) as video:
        decoded = zip(range(first + n), video.decode(video=0), strict=False)
        return [picture.to_ndarray(format="rgb24")[::step, ::step] for i, picture in decoded if i >= first]


# Frames


def test_frames_none_is_left_out_of_noise() -> None:
    assert kept(noise(50)) == list(range(50))


def test_frames_a_repeat_is_left_out() -> None:
    pictures = noise(20)
    pictures[7] = pictures[8] = pictures[6]
    assert kept(pictures) == [*range(7), *range(9, 20)]


def test_frames_last_one_is_handed_on_though_it_repeats() -> None:
    pictures = noise(5)
    assert kept([*pictures, *pictures[-1:] * 20]) == [0, 1, 2, 3, 4, 24]


@pytest.mark.parametrize(
    ("n_changed", "n_by_more", "is_repeat"),
    [(0, 0, True), (28, 0, True), (0, 28, True), (5000, 0, True), (5000, 1, True), (29, 2, False), (5000, 2, False)],
)
def test_frames_few_pixels_may_change_or_many_by_one_level(n_changed: int, n_by_more: int, is_repeat: bool) -> None:
    first, last = noise(2)
    changed = first.copy()
    changed.ravel()[:n_changed] += 1
    changed.ravel()[:n_by_more] += 1 if n_changed else 40
    assert kept([first, changed, last]) == ([0, 2] if is_repeat else [0, 1, 2])


def test_frames_slow_movement_adds_up() -> None:
    """Each frame changes 20 pixels, as a repeat may; against the last one handed on every second frame is new."""
    pictures = noise(1) * 20
    for i in range(1, 20):
        pictures[i] = pictures[i - 1].copy()
        pictures[i].ravel()[20 * i : 20 * i + 20] += 9
    assert kept(pictures) == [*range(0, 20, 2), 19]


def test_frames_a_picture_that_stands_still_is_handed_on_every_10_s() -> None:
    assert kept(noise(1) * 250, fps=10.0) == [0, 100, 200, 249]


def test_frames_any_size_is_compared_in_as_few_pixels() -> None:
    for height, width in ((120, 160), (720, 1280), (1080, 1920), (2160, 3840)):
        pictures = [np.full((height, width), grey, np.uint8) for grey in (90, 90, 91)]
        pictures[1][: height // 20, : width // 20] = 200  # a quarter of a percent
        assert kept(pictures) == [0, 1, 2]


# What an encoder makes of it


@pytest.mark.parametrize(("crf", "preset"), [(20.0, "ultrafast"), (23.0, "veryfast"), (23.0, "medium")])
def test_frames_repeats_are_known_behind_an_encoder(clip: Path, tmp_path: Path, crf: float, preset: str) -> None:
    pictures = pictures_in(clip, 100, 20, step=4)
    rng = np.random.default_rng(0)
    pictures = [np.clip(one + rng.normal(0, 2, one.shape), 0, 255).astype(np.uint8) for one in pictures]
    write_video(tmp_path / "v.mp4", [*pictures, *pictures[-1:] * 60], 25.0, crf=crf, preset=preset)
    with open_source(str(tmp_path / "v.mp4")) as source:
        given = [frame.frame_index for frame in source.frames()]
    assert given[:20] == list(range(20))  # none of those that the camera saw
    assert len(given) - 20 <= 30  # of the 60 repeats: a window may miss a tenth


@pytest.mark.parametrize("crf", [25.0, 40.0])
def test_frames_an_infant_behind_an_encoder_never_repeats(clip: Path, tmp_path: Path, crf: float) -> None:
    pictures = pictures_in(clip, 130, 40, step=2)  # where it is quietest
    write_video(tmp_path / "v.mp4", pictures, 25.0, crf=crf)
    with open_source(str(tmp_path / "v.mp4")) as source:
        assert len(list(source.frames())) == 40
        assert source.repeats.still_share == 0.0


# How long it stood still


def stillness(pictures: Sequence[UInt8Array]) -> float | None:
    repeats = RepeatFilter()
    assert list(repeats.frames(frames_of(pictures)))
    return repeats.still_share


def test_still_share_is_the_time_that_nothing_new_came() -> None:
    pictures = noise(101)
    pictures[20:60] = pictures[19:20] * 40
    assert stillness(pictures) == pytest.approx(0.4)
    assert stillness([*noise(21), *noise(21)[-1:] * 60]) == pytest.approx(60 / 80)  # to the very end


def test_still_share_of_single_repeats_is_none() -> None:
    assert stillness([picture for picture in noise(50) for _ in range(2)]) == 0.0
    assert stillness([picture for picture in noise(10) for _ in range(8)]) == 0.0  # .28 s each


def test_still_share_of_lost_frames_is_none() -> None:
    repeats = RepeatFilter()
    frames = frames_of(noise(100))
    assert len(list(repeats.frames([*frames[:20], *frames[70:]]))) == 50
    assert repeats.still_share == 0.0


def test_still_share_of_nothing_is_not_known() -> None:
    repeats = RepeatFilter()
    assert list(repeats.frames([])) == [] and repeats.still_share is None


# Poses


@pytest.fixture
def poses(make_pose: PoseMaker, lying_xy: FloatArray) -> list[Pose]:
    """60 poses at 25 Hz that differ by noise."""
    rng = np.random.default_rng(0)
    return [make_pose(i / 25, lying_xy + rng.normal(0, 0.5, lying_xy.shape), frame_index=i) for i in range(60)]


def indices(poses: Iterable[Pose]) -> list[int]:
    return [pose.frame_index for pose in poses]


def repeated(poses: Sequence[Pose], first: int, end: int) -> Iterator[Pose]:
    """The poses, of which first to end repeat the one before them."""
    last = poses[first - 1]
    for pose in poses:
        yield (
            replace(last, frame_index=pose.frame_index, time_s=pose.time_s)
            if (first <= pose.frame_index < end)
            else pose
        )


def test_poses_a_repeat_is_left_out(poses: list[Pose]) -> None:
    repeats = RepeatFilter()
    assert indices(repeats.poses(repeated(poses, 20, 40))) == [*range(20), *range(40, 60)]
    assert repeats.still_share == pytest.approx(20 / 59)


def test_poses_one_bit_makes_a_new_one(poses: list[Pose]) -> None:
    same = list(repeated(poses, 20, 40))
    xy = same[30].keypoints_xy.copy()
    xy[32, 1] = np.nextafter(xy[32, 1], np.float32(1e9))
    same[30] = replace(same[30], keypoints_xy=xy)
    assert indices(RepeatFilter().poses(same)) == [*range(20), 30, 31, *range(40, 60)]


def test_poses_a_keypoint_that_is_not_seen_is_part_of_a_repeat(poses: list[Pose]) -> None:
    xy = poses[19].keypoints_xy.copy()
    xy[5] = np.nan
    poses[19] = replace(poses[19], keypoints_xy=xy)
    assert indices(RepeatFilter().poses(repeated(poses, 20, 40))) == [*range(20), *range(40, 60)]


def test_poses_nobody_is_never_a_repeat(poses: list[Pose], make_pose: PoseMaker) -> None:
    gone = [make_pose(pose.time_s, None, frame_index=pose.frame_index) for pose in poses]
    repeats = RepeatFilter()
    assert len(list(repeats.poses([*poses[:20], *gone[20:40], *poses[40:]]))) == 60
    assert repeats.still_share == 0.0
