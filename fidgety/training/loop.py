"""The loop of every network's training: draw, descend, log, keep the best epoch, and go on where a kill cut it off.

All that a step draws, batches and dropout, follows from (seed, phase, step, process). So a run that was killed and
resumed ends at the same weights as one that was not, bit for bit on a CPU.

Deviation from the paper: gradients longer than 5 are cut to that length, in each group of parameters.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fidgety.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from fidgety.training.log import LogRow
from fidgety.training.networks.dropout import PooledDropout
from fidgety.training.protocol import Phase
from fidgety.training.schedules import rate_factor
from fidgety.training.team import Team

__all__ = ["PhaseResult", "Run", "Training", "descend", "fill_dropout_pools", "run_phase"]

_LONGEST_GRADIENT = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What holds for all phases of one model's training. folder: of its checkpoints."""

    seed: int
    folder: Path
    checkpoint_steps: int
    team: Team = field(default_factory=Team)
    report: Callable[[LogRow], None] = lambda _: None


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """One phase of one network's training."""

    name: str
    network: nn.Module
    phase: Phase
    n_batches: int  # that make a pass over the data
    losses: Callable[[np.random.Generator, int], dict[str, Tensor]]  # of the batch that is drawn at this step
    held_out_loss: Callable[[], float]  # the best epoch is the one with the least of it
    groups: Sequence[tuple[Sequence[nn.Parameter], float]] = ()  # parameters, factor on the rate; none: all, 1


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """What a phase came to. The network then has the weights of `best_epoch` (from 1)."""

    best_epoch: int
    best_loss: float
    rows: tuple[LogRow, ...]


@dataclass(slots=True)
class _Best:
    """The best epoch so far."""

    weights: dict[str, Tensor] | None = None
    loss: float = float("inf")
    epoch: int = 0


def run_phase(job: Training, run: Run) -> PhaseResult:
    """Train the network in place, from the last checkpoint in the run's folder if there is one.

    Raises DeviceError where a checkpoint cannot be written, UsageError where one cannot be read.
    """
    path, optimiser, best, rows = run.folder / f"{job.name}.pt", _optimiser(job), _Best(), list[LogRow]()
    run.team.share_weights(job.network)
    done = _resume(job, optimiser, best, rows, path)
    run.team.wait()  # nobody writes before all have read
    epoch_steps = job.phase.epoch_steps or max(1, -(-job.n_batches // run.team.size))
    n_steps = job.phase.epochs * epoch_steps
    start_s = time.monotonic() - (float(rows[-1]["seconds"]) if rows else 0.0)
    for step in range(done, n_steps):
        row = _step(job, run, optimiser, step, (step + 0.5) / epoch_steps)
        row["seconds"] = round(time.monotonic() - start_s, 1)
        if (step + 1) % epoch_steps == 0:
            row["held_out_loss"] = round(_judge(job, best, (step + 1) // epoch_steps), 5)
        rows.append(row)
        run.report(row)
        if run.team.leads and ((step + 1) % run.checkpoint_steps == 0 or step + 1 == n_steps):
            save_checkpoint(path, _checkpoint(job, optimiser, best, rows, step + 1))
    if best.weights is not None:
        job.network.load_state_dict(best.weights)
    run.team.share_weights(job.network)
    return PhaseResult(best.epoch, best.loss, tuple(rows))


def descend(
    optimiser: torch.optim.Optimizer, losses: dict[str, Tensor], before_step: Callable[[], None] | None = None
) -> None:
    """Add the losses up and move the weights once. `before_step`: what happens to the gradients first."""
    optimiser.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    if before_step is not None:
        before_step()
    for group in optimiser.param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], _LONGEST_GRADIENT)
    optimiser.step()


def fill_dropout_pools(network: nn.Module, seed: int, device: torch.device) -> None:
    """Have every PooledDropout draw its pool now, from `seed`: drawn at its first use, as it is else, a resumed run
    would draw another one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, PooledDropout):
                module.train()(torch.ones(1, device=device))


def _optimiser(job: Training) -> torch.optim.Optimizer:
    """Each group keeps its factor on the rate as `factor`."""
    groups = [
        {"params": list(parameters), "lr": job.phase.rate, "factor": factor}
        for parameters, factor in job.groups or [(list(job.network.parameters()), 1.0)]
    ]
    if job.phase.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=job.phase.weight_decay)
    return torch.optim.Adam(groups, weight_decay=job.phase.weight_decay)


def _step(job: Training, run: Run, optimiser: torch.optim.Optimizer, step: int, epoch: float) -> LogRow:
    """One step at its place in epochs; gives its row of the log."""
    for group in optimiser.param_groups:
        group["lr"] = job.phase.rate * group["factor"] * rate_factor(job.phase, epoch)
    rng = np.random.default_rng([run.seed, zlib.crc32(job.name.encode()), step, run.team.rank])
    torch.manual_seed(int(rng.integers(2**62)))
    job.network.train()
    losses = job.losses(rng, step)
    descend(optimiser, losses, lambda: run.team.average_gradients(job.network))
    row: LogRow = {"phase": job.name, "step": step + 1}
    return row | {name: round(float(loss.detach()), 5) for name, loss in losses.items()}


def _judge(job: Training, best: _Best, epoch: int) -> float:
    """The held-out loss of this epoch, which becomes the best one if it is."""
    job.network.eval()
    loss = job.held_out_loss()
    if best.weights is None or loss < best.loss:
        best.weights, best.loss, best.epoch = _copy(job.network), loss, epoch
    return loss


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _checkpoint(
    job: Training, optimiser: torch.optim.Optimizer, best: _Best, rows: list[LogRow], done: int
) -> Checkpoint:
    return Checkpoint(done, _copy(job.network), optimiser.state_dict(), best.weights, best.loss, best.epoch, rows)


def _resume(job: Training, optimiser: torch.optim.Optimizer, best: _Best, rows: list[LogRow], path: Path) -> int:
    """Put everything back where the checkpoint left it; gives the steps that are done."""
    saved = load_checkpoint(path)
    if saved is None:
        return 0
    job.network.load_state_dict(saved.weights)
    optimiser.load_state_dict(saved.optimiser)
    best.weights, best.loss, best.epoch = saved.best_weights, saved.best_loss, saved.best_epoch
    rows += saved.rows
    return saved.step
