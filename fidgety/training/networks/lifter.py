"""The lifter in torch: upright 2D keypoints of an infant lying down -> H36M-17 in 3D, frame by frame.

A temporal dilated convolution network of the VideoPose3D kind (Pavllo et al., CVPR 2019; SPEC 2): kernel 3, dilations
1, 3, 9, 27, no padding inside. Deviations from the original:

- A layer of dilation d does not look at single rows, d apart, but at means over d rows. A dilated kernel has the same
  gain at every multiple of 25/d Hz as at 0 Hz: that is the comb which public lifters leave on movement at multiples of
  25/9 Hz. The mean over d rows has its zeros exactly there.
- Fewer channels (128 in place of 1024): an infant on its back has less to tell than a walking adult.
- In the plane the network only corrects, and only slowly: its correction (a factor on the joint's place, and an offset:
  perspective, and the pose network's lasting errors) is averaged over two seconds and more. A lifter that may correct
  every row shrinks what it reads (measured: gains of .7 to .95), since that is the best guess of a noisy place, and it
  takes FMs along.
- Movement of .5 Hz and quicker passes with one gain for all joints: how long the seen trunk is, the unit of what comes
  in, in lengths of the infant's own. A slanting camera sees it shorter, the pose network reads it longer. It is told as
  slowly, by weights of its own (`scale_parameters`): losses on joints would shrink movement.
- Depth comes from bones. What the network tells of a bone is how long it is (averaged as slowly: bones do not grow)
  and how far it is turned towards or away from the camera, between -1 and 1; the rest is what its length in the plane
  leaves of its length in space. A lifter that tells depths joint by joint lets bones grow and shrink.
- No batch norms. The rows of a window are nearly alike: a batch of them holds as many postures as windows, and a norm
  by so few is another one at every step.
- Scores ride along with the keypoints, and unknown ones are masked.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fidgety.runtime.lifter_form import (
    MOST_FACTOR,
    N_BONES,
    OUTPUTS,
    SLOW_REACH,
    SLOW_ROWS,
    SOFTNESS,
    bone_sums,
    bone_vectors,
    reach_of,
    whole_reach,
)
from fidgety.runtime.upright import N_FEATURES
from fidgety.skeleton import H36M_17

__all__ = ["CHANNELS", "DILATIONS", "Lifted", "Lifter"]

CHANNELS = 128
DILATIONS = (1, 3, 9, 27)
_J = len(H36M_17)


class Lifted(NamedTuple):
    """What the lifter tells: joints (..., 17, 3), how long the seen trunk is (...), and of each of BONES how long it is
    (..., 15). Trunk lengths.
    """

    joints: Tensor
    seen_trunk: Tensor
    bone_lengths: Tensor


class _Told(NamedTuple):
    """What the network says of each row: correction in the plane (B, T, 34), log length of the seen trunk (B, T, 1) and
    of the bones (B, T, 15), which are averaged slowly, and the bones' turns (B, T, 15), which are not.
    """

    correction: Tensor
    log_trunk: Tensor
    log_lengths: Tensor
    turn: Tensor


def _at_rest(layer: nn.Conv1d, values: Tensor) -> Tensor:
    """Convolution and ReLU of rows that are all alike: (N, C, 1) -> (N, C', 1)."""
    return F.relu(F.conv1d(values, layer.weight.sum(dim=-1, keepdim=True), layer.bias))


class _Block(nn.Module):
    """Dilated convolution of running means, then 1 x 1, beside a shortcut: (B, C, T + 2 reach) -> (B, C, T)."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = reach_of(dilation)
        self.mean = nn.AvgPool1d(dilation, stride=1)
        self.wide = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.point = nn.Conv1d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        inside = self.dropout(F.relu(self.wide(self.mean(values))))
        inside = self.dropout(F.relu(self.point(inside)))
        added: Tensor = values[:, :, self.reach : -self.reach] + inside
        return added

    def still(self, values: Tensor) -> Tensor:
        """`forward` of rows that are all alike: (N, C, 1) -> (N, C, 1)."""
        inside = self.dropout(_at_rest(self.wide, values))
        added: Tensor = values + self.dropout(_at_rest(self.point, inside))
        return added


class Lifter(nn.Module):
    """features (B, T + 2 reach, 51), joints in plane (B, T + 2 reach, 17, 2) -> Lifted of (B, T).

    `reach`: rows that it looks ahead, and back.
    """

    bone_vectors: Tensor
    bone_sums: Tensor

    def __init__(self, channels: int = CHANNELS, dilations: tuple[int, ...] = DILATIONS, dropout: float = 0.1) -> None:
        super().__init__()
        self.reach = whole_reach(dilations)
        self.enter = nn.Conv1d(N_FEATURES, channels, 3, dilation=dilations[0])
        self.blocks = nn.ModuleList(_Block(channels, dilation, dropout) for dilation in dilations[1:])
        self.leave = nn.Conv1d(channels, sum(OUTPUTS), 1)
        if self.leave.bias is not None:  # bones begin at a third of the trunk
            nn.init.constant_(self.leave.bias[-2 * N_BONES : -N_BONES], -1.0)
        # The seen trunk begins at a length of 1; nothing is drawn, so that what is drawn after it stays what it was.
        self.trunk_weight, self.trunk_bias = nn.Parameter(torch.zeros(1, channels, 1)), nn.Parameter(torch.zeros(1))
        self.register_buffer("bone_vectors", torch.from_numpy(bone_vectors()), persistent=False)
        self.register_buffer("bone_sums", torch.from_numpy(bone_sums()), persistent=False)

    def forward(self, features: Tensor, in_plane: Tensor) -> Lifted:
        values = F.relu(self.enter(features.transpose(1, 2)))
        for block in self.blocks:
            values = block(values)
        told = self._told(values, in_plane[:, self.reach - SLOW_REACH : SLOW_REACH - self.reach])
        slow = torch.cat(told[:3], dim=-1).transpose(1, 2)
        for rows in SLOW_ROWS:
            slow = F.avg_pool1d(slow, rows, stride=1)
        correction, log_trunk, log_lengths = torch.split(slow.transpose(1, 2), [2 * _J, 1, N_BONES], dim=-1)
        turn = told.turn[:, SLOW_REACH:-SLOW_REACH]
        return self._lifted(in_plane[:, self.reach : -self.reach], _Told(correction, log_trunk, log_lengths, turn))

    def still(self, features: Tensor, in_plane: Tensor) -> Lifted:
        """`forward` of N infants that do not move, one row of each: (N, 51), (N, 17, 2) -> Lifted of (N,).

        The mean of rows that are alike is the row, and a kernel is the sum of its taps.
        """
        values = _at_rest(self.enter, features[..., None])
        for block in self.blocks:
            values = block.still(values)  # type: ignore[operator]
        lifted = self._lifted(in_plane[:, None], self._told(values, in_plane[:, None]))
        return Lifted(*(values[:, 0] for values in lifted))

    @torch.no_grad()
    def sharpen(self, by: float) -> None:
        """Turn every bone more decidedly, in place: by `by` times the logit that was trained.

        The place that is best on average of a bone of which nobody knows whether it points away or near lies between,
        where the bone is short, and shorter in one posture than in another.
        """
        for values in (self.leave.weight, self.leave.bias):
            if values is not None:
                values[-N_BONES:] *= by

    def _told(self, values: Tensor, plane: Tensor) -> _Told:
        """What rows (B, C, T) of the last layer say of joints in the plane (B, T, 17, 2)."""
        factor, offset, log_lengths, turn = self.leave(values).transpose(1, 2).split(list(OUTPUTS), dim=-1)
        log_trunk = F.conv1d(values.detach(), self.trunk_weight, self.trunk_bias).transpose(1, 2)
        # Place is corrected by factor and offset alone: what the trunk's length adds to it is taken off here, slowly.
        factor = MOST_FACTOR * torch.tanh(factor) - torch.expm1(log_trunk).detach()
        correction = plane * factor[..., None] + offset.reshape(*plane.shape)
        return _Told(correction.flatten(2), log_trunk, log_lengths, turn)

    def _lifted(self, plane: Tensor, told: _Told) -> Lifted:
        seen_trunk, lengths = told.log_trunk.exp(), told.log_lengths.exp()
        plane = plane * seen_trunk.detach()[..., None] + told.correction.reshape(*plane.shape)
        depths = self._depths(plane, lengths, told.turn.tanh())
        return Lifted(torch.cat([plane, depths[..., None]], dim=-1), seen_trunk[..., 0], lengths)

    def scale_parameters(self) -> list[nn.Parameter]:
        """What tells how long the seen trunk is, and nothing else."""
        return [self.trunk_weight, self.trunk_bias]

    def _depths(self, plane: Tensor, length: Tensor, turn: Tensor) -> Tensor:
        """Joints in the plane (B, T, 17, 2), the bones' lengths and turns (B, T, 15) -> depths (B, T, 17)."""
        bones = torch.einsum("bj,ntjc->ntbc", self.bone_vectors, plane)
        left = F.relu(length**2 - (bones**2).sum(-1)) + SOFTNESS**2
        return (turn * left.sqrt()) @ self.bone_sums.T
