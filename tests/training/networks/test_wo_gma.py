"""WO-GMA: its graph written out, what the online branch may not know, its scores by hand, and that it learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from fidgety.errors import UsageError
from fidgety.skeleton import H36M_17
from fidgety.training.networks.graph import window_scales
from fidgety.training.networks.inputs import stack_pieces
from fidgety.training.networks.wo_gma import (
    BLOCK_FRAMES,
    WoGma,
    WoGmaOutput,
    pseudo_labels,
    top_mean,
    wo_gma_losses,
)

RecordingMaker = Callable[..., np.ndarray]


def _blocks(*recordings: np.ndarray) -> tuple[Tensor, Tensor]:
    return stack_pieces(recordings, BLOCK_FRAMES, BLOCK_FRAMES)


@pytest.fixture
def network() -> WoGma:
    torch.manual_seed(0)
    return WoGma(1 / 16).eval()


@pytest.mark.parametrize(("width", "n_parameters"), [(1.0, 18_404_171), (0.25, 1_155_995)])
def test_wo_gma_has_the_size_of_its_published_widths(width: float, n_parameters: int) -> None:
    network = WoGma(width)
    assert sum(p.numel() for p in network.parameters()) == n_parameters
    assert network.encode(torch.zeros(2, 20, 17, 3)).shape == (2, round(2048 * width))


def test_wo_gma_without_channels_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves no channel"):
        WoGma(0.001)


@torch.inference_mode()
def test_window_graph_sums_as_the_graph_of_all_nodes_would(network: WoGma) -> None:
    scales = window_scales(H36M_17, 8, BLOCK_FRAMES)
    network.graph.added.copy_(0.01 * torch.randn(8, 17, 17))
    joints = torch.randn(2, 20, 17, 3)
    reached = network.graph.reach(joints).reshape(2, 340, 8, 3)
    for scale in range(8):
        block = scales.across[scale] + network.graph.added[scale].numpy()
        matrix = torch.from_numpy(np.tile(block, (20, 20)) + np.diag(np.tile(scales.own[scale], 20)))
        expected = torch.einsum("ab,nbc->nac", matrix.float(), joints.reshape(2, 340, 3))
        assert torch.allclose(reached[:, :, scale], expected, atol=1e-5)


@torch.inference_mode()
def test_online_branch_does_not_see_the_future(network: WoGma, moving: RecordingMaker) -> None:
    joints = moving(200)
    other = joints.copy()
    other[120:] = moving(200, rate_hz=3.0, size=0.3, seed=9)[120:] * 1.3  # the seventh block and all behind it
    logits, changed = (network(*_blocks(track)).online_logits[0] for track in (joints, other))
    assert torch.equal(changed[:6], logits[:6])
    assert ((changed[6:] - logits[6:]).abs().amax(-1) > 1e-6).all()


@torch.inference_mode()
def test_online_branch_remembers_the_past(network: WoGma, moving: RecordingMaker) -> None:
    joints = moving(200)
    other = joints.copy()
    other[:20] = moving(20, rate_hz=3.0, size=0.3, seed=9)
    logits, changed = (network(*_blocks(track)).online_logits[0] for track in (joints, other))
    assert (changed[1] - logits[1]).abs().max() > 1e-6


@torch.inference_mode()
def test_follow_in_pieces_is_the_whole_recording(network: WoGma, moving: RecordingMaker) -> None:
    blocks, mask = _blocks(moving(200))
    whole = network(blocks, mask).online_logits
    first, state = network.follow(blocks[:, :3])
    second, state = network.follow(blocks[:, 3:4], state)
    third, _ = network.follow(blocks[:, 4:], state)
    assert torch.allclose(torch.cat([first, second, third], dim=1), whole, atol=1e-6)
    assert (network.follow(blocks[:, 3:4])[0] - second).abs().max() > 1e-6  # without the state it is another answer


@torch.inference_mode()
def test_wo_gma_starts_every_recording_anew(network: WoGma, moving: RecordingMaker) -> None:
    one, other = _blocks(moving(200, seed=1)), _blocks(moving(200, rate_hz=3.0, size=0.3, seed=2))
    alone = network(*one).online_logits
    network(*other)
    assert torch.equal(network(*one).online_logits, alone)


@torch.inference_mode()
def test_wo_gma_of_recordings_of_any_length_together_is_that_of_each_alone(
    network: WoGma, moving: RecordingMaker
) -> None:
    recordings = [moving(95, seed=1), moving(330, seed=2), moving(200, seed=3)]
    recordings[1][50, 4] = np.nan
    together = network(*_blocks(*recordings))
    assert together.block_scores[1, 2] == 0.0 and not together.mask[1, 2]
    for row, joints in enumerate(recordings):
        alone = network(*_blocks(joints))
        n_blocks = alone.block_scores.shape[1]
        assert torch.allclose(together.block_scores[row, :n_blocks], alone.block_scores[0], atol=1e-6)
        assert torch.allclose(together.online_logits[row, :n_blocks], alone.online_logits[0], atol=1e-6)
        assert torch.allclose(together.video_scores[row], alone.video_scores[0], atol=1e-6)
    assert torch.count_nonzero(together.block_scores[0, 4:]) == 0


@torch.inference_mode()
def test_wo_gma_does_not_see_shift_scale_and_in_2d_depth(moving: RecordingMaker) -> None:
    blocks, mask = _blocks(moving(100))
    moved = blocks * 190.0 + torch.tensor([900.0, -40.0, 55.0])
    leaning = blocks.clone()
    leaning[..., 2] += leaning[..., 1]
    for pose, sees_depth in (("2d", False), ("3d", True)):
        torch.manual_seed(1)
        network = WoGma(1 / 16, pose=pose).eval()
        features = network.encode(blocks[mask])
        assert torch.allclose(network.encode(moved[mask]), features, atol=1e-3 * float(features.max()))
        assert (float((network.encode(leaning[mask]) - features).abs().max()) > 1e-4) == sees_depth


def test_top_mean_of_the_highest_eighth() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.2, 0.3] + [0.0] * 11 + [0.7], [0.4, 0.6, 0.5] + [0.9] * 13])
    mask = torch.ones(2, 16, dtype=torch.bool)
    mask[1, 3:] = False
    assert top_mean(scores, mask).tolist() == pytest.approx([0.8, 0.6])
    assert top_mean(scores[:1, :15], mask[:1, :15]).tolist() == pytest.approx([0.9])  # of 15 blocks one


def _output(block_scores: list[list[float]], video_scores: list[float]) -> WoGmaOutput:
    scores = torch.tensor(block_scores, requires_grad=True)
    logits = torch.zeros(*scores.shape, 2, requires_grad=True)
    return WoGmaOutput(scores, torch.tensor(video_scores, requires_grad=True), logits, torch.ones_like(scores) > 0)


def test_pseudo_labels_need_recording_and_block() -> None:
    output = _output([[0.9, 0.31, 0.29], [0.9, 0.35, 0.1]], [0.41, 0.39])
    assert pseudo_labels(output).tolist() == [[0, 0, 1], [1, 1, 1]]


def test_wo_gma_losses_by_hand() -> None:
    output = _output([[0.9, 0.1], [0.2, 0.2]], [0.8, 0.3])
    losses = wo_gma_losses(output, torch.tensor([0, 1]))
    assert float(losses["offline"].detach()) == pytest.approx(-0.5 * (np.log(0.8) + np.log(0.7)), rel=1e-5)
    assert float(losses["online"].detach()) == pytest.approx(np.log(2.0), rel=1e-5)
    losses["online"].backward()
    assert output.block_scores.grad is None  # labels teach, they do not learn
    assert output.online_logits.grad is not None
    towards_fms = output.online_logits.grad[..., 0] < 0
    assert towards_fms.tolist() == [[True, False], [False, False]]


def test_wo_gma_losses_leave_out_blocks_that_do_not_count() -> None:
    output = _output([[0.9, 0.9]], [0.9])
    output.mask[0, 1] = False
    wo_gma_losses(output, torch.tensor([0]))["online"].backward()
    assert output.online_logits.grad is not None
    assert output.online_logits.grad[0, 0].abs().max() > 0 and output.online_logits.grad[0, 1].abs().max() == 0


def test_wo_gma_learns_four_recordings_in_both_branches(moving: RecordingMaker) -> None:
    torch.manual_seed(2)
    recordings = [moving(160 + 40 * i, rate_hz=0.8 if i % 2 else 2.5, seed=i) for i in range(4)]
    blocks, mask = _blocks(*recordings)
    targets = torch.tensor([0, 1, 0, 1])
    network = WoGma(1 / 8)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(80):  # so many until the running statistics are those of the data
        optimiser.zero_grad()
        torch.stack(list(wo_gma_losses(network.train()(blocks, mask), targets).values())).sum().backward()
        optimiser.step()
    with torch.inference_mode():
        output = network.eval()(blocks, mask)
    assert (output.video_scores[targets == 0] > 0.8).all() and (output.video_scores[targets == 1] < 0.2).all()
    fms = output.online_logits.softmax(-1)[..., 0]
    assert (fms[targets == 0][mask[targets == 0]].mean() - fms[targets == 1][mask[targets == 1]].mean()) > 0.5
