"""Dropout that is quick on a CPU.

torch draws dropout masks one Bernoulli number at a time on one thread: a third of a training step of MAM. Here the
masks are cut at random places out of one pool of 4 million draws, which costs a copy.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["PooledDropout"]

_POOL = 1 << 22


class PooledDropout(nn.Module):
    """Dropout with rate `rate`; identity in evaluation.

    Deviation from plain dropout: masks repeat, though at random offsets (torch's global generator), so two tensors
    share a stretch of mask with a chance of about size / 4 million.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self._pool: Tensor | None = None

    def forward(self, values: Tensor) -> Tensor:
        """Any shape -> same shape and dtype."""
        if not self.training or self.rate == 0.0:
            return values
        if self._pool is None:
            self._pool = (torch.rand(_POOL, device=values.device) >= self.rate).to(torch.bfloat16) / (1.0 - self.rate)
        n_values, piece = values.numel(), _POOL // 2
        starts = torch.randint(piece, (-(-n_values // piece),)).tolist()
        pieces = [self._pool[start : start + min(piece, n_values - i * piece)] for i, start in enumerate(starts)]
        mask = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        return values * mask.view_as(values).to(values.dtype)
