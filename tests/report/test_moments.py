from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fidgety.records import Assessment, Moment
from fidgety.report.moments import BOX, MAX_MOMENTS, NOT_OBSERVED, encode_keypoints, fit_to_box, render_moments
from fidgety.skeleton import H36M_17

BuildMoment = Callable[[float, float, int], Moment]


def test_fit_to_box_keeps_the_shape_of_the_movement(build_moment: BuildMoment) -> None:
    points = build_moment(0.0, 0.9, 1).keypoints_xy
    boxed = fit_to_box(points)
    seen = np.isfinite(points).all(axis=-1)
    assert np.array_equal(np.isfinite(boxed).all(axis=-1), seen)
    assert boxed[seen].min() >= 0 and boxed[seen].max() <= BOX
    a, b = points[50, H36M_17.index["hip"]], points[50, H36M_17.index["thorax"]]
    c, d = points[10, H36M_17.index["left_hip"]], points[200, H36M_17.index["left_ankle"]]
    scale = np.linalg.norm(boxed[50, 0] - boxed[50, 8]) / np.linalg.norm(a - b)
    other = np.linalg.norm(boxed[10, 4] - boxed[200, 6]) / np.linalg.norm(c - d)
    assert abs(scale / other - 1) < 1e-6


def test_fit_to_box_does_not_depend_on_place_and_size(build_moment: BuildMoment) -> None:
    points = build_moment(0.0, 0.9, 1).keypoints_xy
    np.testing.assert_allclose(fit_to_box(points), fit_to_box(3.0 * points + 100.0), atol=0.05)


def test_fit_to_box_is_not_shrunk_by_one_wild_keypoint(build_moment: BuildMoment) -> None:
    points = build_moment(0.0, 0.9, 1).keypoints_xy
    wild = points.copy()
    wild[7, 3] = (90_000.0, -90_000.0)
    boxed = fit_to_box(wild)
    assert tuple(boxed[7, 3]) == (BOX, 0.0)
    trunk = np.linalg.norm(boxed[0, 8] - boxed[0, 0])
    assert abs(trunk / np.linalg.norm(fit_to_box(points)[0, 8] - fit_to_box(points)[0, 0]) - 1) < 0.02


def test_render_moments_the_head_is_not_cut_off(scored: Assessment) -> None:
    page = render_moments(scored)
    circles = re.findall(r'r="(\d+)" cx="(\d+)" cy="(\d+)"', page)
    assert circles
    for r, x, y in (map(float, circle) for circle in circles):
        assert r > 20 and min(x, y) - r >= 0 and max(x, y) + r <= BOX


def test_encode_keypoints_decodes_to_the_boxed_frames(build_moment: BuildMoment) -> None:
    points = build_moment(0.0, 0.9, 2).keypoints_xy
    encoded = encode_keypoints(points)
    decoded = np.frombuffer(base64.b64decode(encoded), "<u2").reshape(240, 17, 2)
    hidden = np.isnan(points)
    assert (decoded[hidden] == NOT_OBSERVED).all()
    assert hidden.any()
    assert np.abs(decoded[~hidden] - fit_to_box(points)[~hidden]).max() <= 0.5
    assert len(encoded) < 22_000


def test_render_moments_hides_bones_of_joints_that_were_not_observed(scored: Assessment) -> None:
    lost = scored.most_certain_fms[0].keypoints_xy.copy()
    lost[:, H36M_17.index["left_wrist"]] = np.nan
    page = render_moments(
        replace(
            scored, most_certain_fms=(replace(scored.most_certain_fms[0], keypoints_xy=lost),), most_certain_non_fms=()
        )
    )
    bones = dict(re.findall(r'data-bone="(\d+ \d+)" ([^>]*)/>', page))
    assert len(bones) == len(H36M_17.bones)
    hidden = {bone for bone, place in bones.items() if "hidden" in place}
    assert hidden == {f"{H36M_17.index['left_elbow']} {H36M_17.index['left_wrist']}"}


def test_render_moments_without_any_pose_says_so(scored: Assessment) -> None:
    nothing = np.full((240, 17, 2), np.nan, np.float32)
    page = render_moments(
        replace(scored, most_certain_fms=(Moment(8.0, 17.6, 0.98, nothing),), most_certain_non_fms=())
    )
    assert "No pose was kept for this moment." in page
    assert "data-keypoints" not in page
    assert "00:08–00:18" in page


def test_render_moments_counts_what_is_left_out(scored: Assessment, build_moment: BuildMoment) -> None:
    many = tuple(build_moment(10.0 * i, 0.9, i) for i in range(MAX_MOMENTS + 2))
    page = render_moments(replace(scored, most_certain_fms=many, most_certain_non_fms=()))
    assert page.count("<figure") == MAX_MOMENTS
    assert "2 more are not shown." in page
    assert render_moments(replace(scored, most_certain_fms=(), most_certain_non_fms=())) == ""
