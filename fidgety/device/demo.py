"""The files that the installation brings: sample recording, demo networks, their self-test reference."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from fidgety.errors import BundleError

__all__ = ["demo_path"]


def demo_path(name: str) -> Path:
    """A file that the installation brings. Raises BundleError where it does not."""
    with as_file(files("fidgety") / "demo" / name) as path:
        if not path.is_file():
            raise BundleError(f"this installation holds no {name}: install fidgety anew")
        return path
