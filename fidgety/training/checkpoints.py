"""How far a phase of a training is, on disk: written whole or not at all, so that a kill costs the last steps only.

No state of random numbers is kept: all that a step draws follows from seed, phase and step (loop.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fidgety.errors import DeviceError, UsageError
from fidgety.training.log import LogRow

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A phase after `step` of its steps. Without `best_weights` no epoch is complete yet."""

    step: int
    weights: dict[str, Tensor]
    optimiser: dict[str, Any]  # its state_dict
    best_weights: dict[str, Tensor] | None
    best_loss: float  # on the held-out infants
    best_epoch: int  # from 1; 0 = none
    rows: list[LogRow]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write to `path` in one rename. Raises DeviceError where the disk does not take it."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            torch.save({one.name: getattr(checkpoint, one.name) for one in fields(checkpoint)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        raise DeviceError(f"the checkpoint {path} cannot be written: {error.strerror}; make room") from error


def load_checkpoint(path: Path) -> Checkpoint | None:
    """What `save_checkpoint` wrote, on the CPU; None where nothing was. Raises UsageError where it cannot be read."""
    if not path.is_file():
        return None
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch documents no exceptions: RuntimeError, EOFError and pickle's have been seen
        raise UsageError(f"the checkpoint {path} is damaged: delete it, and its phase begins anew") from error
