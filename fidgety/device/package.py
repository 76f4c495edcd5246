"""Chosen recordings as one file for a stick: signed by this device, readable by its receiver alone.

    head: receiver's key, this package's key | sealed: manifest, signature, then the files in the manifest's order

The receiver gives out a public X25519 key; the package's secret comes from it and a key that is thrown away after
writing, so that not even the sender can open it again. The device signs (Ed25519) the manifest, which names the hash of
every file and for whom the package is. What comes in is believed in this order: the sealing, the signature, the
manifest, each file by its hash; until then it lies in a folder that has no name yet.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fidgety.bundle.signature import id_of_key, trusted_keys
from fidgety.device.chunks import ChunkReader, stream_key, write_chunks
from fidgety.device.receiver import read_receiver, read_receiver_key, receiver_id
from fidgety.durable import Reader, Sink, Tally, faults, hash_on_disk, staged, sync, write_bytes
from fidgety.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

__all__ = ["SUFFIX", "Body", "Packed", "pack", "unpack"]

SUFFIX = ".fidgety-package"
_MAGIC = b"fidgety package 1\n"
_HEADER_BYTES = len(_MAGIC) + 8 + 32
_CONTEXT = b"fidgety package manifest\n"  # a signature of something else never stands for a package
_USE = b"fidgety package"
_MOST_WORDS = 64 << 20  # of a manifest
_PATH = re.compile(r"(?:R[0-9]{1,12}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OURS = ("manifest.json", "signature.json")


@dataclass(frozen=True, slots=True)
class Body:
    """One file of a package: its path inside, and its content, which is read once."""

    path: str
    content: Reader
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Packed:
    """What was read of a package, and who signed it."""

    manifest: Mapping[str, Any]
    signer: str


class _Payload:
    """Manifest, signature and files as one stream. Raises DeviceError where a file is not what its hash says."""

    def __init__(self, head: bytes, bodies: Sequence[Body]) -> None:
        self._head = io.BytesIO(head)
        self._rest = list(bodies)
        self._tally: Tally | None = None

    def read(self, n: int, /) -> bytes:
        if block := self._head.read(n):
            return block
        while self._rest:
            body = self._rest[0]
            self._tally = self._tally or Tally(body.content)
            if block := self._tally.read(n):
                return block
            if (self._tally.sha256, self._tally.n_bytes) != (body.sha256, body.n_bytes):
                raise DeviceError(
                    f"{body.path} is not what came in: nothing was exported; look at `fidgety store check`"
                )
            self._rest.pop(0)
            self._tally = None
        return b""


def pack(target: Path, told: Mapping[str, Any], bodies: Sequence[Body], signing: Ed25519PrivateKey, to: Path) -> str:
    """Write a package to `target`, whole or not at all; gives the id of the receiver's key.

    told: what the manifest says beside the files. Raises UsageError for what is no receiver's key, DeviceError where a
    file is damaged, the stick is full or does not read as it was written.
    """
    receiver = read_receiver(to)
    manifest = dict(told) | {
        "format": 1,
        "receiver": receiver_id(receiver),
        "files": [{"path": one.path, "n_bytes": one.n_bytes, "sha256": one.sha256} for one in bodies],
    }
    words = json.dumps(manifest, indent=1, ensure_ascii=False).encode("utf-8")
    signed = {
        "algorithm": "ed25519",
        "key": id_of_key(signing.public_key()),
        "signature": signing.sign(_CONTEXT + words).hex(),
    }
    head = _with_length(words) + _with_length(json.dumps(signed).encode())
    with faults(f"the package cannot be written to {target}"):
        n_bytes = len(head) + sum(one.n_bytes for one in bodies)
        _require_room(target.parent, n_bytes)
        with staged(target) as stream:
            sink = Sink(stream)
            _seal(_Payload(head, bodies), sink, receiver)
        if hash_on_disk(target) != sink.sha256:
            target.unlink()
            raise DeviceError(f"{target} does not read as it was written: the stick is failing, use another")
    return receiver_id(receiver)


def unpack(package: Path, target: Path, receiver_key: Path, senders: Path) -> Packed:
    """Check a package and put what it holds into the new folder `target`; gives its manifest and signer.

    senders: a folder with the public keys of the devices that are believed. Raises UsageError where `target` is there
    or the key cannot be read, DeviceError where the package is for somebody else, of an unknown sender, changed or cut
    off, and where the disk lets us down; then there is nothing at `target`.
    """
    keys = trusted_keys(senders)
    if not keys:
        raise DeviceError(f"no sender is trusted: put the device's public key (*.pub) into {senders}")
    if target.exists():
        raise UsageError(f"{target} is there already: name a new folder")
    private = read_receiver_key(receiver_key)
    part = target.with_name(f".{target.name}.part")
    with faults(f"{package} cannot be unpacked to {target}"):
        shutil.rmtree(part, ignore_errors=True)
        with _opened(package, private) as sealed:
            words, signature = _read_head(sealed, package)
            signer = _check_signature(words, signature, keys, package)
            manifest = json.loads(words)
            _check_manifest(manifest, receiver_id(private.public_key()), sealed, package)
            _require_room(target.parent, sealed.n_bytes)
            try:
                part.mkdir(mode=0o700)
                for name, content in zip(_OURS, (words, signature), strict=True):
                    write_bytes(part / name, content)
                for file in manifest["files"]:
                    _bring(sealed, part / file["path"], file, package)
                part.rename(target)
                sync(target.parent)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return Packed(manifest, signer)


def _seal(payload: Reader, sink: Sink, receiver: X25519PublicKey) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    once = X25519PrivateKey.generate()
    header = _MAGIC + bytes.fromhex(receiver_id(receiver)) + once.public_key().public_bytes_raw()
    sink.write(header)
    cipher = stream_key(once.exchange(receiver), _salt(header, receiver), _USE)
    write_chunks(payload, sink, cipher, header)


def _opened(package: Path, private: X25519PrivateKey) -> ChunkReader:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    stream = package.open("rb")
    try:
        header = stream.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
            raise DeviceError(f"{package} is no package, or its head was changed: get it anew")
        wanted, own = header[len(_MAGIC) : len(_MAGIC) + 8].hex(), receiver_id(private.public_key())
        if wanted != own:
            raise DeviceError(f"{package} is for the receiver {wanted}, the key given is {own}")
        try:
            secret = private.exchange(X25519PublicKey.from_public_bytes(header[-32:]))
        except ValueError:
            raise DeviceError(f"{package}: its head was changed: get it anew") from None
        cipher = stream_key(secret, _salt(header, private.public_key()), _USE)
        return ChunkReader(stream, cipher, header, str(package))
    except BaseException:
        stream.close()
        raise


def _salt(header: bytes, receiver: X25519PublicKey) -> bytes:
    return hashlib.sha256(header + receiver.public_bytes_raw()).digest()


def _with_length(words: bytes) -> bytes:
    return len(words).to_bytes(4, "big") + words


def _read_head(sealed: ChunkReader, package: Path) -> tuple[bytes, bytes]:
    found = []
    for _ in _OURS:
        n_bytes = int.from_bytes(_exactly(sealed, 4, package), "big")
        if n_bytes > _MOST_WORDS:
            raise DeviceError(f"{package} is no package that this program can read: get it anew")
        found.append(_exactly(sealed, n_bytes, package))
    return found[0], found[1]


def _exactly(sealed: ChunkReader, n_bytes: int, package: Path) -> bytes:
    words = b""
    while len(words) < n_bytes:
        block = sealed.read(n_bytes - len(words))
        if not block:
            raise DeviceError(f"{package} ends too early: get it anew")
        words += block
    return words


def _check_signature(words: bytes, signature: bytes, keys: Mapping[str, Any], package: Path) -> str:
    from cryptography.exceptions import InvalidSignature

    try:
        told = json.loads(signature)
        signer, signed = str(told["key"]), bytes.fromhex(told["signature"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DeviceError(f"{package}: its signature is damaged: get it anew") from None
    if signer not in keys:
        raise DeviceError(f"{package} is signed with the key {signer}, which is not trusted (known: {', '.join(keys)})")
    try:
        keys[signer].verify(signed, _CONTEXT + words)
    except InvalidSignature:
        raise DeviceError(f"{package}: the signature is not that of what it holds: do not use it") from None
    return signer


def _check_manifest(manifest: Any, own: str, sealed: ChunkReader, package: Path) -> None:
    """Raises DeviceError for paths that lead elsewhere, doubles, sizes that do not add up, and another receiver."""
    if manifest.get("format") != 1:
        raise DeviceError(f"{package} was written by a newer fidgety: update this program")
    if manifest["receiver"] != own:
        raise DeviceError(
            f"{package} was made for the receiver {manifest['receiver']} and sealed anew by somebody else"
        )
    paths = [str(file["path"]) for file in manifest["files"]]
    for path in paths:
        if _PATH.fullmatch(path) is None or ".." in PurePosixPath(path).parts or path in _OURS:
            raise DeviceError(f"{package}: {path!r} leads out of the package: do not use it")
    if len(set(paths)) != len(paths):
        raise DeviceError(f"{package} names a file twice: do not use it")
    if any(type(file["n_bytes"]) is not int or file["n_bytes"] < 0 for file in manifest["files"]):
        raise DeviceError(f"{package} names a file of no size: do not use it")
    if sealed.tell() + sum(file["n_bytes"] for file in manifest["files"]) != sealed.n_bytes:
        raise DeviceError(f"{package} does not hold what it names: get it anew")


def _bring(sealed: ChunkReader, target: Path, file: Mapping[str, Any], package: Path) -> None:
    target.parent.mkdir(exist_ok=True, mode=0o700)
    with staged(target) as stream:
        sink, left = Sink(stream), int(file["n_bytes"])
        while left:
            block = _exactly(sealed, min(left, 1 << 16), package)
            sink.write(block)
            left -= len(block)
        if sink.sha256 != file["sha256"]:
            raise DeviceError(f"{package}: {file['path']} is not what was signed: do not use it")


def _require_room(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    needed = n_bytes + n_bytes // 1000 + (1 << 20)
    if free < needed:
        raise DeviceError(f"{folder} has room for {free / 1e6:.0f} MB, the package needs {needed / 1e6:.0f}: make room")
