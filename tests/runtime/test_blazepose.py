from __future__ import annotations

import cv2
import numpy as np
import pytest

from fidgety.records import FloatArray, UInt8Array
from fidgety.runtime.blazepose import (
    Region,
    crop_picture,
    decode_detections,
    decode_landmarks,
    detector_anchors,
    region_from_alignment,
)
from fidgety.runtime.source import frame_from_rgb

SURE = 60.0  # a logit as good as certain


def smooth_picture(height: int, width: int) -> UInt8Array:
    """Waves of colour, slow enough for half-size chroma and bilinear reading."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    red = 128 + 90 * np.sin(columns / 17) * np.cos(rows / 23)
    green = 128 + 90 * np.cos(columns / 29 + 1) * np.sin(rows / 19)
    blue = 60 + 120 * columns / width
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def apply(matrix: FloatArray, x: float, y: float) -> FloatArray:
    return matrix[:, :2] @ np.array([x, y], np.float32) + matrix[:, 2]


# Regions


@pytest.mark.parametrize("angle_rad", [0.0, 0.4, np.pi / 2, -2.5])
def test_image_from_crop_centre_and_scale(angle_rad: float) -> None:
    region = Region(320.0, 150.0, 512.0, angle_rad)
    matrix = region.image_from_crop(256)
    assert apply(matrix, 128, 128) == pytest.approx([320, 150], abs=1e-3)
    assert np.linalg.norm(apply(matrix, 129, 128) - apply(matrix, 128, 128)) == pytest.approx(2.0, abs=1e-4)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(4.0, abs=1e-3)


@pytest.mark.parametrize(
    ("quarter_turns", "where_the_top_is"), [(0, (0, -100)), (1, (100, 0)), (2, (0, 100)), (3, (-100, 0))]
)
def test_turned_takes_the_top_of_the_crop_clockwise(quarter_turns: int, where_the_top_is: tuple[float, float]) -> None:
    region = Region(320.0, 240.0, 200.0, 0.0).turned(quarter_turns)
    top = apply(region.image_from_crop(100), 50, 0)
    assert top - np.array([320, 240]) == pytest.approx(np.array(where_the_top_is), abs=1e-3)


def test_image_from_crop_inverts_exactly() -> None:
    matrix = Region(333.3, 121.7, 401.5, 1.1).image_from_crop(256)
    crop_from_image = cv2.invertAffineTransform(matrix)
    for x, y in ((0, 0), (256, 0), (17, 203)):
        assert apply(crop_from_image, *apply(matrix, x, y)) == pytest.approx([x, y], abs=1e-3)


@pytest.mark.parametrize(
    ("body_end", "angle_rad"),
    [
        ((100, 20), 0.0),  # head up
        ((180, 100), np.pi / 2),  # head to the right
        ((20, 100), -np.pi / 2),  # head to the left
        ((100 + 80 / 2**0.5, 100 - 80 / 2**0.5), np.pi / 4),
    ],
)
def test_region_from_alignment_turns_the_body_upright(body_end: tuple[float, float], angle_rad: float) -> None:
    region = region_from_alignment(np.array([100, 100], np.float32), np.array(body_end, np.float32), 1.25)
    assert (region.centre_x, region.centre_y) == (100, 100)
    assert region.side_px == pytest.approx(2 * 80 * 1.25, rel=1e-5)
    assert region.angle_rad == pytest.approx(angle_rad, abs=1e-5)
    x, y = apply(cv2.invertAffineTransform(region.image_from_crop(200)), *body_end)
    assert (x, y) == pytest.approx((100, 100 - 100 / 1.25), abs=1e-2)


def test_region_from_alignment_head_down_is_half_a_turn() -> None:
    region = region_from_alignment(np.array([100, 100], np.float32), np.array([100, 180], np.float32), 1.25)
    assert abs(region.angle_rad) == pytest.approx(np.pi, abs=1e-5)


# Crops


@pytest.mark.parametrize("angle_rad", [0.0, 0.3, np.pi / 2, 2.0])
@pytest.mark.parametrize("side_px", [128.0, 230.0])
def test_crop_picture_is_the_warped_rgb_picture(angle_rad: float, side_px: float) -> None:
    rgb = smooth_picture(360, 480)
    matrix = Region(240.3, 180.6, side_px, angle_rad).image_from_crop(128)
    crop = crop_picture(frame_from_rgb(rgb), matrix, 128, low=0.0, is_replicated=True)
    assert crop.shape == (1, 3, 128, 128) and crop.dtype == np.float32 and crop.flags.c_contiguous
    wanted = cv2.warpAffine(rgb.astype(np.float32), matrix, (128, 128), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    difference = np.abs(crop[0].transpose(1, 2, 0) * 255 - wanted)
    assert difference.max() < 4.0
    assert difference.mean() < 1.2


def test_crop_picture_turned_picture_and_turned_region_give_the_same_crop() -> None:
    rgb = smooth_picture(360, 480)
    region = Region(250.0, 170.0, 200.0, 0.2)
    crop = crop_picture(frame_from_rgb(rgb), region.image_from_crop(128), 128, low=0.0, is_replicated=True)
    clockwise = np.ascontiguousarray(np.rot90(rgb, -1))
    there = Region(359 - 170.0, 250.0, 200.0, 0.2 + np.pi / 2)
    turned = crop_picture(frame_from_rgb(clockwise), there.image_from_crop(128), 128, low=0.0, is_replicated=True)
    assert np.abs(turned - crop).max() * 255 < 3.0


def test_crop_picture_low_stretches_the_range() -> None:
    frame = frame_from_rgb(smooth_picture(360, 480))
    matrix = Region(240.0, 180.0, 200.0, 0.0).image_from_crop(64)
    plain = crop_picture(frame, matrix, 64, low=0.0, is_replicated=True)
    signed = crop_picture(frame, matrix, 64, low=-1.0, is_replicated=True)
    assert signed == pytest.approx(2 * plain - 1, abs=1e-5)


def test_crop_picture_outside_is_black_for_the_detector() -> None:
    frame = frame_from_rgb(np.full((100, 200, 3), 200, np.uint8))
    matrix = Region(100.0, 50.0, 200.0, 0.0).image_from_crop(200)
    crop = crop_picture(frame, matrix, 200, low=-1.0, is_replicated=False)[0]
    assert crop[:, :48] == pytest.approx(-1.0, abs=1e-4)
    assert crop[:, 153:] == pytest.approx(-1.0, abs=1e-4)
    assert crop[:, 52:148] == pytest.approx(2 * 200 / 255 - 1, abs=0.02)


def test_crop_picture_outside_goes_on_for_the_landmarks() -> None:
    rgb = np.full((100, 200, 3), 30, np.uint8)
    rgb[-4:] = 220
    matrix = Region(100.0, 100.0, 100.0, 0.0).image_from_crop(100)
    crop = crop_picture(frame_from_rgb(rgb), matrix, 100, low=0.0, is_replicated=True)[0]
    assert crop[:, 55:] == pytest.approx(220 / 255, abs=0.02)
    assert crop[:, :44] == pytest.approx(30 / 255, abs=0.02)


# Detector


def raw_detector(n: int) -> tuple[FloatArray, FloatArray]:
    return np.zeros((n, 12), np.float32), np.full(n, -SURE, np.float32)


def test_detector_anchors_cover_the_picture() -> None:
    anchors = detector_anchors(224)
    assert anchors.shape == (2254, 2)  # 28 x 28 x 2 + 14 x 14 x 2 + 7 x 7 x 6
    assert anchors[0] == pytest.approx([4 / 224, 4 / 224])
    assert anchors[2] == pytest.approx([12 / 224, 4 / 224])  # x runs first
    assert anchors[-1] == pytest.approx([208 / 224, 208 / 224])
    assert anchors.mean(axis=0) == pytest.approx([0.5, 0.5], abs=1e-6)


def test_decode_detections_one_box_by_hand() -> None:
    anchors = detector_anchors(224)
    boxes, scores = raw_detector(len(anchors))
    i = 2 * (28 * 14 + 10)  # stride 8, row 14, column 10: centre (84, 116)
    boxes[i] = [3, -5, 60, 80, 1, 2, -4, -50, 0, 0, 0, 0]
    scores[i] = np.log(0.8 / 0.2)
    (body,) = decode_detections(boxes, scores, anchors, 224, 0.5)
    assert body.score == pytest.approx(0.8, abs=1e-5)
    assert body.box_xyxy == pytest.approx((57, 71, 117, 151), abs=1e-3)
    assert body.hip_centre == pytest.approx((85, 118), abs=1e-3)
    assert body.body_end == pytest.approx((80, 66), abs=1e-3)


def test_decode_detections_overlapping_boxes_become_their_weighted_mean() -> None:
    anchors = detector_anchors(224)
    boxes, scores = raw_detector(len(anchors))
    i = 2 * (28 * 14 + 10)
    boxes[[i, i + 1]] = [0, 0, 60, 60, 0, 0, 0, 0, 0, 0, 0, 0]
    boxes[i + 1, [0, 4]] = 10.0  # 10 px to the right
    scores[i], scores[i + 1] = np.log(0.9 / 0.1), np.log(0.6 / 0.4)
    (body,) = decode_detections(boxes, scores, anchors, 224, 0.5)
    assert body.score == pytest.approx(0.9, abs=1e-5)
    assert body.hip_centre[0] == pytest.approx(84 + 10 * 0.6 / 1.5, abs=1e-3)
    assert body.box_xyxy[0] == pytest.approx(84 - 30 + 10 * 0.6 / 1.5, abs=1e-3)


def test_decode_detections_two_bodies_most_certain_first() -> None:
    anchors = detector_anchors(224)
    boxes, scores = raw_detector(len(anchors))
    left, right = 2 * (28 * 14 + 5), 2 * (28 * 14 + 22)
    boxes[[left, right], 2:4] = 40.0
    scores[left], scores[right] = 1.0, 2.0
    bodies = decode_detections(boxes, scores, anchors, 224, 0.5)
    assert [round(body.hip_centre[0]) for body in bodies] == [22 * 8 + 4, 5 * 8 + 4]


def test_decode_detections_below_the_threshold_is_nobody() -> None:
    anchors = detector_anchors(224)
    boxes, scores = raw_detector(len(anchors))
    scores[7] = -0.1
    boxes[7, 2:4] = 40.0
    assert decode_detections(boxes, scores, anchors, 224, 0.5) == []
    assert len(decode_detections(boxes, scores, anchors, 224, 0.45)) == 1


# Landmarks

WHOLE = Region(128.0, 128.0, 256.0, 0.0)  # crop px = image px


def raw_landmarks() -> tuple[FloatArray, FloatArray, FloatArray]:
    landmarks = np.zeros((39, 5), np.float32)
    landmarks[:, :2] = 130.0  # heat-map cell 32
    landmarks[:, 3:] = SURE
    heatmaps = np.full((39, 64, 64), -SURE, np.float32)
    return landmarks, heatmaps, np.zeros(117, np.float32)


def test_decode_landmarks_unsure_heatmap_leaves_the_regressed_point() -> None:
    landmarks, heatmaps, world = raw_landmarks()
    heatmaps[:, 30, 30] = -0.01  # just under one half
    landmarks[3, :2] = (77.25, 200.5)
    found = decode_landmarks(landmarks.ravel(), heatmaps, world, 0.9, WHOLE, 256)
    assert found.keypoints_xy[3] == pytest.approx([77.25, 200.5], abs=1e-4)
    assert found.keypoints_xy[0] == pytest.approx([130, 130], abs=1e-4)
    assert found.presence == pytest.approx(0.9)


def test_decode_landmarks_peak_pulls_the_point_to_its_centre_of_mass() -> None:
    landmarks, heatmaps, world = raw_landmarks()
    heatmaps[5, 34, 31] = heatmaps[5, 34, 32] = SURE
    found = decode_landmarks(landmarks.ravel(), heatmaps, world, 0.9, WHOLE, 256)
    assert found.keypoints_xy[5] == pytest.approx([31.5 * 4, 34 * 4], abs=1e-3)
    assert found.keypoints_xy[6] == pytest.approx([130, 130], abs=1e-3)


def test_decode_landmarks_peak_is_weighted_by_probability() -> None:
    landmarks, heatmaps, world = raw_landmarks()
    heatmaps[5, 32, 32] = SURE
    heatmaps[5, 32, 36] = np.log(0.25 / 0.75)
    found = decode_landmarks(landmarks.ravel(), heatmaps, world, 0.9, WHOLE, 256)
    assert found.keypoints_xy[5, 0] == pytest.approx(4 * (32 + 36 * 0.25) / 1.25, abs=1e-3)


def test_decode_landmarks_peak_beyond_the_9_by_9_patch_is_not_seen() -> None:
    landmarks, heatmaps, world = raw_landmarks()
    heatmaps[5, 32, 37] = SURE
    assert decode_landmarks(landmarks.ravel(), heatmaps, world, 0.9, WHOLE, 256).keypoints_xy[5, 0] == 130
    heatmaps[5, 32, 36] = SURE
    refined = decode_landmarks(landmarks.ravel(), heatmaps, world, 0.9, WHOLE, 256).keypoints_xy[5, 0]
    assert refined == pytest.approx(36 * 4, abs=1e-3)


def test_decode_landmarks_patch_at_the_edge_does_not_wrap() -> None:
    landmarks, heatmaps, world = raw_landmarks()
    landmarks[5, :2] = (2.0, 254.0)  # cell (0, 63)
    heatmaps[5, 62, 1] = heatmaps[5, 63, 1] = SURE
    heatmaps[5, 2, 62] = SURE  # what a patch that wraps would find
    found = decode_landmarks(landmarks.ravel(), heatmaps, world, 0.9, WHOLE, 256)
    assert found.keypoints_xy[5] == pytest.approx([4, 62.5 * 4], abs=1e-3)


def test_decode_landmarks_point_outside_the_crop_is_kept() -> None:
    landmarks, heatmaps, world = raw_landmarks()
    landmarks[5, :2] = (-20.0, 300.0)
    heatmaps[:] = SURE
    found = decode_landmarks(landmarks.ravel(), heatmaps, world, 0.9, WHOLE, 256)
    assert found.keypoints_xy[5] == pytest.approx([-20, 300], abs=1e-3)


def test_decode_landmarks_region_places_scales_and_turns() -> None:
    landmarks, heatmaps, world = raw_landmarks()
    landmarks[2, :2] = (128.0, 28.0)  # 100 px above the crop's centre
    world = world.reshape(39, 3)
    world[2] = (0.1, -0.5, 0.3)
    region = Region(700.0, 400.0, 512.0, np.pi / 2)  # the crop's top is on the picture's right
    found = decode_landmarks(landmarks.ravel(), heatmaps, world.ravel(), 0.9, region, 256)
    assert found.keypoints_xy[2] == pytest.approx([900, 400], abs=1e-2)
    assert found.world_m[2] == pytest.approx([0.5, 0.1, 0.3], abs=1e-5)
    assert found.keypoints_xy.shape == (33, 2) and found.world_m.shape == (33, 3)


def test_decode_landmarks_score_is_the_lesser_of_visibility_and_presence() -> None:
    landmarks, heatmaps, world = raw_landmarks()
    landmarks[0, 3:] = (SURE, np.log(0.3 / 0.7))
    landmarks[1, 3:] = (np.log(0.6 / 0.4), SURE)
    scores = decode_landmarks(landmarks.ravel(), heatmaps, world, 0.9, WHOLE, 256).scores
    assert scores[:3] == pytest.approx([0.3, 0.6, 1.0], abs=1e-5)
