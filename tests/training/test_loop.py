"""The loop: resumed equals straight, the best epoch is kept, several processes average their gradients."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, distributed, nn

from fidgety.errors import Stopped, UsageError
from fidgety.training.log import LogRow
from fidgety.training.loop import Run, Training, descend, fill_dropout_pools, run_phase
from fidgety.training.networks.dropout import PooledDropout
from fidgety.training.protocol import Phase

PHASE = Phase(3, 4, 2, "adam", 1e-2, 0.0, 1e-3, "cosine")


def _network() -> nn.Sequential:
    torch.manual_seed(5)
    network = nn.Sequential(nn.Linear(3, 8), PooledDropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 1))
    fill_dropout_pools(network, 7, torch.device("cpu"))
    return network


def _job(network: nn.Module, phase: Phase = PHASE) -> Training:
    def losses(rng: np.random.Generator, _: int) -> dict[str, Tensor]:
        rows = torch.from_numpy(rng.normal(size=(6, 3)).astype(np.float32))
        return {"square": ((network(rows)[:, 0] - rows.sum(1)) ** 2).mean()}

    rows = torch.linspace(-1.0, 1.0, 12).reshape(4, 3)

    def held_out_loss() -> float:
        with torch.no_grad():
            return float(((network(rows)[:, 0] - rows.sum(1)) ** 2).mean())

    return Training("fit", network, phase, 4, losses, held_out_loss)


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("stop_at", [1, 6, 11])
def test_run_phase_resumed_ends_at_the_same_weights(tmp_path: Path, stop_at: int, optimiser: str) -> None:
    phase = replace(PHASE, optimiser=optimiser)  # type: ignore[arg-type]
    straight = _network()
    result = run_phase(_job(straight, phase), Run(3, tmp_path / "straight", 100))

    def kill(row: LogRow) -> None:
        if row["step"] == stop_at:
            raise Stopped("killed")

    run = Run(3, tmp_path / "cut", 2)
    with pytest.raises(Stopped):
        run_phase(_job(_network(), phase), replace(run, report=kill))
    resumed = _network()
    again = run_phase(_job(resumed, phase), run)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert (again.best_epoch, again.best_loss) == (result.best_epoch, result.best_loss)
    assert [row["square"] for row in again.rows] == [row["square"] for row in result.rows]


def test_run_phase_that_is_done_does_nothing(tmp_path: Path) -> None:
    network, run = _network(), Run(3, tmp_path, 100)
    run_phase(_job(network), run)
    kept, told = _weights(network), []
    other = _network()
    run_phase(_job(other), replace(run, report=told.append))
    assert told == []
    assert all(torch.equal(value, kept[name]) for name, value in other.state_dict().items())


def test_run_phase_follows_from_its_seed(tmp_path: Path) -> None:
    ends = []
    for number, seed in enumerate((3, 3, 4)):
        network = _network()
        run_phase(_job(network), Run(seed, tmp_path / str(number), 100))
        ends.append(torch.cat([value.flatten().float() for value in network.state_dict().values()]))
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_run_phase_keeps_the_best_epoch(tmp_path: Path) -> None:
    network, seen = _network(), []
    job = _job(network)
    told = iter([2.0, 1.0, 3.0])

    def held_out_loss() -> float:
        assert not network.training
        seen.append(_weights(network))
        return next(told)

    result = run_phase(replace(job, held_out_loss=held_out_loss), Run(3, tmp_path, 100))
    assert (result.best_epoch, result.best_loss) == (2, 1.0)
    assert all(torch.equal(value, seen[1][name]) for name, value in network.state_dict().items())
    assert [row["held_out_loss"] for row in result.rows if "held_out_loss" in row] == [2.0, 1.0, 3.0]


def test_run_phase_from_a_damaged_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "fit.pt").write_bytes(b"PK nothing")
    with pytest.raises(UsageError, match=r"fit.pt is damaged: delete it"):
        run_phase(_job(_network()), Run(3, tmp_path, 100))


def test_descend_cuts_long_gradients() -> None:
    weight = nn.Parameter(torch.zeros(4))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    descend(optimiser, {"one": (1e3 * weight).sum(), "other": weight.sum()})
    assert float(weight.detach().norm()) == pytest.approx(5.0, rel=1e-5)


# Each of two processes draws its own batch; after one step both hold the weights of the mean gradient.
_TWO = """
import sys, numpy as np, torch
from pathlib import Path
from torch import nn
from fidgety.training.loop import Run, Training, run_phase
from fidgety.training.protocol import Phase
from fidgety.training.team import join_team
torch.set_num_threads(1)
with join_team() as team:
    torch.manual_seed(team.rank)  # the first one's weights must win
    network = nn.Linear(2, 1)
    first = [value.clone() for value in network.parameters()]
    drawn = []
    def losses(rng, step):
        rows = torch.from_numpy(rng.normal(size=(4, 2)).astype(np.float32))
        drawn.append(rows)
        return {"mean": network(rows).mean()}
    phase = Phase(1, 0, 4, "sgd", 0.1, 0.0, 0.0, "constant")
    out = Path(sys.argv[1])
    run_phase(Training("fit", network, phase, 2, losses, lambda: 0.0), Run(1, out, 100, team))
    torch.save({"first": first, "last": list(network.parameters()), "drawn": drawn}, out / f"{team.rank}.saved")
left = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in left), left  # one that frees a tensor at the interpreter's end would abort it
"""


@pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()), reason="this torch has no gloo to train with"
)
def test_run_phase_in_two_processes_averages_gradients(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _TWO, str(tmp_path)],
            env={**os.environ, **told, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in (0, 1)
    ]
    errors = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    one, other = (torch.load(tmp_path / f"{rank}.saved", weights_only=True) for rank in (0, 1))
    assert len(one["drawn"]) == 1  # a pass of two batches is one step of two processes
    assert not torch.equal(one["drawn"][0], other["drawn"][0])
    gradient = 0.5 * (one["drawn"][0].mean(0) + other["drawn"][0].mean(0))
    assert torch.allclose(one["first"][0][0] - one["last"][0][0], 0.1 * 1.9 * gradient, atol=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(one["last"], other["last"], strict=True))
    assert (tmp_path / "fit.pt").is_file()
