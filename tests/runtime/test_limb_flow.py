"""What a patch of picture moves by, on pictures that were moved by a known amount."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fidgety.records import FloatArray, UInt8Array
from fidgety.runtime.limb_flow import FOLLOWED, LimbPatches, limb_flow
from fidgety.skeleton import BLAZEPOSE_33, COCO_17, Skeleton

HEIGHT, WIDTH = 360, 480
JOINTS = np.array([[120.3, 150.7], [340.2, 220.9]], np.float32)


def textured(seed: int, grain_px: float = 4.0) -> UInt8Array:
    noise = np.random.default_rng(seed).normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), grain_px)
    return (128 + 40 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)


def moved(picture: UInt8Array, by_xy: tuple[float, float]) -> UInt8Array:
    matrix = np.array([[1, 0, by_xy[0]], [0, 1, by_xy[1]]], np.float64)
    return np.asarray(
        cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


@pytest.mark.parametrize("skeleton", [BLAZEPOSE_33, COCO_17])
def test_patches_lie_at_the_joints_and_beyond_the_elbows(skeleton: Skeleton) -> None:
    keypoints_xy = np.random.default_rng(5).uniform(0, 400, (len(skeleton), 2)).astype(np.float32)
    given = keypoints_xy.copy()
    places = LimbPatches(skeleton).places(given)
    for name, place in zip(FOLLOWED, places, strict=True):
        at = keypoints_xy[skeleton.index[name]]
        if name.endswith("elbow"):
            at = at + 0.1 * (at - keypoints_xy[skeleton.index[name.replace("elbow", "shoulder")]])
        np.testing.assert_allclose(place, at, rtol=1e-5)
    np.testing.assert_array_equal(given, keypoints_xy)


@pytest.mark.parametrize("by_xy", [(0.15, -0.1), (1.3, 2.4), (-9.0, 6.5)])
@pytest.mark.parametrize("one_trunk_px", [60.0, 100.0, 170.0])
def test_limb_flow_tells_by_how_much_the_picture_moved(by_xy: tuple[float, float], one_trunk_px: float) -> None:
    picture = textured(1)
    flow = limb_flow(picture, moved(picture, by_xy), JOINTS, one_trunk_px)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow, np.tile(by_xy, (2, 1)), atol=0.05 * max(one_trunk_px / 100, 1))


def test_limb_flow_of_a_limb_knows_nothing_of_another() -> None:
    before = textured(2)
    after = before.copy()
    after[:, 240:] = moved(before, (4.0, 3.0))[:, 240:]
    flow = limb_flow(before, after, JOINTS, 100.0)
    np.testing.assert_allclose(flow, [[0, 0], [4, 3]], atol=0.05)


def test_limb_flow_at_the_edge_of_the_picture() -> None:
    picture = textured(3)
    at_edge: FloatArray = np.array([[6.0, 7.0], [WIDTH - 5.0, HEIGHT - 8.0]], np.float32)
    flow = limb_flow(picture, moved(picture, (0.4, -0.3)), at_edge, 150.0)
    np.testing.assert_allclose(flow, np.tile([0.4, -0.3], (2, 1)), atol=0.15)


def test_limb_flow_is_not_told_where_there_is_nothing_to_hold_on_to() -> None:
    plain = np.full((HEIGHT, WIDTH), 90, np.uint8)
    assert np.isnan(limb_flow(plain, plain, JOINTS, 100.0)).all()


def test_limb_flow_is_not_told_where_the_picture_became_another() -> None:
    told = [np.isfinite(limb_flow(textured(n), textured(n + 50), JOINTS, 100.0)).all(axis=1) for n in range(10)]
    assert np.mean(told) < 0.2


def test_limb_flow_is_not_told_outside_of_the_picture_nor_between_two_sizes() -> None:
    picture = textured(4)
    outside = np.array([[-3.0, 50.0], [50.0, HEIGHT + 1.0], [np.nan, 50.0]], np.float32)
    assert np.isnan(limb_flow(picture, picture, outside, 100.0)).all()
    assert np.isnan(limb_flow(picture, picture[:-2], JOINTS, 100.0)).all()
    assert np.isnan(limb_flow(picture, picture, JOINTS, float("nan"))).all()
