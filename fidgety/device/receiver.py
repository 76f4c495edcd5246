"""Keys of those who receive packages (X25519): the private one stays with them, the public one goes to devices."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fidgety.bundle.signature import PASSPHRASE, write_key_pair
from fidgety.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

__all__ = ["make_receiver_key", "read_receiver", "read_receiver_key", "receiver_id"]

_MOST_BYTES = 4096


def make_receiver_key(path: Path) -> str:
    """Write a new private key (PEM) to `path` and its public key to `path`.pub; gives the key's id.

    Its passphrase is that of `$FIDGETY_KEY_PASSPHRASE`, where there is one. Raises UsageError where one of the two
    files is there already, DeviceError where they cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.generate()
    write_key_pair(path, key)
    return receiver_id(key.public_key())


def receiver_id(key: X25519PublicKey) -> str:
    """The first 16 hex digits of the raw key's SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def read_receiver(path: Path) -> X25519PublicKey:
    """A receiver's public key. Raises UsageError for anything else."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes()[:_MOST_BYTES])
    except OSError as error:
        raise UsageError(f"the receiver's key {path} cannot be read: {error.strerror}") from error
    except ValueError:
        key = None
    if not isinstance(key, X25519PublicKey):
        raise UsageError(f"{path} is no receiver's public key: they make one with `fidgety store receiver-key`")
    return key


def read_receiver_key(path: Path) -> X25519PrivateKey:
    """The receiver's own key. Raises UsageError for anything else, and where the passphrase does not fit."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    secret = os.environ.get(PASSPHRASE)
    try:
        key = load_pem_private_key(path.read_bytes()[:_MOST_BYTES], secret.encode() if secret else None)
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from error
    except (TypeError, ValueError):
        raise UsageError(f"{path} is no private key, or ${PASSPHRASE} is not its passphrase") from None
    if not isinstance(key, X25519PrivateKey):
        raise UsageError(f"{path} is no receiver's key: make one with `fidgety store receiver-key`")
    return key
