from __future__ import annotations

import numpy as np
import pytest

from fidgety.skeleton import H36M_17
from fidgety.training.lifting.measure import CLEAR, aligned_error, bone_variation, depth_sign_share, side_share


@pytest.fixture
def true() -> np.ndarray:
    rng = np.random.default_rng(1)
    joints = rng.normal(0.0, 0.5, (20, 17, 3))
    joints[:, H36M_17.index["hip"]], joints[:, H36M_17.index["thorax"]] = 0.0, (0.0, -2.0, 0.0)
    return joints


def test_aligned_error_does_not_see_turn_scale_and_shift(true: np.ndarray) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    assert aligned_error(0.3 * true @ turn + 5.0, true) == pytest.approx(0.0, abs=1e-9)
    assert aligned_error(true * (1.0, 1.0, -1.0), true).min() > 0.05  # a mirror image is not the same body


def test_aligned_error_is_in_trunk_lengths(true: np.ndarray) -> None:
    off = true.copy()
    off[:, 3] += (0.0, 0.0, 1.0)
    error = aligned_error(off, true)
    assert (error > 0.2 / 17).all() and (error < 1.5 / 17).all()  # half a trunk at one of 17
    assert aligned_error(7 * off, 7 * true) == pytest.approx(error)


def test_depth_sign_share_counts_bones_that_clearly_point(true: np.ndarray) -> None:
    assert depth_sign_share(true, true) == 1.0
    assert depth_sign_share(true * (1.0, 1.0, -1.0), true) == 0.0
    assert np.isnan(depth_sign_share(true, true * (1.0, 1.0, 0.0)))


def test_depth_sign_share_of_told_bones_leaves_out_those_that_are_told_as_flat(true: np.ndarray) -> None:
    unsure = true.copy()
    unsure[::2, :, 2] *= -0.01  # wrong, and hardly told
    assert depth_sign_share(unsure, true) < 0.7
    assert depth_sign_share(unsure, true, least_told=CLEAR) == 1.0
    assert depth_sign_share(3 * unsure, true, least_told=CLEAR) == 1.0  # in trunk lengths, whatever the unit


def test_side_share_of_swapped_sides_is_nothing(true: np.ndarray) -> None:
    assert side_share(true, true) == 1.0
    assert side_share(true[:, list(H36M_17.mirror)], true) == 0.0


def test_bone_variation_of_a_rigid_and_of_a_breathing_bone(true: np.ndarray) -> None:
    still = np.repeat(true[:1], 40, axis=0)
    assert bone_variation(still) == pytest.approx(0.0, abs=1e-9)
    breathing = still * (1.0 + 0.1 * np.sin(np.arange(40)))[:, None, None]
    assert bone_variation(breathing) == pytest.approx(0.07, abs=0.01)
