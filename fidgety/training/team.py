"""Where a training runs: the device, its short precision, and the processes that `torchrun` starts.

Every process draws batches of its own and their gradients are averaged, so that N devices train on N batches a step
and a pass over the data takes an Nth of the steps. Weights are the first process's at the start and end of a phase.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TypeVar

import torch
from torch import distributed, nn

__all__ = ["Team", "autocast", "join_team"]

Shared = TypeVar("Shared")


@dataclass(frozen=True, slots=True)
class Team:
    """This process among those that train together, and its device."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """It writes the files."""
        return self.rank == 0

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by the mean over all processes; one that a process lacks counts as zero there."""
        if self.size == 1:
            return
        for parameter in network.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)
            parameter.grad /= self.size

    def share_weights(self, network: nn.Module) -> None:
        """Give everybody the first process's weights and buffers."""
        if self.size > 1:
            for value in network.state_dict().values():
                distributed.broadcast(value, 0)

    def share(self, value: Shared) -> Shared:
        """What the first process holds. Everybody must ask."""
        if self.size == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, 0)
        return held[0]

    def wait(self) -> None:
        """Go on when everybody has come here."""
        self.share(None)


@contextmanager
def join_team() -> Iterator[Team]:
    """The team that `torchrun` started, or this process alone; CUDA where there is one."""
    has_cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if has_cuda else torch.device("cpu")
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(device=device)
        return
    if has_cuda:
        torch.cuda.set_device(device)
    # Imported later, by an optimiser's first step, its functions would hold the group as their default argument: its
    # threads would outlive it, and one that frees a tensor while the interpreter ends aborts the process.
    import_module("torch.distributed.nn")
    distributed.init_process_group("nccl" if has_cuda else "gloo")
    try:
        yield Team(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 behind the first layers, where the device computes in it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))


def _has_bfloat16(device: torch.device) -> bool:
    """A processor that only knows how to convert it takes 8.5 s for a step of MAM that takes 1.2 s in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
