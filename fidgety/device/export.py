"""Recordings of a store -> a package (package.py) on a stick: with files, results, overrides and what the log tells."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from fidgety.bundle.signature import id_of_key, make_key, private_key
from fidgety.device.holdings import Recording
from fidgety.device.log_check import verify
from fidgety.device.package import SUFFIX, Body, pack
from fidgety.device.store import MARK, Store
from fidgety.durable import faults, hash_stream
from fidgety.errors import UsageError

__all__ = ["Exported", "device_key", "export"]


@dataclass(frozen=True, slots=True)
class Exported:
    """Where a package lies, for whom, and by which key of this device it is signed."""

    path: Path
    receiver: str
    signer: str
    n_files: int


def device_key(store: Store) -> Path:
    """The private key by which this device signs, made when it is first needed; its public key lies beside it (.pub).

    Raises DeviceError where it cannot be written.
    """
    place = store.folder / "keys" / "device"
    with faults(f"{place} cannot be written"):
        place.parent.mkdir(exist_ok=True, mode=0o700)
        if not place.is_file():
            make_key(place)
    return place


def export(store: Store, recordings: Sequence[Recording], folder: Path, to: Path, has_video: bool = True) -> Exported:
    """Write a package of these recordings into `folder`, for the receiver whose public key is in `to`.

    Raises UsageError where there is nothing to send or no such receiver; DeviceError where a file is damaged or needs
    the store's key, or the stick is full; then nothing new is in `folder`.
    """
    if not recordings:
        raise UsageError("there is nothing to export: name recordings that are there")
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: is the stick mounted?")
    for one in recordings:
        if one.state == "recording":
            raise UsageError(f"{one.id} is being recorded: wait for its end")
    signing = private_key(device_key(store))
    mark = json.loads((store.folder / MARK).read_bytes())["id"]
    now, doubt = store.shelf.books.look_at_clock()
    day = now.text[:19].replace(":", "").replace("-", "").replace("T", "-")
    target = folder / f"fidgety-{mark[:8]}-{day}-{secrets.token_hex(2)}{SUFFIX}"
    told = {
        "store": mark,
        "made_at": now.text,
        "is_clock_trusted": doubt is None,
        "log_head": verify(store.shelf.books).head,
        "recordings": [_told(store, one) for one in recordings],
    }
    with ExitStack() as opened:
        bodies = _bodies(store, recordings, has_video, opened)
        receiver = pack(target, told, bodies, signing, to)
    signer = id_of_key(signing.public_key())
    with store.shelf.books.change() as change:
        ids = [one.id for one in recordings]
        change.note("exported", recordings=ids, receiver=receiver, package=target.name, video=has_video)
    return Exported(target, receiver, signer, len(bodies))


def _told(store: Store, recording: Recording) -> dict[str, Any]:
    whole = asdict(recording)
    files = [{key: file[key] for key in ("name", "kind", "sha256", "n_bytes", "gone")} for file in whole.pop("files")]
    results = [asdict(one) for one in store.results(recording.id)]
    overrides = [asdict(one) for one in store.overrides(recording.id)]
    return {"id": recording.id, **whole, "files": files, "results": results, "overrides": overrides}


def _bodies(store: Store, recordings: Sequence[Recording], has_video: bool, opened: ExitStack) -> list[Body]:
    """The files as they were before encryption, opened one after another, and the log of these recordings."""
    log = "".join(f"{line}\n" for line in _log(store, {one.id for one in recordings})).encode("utf-8")
    bodies = [Body("log.jsonl", io.BytesIO(log), len(log), hash_stream(io.BytesIO(log))[0])]
    for recording in recordings:
        for file in recording.files:
            if file.gone is not None or (file.kind == "video" and not has_video):
                continue
            content = _Late(store, recording.id, file.name)
            opened.callback(content.close)
            bodies.append(Body(f"{recording.id}/{file.name}", content, file.n_bytes, file.sha256))
    return bodies


def _log(store: Store, ids: set[str]) -> list[str]:
    lines = [str(row["line"]) for row in store.shelf.books.read("SELECT line FROM events ORDER BY seq")]
    return [line for line in lines if json.loads(line)["details"].get("recording") in ids]


class _Late:
    """A kept file that is opened when it is first read and closed at its end: thousands need one handle."""

    def __init__(self, store: Store, recording_id: str, name: str) -> None:
        self._store, self._id, self._name = store, recording_id, name
        self._stream: Any = None
        self._is_done = False

    def read(self, n: int, /) -> bytes:
        if self._is_done:
            return b""
        if self._stream is None:
            recording = self._store.recording(self._id)
            file = next(one for one in recording.files if one.name == self._name)
            self._stream = self._store.shelf.read(recording.number, file)
        block = cast(bytes, self._stream.read(n))
        if not block:
            self.close()
        return block

    def close(self) -> None:
        """At the end, or when the export fails."""
        self._is_done = True
        if self._stream is not None:
            self._stream.close()
            self._stream = None
