"""A bundle on disk: a folder whose every byte is checked when it is opened, written whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fidgety.bundle.manifest import (
    MANIFEST_NAME,
    Device,
    Manifest,
    check_name,
    read_manifest,
    write_manifest,
)
from fidgety.bundle.store import adding, switch_to
from fidgety.durable import Heed, hash_stream
from fidgety.errors import BundleError, DeviceError

__all__ = ["Bundle", "default_bundle_path", "open_bundle", "sha256_of_file", "write_bundle"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk whose every file was checked when it was opened.

    path: the folder itself, whatever link led there. Another bundle may be installed meanwhile: this one stays.
    """

    path: Path
    manifest: Manifest
    sha256: str  # of the manifest, which names every file's hash

    @property
    def label(self) -> str:
        """Name, version and short hash: what every result names."""
        return f"{self.manifest.name} {self.manifest.version} ({self.sha256[:12]})"

    def file(self, name: str) -> Path:
        """Path of a file that the manifest names."""
        if name not in self.manifest.files:
            raise BundleError(f"the bundle {self.path} does not list the file {name!r}")
        return self.path / name

    def graph(self, name: str, device: Device = "cpu", n_rows: int | None = None) -> Path:
        """The file that a device loads for the float32 graph `name`: a variant that earned its place, else itself.

        `n_rows`: as many rows are fed in every run; None = any number. A variant of other fixed sizes does not fit.
        """
        for variant in self.manifest.variants:
            is_meant = variant.graph == name and device in variant.used_by
            if is_meant and all(size == n_rows for size in variant.sizes.values()):
                return self.file(variant.file)
        return self.file(name)


def default_bundle_path() -> Path:
    """`$FIDGETY_BUNDLE`, else the user's data folder."""
    if chosen := os.environ.get("FIDGETY_BUNDLE"):
        return Path(chosen)
    data_home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data_home) / "fidgety" / "bundle"


def sha256_of_file(path: Path, heed: Heed | None = None) -> str:
    """Hex SHA-256 of a file. Raises OSError and what `heed` raises between two blocks."""
    with path.open("rb") as stream:
        return hash_stream(stream, heed)[0]


def open_bundle(path: Path) -> Bundle:
    """Read and check a bundle folder, or the one that a link leads to.

    Raises BundleError when it is missing, when the manifest has unknown, missing or ill-typed keys, or when any file
    is missing or its bytes are not those that the manifest names.
    """
    folder = path.resolve()
    try:
        raw = (folder / MANIFEST_NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(
            f"no model bundle at {path}: make it with `fidgety bundle build` or name one with --bundle"
        ) from None
    except OSError as error:
        raise BundleError(f"{path / MANIFEST_NAME} cannot be read: {error.strerror}") from error
    manifest = read_manifest(raw, str(path / MANIFEST_NAME))
    for name, expected in manifest.files.items():
        _check_file(folder, name, expected)
    return Bundle(folder, manifest, hashlib.sha256(raw).hexdigest())


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, Path]) -> Bundle:
    """Write a bundle from `files` (name -> where its bytes lie now) and put it into use at `path`, in one step.

    `manifest.files` is filled in here. The bundle that was in use is kept (`store.py`); a kill at any moment leaves the
    old one in use or the new one. Raises DeviceError when the disk lets us down (the old bundle then stays in its
    place), and BundleError for a file name that leads out of the folder.
    """
    for name in files:
        check_name(name, "the manifest")
    hashes = {name: sha256_of_file(source) for name, source in sorted(files.items())}
    raw = write_manifest(dataclasses.replace(manifest, files=hashes))
    try:
        with adding(path) as new:
            for name, source in files.items():
                shutil.copyfile(source, new.folder / name)
            (new.folder / MANIFEST_NAME).write_bytes(raw)
            switch_to(path, new.keep(hashlib.sha256(raw).hexdigest()))
    except OSError as error:
        raise DeviceError(f"the bundle cannot be written to {path}: {error.strerror}") from error
    return open_bundle(path)


def _check_file(folder: Path, name: str, expected: str) -> None:
    try:
        found = sha256_of_file(folder / name)
    except OSError as error:
        raise BundleError(f"{folder / name} cannot be read: {error.strerror}; install the bundle anew") from error
    if found != expected:
        raise BundleError(
            f"{folder / name} is not the file that the manifest names (sha256 {found[:12]}, expected "
            f"{expected[:12]}): it is damaged or was changed; install the bundle anew"
        )
