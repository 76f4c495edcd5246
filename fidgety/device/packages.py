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

    places: tuple[Path, ...]  # the site folders, in the order in which they are looked through
    packages: tuple[Package, ...]
    stray: tuple[str, ...]  # import folders of ours-to-watch that no package owns

    def bringing(self, folder: str) -> tuple[Package, ...]:
        """The packages that bring an import name, of the first site folder on the path that has any.

        Those of later folders (JetPack's own below a virtual environment) are hidden, and overwrite nothing.
        """
        found = [package for package in self.packages if folder in package.folders]
        first = min((self.places.index(package.place) for package in found), default=0)
        return tuple(package for package in found if package.place == self.places[first])

    def named(self, name: str) -> Package | None:
        """The package of that name."""
        return next((package for package in self.packages if package.name == name), None)


def read_installed(
    folders: Sequence[str] = ("onnxruntime", "cv2", "av", "tensorrt"), *, path: Sequence[str] | None = None
) -> Installed:
    """The packages below `path` (default: where this Python looks) that bring one of `folders`."""
    places = [Path(place or ".").absolute() for place in (sys.path if path is None else path)]
    found: list[Package] = []
    for place in dict.fromkeys(places):
        for one in distributions(path=[str(place)]):
            read = _read(one, folders, place)
            if read is not None:
                found.append(read)
    owned = {folder for package in found for folder in package.folders}
    stray = [name for name in folders if name not in owned and any((place / name).is_dir() for place in places)]
    return Installed(tuple(places), tuple(sorted(found, key=lambda package: package.name)), tuple(stray))


def _read(one: Distribution, folders: Sequence[str], place: Path) -> Package | None:
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
        place,
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
