"""What every engine has in common: arrays in by name, arrays out by name, and ends that were checked on opening.

onnx_session.py       ONNX Runtime: on the CPU, and through its CUDA and TensorRT providers
tensorrt_session.py   an engine that was provisioned on this device
open_session.py       which of them a device means: what the stages call

Accelerators run fixed shapes only, on buffers made once (a graph captured with other addresses answers with the first
input's result for ever). So their sessions cut what is longer than the fixed number of rows into runs, fill up what is
shorter, and hand out copies.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fidgety.errors import BundleError

__all__ = ["Arrays", "FixedSession", "Network", "Session", "Shape", "check_ends"]

Shape = tuple[int | None, ...]  # None: any size
Arrays = dict[str, np.ndarray[Any, Any]]


class Session(Protocol):
    """What the stages need of an engine."""

    def run(self, **inputs: np.ndarray[Any, Any]) -> Arrays:
        """Arrays by the graph's input names to arrays by its output names."""
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """What a stage expects of its graph, whatever engine runs it. All ends are float32."""

    name: str  # in messages and in the names of engines
    inputs: Mapping[str, Shape]  # None: rows, as many as the caller likes
    outputs: Mapping[str, Shape]
    n_rows: int = 1  # what an accelerator fixes them to

    def fixed(self, shape: Shape) -> tuple[int, ...]:
        """A shape as an accelerator has it."""
        return tuple(self.n_rows if size is None else size for size in shape)

    @property
    def fixed_inputs(self) -> dict[str, tuple[int, ...]]:
        return {name: self.fixed(shape) for name, shape in self.inputs.items()}

    @property
    def fixed_outputs(self) -> dict[str, tuple[int, ...]]:
        return {name: self.fixed(shape) for name, shape in self.outputs.items()}


class FixedSession(ABC):
    """A session of fixed shapes. One run at a time: callers on several threads wait for each other."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._free_inputs = {name for name, shape in network.inputs.items() if None in shape}
        self._free_outputs = {name for name, shape in network.outputs.items() if None in shape}
        if any(None in shape[1:] for shape in (*network.inputs.values(), *network.outputs.values())):
            raise ValueError(f"{network.name}: only the first size of an array may be free on an accelerator")
        self._lock = threading.Lock()

    def run(self, **inputs: np.ndarray[Any, Any]) -> Arrays:
        """Arrays by the graph's input names to arrays by its output names, which nothing else holds.

        Raises ValueError for other names, shapes or kinds than the network's, DeviceError where the device fails.
        """
        n_given = self._check(inputs)
        if n_given is None or n_given == self._network.n_rows:
            with self._lock:
                return self._run_fixed(inputs)
        if len(self._free_outputs) < len(self._network.outputs):
            # What it remembers between runs would be of rows that were filled in.
            raise ValueError(f"{self._network.name} runs {self._network.n_rows} rows at a time, got {n_given}")
        pieces = [self._run_piece(inputs, start) for start in range(0, n_given, self._network.n_rows)]
        return {name: np.concatenate([piece[name] for piece in pieces])[:n_given] for name in self._network.outputs}

    def _run_piece(self, inputs: Mapping[str, np.ndarray[Any, Any]], start: int) -> Arrays:
        """One run from a row on; the last row again and again where there are too few."""
        n = self._network.n_rows
        piece = {name: inputs[name][start : start + n] for name in self._free_inputs}
        full = {
            name: np.concatenate([rows, rows[-1:].repeat(n - len(rows), axis=0)]) if len(rows) < n else rows
            for name, rows in piece.items()
        }
        with self._lock:
            return self._run_fixed({**inputs, **full})

    def _check(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> int | None:
        """The number of rows given; None where the network has no free size."""
        name = self._network.name
        if set(inputs) != set(self._network.inputs):
            raise ValueError(f"{name} takes {', '.join(self._network.inputs)}, got {', '.join(inputs)}")
        counts = {len(inputs[key]) for key in self._free_inputs}
        if len(counts) > 1 or 0 in counts:
            raise ValueError(f"{name}: inputs of {sorted(counts)} rows: the same number expected, at least one")
        for key, shape in self._network.inputs.items():
            wanted = tuple(next(iter(counts)) if size is None else size for size in shape)
            if inputs[key].shape != wanted or inputs[key].dtype != np.float32:
                found = f"{list(inputs[key].shape)} {inputs[key].dtype}"
                raise ValueError(f"{name}: input {key!r} is {found}, expected {list(wanted)} float32")
        return next(iter(counts), None)

    @abstractmethod
    def _run_fixed(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
        """One run: inputs of exactly the fixed shapes, float32; outputs in fresh arrays."""


def check_ends(
    name: str, end: str, found: Iterable[tuple[str, list[Any], str]], expected: Mapping[str, Shape], kind: str
) -> None:
    """Compare a loaded graph's inputs or outputs, (name, shape, kind) each, with the expected ones.

    kind: how this engine calls float32. Raises BundleError, naming the graph, where they are others.
    """
    nodes = list(found)
    shapes, kinds = {node[0]: node[1] for node in nodes}, {node[0]: node[2] for node in nodes}
    if end == "input" and (unknown := sorted(set(shapes) - set(expected))):
        raise BundleError(f"{name} wants an input {unknown[0]!r}: it is not the graph that was expected")
    for key, shape in expected.items():
        if key not in shapes:
            raise BundleError(
                f"{name} has no {end} {key!r} (it has {', '.join(shapes)}): it is not the graph that was expected"
            )
        is_right = len(shape) == len(shapes[key]) and all(
            wanted is None or not isinstance(size, int) or size == wanted
            for wanted, size in zip(shape, shapes[key], strict=False)
        )
        if not is_right:
            raise BundleError(f"{name}: {end} {key!r} has the shape {shapes[key]}, expected {list(shape)}")
        if kinds[key] != kind:
            raise BundleError(f"{name}: {end} {key!r} is a {kinds[key]}, expected float32")
