"""What is installed, and whether it is whole: read from the records that pip leaves beside every package.

Two distributions may bring the same import name; the one that came last has overwritten files of the other, and taking
one away leaves holes in both. pip's own check is content with either.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

__all__ = ["Installed", "Package", "read_installed"]

_SUFFIXES = (".py", ".so")  # files whose size tells that another package wrote them


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package."""

    name: str  # as pip compares names: lower case, hyphens
    version: str
    folders: tuple[str, ...]  # the top-level folders and modules that it brings
    n_missing: int  # files of its record that are not there
    n_foreign: int  # that have another size than it wrote
    place: Path  # the site folder


@dataclass(frozen=True, slots=True)
class Installed:
    """The packages of the given site folders."""

    packages: tuple[Package, ...]
    stray: tuple[str, ...]  # import folders of ours-to-watch that no package owns

    def bringing(self, folder: str) -> tuple[Package, ...]:
        """The packages that bring an import name."""
        return tuple(package for package in self.packages if folder in package.folders)

    def named(self, name: str) -> Package | None:
        """The package of that name."""
        return next((package for package in self.packages if package.name == name), None)


def read_installed(
    folders: Sequence[str] = ("onnxruntime", "cv2", "av", "tensorrt"), *, path: Sequence[str] | None = None
) -> Installed:
    """The packages below `path` (default: where this Python looks) that bring one of `folders`."""
    places = list(sys.path if path is None else path)
    found: dict[str, Package] = {}
    for one in distributions(path=places):
        read = _read(one, folders)
        if read is not None:
            found.setdefault(read.name, read)  # the first on the path is the one that counts
    owned = {folder for package in found.values() for folder in package.folders}
    stray = [
        folder for folder in folders if folder not in owned and any((Path(place) / folder).is_dir() for place in places)
    ]
    return Installed(tuple(sorted(found.values(), key=lambda package: package.name)), tuple(stray))


def _read(one: Distribution, folders: Sequence[str]) -> Package | None:
    """None for a package that has nothing to do with `folders`, or whose record is gone."""
    files = one.files or []
    brings = tuple(folder for folder in folders if any(file.parts[:1] == (folder,) for file in files))
    name = one.metadata["Name"]
    if not brings or not name:
        return None
    sizes = list(_sizes(one))
    return Package(
        name.lower().replace("_", "-").replace(".", "-"),
        one.version,
        brings,
        sum(found is None for _, found in sizes),
        sum(found is not None and found != wanted for wanted, found in sizes),
        Path(str(one.locate_file(""))),
    )


def _sizes(one: Distribution) -> Iterator[tuple[int, int | None]]:
    """(size that was written, size now or None where the file is gone) of every source and library."""
    for file in one.files or []:
        if file.size is None or file.suffix not in _SUFFIXES:
            continue
        try:
            yield file.size, Path(str(one.locate_file(file))).stat().st_size
        except OSError:
            yield file.size, None
