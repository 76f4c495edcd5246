"""Encryption at rest, by choice: the store's key, and files that only it opens.

The key lies in a file of its own, best on a stick that is taken away, with a passphrase or without:

    {"format": 1, "id": "3f9a...", "kdf": "scrypt", "salt": ..., "nonce": ..., "key": ...}

A sealed file is a header and sealed chunks (chunks.py). Whoever has the disk and not the key sees how many recordings
there are, when they were made, how long they are, the infants' pseudonyms, the log, and no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from fidgety.bundle.signature import PASSPHRASE
from fidgety.device.chunks import ChunkReader, stream_key, write_chunks
from fidgety.durable import Reader, Writer, explain, faults, sync
from fidgety.errors import DeviceError, UsageError

__all__ = [
    "KEY_FILE",
    "SEALED",
    "Key",
    "default_key_file",
    "key_id_of",
    "make_key_file",
    "open_sealed",
    "read_key_file",
    "seal",
]

KEY_FILE = "FIDGETY_KEY_FILE"  # environment: where the key of the store is
SEALED = ".sealed"
_MAGIC = b"fidgety sealed 1\n"
_HEADER_BYTES = len(_MAGIC) + 8 + 32
_FILE_USE, _BLOB_USE, _LOCK_USE = b"fidgety sealed file", b"fidgety sealed words", b"fidgety key file"
_SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}  # 32 MB and a tenth of a second for each guess
_MOST_BYTES = 4096  # of a key file


@dataclass(frozen=True, slots=True)
class Key:
    """The secret of one store."""

    id: str  # 16 hex digits, which do not tell the secret
    secret: bytes = field(repr=False)  # 32 bytes

    def seal_words(self, words: bytes, place: str) -> bytes:
        """A few bytes for the database, bound to the place where they stand."""
        salt = secrets.token_bytes(32)
        return salt + stream_key(self.secret, salt, _BLOB_USE).encrypt(bytes(12), words, place.encode())

    def open_words(self, sealed: bytes, place: str) -> bytes:
        """Back again. Raises DeviceError where they were changed or moved."""
        from cryptography.exceptions import InvalidTag

        try:
            return stream_key(self.secret, sealed[:32], _BLOB_USE).decrypt(bytes(12), sealed[32:], place.encode())
        except InvalidTag:
            raise DeviceError(f"what the database holds of {place} was changed: bring back a backup") from None


def default_key_file() -> Path | None:
    """`$FIDGETY_KEY_FILE`; None where it is not set."""
    return Path(chosen) if (chosen := os.environ.get(KEY_FILE)) else None


def make_key_file(path: Path) -> Key:
    """A new key in a file for its owner alone, locked with `$FIDGETY_KEY_PASSPHRASE` where that is set.

    Raises UsageError where the file is there already, DeviceError where it cannot be written.
    """
    key = _key(secrets.token_bytes(32))
    told: dict[str, Any] = {"format": 1, "id": key.id, "kdf": "none", "key": key.secret.hex()}
    if passphrase := os.environ.get(PASSPHRASE):
        salt = secrets.token_bytes(32)
        locked = _lock(passphrase, salt, _SCRYPT).encrypt(bytes(12), key.secret, key.id.encode())
        told |= {"kdf": "scrypt", **_SCRYPT, "salt": salt.hex(), "key": locked.hex()}
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:  # noqa: PTH123
            stream.write(json.dumps(told, indent=1) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        sync(path.parent)
    except FileExistsError:
        raise UsageError(f"{path} is there already: name another file, keys are never overwritten") from None
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {explain(error)}") from error
    return key


def read_key_file(path: Path) -> Key:
    """The key in a file. Raises UsageError where it cannot be read, is none, or needs another passphrase."""
    from cryptography.exceptions import InvalidTag

    try:
        told = json.loads(path.read_bytes()[:_MOST_BYTES])
        if told["format"] != 1 or told["kdf"] not in ("none", "scrypt"):
            raise ValueError
        secret, wanted = bytes.fromhex(told["key"]), str(told["id"])
        if told["kdf"] == "scrypt":
            passphrase = os.environ.get(PASSPHRASE)
            if not passphrase:
                raise UsageError(f"the key {path} is locked: set ${PASSPHRASE}")
            if any(told[name] != value for name, value in _SCRYPT.items()):
                raise ValueError
            secret = _lock(passphrase, bytes.fromhex(told["salt"]), _SCRYPT).decrypt(bytes(12), secret, wanted.encode())
        key = _key(secret)
        if len(secret) != 32 or key.id != wanted:
            raise ValueError
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from error
    except InvalidTag:
        raise UsageError(f"${PASSPHRASE} is not the passphrase of the key {path}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{path} is no key of a store, or damaged: make one with `fidgety store key`") from None
    return key


def seal(source: Reader, target: Writer, key: Key) -> None:
    """Write the header and the sealed content of `source`."""
    salt = secrets.token_bytes(32)
    header = _MAGIC + bytes.fromhex(key.id) + salt
    target.write(header)
    write_chunks(source, target, stream_key(key.secret, salt, _FILE_USE), header)


def open_sealed(path: Path, key: Key | None) -> ChunkReader:
    """The content of a sealed file, to be closed by the caller.

    Raises DeviceError for another key, a changed or cut-off file, and one that cannot be read.
    """
    with faults(f"{path} cannot be read"):
        stream = path.open("rb")
        try:
            header = _read_header(stream, path)
            wanted = header[len(_MAGIC) : len(_MAGIC) + 8].hex()
            if key is None or key.id != wanted:
                given = "none was given" if key is None else f"the key given is {key.id}"
                raise DeviceError(f"{path} is sealed with the key {wanted}, {given}: name its file with ${KEY_FILE}")
            return ChunkReader(stream, stream_key(key.secret, header[-32:], _FILE_USE), header, str(path))
        except BaseException:
            stream.close()
            raise


def key_id_of(path: Path) -> str:
    """Which key a sealed file needs. Raises DeviceError for what is no sealed file, OSError."""
    with path.open("rb") as stream:
        return _read_header(stream, path)[len(_MAGIC) : len(_MAGIC) + 8].hex()


def _read_header(stream: BinaryIO, path: Path) -> bytes:
    header = stream.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise DeviceError(f"{path} is no sealed file, or its head was changed: bring it back from a backup")
    return header


def _key(secret: bytes) -> Key:
    return Key(hashlib.sha256(b"fidgety key id\n" + secret).hexdigest()[:16], secret)


def _lock(passphrase: str, salt: bytes, cost: dict[str, int]) -> Any:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    secret = Scrypt(salt=salt, length=32, **cost).derive(passphrase.encode("utf-8"))
    return stream_key(secret, salt, _LOCK_USE)
