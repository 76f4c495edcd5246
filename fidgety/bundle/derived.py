"""The manifest of a bundle that is made from another one: one version up, and its parent named."""

from __future__ import annotations

import dataclasses
import re

from fidgety.bundle.folder import Bundle
from fidgety.bundle.manifest import Manifest
from fidgety.errors import UsageError

__all__ = ["derived_manifest"]

_VERSION = re.compile(r"(\d+(?:\.\d+)*)(.*)", re.DOTALL)


def derived_manifest(bundle: Bundle, **changes: object) -> Manifest:
    """The manifest of `bundle` with other values: a version one step up that names its parent.

    Raises UsageError where its version is no number.
    """
    found = _VERSION.fullmatch(bundle.manifest.version)
    if found is None:
        raise UsageError(f"{bundle.label}: its version is no number such as 1.4.0: build it anew with one")
    *most, last = found[1].split(".")
    version = ".".join([*most, str(int(last) + 1)]) + found[2]
    manifest: Manifest = dataclasses.replace(
        bundle.manifest,
        version=version,
        parent=bundle.sha256,
        **changes,  # type: ignore[arg-type]
    )
    return manifest
