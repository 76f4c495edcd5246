"""What two bundles differ in, key by key: what a technician reads before an update."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from fidgety.bundle.folder import Bundle

__all__ = ["differences"]


def differences(one: Bundle, other: Bundle) -> Iterator[str]:
    """A line for every value of the manifests, and every file, that is not the same; in the manifest's order."""
    here, there = (dict(_flat(dataclasses.asdict(bundle.manifest), "")) for bundle in (one, other))
    for key in dict.fromkeys([*here, *there]):
        if here.get(key) != there.get(key):
            yield f"{key}: {_told(here, key)} -> {_told(there, key)}"


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{key}[{inner.get('name', number)}]")
    else:
        yield key, value


def _told(values: dict[str, Any], key: str) -> str:
    if key not in values:
        return "none"
    value = values[key]
    return f"{value[:12]}..." if key.startswith("files.") else str(value)
