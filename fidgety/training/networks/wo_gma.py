"""WO-GMA in torch: blocks of a recording in, FMs scores of blocks and recording out, offline and as they come.

The weakly supervised online assessment of Luo et al., 2022, as far as SPEC 5 tells of it. It learns from the
recording's class alone: the offline branch finds the blocks that hold FMs, and teaches the online branch, which sees
nothing of the future.

    blocks (B, N, 20, 17, 3) --MS-G3D--> (n, 256, 17) --mean of joints--> 256 --> features (B, N, 2048)
        --Conv1d 512, 128, 64, sigmoid--> block scores (B, N) --mean of the highest eighth--> recording's score (B,)
        --LSTM 1024, FC 512, 128, 64--> online logits (B, N, 2) (FMs, non-FMs)

Deviations and choices where that text is silent:

- Each block is normalised on its own (normalise.py): over a whole recording the future would reach the online branch.
- Of MS-G3D's block the pathway over windows is built, the one that changes the frame rate by 20; its matrix of learned
  additions is (8, 17, 17), the same for every pair of frames, in place of one for all 340 nodes.
- The convolutions of the offline branch have kernel 3 and look at neighbouring blocks.
- A recording whose score is under .4 teaches the online branch that all its blocks are without FMs.
- The LSTM starts anew with every recording; the public code carries its state from one to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fidgety.errors import UsageError
from fidgety.skeleton import H36M_17
from fidgety.training.networks.graph import window_scales
from fidgety.training.networks.inputs import Dimensions, encode_whole, read_inputs

__all__ = ["BLOCK_FRAMES", "LstmState", "WoGma", "WoGmaOutput", "pseudo_labels", "top_mean", "wo_gma_losses"]

BLOCK_FRAMES = 20
VIDEO_THRESHOLD = 0.4
BLOCK_THRESHOLD = 0.3
_TOP = 8  # an eighth of the blocks makes the recording's score
_N_SCALES = 8
_J = len(H36M_17)

LstmState = tuple[Tensor, Tensor]  # hidden and cell, (1, B, 1024) each


@dataclass(frozen=True, slots=True, eq=False)
class WoGmaOutput:
    """What both branches say of B recordings of up to N blocks; where the mask is False it means nothing."""

    block_scores: Tensor  # (B, N) in [0, 1], FMs in the block, offline
    video_scores: Tensor  # (B,) in [0, 1], FMs in the recording
    online_logits: Tensor  # (B, N, 2) (FMs, non-FMs)
    mask: Tensor  # (B, N) bool, the block counts


def _before_relu(layer: nn.Linear | nn.Conv1d) -> nn.Linear | nn.Conv1d:
    """The layer with He's starting weights (2015): with torch's own, differences shrink to .4 at each layer."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


class _WindowGraph(nn.Module):
    """MS-G3D over one window: 8 scales of the graph of its nodes, one map of every node, then all frames at once."""

    across: Tensor
    own: Tensor

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        scales = window_scales(H36M_17, _N_SCALES, BLOCK_FRAMES)
        self.register_buffer("across", torch.from_numpy(scales.across), persistent=False)
        self.register_buffer("own", torch.from_numpy(scales.own), persistent=False)
        self.added = nn.Parameter(torch.zeros_like(self.across))
        self.shared = nn.Linear(_N_SCALES * n_in, n_out, bias=False)
        self.shared_norm = nn.BatchNorm1d(n_out)
        self.collapse = nn.Linear(BLOCK_FRAMES * n_out, n_out, bias=False)
        self.collapse_norm = nn.BatchNorm1d(n_out)

    def reach(self, joints: Tensor) -> Tensor:
        """(n, 20, 17, C) -> (n, 20, 17, 8 x C): what each scale of the window's graph sums at every node."""
        together = torch.einsum("skj,njc->nksc", self.across + self.added, joints.sum(1))[:, None]
        return (together + self.own.T[:, :, None] * joints[..., None, :]).flatten(-2)

    def forward(self, joints: Tensor) -> Tensor:
        """(n, 20, 17, C) -> (n, 17, width)."""
        n_blocks = len(joints)
        nodes = self.shared(self.reach(joints).transpose(1, 2).flatten(0, 2))  # rows: blocks, joints, frames
        nodes = F.relu(self.shared_norm(nodes)).reshape(n_blocks * _J, -1)
        collapsed = F.relu(self.collapse_norm(self.collapse(nodes)))
        return collapsed.reshape(n_blocks, _J, -1)


class _OfflineBranch(nn.Module):
    """Features (B, N, width) -> block scores (B, N); convolutions of kernel 3 over the blocks."""

    def __init__(self, n_in: int, widths: list[int]) -> None:
        super().__init__()
        pairs = zip([n_in, *widths[:-1]], widths, strict=True)
        self.layers = nn.ModuleList(_before_relu(nn.Conv1d(a, b, 3, padding=1)) for a, b in pairs)
        self.last = nn.Linear(widths[-1], 1)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Blocks that do not count are zero before every layer, as what lies beyond the recording's ends."""
        counts = mask[:, None].to(features.dtype)
        values = features.transpose(1, 2)
        for layer in self.layers:
            values = F.relu(layer(values * counts))
        scores: Tensor = torch.sigmoid(self.last(values.transpose(1, 2)))[..., 0].float()
        return scores * mask


class _OnlineBranch(nn.Module):
    """Features (B, N, width) -> logits (B, N, 2), each from its own block and those before it."""

    def __init__(self, n_in: int, hidden: int, widths: list[int]) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_in, hidden, batch_first=True)
        layers: list[nn.Module] = []
        for a, b in zip([hidden, *widths[:-1]], widths, strict=True):
            layers += [_before_relu(nn.Linear(a, b)), nn.ReLU()]
        self.classify = nn.Sequential(*layers, nn.Linear(widths[-1], 2))

    def forward(self, features: Tensor, state: LstmState | None) -> tuple[Tensor, LstmState]:
        remembered, state = self.lstm(features, state)
        return self.classify(remembered), state


class WoGma(nn.Module):
    """WO-GMA: blocks (B, N, 20, 17, 3) and mask (B, N) bool, as `stack_pieces` gives them -> WoGmaOutput.

    18,404,171 parameters. `width` is a factor on all widths, for protocols that must fit two cores. Raises UsageError
    where it leaves no channel.

    Blocks that do not count reach neither the encoder nor the offline branch; the online branch reads zeros there.
    """

    def __init__(self, width: float = 1.0, pose: Dimensions = "3d") -> None:
        super().__init__()
        channels, n_features, hidden = (round(width * full) for full in (256, 2048, 1024))
        widths = [round(width * full) for full in (512, 128, 64)]
        if widths[-1] < 1:
            raise UsageError(f"a width of {width} leaves no channel of 64")
        self.pose = pose
        self.graph = _WindowGraph(3, channels)
        self.widen = _before_relu(nn.Linear(channels, n_features))
        self.offline = _OfflineBranch(n_features, widths)
        self.online = _OnlineBranch(n_features, hidden, widths)

    def encode(self, blocks: Tensor) -> Tensor:
        """Raw blocks (n, 20, 17, 3), whole ones only -> features (n, 2048)."""
        with torch.autocast(blocks.device.type, enabled=False):  # as in MAM: FMs are too small for bfloat16
            joints = read_inputs(blocks.float(), ("coordinates",), self.pose)
        features: Tensor = F.relu(self.widen(self.graph(joints).mean(1)))
        return features

    def judge(self, features: Tensor, mask: Tensor) -> WoGmaOutput:
        """Features (B, N, 2048), zero where mask (B, N) bool is False -> what both branches say. Every recording starts
        from an empty LSTM state.
        """
        block_scores = self.offline(features, mask)
        online_logits, _ = self.online(features, None)
        return WoGmaOutput(block_scores, top_mean(block_scores, mask), online_logits, mask)

    def forward(self, blocks: Tensor, mask: Tensor) -> WoGmaOutput:
        return self.judge(encode_whole(self.encode, blocks, mask), mask)

    def follow(self, blocks: Tensor, state: LstmState | None = None) -> tuple[Tensor, LstmState]:
        """The online branch as the recording comes: whole blocks (B, N, 20, 17, 3) and the state behind the last ones
        (None = the recording starts) -> logits (B, N, 2), state.
        """
        features = self.encode(blocks.flatten(0, 1)).reshape(*blocks.shape[:2], -1)
        followed: tuple[Tensor, LstmState] = self.online(features, state)
        return followed


def top_mean(block_scores: Tensor, mask: Tensor) -> Tensor:
    """Mean (B,) of the highest eighth, at least one, of the scores (B, N) that count in mask (B, N) bool."""
    n_top = (mask.sum(1) // _TOP).clamp_min(1)
    ranked = block_scores.masked_fill(~mask, -1.0).sort(dim=1, descending=True).values
    is_top = torch.arange(ranked.shape[1], device=ranked.device) < n_top[:, None]
    return (ranked * is_top).sum(1) / n_top


def pseudo_labels(output: WoGmaOutput) -> Tensor:
    """(B, N) class indices that the offline branch gives the online one: 0 = FMs where recording and block score at
    least .4 and .3, else 1. No gradient.
    """
    is_fms = (output.video_scores >= VIDEO_THRESHOLD)[:, None] & (output.block_scores >= BLOCK_THRESHOLD)
    return (~is_fms).long()


def wo_gma_losses(output: WoGmaOutput, targets: Tensor) -> dict[str, Tensor]:
    """Both branches' losses. targets: (B,) class indices, 0 = normal, 1 = risk.

    offline: binary cross-entropy of the recording's score, FMs are there in normal recordings. online: cross-entropy of
    the blocks that count with their pseudo labels.
    """
    scores = output.video_scores.clamp(1e-6, 1.0 - 1e-6)
    labels = pseudo_labels(output)[output.mask]
    return {
        "offline": F.binary_cross_entropy(scores, 1.0 - targets.to(scores.dtype)),
        "online": F.cross_entropy(output.online_logits[output.mask].float(), labels),
    }
