"""Features by hand on a sinusoid, and their invariants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.skeleton import H36M_17
from fidgety.training.motion_features import FEATURE_NAMES, feature_table, motion_features

RecordingMaker = Callable[..., np.ndarray]
WRIST = H36M_17.index["left_wrist"]
OTHER_WRIST = H36M_17.index["right_wrist"]


def _named(joints: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, motion_features(joints), strict=True))


def _swinging(rate_hz: float, size: float = 0.05, n_frames: int = 1000) -> np.ndarray:
    """A still infant whose left wrist swings in x."""
    joints = np.zeros((n_frames, 17, 3), np.float32)
    joints[:, WRIST, 0] = size * np.sin(2 * np.pi * rate_hz * np.arange(n_frames) / 25.0)
    return joints


def test_feature_names_are_one_for_each_number() -> None:
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == len(motion_features(_swinging(1.5))) == 108


def test_motion_features_of_a_sinusoid() -> None:
    size, rate = 0.05, 1.5
    seen = _named(_swinging(rate, size))
    turn = 2 * np.pi * rate
    assert 10 ** seen["left_wrist_speed"] == pytest.approx(4 * rate * size, rel=0.02)
    assert 10 ** seen["left_wrist_acceleration"] == pytest.approx(size * turn**2 / np.sqrt(2), rel=0.03)
    assert 10 ** seen["left_wrist_jerk"] == pytest.approx(size * turn**3 / np.sqrt(2), rel=0.03)
    assert 10 ** seen["left_wrist_power"] == pytest.approx(size / np.sqrt(2), rel=0.01)
    assert 10 ** seen["left_wrist_range"] == pytest.approx(2 * size * np.sin(0.45 * np.pi), rel=0.01)
    assert seen["left_wrist_entropy"] < 0.35
    assert seen["right_wrist_speed"] == pytest.approx(-6.0)
    assert seen["asymmetry_wrist"] == pytest.approx(seen["left_wrist_speed"] + 6.0)
    assert seen["asymmetry_knee"] == 0.0


@pytest.mark.parametrize(("rate_hz", "is_inside"), [(0.25, False), (1.0, True), (3.5, True), (6.0, False)])
def test_power_is_that_of_the_band_of_fms(rate_hz: float, is_inside: bool) -> None:
    power = 10 ** _named(_swinging(rate_hz))["left_wrist_power"]
    assert (power > 0.03) if is_inside else (power < 0.02)


def test_power_does_not_count_a_kick() -> None:
    joints = _swinging(1.5, 0.02)
    kicked = joints.copy()
    kicked[500:520, WRIST, 0] += 0.8 * np.hanning(20)
    before, after = _named(joints), _named(kicked)
    assert after["left_wrist_power"] == pytest.approx(before["left_wrist_power"], abs=0.01)
    assert after["left_wrist_acceleration"] > before["left_wrist_acceleration"] + 0.3


def test_entropy_tells_noise_from_a_swing() -> None:
    joints = _swinging(1.5)
    joints[:, OTHER_WRIST, 0] = 0.05 * np.random.default_rng(0).normal(size=len(joints))
    seen = _named(joints)
    assert seen["right_wrist_entropy"] > 0.85 > 0.35 > seen["left_wrist_entropy"]
    assert all(0.0 <= seen[name] <= 1.0 for name in FEATURE_NAMES if name.endswith("entropy"))


def test_coupling_is_one_for_limbs_that_move_together_and_none_for_strangers() -> None:
    rng = np.random.default_rng(1)
    joints = np.zeros((2000, 17, 3), np.float32)
    left, right, ankle = H36M_17.indices("left_wrist", "right_wrist", "left_ankle")
    steps = rng.normal(size=(2000, 2))
    joints[:, left, 0], joints[:, right, 0] = np.cumsum(steps[:, 0]), -2.0 * np.cumsum(steps[:, 0])
    joints[:, ankle, 1] = np.cumsum(steps[:, 1])
    seen = _named(joints)
    assert seen["coupling_left_wrist_right_wrist"] == pytest.approx(1.0, abs=1e-3)
    assert abs(seen["coupling_left_wrist_left_ankle"]) < 0.1
    assert seen["coupling_left_wrist_right_ankle"] == 0.0


def test_motion_features_do_not_see_where_the_infant_lies_nor_depth(moving: RecordingMaker) -> None:
    joints = moving(400)
    moved = joints + np.float32([3.0, -2.0, 1.0]) * (1 + np.arange(400, dtype=np.float32)[:, None, None] / 400)
    moved[..., 2] *= 3.0
    assert np.allclose(motion_features(moved), motion_features(joints), atol=2e-3)


def test_motion_features_of_larger_movement_grow_by_its_logarithm(moving: RecordingMaker) -> None:
    small, large = _named(moving(400)), _named(10.0 * moving(400))
    for name in FEATURE_NAMES:
        grows = name.endswith(("speed", "acceleration", "power", "jerk", "range"))
        assert large[name] - small[name] == pytest.approx(1.0 if grows else 0.0, abs=2e-3), name


def test_motion_features_of_the_mirror_image_change_sides(moving: RecordingMaker) -> None:
    joints = moving(400)
    seen, mirrored = _named(joints), _named(joints[:, list(H36M_17.mirror)] * np.float32([-1.0, 1.0, 1.0]))
    assert mirrored["left_wrist_speed"] == pytest.approx(seen["right_wrist_speed"], abs=1e-6)
    assert mirrored["asymmetry_knee"] == pytest.approx(seen["asymmetry_knee"], abs=1e-6)
    assert mirrored["coupling_left_wrist_left_ankle"] == pytest.approx(
        seen["coupling_right_wrist_right_ankle"], abs=1e-6
    )


def test_motion_features_take_nothing_across_what_was_not_observed(moving: RecordingMaker) -> None:
    """Two recordings with a void between: a jump over it would be a speed that nobody had."""
    first, second = moving(400, seed=1), moving(400, seed=1)
    void = np.full((30, 17, 3), np.nan, np.float32)
    second[:, WRIST] += 5.0  # the arm was laid elsewhere meanwhile
    whole, parted = _named(first), _named(np.concatenate([first, void, second]))
    for name in FEATURE_NAMES:
        if not name.endswith("range"):
            assert parted[name] == pytest.approx(whole[name], abs=0.02), name
    assert parted["left_wrist_range"] > whole["left_wrist_range"] + 1.0


def test_motion_features_with_one_joint_missing_leave_out_the_frame(moving: RecordingMaker) -> None:
    joints = moving(800)
    one, all_of_them = joints.copy(), joints.copy()
    one[100:140, 3], all_of_them[100:140] = np.nan, np.nan
    assert np.array_equal(motion_features(one), motion_features(all_of_them))
    assert not np.array_equal(motion_features(one), motion_features(joints))


def test_motion_features_need_four_seconds_in_a_row(moving: RecordingMaker) -> None:
    joints = moving(400)
    joints[::60] = np.nan
    with pytest.raises(UsageError, match="4 s in a row"):
        motion_features(joints)
    with pytest.raises(UsageError, match=r"\(400, 16, 3\)"):
        motion_features(moving(400)[:, 1:])


def test_feature_table_takes_recordings_of_any_length(moving: RecordingMaker) -> None:
    recordings = [moving(400), moving(750, seed=1)]
    table = feature_table(recordings)
    assert table.shape == (2, 108) and np.isfinite(table).all()
    assert np.array_equal(table[1], motion_features(recordings[1]))
