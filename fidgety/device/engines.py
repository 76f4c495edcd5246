"""Provisioning: a bundle's graphs -> TensorRT engines that were proved on this very device.

    graph --build (minutes)--> engine --parity gate--> file, synced, renamed --> record, synced, renamed: in use

An engine is in use once its record is there, which the file system renames in one step. So a kill at any moment leaves
the old one or the new one, and a gate that fails leaves nothing. Of each network the engine before is kept: a bundle
that is rolled back finds its own. One process provisions at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fidgety import __version__
from fidgety.durable import hold, write_bytes
from fidgety.errors import DeviceError
from fidgety.export.engine_parity import require_engine_parity
from fidgety.export.golden import Golden
from fidgety.export.tensorrt import Step, build_engine
from fidgety.runtime.devices import engine_key
from fidgety.runtime.engine_files import (
    EngineKey,
    EngineRecord,
    read_engine,
    read_record,
    record_path,
    record_to_json,
)
from fidgety.runtime.networks import Graph
from fidgety.runtime.open_session import open_session
from fidgety.runtime.tensorrt_session import Nvidia, TensorRTSession

__all__ = ["Provisioned", "provision"]

_N_KEPT = 2  # of each network: in use, and the one before


@dataclass(frozen=True, slots=True)
class Provisioned:
    """One network's engine."""

    record: EngineRecord
    is_new: bool  # False: it was there already, whole


def provision(
    graphs: Sequence[Graph],
    folder: Path,
    nvidia: Nvidia,
    golden: Callable[[], Golden],
    on_step: Callable[[str], Step] = lambda _: _silent,
) -> Iterator[Provisioned]:
    """Give every graph its engine in `folder`, one after another; one that is there and whole is left as it is.

    golden: recorded input, asked for once and only where something is built. Raises DeviceError where the folder cannot
    be written or somebody else provisions, where the build or the gate fails; BundleError where NVIDIA's parser refuses
    a graph. What was provisioned before then stays.
    """
    gpu = nvidia.gpu()
    with _alone(folder):
        with suppress(OSError):  # the next time, then
            _sweep(folder)
        inputs: Golden | None = None
        for graph in graphs:
            key = engine_key(graph, gpu)
            try:
                done = Provisioned(read_engine(folder, key).record, is_new=False)
            except DeviceError:  # none, or none that may be used: it is built
                inputs = golden() if inputs is None else inputs
                done = Provisioned(_provision_one(graph, key, folder, nvidia, inputs, on_step), is_new=True)
            with suppress(OSError):  # the next time, then
                _tidy(folder, key)
            yield done


def _sweep(folder: Path) -> None:
    """Take away what a kill left half-written. Nobody else writes here meanwhile."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)


def _provision_one(
    graph: Graph, key: EngineKey, folder: Path, nvidia: Nvidia, inputs: Golden, on_step: Callable[[str], Step]
) -> EngineRecord:
    name = graph.network.name
    if name not in inputs:
        raise DeviceError(f"the parity gate cannot run: no recorded input for {name}; nothing is used unproved")
    content = build_engine(nvidia.tensorrt, nvidia.logger(), graph, on_step(name))
    with TensorRTSession(nvidia, content, graph.network) as engine:
        reference = open_session(graph.path, graph.network)
        figures = require_engine_parity(name, graph.precision, engine, reference, inputs[name], graph.keypoints)
    sha256 = hashlib.sha256(content).hexdigest()
    record = EngineRecord(key, f"{name}-{key.short}-{sha256[:12]}.engine", sha256, f"fidgety {__version__}", figures)
    try:
        write_bytes(folder / record.engine, content)
        write_bytes(record_path(folder, key), record_to_json(record))
    except OSError as error:
        raise DeviceError(
            f"the engine of {name} cannot be written to {folder}: {error.strerror}; what was there stays"
        ) from error
    return record


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else provisions meanwhile. Raises DeviceError where somebody does, or the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise DeviceError(f"engines cannot be written to {folder}: {error.strerror}; name another --engines") from error
    with lock:
        hold(lock, f"engines are being built in {folder} already: wait for them")
        yield


def _tidy(folder: Path, key: EngineKey) -> None:
    """Remove a network's oldest records, then its engines that no record names."""
    newest = record_path(folder, key)
    records = [one for one in folder.glob(f"{key.network}-*.json") if one != newest]
    records.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    named: set[str] = set()
    for record in [newest, *records]:
        try:
            engine = read_record(record).engine
        except DeviceError:
            record.unlink()
            continue
        if len(named) == _N_KEPT:
            record.unlink()
        else:
            named.add(engine)
    for one in folder.glob(f"{key.network}-*.engine"):
        if one.name not in named:
            one.unlink()


def _silent(_phase: str, _done: int, _all: int) -> None:
    pass
