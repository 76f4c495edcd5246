"""How long graphs take, side by side: the machine is never quiet, so that only a ratio within one run says anything."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidgety.calibration.recorded_inputs import Given
from fidgety.export.network_parity import open_cpu

__all__ = ["Speed", "measure_speed"]

_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Speed:
    """One graph on this CPU."""

    ms: float  # median of a run
    ratio: float  # times faster than the first graph: median over the rounds


def measure_speed(
    graphs: Mapping[str, Path], inputs: Sequence[Given], n_threads: int, n_rounds: int = 41
) -> dict[str, Speed]:
    """Run all graphs in turn, round after round, each round on another input; the first graph is the reference."""
    sessions = {name: open_cpu(path, n_threads) for name, path in graphs.items()}
    took_ms: dict[str, list[float]] = {name: [] for name in graphs}
    for n in range(n_rounds + _WARM_UP):
        given = dict(inputs[n % len(inputs)])
        for name, session in sessions.items():
            began = time.perf_counter()
            session.run(None, given)
            took_ms[name].append((time.perf_counter() - began) * 1e3)
    times = {name: np.array(values[_WARM_UP:]) for name, values in took_ms.items()}
    reference = next(iter(times.values()))
    return {name: Speed(float(np.median(ms)), float(np.median(reference / ms))) for name, ms in times.items()}
