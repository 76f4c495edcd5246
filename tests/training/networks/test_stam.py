"""STAM: its channels by hand, what attention may and may not see, and that it learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from fidgety.errors import UsageError
from fidgety.skeleton import H36M_17
from fidgety.training.networks.graph import hop_counts, hop_partitions
from fidgety.training.networks.inputs import read_inputs, stack_pieces
from fidgety.training.networks.stam import CLIP_FRAMES, CLIP_STRIDE, ItemAttention, Stam, stam_channels

RecordingMaker = Callable[..., np.ndarray]
MIRROR = list(H36M_17.mirror)


def _clips(recordings: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    return stack_pieces(recordings, CLIP_FRAMES, CLIP_STRIDE)


@pytest.fixture
def clips(moving: RecordingMaker) -> Tensor:
    return torch.from_numpy(np.stack([moving(30, seed=seed) for seed in (1, 2, 3)]))


@pytest.mark.parametrize(("width", "n_parameters"), [(1.0, 478_846), (0.25, 34_174)])
def test_stam_has_the_size_of_its_published_widths(width: float, n_parameters: int) -> None:
    assert sum(p.numel() for p in Stam(width).parameters()) == n_parameters


def test_stam_without_channels_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves no channel"):
        Stam(0.001)


def test_stam_channels_are_place_velocity_acceleration_and_displacement(clips: Tensor) -> None:
    channels = stam_channels(clips)
    assert channels.shape == (3, 7, 30, 17)
    for first, kind in ((0, "coordinates"), (2, "velocity"), (4, "acceleration")):
        expected = read_inputs(clips, (kind,), "2d")[..., :2].permute(0, 3, 1, 2)
        assert torch.equal(channels[:, first : first + 2], expected)
    assert torch.allclose(channels[:, 6], torch.hypot(channels[:, 0], channels[:, 1]), atol=1e-6)


def test_stam_channels_do_not_see_shift_scale_and_depth(clips: Tensor) -> None:
    moved = clips * 190.0 + torch.tensor([900.0, -40.0, 55.0])
    moved[..., 2] += moved[..., 1]
    assert torch.allclose(stam_channels(moved), stam_channels(clips), atol=5e-3)


def test_stam_channels_of_the_mirror_image_change_sides_and_the_sign_of_x(clips: Tensor) -> None:
    mirrored = stam_channels(clips[:, :, MIRROR] * torch.tensor([-1.0, 1.0, 1.0]))
    sign = torch.tensor([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0])[:, None, None]
    assert torch.allclose(mirrored, stam_channels(clips)[..., MIRROR] * sign, atol=2e-2)


def test_block_sums_by_the_partitions() -> None:
    torch.manual_seed(5)
    block = Stam(0.25).blocks[1]
    block.edges.data.uniform_(0.5, 1.5)
    features = torch.randn(2, 16, 5, 17)
    matrices = torch.from_numpy(hop_partitions(H36M_17, 3)) * block.edges
    expected = torch.einsum("pij,nctj->ncpti", matrices, features).flatten(1, 2)
    assert torch.allclose(block.reach(features), expected, atol=1e-5)


def test_block_reaches_three_bones_and_four_frames() -> None:
    torch.manual_seed(0)
    block = Stam(0.25).eval().blocks[1]
    features = torch.rand(1, 16, 30, 17)
    touched = features.clone()
    wrist = H36M_17.index["left_wrist"]
    touched[0, :, 15, wrist] += 1.0
    change = (block(touched) - block(features)).abs().amax(dim=(0, 1))  # (30, 17)
    sees = change > 1e-6
    assert (sees.any(dim=0).numpy() == (hop_counts(H36M_17)[wrist] <= 3)).all()
    assert sees.any(dim=1).nonzero().flatten().tolist() == list(range(11, 20))


def test_item_attention_weights_sum_to_one_and_leave_out_the_masked() -> None:
    torch.manual_seed(1)
    attention = ItemAttention(8)
    items = torch.randn(2, 5, 8)
    mask = torch.tensor([[True] * 5, [True, False, True, False, False]])
    pooled, weights = attention(items, mask)
    assert torch.allclose(weights.sum(1), torch.ones(2))
    assert (weights[~mask] == 0.0).all() and (weights[mask] > 0.0).all()
    assert torch.allclose(pooled[1], weights[1, 0] * items[1, 0] + weights[1, 2] * items[1, 2], atol=1e-6)
    assert torch.allclose(attention(items)[1].sum(1), torch.ones(2))


@torch.inference_mode()
def test_stam_of_recordings_of_any_length_together_is_that_of_each_alone(moving: RecordingMaker) -> None:
    torch.manual_seed(2)
    network = Stam(0.25).eval()
    recordings = [moving(50, seed=1), moving(170, 0.7, seed=2), moving(95, seed=3)]
    recordings[1][64, 5] = np.nan
    logits, attention = network(*_clips(recordings))
    assert torch.allclose(attention.sum(1), torch.ones(3))
    assert attention[1].count_nonzero() == 6  # of 8 clips, two hold frame 64
    for row, joints in enumerate(recordings):
        assert torch.allclose(network(*_clips([joints]))[0][0], logits[row], atol=1e-5)
    assert (logits[0] - logits[1]).abs().max() > 1e-4


@torch.inference_mode()
def test_stam_knows_no_order_of_clips_but_of_frames(moving: RecordingMaker) -> None:
    torch.manual_seed(3)
    network = Stam(0.25).eval()
    clips, mask = _clips([moving(150, seed=4)])
    logits, attention = network(clips, mask)
    turned_logits, turned_attention = network(clips.flip(1), mask)
    assert torch.allclose(turned_logits, logits, atol=1e-5)
    assert torch.allclose(turned_attention.flip(1), attention, atol=1e-5)
    assert (network(clips[:, :, torch.randperm(30)], mask)[0] - logits).abs().max() > 1e-4


def test_stam_learns_four_recordings(moving: RecordingMaker) -> None:
    torch.manual_seed(4)
    recordings = [moving(50 + 20 * i, rate_hz=2.0 if i % 2 else 0.8, seed=i) for i in range(4)]
    clips, mask = _clips(recordings)
    targets = torch.tensor([0, 1, 0, 1])
    network = Stam(1 / 8)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(80):  # so many until the running statistics are those of the data
        optimiser.zero_grad()
        F.cross_entropy(network.train()(clips, mask)[0], targets).backward()
        optimiser.step()
    with torch.inference_mode():
        risk = network.eval()(clips, mask)[0].softmax(-1)[:, 1]
    assert (risk[targets == 1] > 0.8).all() and (risk[targets == 0] < 0.2).all()
