"""Options and small steps that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.errors import UsageError
from fidgety.runtime.address import without_passwords

if TYPE_CHECKING:
    from fidgety.bundle import Bundle
    from fidgety.device.store import Store
    from fidgety.runtime.devices import Device

__all__ = [
    "BundlePath",
    "DeviceName",
    "DeviceOption",
    "EngineFolder",
    "KeyFile",
    "StorePath",
    "bundle_place",
    "load_bundle",
    "load_device",
    "log",
    "needs_extras",
    "note_undated_age",
    "open_store",
    "store_place",
    "with_limit",
]


class DeviceName(str, Enum):
    """What a user may ask for."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    tensorrt = "tensorrt"


BundlePath = Annotated[
    Path | None, typer.Option("--bundle", help="Model bundle (default: $FIDGETY_BUNDLE or the user's data folder).")
]

DeviceOption = Annotated[
    DeviceName, typer.Option("--device", help="Where the networks run; auto says what it took and why.")
]
EngineFolder = Annotated[
    Path | None,
    typer.Option("--engines", help="Engines of this device (default: $FIDGETY_ENGINES or the user's data folder)."),
]


StorePath = Annotated[
    Path | None,
    typer.Option("--store", help="Store of recordings (default: $FIDGETY_STORE or the user's data folder)."),
]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="Key of an encrypted store (default: $FIDGETY_KEY_FILE).")
]


def log(text: str) -> None:
    """A line on stderr, whatever it says without a camera's password: stdout is for results."""
    print(without_passwords(text), file=sys.stderr, flush=True)


def bundle_place(path: Path | None) -> Path:
    """Where the bundle is that a call means: the one it names, or the default one."""
    from fidgety.bundle import default_bundle_path

    return path or default_bundle_path()


def load_bundle(path: Path | None) -> Bundle:
    """The bundle at `path`, or the default one. Raises BundleError, also where this device trusts other makers only."""
    from fidgety.bundle import open_bundle
    from fidgety.bundle.signature import require_trusted

    bundle = open_bundle(bundle_place(path))
    require_trusted(bundle)
    return bundle


def with_limit(bundle: Bundle, min_assessable_s: float | None) -> Bundle:
    """The bundle with its duration rule set anew for this run."""
    from fidgety.batch.one import limited

    return limited(bundle, min_assessable_s)


def store_place(path: Path | None) -> Path:
    """Where the store is that a call means: the one it names, or the default one."""
    from fidgety.device.store import default_store_path

    return path or default_store_path()


def open_store(path: Path | None, key_file: Path | None = None, *, is_made: bool = False) -> Store:
    """The store that a call means, put in order; what was out of order is said. Raises UsageError, DeviceError."""
    from fidgety.device.store import Store
    from fidgety.device.vault import default_key_file, read_key_file

    place = key_file or default_key_file()
    store = Store.open(store_place(path), key=None if place is None else read_key_file(place), is_made=is_made)
    for line in store.recovery.lines():
        log(f"put in order: {line}")
    if place is not None and store.shelf.key_id is None:
        log("note: a key is given, but this store is not encrypted (`fidgety store encrypt`)")
    return store


def note_undated_age(store: Store) -> None:
    """Say it where an age that is told for today cannot be kept, since nobody knows which day it is."""
    doubt = store.shelf.books.look_at_clock()[1]
    if doubt is not None:
        log(f"note: the age is not kept, for the clock cannot be believed ({doubt})")


def load_device(asked: DeviceName, bundle: Bundle) -> Device:
    """The device that a call means for this bundle; said on stderr. Raises DeviceError where it does not load."""
    from fidgety.runtime.devices import choose_device
    from fidgety.runtime.engine_files import default_engine_folder
    from fidgety.runtime.networks import accelerated_graphs

    device = choose_device(asked.value, accelerated_graphs(bundle), default_engine_folder())
    log(str(device))
    return device


@contextmanager
def needs_extras(what: str, extras: str) -> Iterator[None]:
    """Imports inside need these extras; without them the command ends with what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"{what} needs {error.name}: pip install 'fidgety[{extras}]'") from error
