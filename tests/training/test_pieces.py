"""What STAM and WO-GMA are shown of whole recordings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fidgety.errors import UsageError
from fidgety.training.pieces import CutRecording, draw_batch, in_batches

CPU = torch.device("cpu")


def _cut(n_pieces: int, is_risk: bool, void: tuple[int, ...] = ()) -> CutRecording:
    """Each piece holds its own number, a thousand more for risk."""
    numbers = torch.arange(n_pieces, dtype=torch.float32) + 1000.0 * is_risk
    is_whole = torch.tensor([i not in void for i in range(n_pieces)])
    return CutRecording(numbers[:, None, None, None].expand(-1, 20, 17, 3).clone(), is_whole, is_risk)


CUT = [_cut(12, False, void=(3, 4)), _cut(7, True), _cut(9, True, void=tuple(range(8))), _cut(12, False)]


def _numbers(pieces: torch.Tensor) -> np.ndarray:
    return pieces[..., 0, 0, 0].numpy()


def test_draw_batch_is_balanced_and_draws_whole_pieces() -> None:
    batch = draw_batch(np.random.default_rng(0), CUT, 8, 5, CPU, in_a_row=False)
    assert batch.pieces.shape == (8, 5, 20, 17, 3) and batch.targets.tolist() == [0, 1] * 4
    assert bool(batch.mask.all())
    numbers = _numbers(batch.pieces)
    assert ((numbers >= 1000) == batch.targets.numpy()[:, None].astype(bool)).all()
    assert not np.isin(numbers % 1000, [3, 4])[batch.targets.numpy() == 0].all()


def test_draw_batch_in_a_row_keeps_the_order_and_something_whole() -> None:
    for seed in range(20):
        batch = draw_batch(np.random.default_rng(seed), CUT, 4, 5, CPU, in_a_row=True)
        assert (np.diff(_numbers(batch.pieces), axis=1) == 1.0).all()
        assert bool(batch.mask.any(dim=1).all())


def test_draw_batch_of_all_pieces_pads_the_shorter_ones() -> None:
    batch = draw_batch(np.random.default_rng(1), CUT[:2], 2, 0, CPU, in_a_row=True)
    assert batch.mask.sum(1).tolist() == [10, 7]
    assert not bool(batch.mask[1, 7:].any())


def test_draw_batch_without_a_class() -> None:
    with pytest.raises(UsageError, match="normal and risk"):
        draw_batch(np.random.default_rng(0), CUT[1:3], 2, 5, CPU, in_a_row=False)


def test_in_batches_gives_everything_once() -> None:
    batches = list(in_batches(CUT, 3, CPU))
    assert [len(batch.targets) for batch in batches] == [3, 1]
    assert sum(int(batch.mask.sum()) for batch in batches) == 10 + 7 + 1 + 12
