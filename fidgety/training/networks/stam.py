"""STAM in torch: clips of a recording in, logits of the recording and the clips' attention out.

The spatio-temporal attention model of Nguyen-Thai et al., 2021, as far as SPEC 5 tells of it: ST-GCN over clips of 30
frames, attention over joints, attention over clips. It learns from the recording's class alone.

    clips (B, N, 30, 17, 3) --channels--> (n, 7, 30, 17) --3 blocks--> (n, 128, 30, 17) --joint attention--> (n, 128)
        --clip attention over N--> (B, 128) --> logits (B, 2) (normal, risk)

Deviations and choices where that text is silent: each clip is normalised on its own (normalise.py), in the picture
plane, as STAM read 2D poses; which seven channels (`stam_channels`); partitions by hops, with learned weights on every
edge, no shortcut around the first block (as ST-GCN has it); features are averaged over a clip's frames before the joint
attention, and that has the shape of the clip attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fidgety.errors import UsageError
from fidgety.skeleton import H36M_17
from fidgety.training.networks.dropout import PooledDropout
from fidgety.training.networks.graph import hop_partitions
from fidgety.training.networks.inputs import encode_whole, read_inputs

__all__ = ["CLIP_FRAMES", "CLIP_STRIDE", "ItemAttention", "Stam", "stam_channels"]

CLIP_FRAMES = 30
CLIP_STRIDE = 20
_J = len(H36M_17)
_WIDTHS = (64, 128, 128)
_CHANNELS = 7
_MAX_HOP = 3
_TEMPORAL_KERNEL = 9


def stam_channels(clips: Tensor) -> Tensor:
    """Raw clips (n, 30, 17, 3) -> (n, 7, 30, 17): x, y, their velocities, their accelerations, displacement.

    x and y are those of `read_inputs`, velocity and acceleration too; displacement is the joint's distance from its
    mean place in the clip.
    """
    inputs = read_inputs(clips, ("coordinates", "velocity", "acceleration"), pose="2d")
    planes = inputs.reshape(*inputs.shape[:3], 3, 3)[..., :2].flatten(-2)  # the third axis of each is zero
    displacement = planes[..., :2].norm(dim=-1, keepdim=True)
    return torch.cat([planes, displacement], dim=-1).permute(0, 3, 1, 2)


class _Block(nn.Module):
    """ST-GCN block: graph convolution over the hop partitions, then over 9 frames, beside a shortcut."""

    partitions: Tensor

    def __init__(self, n_in: int, n_out: int, dropout: float, *, has_shortcut: bool) -> None:
        super().__init__()
        self.register_buffer("partitions", torch.from_numpy(hop_partitions(H36M_17, _MAX_HOP)), persistent=False)
        self.edges = nn.Parameter(torch.ones_like(self.partitions))
        self.spatial = nn.Conv2d((_MAX_HOP + 1) * n_in, n_out, 1, bias=False)
        self.spatial_norm = nn.BatchNorm2d(n_out)
        self.temporal = nn.Conv2d(n_out, n_out, (_TEMPORAL_KERNEL, 1), padding=(_TEMPORAL_KERNEL // 2, 0), bias=False)
        self.temporal_norm = nn.BatchNorm2d(n_out)
        self.dropout = PooledDropout(dropout)
        self.has_shortcut = has_shortcut
        self.shortcut = (
            nn.Sequential(nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out))
            if has_shortcut and n_in != n_out
            else nn.Identity()
        )

    def reach(self, features: Tensor) -> Tensor:
        """(n, C, T, 17) -> (n, C x 4, T, 17): what each partition sums at every joint."""
        matrix = (self.partitions * self.edges).permute(2, 0, 1).flatten(1)  # (17 from, 4 x 17 to)
        reached = torch.matmul(features, matrix).reshape(*features.shape[:3], _MAX_HOP + 1, _J)
        return reached.permute(0, 1, 3, 2, 4).flatten(1, 2)

    def forward(self, features: Tensor) -> Tensor:
        """(n, C in, T, 17) -> (n, C out, T, 17)."""
        inside = F.relu(self.spatial_norm(self.spatial(self.reach(features))))
        inside = self.dropout(self.temporal_norm(self.temporal(inside)))
        return F.relu(inside + self.shortcut(features) if self.has_shortcut else inside)


class ItemAttention(nn.Module):
    """Weighted mean over items; the weights are a softmax of width -> width -> 1 (tanh between) of each item."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, items: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, L, width) -> pooled (N, width), weights (N, L). mask: (N, L) bool, True = counts; at least one a row."""
        scores = self.score(items)[..., 0]
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        weights = scores.softmax(-1)
        return (weights[..., None] * items).sum(1), weights


class Stam(nn.Module):
    """STAM: clips (B, N, 30, 17, 3) and mask (B, N) -> logits (B, 2) (normal, risk), attention (B, N).

    478,846 parameters. `width` is a factor on all widths, for protocols that must fit two cores: a clip's step takes
    18 ms on one core, at a quarter of the widths 4 ms. Raises UsageError where it leaves no channel.

    Any number of clips serves: a training loop may draw some of each recording. Train with cross-entropy on the logits.
    """

    def __init__(self, width: float = 1.0, dropout: float = 0.3) -> None:
        super().__init__()
        widths = [round(width * channels) for channels in _WIDTHS]
        if min(widths) < 1:
            raise UsageError(f"a width of {width} leaves no channel of {_WIDTHS}")
        self.norm = nn.BatchNorm1d(_CHANNELS * _J)
        self.blocks = nn.Sequential(
            _Block(_CHANNELS, widths[0], dropout, has_shortcut=False),
            _Block(widths[0], widths[1], dropout, has_shortcut=True),
            _Block(widths[1], widths[2], dropout, has_shortcut=True),
        )
        self.joint_attention = ItemAttention(widths[2])
        self.clip_attention = ItemAttention(widths[2])
        self.head = nn.Linear(widths[2], 2)

    def encode(self, clips: Tensor) -> Tensor:
        """Raw clips (n, 30, 17, 3), whole ones only -> embeddings (n, 128)."""
        with torch.autocast(clips.device.type, enabled=False):  # as in MAM: FMs are too small for bfloat16
            channels = stam_channels(clips.float())  # (n, 7, 30, 17)
            scaled = self.norm(channels.transpose(2, 3).flatten(1, 2)).unflatten(1, (_CHANNELS, _J))
        joints = self.blocks(scaled.transpose(2, 3)).mean(2).transpose(1, 2)  # (n, 17, 128)
        embedding: Tensor = self.joint_attention(joints)[0]
        return embedding

    def judge(self, embeddings: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, N, 128), mask (B, N) bool, at least one True a row -> logits (B, 2), attention (B, N)."""
        pooled, attention = self.clip_attention(embeddings, mask)
        return self.head(pooled), attention

    def forward(self, clips: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Clips that do not count in mask (B, N) bool, as `stack_pieces` gives it, change nothing."""
        return self.judge(encode_whole(self.encode, clips, mask), mask)
