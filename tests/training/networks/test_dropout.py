"""Pooled dropout drops at its rate, keeps the mean, and does nothing outside training."""

from __future__ import annotations

import pytest
import torch

from fidgety.training.networks.dropout import PooledDropout


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test_pooled_dropout_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    dropped = PooledDropout(rate).train()(torch.ones(3, 100_000))
    assert (dropped == 0).float().mean().item() == pytest.approx(rate, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)


def test_pooled_dropout_larger_than_its_pool_differs_between_pieces_and_calls() -> None:
    torch.manual_seed(0)
    dropout = PooledDropout(0.5).train()
    values = torch.ones(5, 1 << 20)
    first, second = dropout(values), dropout(values)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[2])


def test_pooled_dropout_outside_training_is_the_identity() -> None:
    values = torch.randn(4, 5)
    assert PooledDropout(0.6).eval()(values) is values


def test_pooled_dropout_lets_the_gradient_through_where_it_kept() -> None:
    torch.manual_seed(0)
    values = torch.ones(1000, requires_grad=True)
    dropped = PooledDropout(0.5).train()(values)
    dropped.sum().backward()
    assert values.grad is not None and torch.equal(values.grad, dropped.detach())
