"""The systemd unit of the service, filled in for this installation."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from fidgety.errors import UsageError

__all__ = ["UnitPlan", "render_unit", "with_absolute_paths"]

_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """What the unit is to run, as whom, and what it may write."""

    command: tuple[str, ...]
    store: Path
    watch: Path | None
    reads: tuple[Path, ...]  # further files and folders that it must see: the program, a key ...
    user: str
    memory_max: str = "2G"
    places: Mapping[str, Path] = field(default_factory=dict)  # bundle, keys ..., by environment variable


def render_unit(plan: UnitPlan) -> str:
    """The unit's text. Raises UsageError for a path that cannot stand in it."""
    named = (plan.store, *plan.places.values(), *((plan.watch,) if plan.watch else ()))
    for path in named:
        if not path.is_absolute() or any(c in str(path) for c in " \t\n\"'\\%"):
            raise UsageError(f"{path} cannot stand in a unit: choose a folder without spaces, quotes, \\ and %")
    text = files("fidgety.device").joinpath("systemd/fidgety.service").read_text(encoding="utf-8")
    is_at_home = any(path.is_relative_to(home) for path in (*named, *plan.reads) for home in _HOMES)
    words = {
        "@COMMAND@": " ".join(shlex.quote(word).replace("%", "%%") for word in plan.command),
        "@STORE@": str(plan.store),
        "@WATCH_MOUNT@": f" {plan.watch}" if plan.watch else "",
        "@WATCH@": f"ReadOnlyPaths={plan.watch}\n" if plan.watch else "",
        "@USER@": plan.user,
        "@PLACES@": "".join(f"Environment={name}={path}\n" for name, path in plan.places.items()),
        "@MEMORY_MAX@": plan.memory_max,
        # Program or data in a home: it is seen, and read-only but for the store. Elsewhere homes are not even seen.
        "@PROTECT_HOME@": "read-only" if is_at_home else "yes",
    }
    for mark, value in words.items():
        text = text.replace(mark, value)
    return text


def with_absolute_paths(words: Sequence[str], options: Collection[str], folder: Path) -> list[str]:
    """Words of a command, in which the paths that follow these options no longer hang on being in `folder`."""
    written: list[str] = []
    for word in words:
        option, equals, value = word.partition("=")
        if option in options and equals:
            written.append(f"{option}={folder / value}")
        else:
            written.append(str(folder / word) if written and written[-1] in options else word)
    return written
