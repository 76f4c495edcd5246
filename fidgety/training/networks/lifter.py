"""The lifter in torch: upright 2D keypoints of an infant lying down -> H36M-17 in 3D, frame by frame.

A temporal dilated convolution network of the VideoPose3D kind (Pavllo et al., CVPR 2019; SPEC 2): kernel 3, dilations
1, 3, 9, 27, 81, no padding inside, so that T + 242 rows give T. Deviations from the original:

- Fewer channels (128 in place of 1024): an infant on its back has less to tell than a walking adult.
- What comes out of the network is not the joint but, for each joint, a factor on its place in the plane and an offset.
  Movement in the plane passes through with the factor, whatever the network thinks of it: it cannot smooth FMs away
  or invent them in one frame and not in the next.
- Scores ride along with the keypoints, and unknown ones are masked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fidgety.runtime.upright import N_FEATURES
from fidgety.skeleton import H36M_17

__all__ = ["CHANNELS", "DILATIONS", "N_OUTPUTS", "REACH", "Lifter"]

CHANNELS = 128
DILATIONS = (1, 3, 9, 27, 81)
REACH = sum(DILATIONS)  # 121 rows to either side
_J = len(H36M_17)
N_OUTPUTS = 4 * _J  # factor, then x, y, z of the offset
_MOST = 0.5  # the factor lies between 1 - .5 and 1 + .5: perspective and foreshortening


class _Block(nn.Module):
    """Dilated convolution and 1 x 1 convolution beside a shortcut, (B, C, T + 2 d) -> (B, C, T)."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.wide = nn.Conv1d(channels, channels, 3, dilation=dilation, bias=False)
        self.wide_norm = nn.BatchNorm1d(channels)
        self.point = nn.Conv1d(channels, channels, 1, bias=False)
        self.point_norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        inside = self.dropout(F.relu(self.wide_norm(self.wide(values))))
        inside = self.dropout(F.relu(self.point_norm(self.point(inside))))
        added: Tensor = values[:, :, self.dilation : -self.dilation] + inside
        return added


class Lifter(nn.Module):
    """features (B, T + 242, 51), joints in the plane (B, T + 242, 17, 2) -> joints (B, T, 17, 3), trunk lengths."""

    def __init__(self, channels: int = CHANNELS, dropout: float = 0.1) -> None:
        super().__init__()
        self.enter = nn.Conv1d(N_FEATURES, channels, 3, bias=False)
        self.enter_norm = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList(_Block(channels, dilation, dropout) for dilation in DILATIONS[1:])
        self.leave = nn.Conv1d(channels, N_OUTPUTS, 1)

    def forward(self, features: Tensor, in_plane: Tensor) -> Tensor:
        values = F.relu(self.enter_norm(self.enter(features.transpose(1, 2))))
        for block in self.blocks:
            values = block(values)
        raw = self.leave(values).transpose(1, 2)  # (B, T, 68)
        factor, offset = raw[..., :_J], raw[..., _J:].unflatten(-1, (_J, 3))
        plane = in_plane[:, REACH:-REACH] * (1.0 + _MOST * torch.tanh(factor))[..., None]
        lifted: Tensor = F.pad(plane, (0, 1)) + offset
        return lifted
