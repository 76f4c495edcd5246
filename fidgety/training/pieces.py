"""Whole recordings cut into pieces, for the systems that learn from the recording's class alone (STAM, WO-GMA).

recording --filled--> joints (T, 17, 3) --cut_pieces--> pieces (N, length, 17, 3), is_whole (N,)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fidgety.errors import UsageError
from fidgety.training.networks.inputs import cut_pieces
from fidgety.training.tracked import TrackedRecording

__all__ = ["CutRecording", "PieceBatch", "cut_recordings", "draw_batch", "in_batches"]


@dataclass(frozen=True, slots=True, eq=False)
class CutRecording:
    """pieces: (N, length, 17, 3) float32, zero where is_whole (N,) is False."""

    pieces: Tensor
    is_whole: Tensor
    is_risk: bool


@dataclass(frozen=True, slots=True, eq=False)
class PieceBatch:
    """B recordings: pieces (B, N, length, 17, 3), mask (B, N) bool, targets (B,): 0 = normal, 1 = risk."""

    pieces: Tensor
    mask: Tensor
    targets: Tensor


def cut_recordings(recordings: Sequence[TrackedRecording], length: int, stride: int) -> tuple[CutRecording, ...]:
    """Raises UsageError as `cut_pieces` does."""
    return tuple(CutRecording(*cut_pieces(one.filled(), length, stride), one.is_risk) for one in recordings)


def draw_batch(
    rng: np.random.Generator,
    cut: Sequence[CutRecording],
    size: int,
    n_pieces: int,
    device: torch.device,
    *,
    in_a_row: bool,
) -> PieceBatch:
    """`size` recordings, half of them normal, with `n_pieces` pieces each: whole ones at random, or the whole and void
    ones of a stretch; 0 = all. Ours: neither text tells of balancing. Raises UsageError where a class is missing.
    """
    by_class = [[one for one in cut if one.is_risk == is_risk] for is_risk in (False, True)]
    if not all(by_class):
        raise UsageError("a batch needs normal and risk recordings")
    drawn = [by_class[i % 2][int(rng.integers(len(by_class[i % 2])))] for i in range(size)]
    return _stack([_some(rng, one, n_pieces, in_a_row) for one in drawn], device)


def in_batches(cut: Sequence[CutRecording], size: int, device: torch.device) -> Iterator[PieceBatch]:
    """All pieces of all recordings, in order."""
    for first in range(0, len(cut), size):
        yield _stack(cut[first : first + size], device)


def _some(rng: np.random.Generator, one: CutRecording, n_pieces: int, in_a_row: bool) -> CutRecording:
    n_all = len(one.pieces)
    if n_pieces == 0 or (in_a_row and n_all <= n_pieces):
        return one
    whole = np.flatnonzero(one.is_whole.numpy())
    if in_a_row:
        middle = int(whole[int(rng.integers(len(whole)))])  # so that something of the stretch is whole
        first = min(max(0, middle - int(rng.integers(n_pieces))), n_all - n_pieces)
        taken = np.arange(first, first + n_pieces)
    else:
        taken = rng.choice(whole, n_pieces, replace=len(whole) < n_pieces)
    return CutRecording(one.pieces[taken], one.is_whole[taken], one.is_risk)


def _stack(cut: Sequence[CutRecording], device: torch.device) -> PieceBatch:
    return PieceBatch(
        nn.utils.rnn.pad_sequence([one.pieces for one in cut], batch_first=True).to(device),
        nn.utils.rnn.pad_sequence([one.is_whole for one in cut], batch_first=True).to(device),
        torch.tensor([int(one.is_risk) for one in cut], device=device),
    )
