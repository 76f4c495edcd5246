"""The picture: solids with soft edges, the infant where it should be, a sensor that behaves."""

import cv2
import numpy as np
import pytest

from fidgety.phantom.appearance import draw_appearance
from fidgety.phantom.camera import Camera
from fidgety.phantom.kinematics import simulate_motion
from fidgety.phantom.motion import BODY_POINTS
from fidgety.phantom.render import render_frame, shake_offset
from fidgety.phantom.scene import (
    frame_camera,
    lie_prone,
    place,
    reach_in,
    street_camera,
    street_look,
    walk,
)
from fidgety.phantom.shading import Canvas, Light
from fidgety.phantom.solids import Ellipsoid, RoundCone

SMALL = {"width_px": 320, "height_px": 240}
WHITE = (255.0, 255.0, 255.0)
GLOW = Light((0.0, 0.0, -1.0), ambient=0.5, exposure=1.0)


@pytest.fixture(scope="module")
def motion():
    return simulate_motion(11, "continual", 4.0)


@pytest.fixture(scope="module")
def camera(motion):
    return frame_camera(motion, fill=0.8, tilt_deg=10.0, **SMALL)


@pytest.fixture(scope="module")
def still():
    """No noise, no blur: every difference is the scene's."""
    return draw_appearance(11, noise_sd=0.0, blur_px=0.0)


def index_of(name):
    return BODY_POINTS.index(name)


def draw(*solids, size=(120, 160), focal=1000.0):
    """Solids on black from straight above at 1 m (1 px = 1 mm on the mat) -> brightness (H, W), depth (H, W)."""
    camera = Camera.looking_at((0, 0, 0), width_px=size[1], height_px=size[0], focal_px=focal)
    canvas = Canvas(camera, np.zeros((3, *size), np.float32), np.full(size, 9.0, np.float32), 0, 0)
    canvas.draw(solids, GLOW)
    return canvas.colour[0], canvas.depth_m


def cone(shift=0.0, radius=0.008, up=0.0, paint=WHITE):
    return RoundCone(np.array([-0.03 + shift, 0.01, up]), np.array([0.03 + shift, -0.02, up]), radius, radius, paint)


def ball(shift=0.0, up=0.0, paint=WHITE):
    return Ellipsoid(np.array([shift, 0.0, up]), np.eye(3), (0.03, 0.02, 0.01), paint)


def centroid(picture):
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(picture * x).sum(), (picture * y).sum()]) / picture.sum()


@pytest.mark.parametrize("solid", [cone, ball])
def test_draw_moved_by_a_fraction_of_a_pixel_moves_the_picture_by_it(solid):
    at_rest = centroid(draw(solid())[0])
    for shift_px in (0.1, 0.25, 0.5, 0.75):
        moved = centroid(draw(solid(shift_px / 1000))[0]) - at_rest
        np.testing.assert_allclose(moved, (shift_px, 0.0), atol=0.02)


def test_draw_cone_covers_the_area_of_its_outline():
    length, radius = np.hypot(60, 30), 8.0
    _, depth = draw(cone())
    expected = 2 * radius * length + np.pi * radius**2
    assert (depth < 2).sum() == pytest.approx(expected, rel=0.03)
    assert depth.min() == pytest.approx(1 - 0.008, abs=2e-4)


def test_draw_tapered_cone_narrows_towards_its_end():
    tapered = RoundCone(np.array([-0.04, 0, 0]), np.array([0.04, 0, 0]), 0.02, 0.005, WHITE)
    _, depth = draw(tapered)
    widths = (depth < 2).sum(axis=0)
    assert widths[40:121].argmax() < 10
    # Half way the outline is the common tangent of the end balls, not their mean.
    slope = (20 - 5) / 80
    assert widths[80] == pytest.approx(2 * 12.5 / np.sqrt(1 - slope**2), abs=1.5)


def test_draw_cone_seen_on_end_shows_the_near_ball():
    _, depth = draw(RoundCone(np.array([0, 0, 0.1]), np.array([0, 0, 0.0]), 0.01, 0.01, WHITE))
    assert depth[59:61, 79:81].mean() == pytest.approx(0.89, abs=1e-3)


def test_draw_ellipsoid_covers_the_area_of_its_ellipse():
    _, depth = draw(ball())
    assert (depth < 2).sum() == pytest.approx(np.pi * 30 * 20, rel=0.02)
    assert depth.min() == pytest.approx(0.99, abs=2e-4)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_draw_near_solid_hides_the_far_one_in_any_order(order):
    solids = (ball(up=0.0, paint=WHITE), ball(up=0.1, paint=(0.0, 0.0, 0.0)))
    picture, _ = draw(*(solids[i] for i in order))
    assert picture[60, 80] == 0.0


def test_draw_behind_the_camera_or_out_of_the_picture_draws_nothing():
    picture, _ = draw(cone(up=1.5), ball(up=1.5), cone(shift=2.0), ball(shift=2.0))
    assert not picture.any()


def test_render_frame_gives_the_same_picture_in_any_order(motion, camera):
    look = draw_appearance(3, shake_px=2.0)
    first = render_frame(motion, 7, camera, look)
    other = render_frame(motion, 8, camera, look)
    assert first.shape == (240, 320, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(render_frame(motion, 7, camera, look), first)
    assert (first != other).any()


@pytest.mark.parametrize("index", [-1, 100])
def test_render_frame_beyond_the_motion_raises(motion, camera, still, index):
    with pytest.raises(IndexError, match="frame"):
        render_frame(motion, index, camera, still)


@pytest.mark.parametrize("seed", range(5))
def test_render_frame_shows_every_limb_where_it_is(motion, seed):
    look = draw_appearance(seed, noise_sd=0.0, blur_px=0.0)
    camera = frame_camera(motion, fill=0.8, tilt_deg=9.0 * seed, roll_deg=70.0 * seed, **SMALL)
    changed = np.abs(
        render_frame(motion, 50, camera, look).astype(int)
        - render_frame(motion, 50, camera, look.but(has_infant=False))
    ).max(axis=2)
    xy, _ = camera.project(motion.points_m[50])
    for name in ("hand", "wrist", "elbow", "shoulder", "hip", "knee", "ankle", "heel"):
        for side in ("left", "right"):
            x, y = np.rint(xy[index_of(f"{side}_{name}")]).astype(int)
            assert changed[y - 1 : y + 2, x - 1 : x + 2].max() > 8, f"{side} {name}"


def test_render_frame_empty_mat_is_the_same_for_any_motion(motion, camera, still):
    empty = still.but(has_infant=False)
    np.testing.assert_array_equal(render_frame(motion, 0, camera, empty), render_frame(motion, 60, camera, empty))


def test_render_frame_noise_has_the_sd_asked_for(motion, camera, still):
    empty = still.but(has_infant=False, noise_sd=3.0, exposure=0.6)
    clean = render_frame(motion, 0, camera, empty.but(noise_sd=0.0)).astype(float)
    noisy = [render_frame(motion, i, camera, empty) - clean for i in (0, 1)]
    assert np.std(noisy[0]) == pytest.approx(3.0, rel=0.06)
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.05


def test_render_frame_dark_and_blurred(motion, camera, still):
    plain = render_frame(motion, 0, camera, still)
    dark = render_frame(motion, 0, camera, still.but(exposure=0.1))
    blurred = render_frame(motion, 0, camera, still.but(blur_px=4.0))
    assert dark.mean() == pytest.approx(0.1 * plain.mean(), rel=0.1)
    assert cv2.Laplacian(blurred, cv2.CV_32F).std() < 0.2 * cv2.Laplacian(plain, cv2.CV_32F).std()


def test_render_frame_shaken_slides_by_the_offset(motion, camera, still):
    shaken = still.but(shake_px=5.0)
    x, y = shake_offset(shaken, 9)
    assert np.hypot(x, y) > 1.0
    assert shake_offset(still, 9) == (0.0, 0.0)
    grey = [cv2.cvtColor(render_frame(motion, 9, camera, look), cv2.COLOR_RGB2GRAY) for look in (still, shaken)]
    found, _ = cv2.phaseCorrelate(grey[0].astype(np.float32), grey[1].astype(np.float32))
    np.testing.assert_allclose(found, (x, y), atol=0.15)


def test_render_frame_with_another_infant_shows_both(motion, still):
    camera = Camera.looking_at(distance_m=1.4, **SMALL)
    alone = render_frame(place(motion, (-0.25, 0.0)), 0, camera, still).astype(int)
    other = place(motion, (0.25, 0.0), turn_deg=180.0)
    both = render_frame(place(motion, (-0.25, 0.0)), 0, camera, still, [(other, draw_appearance(12))])
    x, y = camera.project(other.points_m[0, index_of("mid_hip")])[0].astype(int)
    assert np.abs(both - alone)[y - 2 : y + 3, x - 2 : x + 3].max() > 20
    np.testing.assert_array_equal(both[:, :60], alone[:, :60])


def test_render_frame_with_a_carers_hand_reaches_in_and_withdraws(motion, still):
    camera = Camera.looking_at(distance_m=1.2, **SMALL)
    look = still.but(has_carer_hand=True)
    there = np.abs(render_frame(motion, 75, camera, look).astype(int) - render_frame(motion, 75, camera, still))
    assert (there.max(axis=2) > 20).mean() > 0.02
    fingers = [max(solid.ends_m[-1][0] for solid in reach_in(t, look)) for t in (0.0, 3.0)]
    tips = [min(solid.ends_m[-1][0] for solid in reach_in(t, look)) for t in (0.0, 3.0)]
    assert tips[1] < tips[0] - 0.3 and fingers[1] < fingers[0]


def test_place_turns_and_shifts_the_whole_body(motion):
    placed = place(motion, (0.3, -0.1), turn_deg=90.0)
    x, y, z = np.moveaxis(motion.points_m, -1, 0)
    np.testing.assert_allclose(placed.points_m, np.stack([0.3 - y, x - 0.1, z], axis=-1), atol=1e-6)
    np.testing.assert_allclose(placed.head_rotation[:, 0], -motion.head_rotation[:, 1], atol=1e-6)


def test_lie_prone_turns_the_face_down_and_keeps_the_body_on_the_mat(motion):
    prone = lie_prone(motion)
    at = {name: prone.points_m[:, i] for i, name in enumerate(BODY_POINTS)}
    assert (at["nose"][:, 2] < at["head_centre"][:, 2]).all()
    assert (at["left_shoulder"][:, 0] < at["right_shoulder"][:, 0]).all()
    assert prone.points_m[..., 2].min() > 0.0
    np.testing.assert_allclose(np.linalg.det(prone.head_rotation), 1.0, atol=1e-4)


def test_lie_prone_shows_hair_and_no_eyes(motion, still):
    look = still.but(skin_rgb=(120.0, 90.0, 70.0), hair_rgb=(40.0, 30.0, 20.0), hair_cover=1.0)

    def eye_whites(one):
        camera = frame_camera(one, fill=0.8)
        centre, _ = camera.project(one.points_m[0, index_of("head_centre")])
        x, y = centre.astype(int)
        head = render_frame(one, 0, camera, look.but(mat_rgb=(90.0, 90.0, 90.0), mat_pattern="plain"))
        return int((head[y - 60 : y + 60, x - 60 : x + 60].min(axis=2) > 165).sum())

    assert eye_whites(motion) > 20
    assert eye_whites(lie_prone(motion)) == 0


def test_walk_crosses_the_picture_upright_on_the_floor():
    adult = walk(4.0, 25.0)
    camera, look = street_camera(320, 180), street_look(3)
    xy, _ = camera.project(adult.points_m)
    hips = xy[:, index_of("mid_hip"), 0]
    assert (np.diff(hips) > 0).all() and hips[0] < 60 and hips[-1] > 260
    head, toes = xy[:, index_of("head_centre"), 1], xy[:, index_of("left_toe"), 1]
    assert (head < toes - 80).all()
    assert 0.0 < adult.points_m[..., 2].min() < 0.08
    frames = [render_frame(adult, i, camera, look) for i in (20, 80)]
    assert (np.abs(frames[0].astype(int) - frames[1]).max(axis=2) > 25).mean() > 0.03
