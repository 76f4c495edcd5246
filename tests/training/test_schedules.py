"""Rates are those of torch's schedulers, without their state."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fidgety.training.protocol import Phase
from fidgety.training.schedules import rate_factor

PHASE = Phase(100, 4, 8, "sgd", 1e-3, 1e-5, 0.0, "constant")


def _optimiser() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PHASE.rate, momentum=0.9)


def test_rate_factor_step_is_steplr() -> None:
    optimiser = _optimiser()
    scheduler = torch.optim.lr_scheduler.StepLR(optimiser, 10, 0.6)
    for epoch in range(35):
        found = PHASE.rate * rate_factor(replace(PHASE, schedule="step"), epoch + 0.5)
        assert found == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
        optimiser.step()
        scheduler.step()


def test_rate_factor_cyclic_is_cycliclr() -> None:
    optimiser = _optimiser()
    scheduler = torch.optim.lr_scheduler.CyclicLR(
        optimiser, PHASE.least_rate, PHASE.rate, step_size_up=20 * 4, mode="triangular2", cycle_momentum=False
    )
    for step in range(100 * 4):
        found = PHASE.rate * rate_factor(replace(PHASE, schedule="cyclic"), step / 4)
        assert found == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6)
        optimiser.step()
        scheduler.step()


def test_rate_factor_cosine_warms_up_and_falls_to_nothing() -> None:
    cosine = replace(PHASE, schedule="cosine")
    factors = [rate_factor(cosine, epoch) for epoch in (0.0, 2.0, 4.0, 50.0, 100.0)]
    assert factors == pytest.approx([0.0, 0.5, 1.0, 0.5327, 0.0], abs=1e-3)
    assert rate_factor(PHASE, 73.0) == 1.0
