"""The files that the installation brings: sample recording and its truth, demo networks, their self-test reference."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from fidgety.errors import BundleError

__all__ = ["demo_file"]


def demo_file(name: str) -> Path:
    """A file of `fidgety/demo` as a path. Raises BundleError where this installation does not hold it."""
    with as_file(files("fidgety") / "demo" / name) as path:
        if not path.is_file():
            raise BundleError(f"this installation holds no {name}: install fidgety anew")
        return path
