"""What the lifter is trained towards: true places, true velocities, rigid bones. Lengths in trunk lengths.

A bone that is told too long and turned too little has the right depth in one posture and not in the next. Single poses
and windows about one posture cannot tell the two apart, so the told length has a loss of its own. So has the length of
the seen trunk, by which all movement is measured.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fidgety.runtime.lifter_form import BONES
from fidgety.skeleton import H36M_17

__all__ = ["bone_loss", "place_loss", "seen_trunk_loss", "told_length_loss", "velocity_loss"]

_BONES_FROM_TO = tuple(zip(*H36M_17.bones, strict=True))
_TOLD_FROM_TO = tuple(zip(*BONES, strict=True))
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
    return (_lengths(lifted, _BONES_FROM_TO) - _lengths(true, _BONES_FROM_TO)).abs().mean()


def told_length_loss(told: Tensor, true: Tensor) -> Tensor:
    """Mean error of the log lengths (..., 15) that are told of BONES, of true joints (..., 17, 3)."""
    return (told / _lengths(true, _TOLD_FROM_TO)).log().abs().mean()


def seen_trunk_loss(told: Tensor, true: Tensor) -> Tensor:
    """Mean error of the log length that is told of the seen trunk, where the true one is known (not NaN)."""
    is_known = torch.isfinite(true)
    return (told[is_known] / true[is_known]).log().abs().mean()


def _lengths(joints: Tensor, from_to: tuple[tuple[int, ...], ...]) -> Tensor:
    near, far = (list(ends) for ends in from_to)
    lengths: Tensor = torch.linalg.vector_norm(joints[..., near, :] - joints[..., far, :] + 1e-9, dim=-1)
    return lengths
