from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fidgety.device.guidance import ADVICE, GOOD, Advice
from fidgety.device.guidance_picture import draw_guidance, write_picture
from fidgety.records import FloatArray, Pose, UInt8Array
from fidgety.runtime.source import frame_from_rgb

PoseMaker = Callable[..., Pose]
GREY = np.full((600, 800, 3), 128, np.uint8)


def draw(lying_xy: FloatArray, make_pose: PoseMaker, advice: Advice, towards: tuple[int, int] = (0, 0)) -> UInt8Array:
    pose = make_pose(0.0, lying_xy * np.float32(0.8))
    return draw_guidance(frame_from_rgb(GREY), pose, advice, towards, "REC 0:42", advice.words)


@pytest.mark.parametrize("advice", [GOOD, *ADVICE], ids=lambda one: one.code)
def test_draw_guidance_frame_is_green_amber_or_red(lying_xy: FloatArray, make_pose: PoseMaker, advice: Advice) -> None:
    blue, green, red = draw(lying_xy, make_pose, advice)[300, 5].tolist()
    if advice is GOOD:
        assert green > 2 * red
    elif advice.is_blocking:
        assert red > 2 * green
    else:
        assert red > 200 and green > 120 and blue < 50


def test_draw_guidance_shows_the_skeleton_where_the_infant_is(lying_xy: FloatArray, make_pose: PoseMaker) -> None:
    picture = draw(lying_xy, make_pose, GOOD)
    scale, banner = 960 / 800, 120
    elbow, wrist = lying_xy[13] * 0.8 * scale, lying_xy[15] * 0.8 * scale
    x, y = ((elbow + wrist) / 2).round().astype(int)
    assert picture[banner + y, 24 + x].min() > 230
    assert abs(int(picture[banner + 20, 24 + 900].mean()) - 128) < 4  # beside it the camera's picture


def test_draw_guidance_arrow_points_where_the_infant_should_go(lying_xy: FloatArray, make_pose: PoseMaker) -> None:
    left = draw(lying_xy, make_pose, ADVICE[5], (-1, 0)).astype(int)
    right = draw(lying_xy, make_pose, ADVICE[5], (1, 0)).astype(int)
    nowhere = draw(lying_xy, make_pose, ADVICE[5]).astype(int)
    assert np.abs(left - nowhere).sum() > 0
    assert np.abs(left[:, 24:-24] - right[:, 24:-24][:, ::-1]).mean() < np.abs(left - nowhere).max()
    weight = [np.abs(one - nowhere).sum(axis=(0, 2)) for one in (left, right)]
    middle = [float((w * np.arange(len(w))).sum() / w.sum()) for w in weight]
    assert middle[0] < middle[1]


def test_write_picture_a_viewer_never_sees_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "guidance.png"
    pictures = [np.full((90, 120, 3), grey, np.uint8) for grey in (0, 255)]
    write_picture(path, pictures[0])
    is_done = threading.Event()

    def write() -> None:
        for i in range(150):
            write_picture(path, pictures[i % 2])
        is_done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not is_done.is_set():
        seen = cv2.imread(str(path))
        assert seen is not None and seen.shape == (90, 120, 3) and seen.min() == seen.max()
    writer.join()
    assert [one.name for one in tmp_path.iterdir()] == ["guidance.png"]
