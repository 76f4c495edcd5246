"""Every file of a store read and compared with the hash that it was kept under: minutes for a full disk, no key."""

from __future__ import annotations

from collections.abc import Iterator

from fidgety.device.holdings import Recording, StoredFile
from fidgety.device.shelf import Shelf
from fidgety.durable import hash_stream

__all__ = ["inspect"]


def inspect(shelf: Shelf) -> Iterator[tuple[Recording, StoredFile, str | None]]:
    """Each file with what is wrong with it; None: it is as it was kept. Raises DeviceError for the database only."""
    for recording in shelf.recordings():
        for file in recording.files:
            if file.gone != "deleted":
                yield recording, file, _fault(shelf, recording, file)


def _fault(shelf: Shelf, recording: Recording, file: StoredFile) -> str | None:
    if file.gone is not None:
        return "it is missing"
    try:
        with shelf.path_of(recording.number, file).open("rb") as stream:
            sha256, _ = hash_stream(stream)
    except OSError as error:
        return f"it cannot be read: {(error.strerror or 'unknown fault').lower()}"
    return None if sha256 == file.stored_sha256 else "it was changed or is damaged"
