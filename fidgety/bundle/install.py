"""A signed bundle from elsewhere -> the one in use; and back to the one before, on purpose.

folder or file --signature--> staged --every hash--> version --> kept, put into use (store.py)
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from fidgety.bundle.folder import Bundle, open_bundle
from fidgety.bundle.manifest import MANIFEST_NAME, SIGNATURE_NAME, read_manifest
from fidgety.bundle.one_file import unpack_bundle
from fidgety.bundle.signature import (
    Keys,
    check_signature,
    key_folder,
    require_trusted,
    signer_of,
    trusted_keys,
)
from fidgety.bundle.store import adding, changing, in_use, kept, one_before, switch_to
from fidgety.errors import BundleError, DeviceError

__all__ = ["install_bundle", "roll_back"]

_VERSION = re.compile(r"\d+(?:\.\d+)*(?=$|[-+])")


def install_bundle(source: Path, path: Path) -> Bundle:
    """Put the bundle `source`, a folder or one file, into use at `path`; gives it.

    It must be signed with a key that this device trusts, and its version must be above that of the bundle in use, if
    that one has the same name. The very bundle that is in use is left as it is. Raises BundleError where one of this
    does not hold, DeviceError where the disk lets us down; then nothing has changed at `path`.
    """
    keys = trusted_keys(key_folder())
    if not keys:
        raise BundleError(f"no key is trusted here: put the maker's public key (*.pub) into {key_folder()}")
    try:
        with adding(path) as new:
            _bring(source, new.folder, keys)
            bundle = open_bundle(new.folder)
            signer_of(bundle, keys)
            present = _present(path)
            if present is not None and present.sha256 == bundle.sha256:
                return present
            if present is not None:
                _require_newer(bundle, present)
            switch_to(path, _kept_before(path, bundle) or new.keep(bundle.sha256))
    except OSError as error:
        raise DeviceError(f"the bundle cannot be written to {path}: {error.strerror}") from error
    return open_bundle(path)


def roll_back(path: Path) -> Bundle:
    """Put the bundle before the one at `path` into use again; gives it.

    Raises BundleError where none is kept, or where it is damaged or no longer trusted; then nothing has changed.
    """
    with changing(path):
        place = one_before(path)
        bundle = open_bundle(place)
        require_trusted(bundle)
        try:
            switch_to(path, place)
        except OSError as error:
            raise DeviceError(f"{path} cannot be changed: {error.strerror}") from error
    return bundle


def _bring(source: Path, folder: Path, keys: Keys) -> None:
    """Copy a bundle into an empty folder; nothing of it is believed before its signature."""

    def check(manifest: bytes, signature: bytes | None) -> None:
        check_signature(manifest, signature, keys, str(source))

    if not source.is_dir():
        unpack_bundle(source, folder, check)
        return
    manifest, signature = (_bytes(source / name) for name in (MANIFEST_NAME, SIGNATURE_NAME))
    if manifest is None:
        raise BundleError(f"no model bundle at {source}: it holds no {MANIFEST_NAME}")
    check(manifest, signature)
    for name in (MANIFEST_NAME, SIGNATURE_NAME, *read_manifest(manifest, str(source)).files):
        try:
            shutil.copyfile(source / name, folder / name)
        except FileNotFoundError:
            raise BundleError(f"{source} holds no {name}, which its manifest names: get the bundle anew") from None
        except PermissionError as error:
            raise BundleError(f"{source / name} cannot be read: {error.strerror}") from error


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _present(path: Path) -> Bundle | None:
    """The bundle in use; None where there is none, or a damaged one: that is what a new one is installed for."""
    try:
        return open_bundle(path)
    except BundleError:
        return None


def _kept_before(path: Path, bundle: Bundle) -> Path | None:
    """Where the same bundle is kept already, whole, ahead of the one in use: after a step back."""
    for _, place in kept(path):
        if place != in_use(path):
            try:
                if open_bundle(place).sha256 == bundle.sha256:
                    return place
            except BundleError:
                continue
    return None


def _require_newer(bundle: Bundle, present: Bundle) -> None:
    if bundle.manifest.name != present.manifest.name:
        return
    if _number(bundle) <= _number(present):
        raise BundleError(
            f"{bundle.label} is not newer than {present.label}, which is in use: to go back on purpose, use "
            "`fidgety bundle rollback`"
        )


def _number(bundle: Bundle) -> tuple[int, ...]:
    found = _VERSION.match(bundle.manifest.version)
    if found is None:
        raise BundleError(f"{bundle.label}: its version is no number such as 1.4.0: build it anew with one")
    return tuple(int(part) for part in re.sub(r"(\.0+)+$", "", found[0]).split("."))
