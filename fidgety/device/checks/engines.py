"""Engines on this box's disk that will not be loaded: built for another bundle or TensorRT, damaged, or gone.

Beside each engine lies a record (JSON) that says what it was built of: `key` with network, model's hash, TensorRT's
version; `engine`, the file's name; `engine_sha256`. Engines of an earlier bundle are kept on purpose and are no fault
as long as the bundle in use has its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from fidgety.bundle import sha256_of_file
from fidgety.device.checks.finding import Finding, fault

__all__ = ["check_engines"]


def check_engines(folder: Path, graphs: Collection[str], tensorrt: str | None) -> Iterator[Finding]:
    """`graphs`: SHA-256 of the bundle's files. `tensorrt`: its version here; None = it does not run: not compared.

    A box without engines has nothing that could be stale.
    """
    records = [_record(path) for path in sorted(folder.glob("*.json"))]
    for network in dict.fromkeys(name for name, _ in records):
        told = [_why_not(folder, record, graphs, tensorrt) for name, record in records if name == network]
        if None not in told:
            yield fault(
                "engines-stale",
                f"the engine of {network} in {folder} will not be loaded: {told[-1]}",
                "fidgety device provision",
            )


def _record(path: Path) -> tuple[str, dict[str, Any] | None]:
    """(network, record); None for one that cannot be read. The network then is the file's name up to its key."""
    try:
        told = json.loads(path.read_bytes())
        return str(told["key"]["network"]), told
    except (OSError, ValueError, KeyError, TypeError):
        return path.stem.rpartition("-")[0] or path.stem, None


def _why_not(folder: Path, record: dict[str, Any] | None, graphs: Collection[str], tensorrt: str | None) -> str | None:
    """Why this engine does not serve; None where it does."""
    if record is None:
        return "its record is damaged"
    key = record["key"]
    if key.get("model_sha256") not in graphs:
        return "it was built for another bundle"
    if tensorrt is not None and key.get("tensorrt") != tensorrt:
        return f"it was built by TensorRT {key.get('tensorrt')}, here is {tensorrt}"
    engine = folder / Path(str(record.get("engine"))).name
    try:
        found = sha256_of_file(engine)
    except OSError as error:
        return f"{engine.name} cannot be read ({error.strerror})"
    return None if found == record.get("engine_sha256") else f"{engine.name} is damaged"
