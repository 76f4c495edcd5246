"""What the lifter is trained towards: true places, true velocities, rigid bones. Lengths in trunk lengths."""

from __future__ import annotations

import torch
from torch import Tensor

from fidgety.skeleton import H36M_17

__all__ = ["bone_loss", "place_loss", "velocity_loss"]

_FROM, _TO = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
_LAGS = (1, 5)  # rows: 40 ms and 200 ms, half a period of the quickest FMs


def place_loss(lifted: Tensor, true: Tensor) -> Tensor:
    """Mean distance of joints (B, T, 17, 3)."""
    distance: Tensor = torch.linalg.vector_norm(lifted - true, dim=-1)
    return distance.mean()


def velocity_loss(lifted: Tensor, true: Tensor) -> Tensor:
    """Mean error of the joints' displacement over one row and over five."""
    errors = [place_loss(lifted[:, lag:] - lifted[:, :-lag], true[:, lag:] - true[:, :-lag]) for lag in _LAGS]
    return torch.stack(errors).sum()


def bone_loss(lifted: Tensor, true: Tensor) -> Tensor:
    """Mean error of the bones' lengths; as true bones keep theirs, so must the lifted ones."""
    return (_lengths(lifted) - _lengths(true)).abs().mean()


def _lengths(joints: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(joints[..., _FROM, :] - joints[..., _TO, :] + 1e-9, dim=-1)
    return lengths
