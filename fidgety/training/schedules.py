"""Learning rates as functions of the place in a training: nothing to store, nothing to resume."""

from __future__ import annotations

import numpy as np

from fidgety.training.protocol import Phase

__all__ = ["cosine_factor", "rate_factor"]

_STEP_EPOCHS, _STEP_FACTOR = 10, 0.6  # StepLR(10, .6)
_UP_EPOCHS = 20  # CyclicLR(step_up 20 epochs)


def rate_factor(phase: Phase, epoch: float) -> float:
    """Factor on the phase's highest rate at a place in epochs, from 0 to `phase.epochs`.

    step: StepLR(10, .6). cyclic: CyclicLR from `least_rate` up to `rate` in 20 epochs and down again, "triangular2"
    (half the height after every cycle). cosine: `cosine_factor`. constant: 1.
    """
    if phase.schedule == "step":
        return float(_STEP_FACTOR ** (int(epoch) // _STEP_EPOCHS))
    if phase.schedule == "cyclic":
        return _triangular(epoch, phase.least_rate / phase.rate)
    return cosine_factor(epoch / phase.epochs) if phase.schedule == "cosine" else 1.0


def cosine_factor(share: float) -> float:
    """At a share of the steps: 4 % warm-up, then half a cosine down to 0."""
    return share / 0.04 if share < 0.04 else 0.5 * (1.0 + float(np.cos(np.pi * (share - 0.04) / 0.96)))


def _triangular(epoch: float, least: float) -> float:
    cycle = int(epoch // (2 * _UP_EPOCHS))
    height = 1.0 - abs(epoch / _UP_EPOCHS - 2 * cycle - 1.0)
    return float(least + (1.0 - least) * height * 0.5**cycle)
