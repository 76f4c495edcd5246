"""The lifter in torch: upright 2D keypoints of an infant lying down -> H36M-17 in 3D, frame by frame.

A temporal dilated convolution network of the VideoPose3D kind (Pavllo et al., CVPR 2019; SPEC 2): kernel 3, dilations
1, 3, 9, 27, no padding inside. Deviations from the original:

- A layer of dilation d does not look at single rows, d apart, but at means over d rows. A dilated kernel has the same
  gain at every multiple of 25/d Hz as at 0 Hz: that is the comb which public lifters leave on movement at multiples of
  25/9 Hz. The mean over d rows has its zeros exactly there.
- Fewer channels (128 in place of 1024): an infant on its back has less to tell than a walking adult.
- In the plane the network only corrects, and only slowly: its correction (a factor on the joint's place, and an offset:
  perspective, and the pose network's lasting errors) is averaged over two seconds and more. Movement of .5 Hz and
  quicker passes with a gain of one. A lifter that may correct every row shrinks what it reads (measured: gains of .7 to
  .95), since that is the best guess of a noisy place, and it takes FMs along.
- Scores ride along with the keypoints, and unknown ones are masked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fidgety.runtime.stream_lifter import SLOW_REACH, SLOW_ROWS, reach_of, whole_reach
from fidgety.runtime.upright import N_FEATURES
from fidgety.skeleton import H36M_17

__all__ = ["CHANNELS", "DILATIONS", "N_OUTPUTS", "Lifter"]

CHANNELS = 128
DILATIONS = (1, 3, 9, 27)
_J = len(H36M_17)
N_OUTPUTS = 4 * _J  # factor, then offset in x and y, and depth
_MOST = 0.5  # the factor lies between 1 - .5 and 1 + .5: perspective and foreshortening


class _Block(nn.Module):
    """Dilated convolution of running means, then 1 x 1, beside a shortcut: (B, C, T + 2 reach) -> (B, C, T)."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = reach_of(dilation)
        self.mean = nn.AvgPool1d(dilation, stride=1)
        self.wide = nn.Conv1d(channels, channels, 3, dilation=dilation, bias=False)
        self.wide_norm = nn.BatchNorm1d(channels)
        self.point = nn.Conv1d(channels, channels, 1, bias=False)
        self.point_norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        inside = self.dropout(F.relu(self.wide_norm(self.wide(self.mean(values)))))
        inside = self.dropout(F.relu(self.point_norm(self.point(inside))))
        added: Tensor = values[:, :, self.reach : -self.reach] + inside
        return added


class Lifter(nn.Module):
    """features (B, T + 2 reach, 51), joints in plane (B, T + 2 reach, 17, 2) -> joints (B, T, 17, 3), trunk lengths.

    `reach`: rows that it looks ahead, and back.
    """

    def __init__(self, channels: int = CHANNELS, dilations: tuple[int, ...] = DILATIONS, dropout: float = 0.1) -> None:
        super().__init__()
        self.reach = whole_reach(dilations)
        self.enter = nn.Conv1d(N_FEATURES, channels, 3, dilation=dilations[0], bias=False)
        self.enter_norm = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList(_Block(channels, dilation, dropout) for dilation in dilations[1:])
        self.leave = nn.Conv1d(channels, N_OUTPUTS, 1)

    def forward(self, features: Tensor, in_plane: Tensor) -> Tensor:
        values = F.relu(self.enter_norm(self.enter(features.transpose(1, 2))))
        for block in self.blocks:
            values = block(values)
        raw = self.leave(values).transpose(1, 2)  # (B, T, 68)
        factor, offset = raw[..., :_J], raw[..., _J:].unflatten(-1, (_J, 3))
        near = in_plane[:, self.reach - SLOW_REACH : SLOW_REACH - self.reach]
        correction = (near * (_MOST * torch.tanh(factor))[..., None] + offset[..., :2]).flatten(2).transpose(1, 2)
        for rows in SLOW_ROWS:
            correction = F.avg_pool1d(correction, rows, stride=1)
        slow = correction.transpose(1, 2).unflatten(-1, (_J, 2))
        plane = in_plane[:, self.reach : -self.reach] + slow
        lifted: Tensor = torch.cat([plane, offset[:, SLOW_REACH:-SLOW_REACH, :, 2:]], dim=-1)
        return lifted
