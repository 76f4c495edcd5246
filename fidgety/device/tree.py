"""Files of a system below a root: `/`, or a folder that stands for a whole one (a simulated Jetson, a mounted disk).

What cannot be read is None, never an error: half of what is asked for does not exist on the other kind of box.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SystemTree"]


@dataclass(frozen=True, slots=True)
class SystemTree:
    """A system's files, named by their absolute path in that system."""

    root: Path = Path("/")

    @property
    def is_live(self) -> bool:
        """True for the running system, whose kernel may be asked too."""
        return self.root == Path("/")

    def path(self, name: str) -> Path:
        """Where the file `name` of that system lies here."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str | None:
        """The file's text without blanks and NULs at its ends; None where it cannot be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip(" \t\r\n\0")
        except OSError:  # not there, not ours, or a sensor that is switched off (EAGAIN)
            return None

    def lines(self, name: str) -> list[str]:
        """The file's lines, none where it cannot be read."""
        return (self.text(name) or "").splitlines()

    def number(self, name: str) -> int | None:
        """The whole number that is all that the file holds."""
        try:
            return int(self.text(name) or "")
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[str]:
        """Names of that system that match, in order, numbers by their value."""
        found = self.root.glob(pattern.lstrip("/"))
        return sorted((f"/{path.relative_to(self.root)}" for path in found), key=_by_number)

    def fields(self, name: str, separator: str = ":") -> dict[str, str]:
        """`key: value` lines as a dictionary; of a key that comes again the first one stands."""
        pairs = (line.partition(separator) for line in self.lines(name))
        found: dict[str, str] = {}
        for key, mark, value in pairs:
            if mark:
                found.setdefault(key.strip(), value.strip())
        return found


def _by_number(name: str) -> list[tuple[int, str]]:
    parts, digits = [], ""
    for character in f"{name}/":
        if character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, character))
    return parts
