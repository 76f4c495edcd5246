"""Engines on this device's disk: which one belongs to a graph, and whether it is still the one that was proved.

    ENGINES/mam_window-3f9a0c21b7de4455.json                     what the engine was built of and with, and its hash
    ENGINES/mam_window-3f9a0c21b7de4455-b81d22c0aa41.engine      the engine, named by its own hash

An engine fits one graph, TensorRT and GPU only: their key stands in the file's name and, field by field, in the record.
A record that was edited, an engine of other bytes, or one of another graph, version or GPU is never loaded. `fidgety
device provision` (device/engines.py) writes these files; here they are only read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fidgety.errors import DeviceError

__all__ = [
    "Engine",
    "EngineKey",
    "EngineRecord",
    "Gpu",
    "default_engine_folder",
    "read_engine",
    "read_record",
    "record_path",
    "record_to_json",
]

_HOW = "run `fidgety device provision`"


@dataclass(frozen=True, slots=True)
class Gpu:
    """The accelerator that an engine is bound to, and the TensorRT that built it."""

    name: str
    compute_capability: str  # "8.7"
    tensorrt: str  # version


@dataclass(frozen=True, slots=True)
class EngineKey:
    """Everything that an engine depends on; another one is needed where any of it changes."""

    network: str
    model_sha256: str
    precision: str
    shapes: Mapping[str, list[int]]  # of the inputs
    tensorrt: str
    gpu: str
    compute_capability: str

    @property
    def short(self) -> str:
        """16 hexadecimal digits for the file's name."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """What stands beside an engine."""

    key: EngineKey
    engine: str  # file name
    engine_sha256: str
    built_with: str  # program and version
    parity: Mapping[str, float]  # quantity -> how far from ONNX Runtime on the CPU, on recorded input


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine's bytes, as they were hashed."""

    content: bytes
    record: EngineRecord


def default_engine_folder() -> Path:
    """`$FIDGETY_ENGINES`, else the user's data folder."""
    if chosen := os.environ.get("FIDGETY_ENGINES"):
        return Path(chosen)
    data_home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data_home) / "fidgety" / "engines"


def record_path(folder: Path, key: EngineKey) -> Path:
    """Where the record of this key's engine lies."""
    return folder / f"{key.network}-{key.short}.json"


def read_engine(folder: Path, key: EngineKey) -> Engine:
    """The engine of this very key. Raises DeviceError, with what to do, where there is none that may be loaded."""
    path = record_path(folder, key)
    if not path.is_file():
        raise DeviceError(_why_none(folder, key))
    record = read_record(path)
    if record.key != key:
        raise DeviceError(f"{path} was changed: it speaks of another engine than its name says; {_HOW}")
    try:
        content = (folder / record.engine).read_bytes()
    except OSError as error:
        raise DeviceError(f"{folder / record.engine} cannot be read: {error.strerror}; {_HOW}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != record.engine_sha256:
        raise DeviceError(
            f"{folder / record.engine} is not the engine that was proved (sha256 {found[:12]}, expected "
            f"{record.engine_sha256[:12]}): it is damaged or was changed; {_HOW}"
        )
    return Engine(content, record)


def record_to_json(record: EngineRecord) -> bytes:
    """The bytes that `read_record` reads, with the seal that an edit breaks."""
    told = asdict(record)
    return (json.dumps({**told, "seal": _seal(told)}, indent=1, sort_keys=True) + "\n").encode()


def read_record(path: Path) -> EngineRecord:
    """A record whose seal is whole. Raises DeviceError otherwise.

    The seal is no signature: it shows edits and damage, not somebody who can replace the program itself.
    """
    try:
        told = json.loads(path.read_bytes())
        seal = told.pop("seal")
        if seal != _seal(told) or set(told) != {field.name for field in fields(EngineRecord)}:
            raise ValueError("its seal is broken")
        record = EngineRecord(**{**told, "key": EngineKey(**told["key"])})
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}; {_HOW}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DeviceError(f"{path} is damaged or was changed ({error}); {_HOW}") from error
    if Path(record.engine).name != record.engine:
        raise DeviceError(f"{path} names {record.engine!r}, which leads out of its folder; {_HOW}")
    return record


def _seal(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _why_none(folder: Path, key: EngineKey) -> str:
    """What the engines that are there were built for, in one sentence."""
    for path in sorted(folder.glob(f"{key.network}-*.json")):
        try:
            other = read_record(path).key
        except DeviceError:
            continue
        differs = [
            f"{what} {getattr(other, field)}, not {getattr(key, field)}"
            for field, what in (("tensorrt", "TensorRT"), ("gpu", "the GPU"), ("compute_capability", "compute"))
            if getattr(other, field) != getattr(key, field)
        ]
        told = ", ".join(differs) or "another graph"
        return f"the engine of {key.network} in {folder} was built for {told}; {_HOW}"
    return f"no engine of {key.network} in {folder}; {_HOW}"
