"""A kept file as a plain path, for readers that want one (the decoder): as it lies, or decrypted while it is read.

An encrypted file is decrypted into memory where it takes no more than a quarter of what is free; it then has a name
(a link in `opened/`), but no byte of it touches the disk. A longer one goes into a file in `opened/` that only its
owner may read; it is removed afterwards, after a kill by the next start. On flash its bytes may linger until they are
written over: who needs more than that encrypts the whole disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fidgety.device.holdings import StoredFile, id_of
from fidgety.device.recovery import OPENED
from fidgety.device.shelf import Shelf
from fidgety.durable import Heed, Tally, copy, faults
from fidgety.errors import DeviceError

__all__ = ["opened"]

_MOST_OF_FREE = 0.25


@contextmanager
def opened(shelf: Shelf, number: int, file: StoredFile, heed: Heed | None = None) -> Iterator[Path]:
    """A path to the file's content while the block lasts.

    A decrypted copy is checked against the hash of what came in. Raises DeviceError where the file is gone, changed, or
    needs another key, and where there is room for its copy neither in memory nor on the disk. What `heed` raises
    between two blocks goes through.
    """
    with shelf.read(number, file) as content:
        if file.key_id is None:
            yield shelf.path_of(number, file)
            return
        with faults(f"{id_of(number)}/{file.name} cannot be decrypted"):
            place = shelf.owner.part(shelf.folder / OPENED, f"-{file.name}")
        try:
            with faults(f"{id_of(number)}/{file.name} cannot be decrypted"), _room(place, file) as stream:
                tally = Tally(content, heed)
                copy(tally, stream)
                stream.flush()
                if tally.sha256 != file.sha256:
                    raise DeviceError(f"{id_of(number)}/{file.name} is not what came in: bring it back from a backup")
                yield place
        finally:
            place.unlink(missing_ok=True)


def _room(place: Path, file: StoredFile) -> BinaryIO:
    """Memory under the name `place`, or a file of this name."""
    if file.n_bytes <= _MOST_OF_FREE * free_memory_bytes():
        stream = open(os.memfd_create(file.name), "w+b")  # noqa: PTH123, SIM115 - it has no path yet
        place.symlink_to(f"/proc/{os.getpid()}/fd/{stream.fileno()}")
        return stream
    return open(os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")  # noqa: PTH123


def free_memory_bytes() -> int:
    """What the system could give without swapping; 0 where it does not say."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
