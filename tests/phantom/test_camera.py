"""The camera: what lies where in the picture."""

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.phantom.camera import Camera

ORIGIN = (0.0, 0.0, 0.0)


def test_looking_at_puts_the_target_in_the_middle_at_its_distance():
    for tilt, azimuth, roll in ((0, 0, 0), (45, 0, 90), (30, 120, 215)):
        camera = Camera.looking_at((0.1, -0.2, 0.05), distance_m=1.3, tilt_deg=tilt, azimuth_deg=azimuth, roll_deg=roll)
        xy, depth = camera.project((0.1, -0.2, 0.05))
        np.testing.assert_allclose(xy, (639.5, 359.5), atol=1e-6)
        assert depth == pytest.approx(1.3)


def test_project_from_above_shows_the_head_up_and_the_left_side_right():
    camera = Camera.looking_at(ORIGIN, distance_m=1.0, focal_px=1000.0)
    xy, _ = camera.project([[0.0, 0.1, 0.0], [0.1, 0.0, 0.0]])
    np.testing.assert_allclose(xy - camera.centre_px, [[0.0, -100.0], [100.0, 0.0]], atol=1e-9)


@pytest.mark.parametrize(("roll", "direction"), [(90, (1, 0)), (180, (0, 1)), (270, (-1, 0))])
def test_looking_at_rolled_turns_the_head_clockwise(roll, direction):
    camera = Camera.looking_at(ORIGIN, distance_m=1.0, focal_px=1000.0, roll_deg=roll)
    xy, _ = camera.project((0.0, 0.1, 0.0))
    np.testing.assert_allclose(xy - camera.centre_px, 100.0 * np.array(direction), atol=1e-9)


@pytest.mark.parametrize(("azimuth", "side"), [(0, (0, -1)), (90, (1, 0)), (180, (0, 1)), (270, (-1, 0))])
def test_looking_at_tilted_stands_over_the_side_asked_for(azimuth, side):
    camera = Camera.looking_at(ORIGIN, distance_m=2.0, tilt_deg=30, azimuth_deg=azimuth)
    np.testing.assert_allclose(camera.position_m, (*np.array(side) * 1.0, np.sqrt(3.0)), atol=1e-9)


def test_looking_at_gives_a_right_handed_rotation():
    camera = Camera.looking_at(ORIGIN, tilt_deg=37, azimuth_deg=200, roll_deg=71)
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1.0)


def test_project_behind_the_camera_is_nan():
    camera = Camera.looking_at(ORIGIN, distance_m=1.0)
    xy, depth = camera.project([[0.0, 0.0, 2.0], [0.0, 0.0, 0.5]])
    assert np.isnan(xy[0]).all() and not np.isnan(xy[1]).any()
    np.testing.assert_allclose(depth, [-1.0, 0.5])


def test_rays_lead_back_to_their_pixels():
    camera = Camera.looking_at((0.0, 0.1, 0.0), tilt_deg=40, azimuth_deg=50, roll_deg=20, width_px=32, height_px=18)
    xy, depth = camera.project(np.array(camera.position_m) + 1.7 * camera.rays())
    x, y = np.meshgrid(np.arange(32), np.arange(18))
    np.testing.assert_allclose(xy, np.stack([x, y], axis=-1), atol=1e-9)
    np.testing.assert_allclose(depth, 1.7)


@pytest.mark.parametrize(("fill", "tilt", "roll"), [(0.6, 0, 0), (0.9, 45, 130), (1.5, 20, 90)])
def test_framing_fills_the_share_asked_for_and_centres(fill, tilt, roll):
    points = np.random.default_rng(1).uniform((-0.2, -0.3, 0.0), (0.2, 0.35, 0.2), (50, 3))
    camera = Camera.framing(points, fill=fill, tilt_deg=tilt, roll_deg=roll)
    xy, _ = camera.project(points)
    low, high = xy.min(axis=0), xy.max(axis=0)
    assert max((high - low) / (1280, 720)) == pytest.approx(fill, rel=0.01)
    np.testing.assert_allclose((low + high) / 2, camera.centre_px, atol=2.0)


@pytest.mark.parametrize("wrong", [{"distance_m": 0.0}, {"width_px": 1}, {"focal_px": -3.0}])
def test_looking_at_without_sense_raises(wrong):
    with pytest.raises(UsageError):
        Camera.looking_at(ORIGIN, **wrong)


def test_framing_nothing_raises():
    with pytest.raises(UsageError, match="fill"):
        Camera.framing(np.zeros((2, 3)), fill=0.0)


def test_cameras_alike_are_equal_and_hash_alike():
    assert hash(Camera.looking_at(tilt_deg=10)) == hash(Camera.looking_at(tilt_deg=10))
    assert Camera.looking_at(tilt_deg=10) != Camera.looking_at(tilt_deg=11)
