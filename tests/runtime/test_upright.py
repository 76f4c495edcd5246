from __future__ import annotations

import numpy as np
import pytest

from fidgety.records import FloatArray
from fidgety.runtime.upright import UprightFrame, turned_back
from fidgety.skeleton import BLAZEPOSE_33, COCO_17, H36M_17

HIP, THORAX, L_WRIST = H36M_17.indices("hip", "thorax", "left_wrist")
ONES = np.ones((50, 17), np.float32)


@pytest.fixture
def keypoints_xy(lying_xy: FloatArray) -> FloatArray:
    """(50, 17, 2): the lying infant whose wrist waves."""
    coco = lying_xy[BLAZEPOSE_33.indices(*COCO_17.keypoints)]
    moving = np.repeat(coco[None], 50, axis=0).astype(np.float32)
    moving[:, COCO_17.index["left_wrist"], 0] += 5 * np.sin(np.arange(50))
    return moving


def turned(xy: FloatArray, angle_rad: float, scale: float) -> FloatArray:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return (scale * (xy @ np.array([[cos, sin], [-sin, cos]])) + (70, -20)).astype(np.float32)


def test_apply_stands_the_infant_upright_with_a_trunk_of_one(keypoints_xy: FloatArray) -> None:
    features, in_plane, trunk = UprightFrame().apply(keypoints_xy, ONES)
    assert features.shape == (50, 51) and in_plane.shape == (50, 17, 2)
    assert in_plane[:, HIP] == pytest.approx(0.0, abs=1e-6)
    assert in_plane[:, THORAX, 0] == pytest.approx(0.0, abs=1e-5)
    assert in_plane[:, THORAX, 1] == pytest.approx(-1.0, abs=1e-5)
    assert np.abs(trunk) == pytest.approx(190.0, rel=1e-3)


@pytest.mark.parametrize("angle_rad", [0.5, 2.0, -3.0])
def test_apply_does_not_depend_on_turn_scale_and_place(keypoints_xy: FloatArray, angle_rad: float) -> None:
    plain = UprightFrame().apply(keypoints_xy, ONES)
    other = UprightFrame().apply(turned(keypoints_xy, angle_rad, 2.5), ONES)
    assert np.allclose(plain[0], other[0], atol=1e-4) and np.allclose(plain[1], other[1], atol=1e-4)


def test_apply_any_chunking_gives_the_same(keypoints_xy: FloatArray) -> None:
    noisy = keypoints_xy + np.random.default_rng(0).normal(0, 3, keypoints_xy.shape).astype(np.float32)
    whole = UprightFrame().apply(noisy, ONES)
    frame = UprightFrame()
    pieces = [frame.apply(noisy[a:b], ONES[a:b]) for a, b in ((0, 1), (1, 7), (7, 7), (7, 50))]
    for i in range(3):
        assert np.array_equal(np.concatenate([piece[i] for piece in pieces]), whole[i])


def test_apply_what_is_not_observed_is_zero_and_hides_nothing_else(keypoints_xy: FloatArray) -> None:
    hidden = keypoints_xy.copy()
    hidden[10:20, COCO_17.index["left_wrist"]] = np.nan
    hidden[30:35] = np.nan
    features, in_plane, trunk = UprightFrame().apply(hidden, ONES)
    wrist = 3 * COCO_17.index["left_wrist"]
    assert (features[10:20, wrist : wrist + 3] == 0).all() and (in_plane[10:20, L_WRIST] == 0).all()
    assert (features[30:35] == 0).all() and np.isfinite(trunk).all()
    plain = UprightFrame().apply(keypoints_xy, ONES)
    assert np.allclose(
        np.delete(features[:30], np.s_[wrist : wrist + 3], axis=1),
        np.delete(plain[0][:30], np.s_[wrist : wrist + 3], axis=1),
    )


def test_apply_before_the_trunk_is_seen_knows_nothing(keypoints_xy: FloatArray) -> None:
    hidden = keypoints_xy.copy()
    hidden[:5, COCO_17.indices("left_hip", "right_hip")] = np.nan
    features, in_plane, _ = UprightFrame().apply(hidden, ONES)
    assert (features[:5] == 0).all() and (in_plane[:5] == 0).all() and (features[5] != 0).any()


def laid_down_anew(keypoints_xy: FloatArray, n_gap: int, angle_rad: float) -> FloatArray:
    """(250 + n_gap + 250, 17, 2): the infant, taken away for n_gap rows, and laid down another way round."""
    before = np.concatenate([keypoints_xy] * 5)
    return np.concatenate([before, np.full((n_gap, 17, 2), np.nan, np.float32), turned(before, angle_rad, 1.0)])


@pytest.mark.parametrize("angle_rad", [np.pi, 2.0, 0.3])
def test_apply_the_mean_begins_anew_after_a_gap(keypoints_xy: FloatArray, angle_rad: float) -> None:
    seen = laid_down_anew(keypoints_xy, 6, angle_rad)
    features, in_plane, _ = UprightFrame().apply(seen, np.ones((len(seen), 17), np.float32))
    alone = UprightFrame().apply(seen[256:], np.ones((250, 17), np.float32))
    assert np.allclose(features[256:], alone[0], atol=1e-5) and np.allclose(in_plane[256:], alone[1], atol=1e-5)


def test_apply_a_gap_that_may_be_bridged_does_not_move_the_mean(keypoints_xy: FloatArray) -> None:
    seen = np.concatenate([keypoints_xy] * 4)
    rng = np.random.default_rng(1)
    seen += rng.normal(0, 3, seen.shape).astype(np.float32)
    seen[100:105] = np.nan
    _, _, trunk = UprightFrame().apply(seen, np.ones((200, 17), np.float32))
    assert np.abs(np.diff(trunk)).max() < 7  # px: at a new beginning it leaps by the noise of one row
    assert np.abs(np.diff(trunk[99:107])).max() < 0.2


@pytest.mark.parametrize("n_turn", [1, 12, 50, 150])
@pytest.mark.parametrize("n_gap", [0, 5])
def test_apply_a_turn_without_a_gap_never_blows_joints_up(keypoints_xy: FloatArray, n_turn: int, n_gap: int) -> None:
    share = np.clip(np.arange(400) / n_turn, 0, 1)
    infant = np.concatenate([keypoints_xy] * 8)
    seen = np.concatenate(
        [infant[:200], *(turned(one[None], np.pi * part, 1.0) for one, part in zip(infant, share, strict=True))]
    )
    seen[200 : 200 + n_gap] = np.nan
    features, in_plane, _ = UprightFrame().apply(seen, np.ones((600, 17), np.float32))
    is_known = features.any(axis=1)
    trunk = np.linalg.norm(in_plane[:, THORAX] - in_plane[:, HIP], axis=-1)
    assert np.abs(in_plane).max() < 3.5  # 1.6 while the infant lies still
    assert trunk[is_known].min() > 0.5 and trunk[is_known].max() <= 2.0
    missing = np.flatnonzero(~is_known)
    assert 6 <= len(missing) <= 24 and missing.min() >= 200  # over 200 ms: no window holds both


def test_apply_a_pose_that_is_misread_for_a_moment_is_missing_and_changes_nothing_else(
    keypoints_xy: FloatArray,
) -> None:
    seen = np.concatenate([keypoints_xy] * 4)
    misread = seen.copy()
    misread[120:124] = turned(seen[120:124], np.pi, 1.0)
    plain, other = (UprightFrame().apply(one, np.ones((200, 17), np.float32)) for one in (seen, misread))
    assert np.flatnonzero(~other[0].any(axis=1)).tolist() == [120, 121, 122, 123]
    kept = np.delete(np.arange(200), np.arange(120, 124))
    assert np.allclose(plain[0][kept], other[0][kept], atol=1e-3)


@pytest.mark.parametrize("n_gap", [0, 3, 40])
def test_apply_any_chunking_gives_the_same_across_a_turn(keypoints_xy: FloatArray, n_gap: int) -> None:
    seen = laid_down_anew(keypoints_xy, n_gap, 2.5)
    scores = np.ones((len(seen), 17), np.float32)
    whole = UprightFrame().apply(seen, scores)
    for length in (1, 7, 25):
        frame = UprightFrame()
        pieces = [frame.apply(seen[a : a + length], scores[a : a + length]) for a in range(0, len(seen), length)]
        for i in range(3):
            assert np.array_equal(np.concatenate([piece[i] for piece in pieces]), whole[i])


def test_turned_back_undoes_the_turn_and_keeps_depth(keypoints_xy: FloatArray) -> None:
    seen = turned(keypoints_xy, 1.1, 2.0)
    _, in_plane, trunk = UprightFrame().apply(seen, ONES)
    joints = np.concatenate([in_plane, np.full((50, 17, 1), 0.3, np.float32)], axis=-1)
    back = turned_back(joints, trunk)
    shoulders = seen[:, COCO_17.indices("left_shoulder", "right_shoulder")].mean(axis=1)
    hips = seen[:, COCO_17.indices("left_hip", "right_hip")].mean(axis=1)
    assert back[:, THORAX, :2] == pytest.approx((shoulders - hips) / 380.0, abs=1e-3)
    assert (back[..., 2] == np.float32(0.3)).all()
