"""A bundle as one file, for a USB stick: a zip of what the folder holds, stored as it is.

What comes from outside is believed in this order: the signature of the manifest, then the manifest, then each file by
the hash that the manifest names. Nothing else may be inside: no folder, no link, nothing twice, nothing packed, so that
no file is larger than what was brought.
"""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

from fidgety.bundle.folder import Bundle
from fidgety.bundle.manifest import MANIFEST_NAME, SIGNATURE_NAME, read_manifest
from fidgety.errors import BundleError, DeviceError, UsageError

__all__ = ["pack_bundle", "unpack_bundle"]

_DATE = (1980, 1, 1, 0, 0, 0)  # the same bundle gives the same bytes
_MOST_BYTES = 1 << 20  # of a manifest or a signature

# Looks at the bytes of manifest and signature (None: not signed) before anything in them is believed
Check = Callable[[bytes, bytes | None], None]


def pack_bundle(bundle: Bundle, target: Path) -> None:
    """Write a bundle, with its signature where there is one, into the file `target`.

    Raises UsageError where the file is there already, DeviceError where it cannot be written; then nothing is left.
    """
    if target.exists():
        raise UsageError(f"{target} is there already: name another file")
    signed = [SIGNATURE_NAME] if (bundle.path / SIGNATURE_NAME).is_file() else []
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as packed:
                for name in (MANIFEST_NAME, *signed, *sorted(bundle.manifest.files)):
                    entry = zipfile.ZipInfo(name, _DATE)
                    entry.external_attr = (stat.S_IFREG | 0o644) << 16
                    packed.writestr(entry, (bundle.path / name).read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DeviceError(f"{target} cannot be written: {error.strerror}") from error


def unpack_bundle(source: Path, folder: Path, check: Check) -> None:
    """Write what the file `source` holds into the empty `folder`, as far as its manifest names it.

    The hashes are left to `open_bundle`. Raises BundleError for a file that is no bundle or holds anything else, and
    what `check` raises; DeviceError where `folder` is full. What was written stays: it is the caller's to remove.
    """
    try:
        stored = source.open("rb")
    except FileNotFoundError:
        raise BundleError(f"there is no file {source}") from None
    except OSError as error:
        raise BundleError(f"{source} cannot be read: {error.strerror}") from error
    try:
        with stored, zipfile.ZipFile(stored) as packed:
            entries = _entries(packed, source)
            manifest = _small(packed, entries, MANIFEST_NAME, source)
            if manifest is None:
                raise BundleError(f"{source} holds no {MANIFEST_NAME}: it is no bundle")
            signature = _small(packed, entries, SIGNATURE_NAME, source)
            check(manifest, signature)
            wanted = {MANIFEST_NAME, *read_manifest(manifest, str(source)).files} | (set(entries) & {SIGNATURE_NAME})
            if set(entries) != wanted:
                odd = sorted(set(entries) ^ wanted)[0]
                state = "which its manifest does not name" if odd in entries else "is missing, which its manifest names"
                raise BundleError(f"{source}: {odd!r}, {state}: get the file anew")
            _require_room(folder, sum(entry.file_size for entry in entries.values()))
            for name, entry in entries.items():
                with packed.open(entry) as stream, (folder / name).open("xb") as target:
                    shutil.copyfileobj(stream, target, 1 << 20)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise BundleError(f"{source} is damaged or no bundle ({error}): get the file anew") from error


def _entries(packed: zipfile.ZipFile, source: Path) -> dict[str, zipfile.ZipInfo]:
    """By name. Raises BundleError for anything but plain files stored as they are, once each."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in packed.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.is_dir() or kind not in (0, stat.S_IFREG):
            raise BundleError(f"{source}: {entry.filename!r} is no plain file: get the file anew")
        if entry.filename != Path(entry.filename).name or "\\" in entry.orig_filename:
            raise BundleError(f"{source}: {entry.filename!r} leads out of the bundle: get the file anew")
        if entry.filename in entries:
            raise BundleError(f"{source}: {entry.filename!r} is there twice: get the file anew")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 0x1:
            raise BundleError(f"{source}: {entry.filename!r} is packed or encrypted, a bundle's files are not")
        entries[entry.filename] = entry
    if sum(entry.file_size for entry in entries.values()) > source.stat().st_size:
        raise BundleError(f"{source} claims to hold more than it is long: get the file anew")
    return entries


def _small(packed: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], name: str, source: Path) -> bytes | None:
    """The bytes of one of the two files that are read before anything is believed; None where it is not there."""
    if name not in entries:
        return None
    if entries[name].file_size > _MOST_BYTES:
        raise BundleError(f"{source}: {name} is {entries[name].file_size} bytes long: it is no bundle")
    return packed.read(entries[name])


def _require_room(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise DeviceError(
            f"{folder} has room for {free >> 20} MB, the bundle needs {(n_bytes >> 20) + 1}: make room, then try again"
        )
