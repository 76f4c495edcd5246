"""The lifter in torch: bones keep to the lengths that are told of them."""

from __future__ import annotations

import pytest
import torch

from fidgety.runtime.lifter_form import BONES, SOFTNESS
from fidgety.training.networks.lifter import Lifter


@pytest.fixture
def lifter() -> Lifter:
    torch.manual_seed(1)
    return Lifter(16, (1, 3)).eval()


def lift(lifter: Lifter, length: float, turn: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints (T, 17, 3) of a lifter that tells this length and turn of every bone, and joints in the plane."""
    with torch.no_grad():
        lifter.leave.weight.zero_()
        lifter.leave.bias.zero_()
        lifter.leave.bias[51:66] = torch.tensor(length).log()
        lifter.leave.bias[66:] = turn
    n = 10 + 2 * lifter.reach
    in_plane = 0.2 * torch.randn(1, n, 17, 2)
    in_plane[:, :, 0] = 0.0
    with torch.inference_mode():
        lifted = lifter(torch.randn(1, n, 51), in_plane).joints
    return lifted[0], in_plane[0, lifter.reach : -lifter.reach]


def bones_of(joints: torch.Tensor) -> torch.Tensor:
    return torch.stack([joints[:, far] - joints[:, near] for near, far in BONES], dim=1)


@pytest.mark.parametrize("turn", [9.0, -9.0])
def test_lifter_turned_bones_are_as_long_as_told(lifter: Lifter, turn: float) -> None:
    lifted, _ = lift(lifter, 2.0, turn)
    lengths = bones_of(lifted).norm(dim=-1)
    assert lengths.min().item() == pytest.approx((2.0**2 + SOFTNESS**2) ** 0.5, abs=1e-3)
    assert lengths.max().item() == pytest.approx(lengths.min().item(), abs=1e-4)
    assert (bones_of(lifted)[..., 2].sign() == (1 if turn > 0 else -1)).all()


def test_lifter_unturned_bones_stay_in_the_plane(lifter: Lifter) -> None:
    lifted, in_plane = lift(lifter, 2.0, 0.0)
    assert lifted[..., 2].abs().max().item() == 0.0
    assert torch.allclose(lifted[..., :2], in_plane, atol=1e-6)


def test_lifter_bones_longer_in_the_plane_than_told_get_hardly_any_depth(lifter: Lifter) -> None:
    lifted, _ = lift(lifter, 1e-3, 9.0)
    assert bones_of(lifted)[..., 2].abs().max().item() < SOFTNESS * 1.01


def test_lifter_still_is_what_a_window_of_one_row_repeated_gives() -> None:
    torch.manual_seed(2)
    lifter = Lifter(16, (1, 3)).eval()
    features, in_plane = torch.randn(5, 51), torch.randn(5, 17, 2)
    n = 2 * lifter.reach + 1
    with torch.inference_mode():
        window = lifter(features[:, None].repeat(1, n, 1), in_plane[:, None].repeat(1, n, 1, 1))
        still = lifter.still(features, in_plane)
    assert torch.allclose(still.joints, window.joints[:, 0], atol=1e-4)
    assert torch.allclose(still.bone_lengths, window.bone_lengths[:, 0], atol=1e-4)
    assert torch.allclose(still.seen_trunk, window.seen_trunk[:, 0], atol=1e-4)
    assert still.joints.std() > 0.1


def test_lifter_sharpened_turns_bones_further_the_same_way_and_tells_nothing_else(lifter: Lifter) -> None:
    features, in_plane = torch.randn(5, 51), torch.randn(5, 17, 2)
    with torch.inference_mode():
        before = lifter.still(features, in_plane)
    lifter.sharpen(2.0)
    with torch.inference_mode():
        after = lifter.still(features, in_plane)
    assert torch.equal(after.joints[..., :2], before.joints[..., :2])
    assert torch.equal(after.bone_lengths, before.bone_lengths)
    deep, deeper = bones_of(before.joints)[..., 2], bones_of(after.joints)[..., 2]
    is_told = deep.abs() > 1e-3
    assert (deep.sign() == deeper.sign())[is_told].all()
    ratio = (deeper / deep)[is_told]  # tanh(2 x) / tanh(x): twice where a bone hardly turns, once where it wholly does
    assert ratio.min() > 1.0 and ratio.max() < 2.001 and ratio.max() - ratio.min() > 0.3
