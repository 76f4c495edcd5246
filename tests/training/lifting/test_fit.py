from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fidgety.errors import DeviceError
from fidgety.export.lifter import lifter_shape
from fidgety.runtime.lifter_form import BONES
from fidgety.runtime.stream_lifter import StreamLifter
from fidgety.training.lifting.fit import LIFTER_QUICK, train_lifter
from fidgety.training.lifting.losses import bone_loss, place_loss, seen_trunk_loss, told_length_loss, velocity_loss
from fidgety.training.networks.lifter import Lifter


def test_train_lifter_writes_weights_graph_and_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_lifter(tmp_path, seed=3, protocol=LIFTER_QUICK)
    assert capsys.readouterr().out == ""  # stdout is the command line's
    account = json.loads((tmp_path / "lifter_log.json").read_text())
    assert account["command"] == "fidgety train-lifter OUT --seed 3 --channels 16 --layers 4"
    figures = {"aligned_error", "aligned_error_flat", "depth_sign", "side", "scale_error", "scale_error_unscaled"}
    assert figures == set(account["held_out"])
    n_steps = LIFTER_QUICK.steps + LIFTER_QUICK.scale_steps
    assert len((tmp_path / "lifter_log.csv").read_text().splitlines()) == 1 + n_steps
    stream = StreamLifter(tmp_path / "lifter.onnx", *lifter_shape(tmp_path / "lifter.npz"))
    stream.push(np.ones((4, 51), np.float32), np.ones((4, 17, 2), np.float32))
    assert stream.finish().shape == (4, 17, 3)


def test_train_lifter_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match="cannot be made"):
        train_lifter(tmp_path / "file" / "out", protocol=LIFTER_QUICK)


@pytest.mark.parametrize("rate_hz", [0.5, 1.0, 2.0, 3.0, 4.0])
def test_lifter_lets_movement_in_the_plane_pass_whatever_the_network_says(rate_hz: float) -> None:
    """Random weights, one joint that swings: the lifted one swings by as much, by the told length of the seen trunk,
    and no other joint does."""
    torch.manual_seed(1)
    lifter = Lifter(16).eval()
    torch.nn.init.normal_(lifter.trunk_weight, std=0.05)
    n_rows = 2 * lifter.reach + 50
    features, in_plane = torch.randn(1, 1, 51).repeat(1, n_rows, 1), torch.randn(1, 1, 17, 2).repeat(1, n_rows, 1, 1)
    swing = 0.05 * torch.sin(2 * torch.pi * rate_hz * torch.arange(n_rows) / 25)
    moved = in_plane.clone()
    moved[0, :, 3, 0] += swing
    with torch.inference_mode():
        lifted = lifter(features, in_plane)
        assert (lifted.seen_trunk - 1).abs().min() > 0.02
        shift = (lifter(features, moved).joints - lifted.joints)[0]
    true = swing[lifter.reach : -lifter.reach] * lifted.seen_trunk[0]
    assert float(shift[:, 3, 0] @ true / (true @ true)) == pytest.approx(1.0, abs=0.03)
    as_seen = unscaled(lifter, features, in_plane)
    assert torch.allclose(lifted.joints[0, :, :, :2], as_seen, atol=1e-4)  # what stands still stays where it was
    others = torch.cat([shift[:, 3, 1:].flatten(), shift[:, [*range(3), *range(4, 17)]].flatten()])
    assert torch.count_nonzero(others.abs() > 1e-6) == 0


@torch.inference_mode()
def unscaled(lifter: Lifter, features: torch.Tensor, in_plane: torch.Tensor) -> torch.Tensor:
    for part in lifter.scale_parameters():
        part.zero_()
    return lifter(features, in_plane).joints[0, :, :, :2]


def test_losses_are_zero_for_the_truth_and_see_their_own_fault() -> None:
    torch.manual_seed(0)
    true = torch.randn(2, 12, 17, 3)
    for loss in (place_loss, velocity_loss, bone_loss):
        assert float(loss(true, true)) == pytest.approx(0.0, abs=1e-6)
    shifted = true + torch.tensor([0.3, 0.0, 0.4])
    assert float(place_loss(shifted, true)) == pytest.approx(0.5, rel=1e-5)
    assert float(velocity_loss(shifted, true)) == pytest.approx(0.0, abs=1e-5)
    assert float(bone_loss(shifted, true)) == pytest.approx(0.0, abs=1e-5)
    assert float(bone_loss(1.5 * true, true)) > 0.3


def test_seen_trunk_is_learnt_from_its_own_length_alone() -> None:
    """A loss on joints that move must not reach it, whatever it would like movement to be."""
    torch.manual_seed(1)
    lifter = Lifter(16, (1, 3)).train()
    lifted = lifter(torch.randn(2, 2 * lifter.reach + 8, 51), torch.randn(2, 2 * lifter.reach + 8, 17, 2))
    own, others = lifter.scale_parameters(), [lifter.leave.weight, lifter.enter.weight]
    place_loss(lifted.joints, torch.randn(2, 8, 17, 3)).backward(retain_graph=True)
    assert all(part.grad is None or not part.grad.any() for part in own)
    assert all(part.grad is not None and part.grad.any() for part in others)
    lifter.zero_grad()
    seen_trunk_loss(lifted.seen_trunk, torch.full((2, 8), 0.9)).backward()
    assert all(part.grad is not None and part.grad.any() for part in own)
    assert all(part.grad is None or not part.grad.any() for part in others)


def test_seen_trunk_loss_leaves_out_what_is_not_known() -> None:
    told = torch.tensor([1.1, 0.9, 3.0])
    assert float(seen_trunk_loss(told, torch.tensor([1.0, 0.9, np.nan]))) == pytest.approx(np.log(1.1) / 2, rel=1e-4)


def test_told_length_loss_is_of_what_is_told_and_not_of_what_is_lifted() -> None:
    torch.manual_seed(0)
    true = torch.randn(2, 12, 17, 3)
    lengths = torch.stack([(true[..., far, :] - true[..., near, :]).norm(dim=-1) for near, far in BONES], dim=-1)
    assert float(told_length_loss(lengths, true)) == pytest.approx(0.0, abs=1e-6)
    assert float(told_length_loss(1.2 * lengths, true)) == pytest.approx(np.log(1.2), rel=1e-4)
