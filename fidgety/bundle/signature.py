"""Who made a bundle: Ed25519 over its manifest, which names the hash of every file.

A device trusts the public keys (`*.pub`) of one folder. As long as there is none, bundles need no signature; from the
first key on, nothing is scored by a bundle that none of them signed. Private keys stay with the maker.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fidgety.bundle.folder import Bundle
from fidgety.bundle.manifest import MANIFEST_NAME, SIGNATURE_NAME
from fidgety.errors import BundleError, DeviceError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

__all__ = [
    "PASSPHRASE",
    "check_signature",
    "id_of_key",
    "key_folder",
    "make_key",
    "private_key",
    "require_trusted",
    "sign_bundle",
    "signer_of",
    "trusted_keys",
    "write_key_pair",
]

PASSPHRASE = "FIDGETY_KEY_PASSPHRASE"  # environment: of private keys that have one
_CONTEXT = b"fidgety bundle manifest\n"  # a signature of something else never stands for a bundle
_MOST_BYTES = 4096  # of a key or a signature

Keys = Mapping[str, "Ed25519PublicKey"]  # key id -> key


def key_folder() -> Path:
    """`$FIDGETY_KEYS`, else the user's configuration folder."""
    if chosen := os.environ.get("FIDGETY_KEYS"):
        return Path(chosen)
    config_home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config_home) / "fidgety" / "keys"


def trusted_keys(folder: Path) -> Keys:
    """The public keys in a folder by their id; none where there is no such folder.

    Raises BundleError for a `.pub` file that holds no Ed25519 key, and for a folder that may not be read: damaged or
    hidden keys must not look like none, as they would by `glob`, which passes over what it may not read.
    """
    try:
        return dict(_public_key(path) for path in _files_in(folder) if path.suffix == ".pub")
    except OSError as error:
        raise BundleError(f"the trusted keys in {folder} cannot be read: {error.strerror}") from error


def _files_in(folder: Path) -> list[Path]:
    """Of no folder none; a file in it that is gone when it is read is an error."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def make_key(path: Path) -> str:
    """Write a new private key (PEM, for its owner alone) to `path`, its public key to `path`.pub; gives the key's id.

    Its passphrase is that of `$FIDGETY_KEY_PASSPHRASE`, where there is one. Raises UsageError where one of the two
    files is there already, DeviceError where they cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    write_key_pair(path, key)
    return id_of_key(key.public_key())


def write_key_pair(path: Path, key: Ed25519PrivateKey | X25519PrivateKey) -> None:
    """A private key as PEM for its owner alone, and its public key beside it; as `make_key`, of a key that is made."""
    from cryptography.hazmat.primitives import serialization

    public, secret = path.with_name(f"{path.name}.pub"), os.environ.get(PASSPHRASE)
    sealing = serialization.BestAvailableEncryption(secret.encode()) if secret else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing)
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if public.exists():
        raise UsageError(f"{public} is there already: name another file, keys are never overwritten")
    try:
        for place, content, mode in ((path, pem, 0o600), (public, public_pem, 0o644)):
            with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:  # noqa: PTH123
                stream.write(content)
    except FileExistsError:
        raise UsageError(f"{path} is there already: name another file, keys are never overwritten") from None
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from error


def sign_bundle(bundle: Bundle, key_path: Path) -> str:
    """Sign the manifest of a bundle with a private key; a signature that was there gives way. Gives the key's id.

    Raises UsageError where the key cannot be read or needs another passphrase, DeviceError where the disk is full.
    """
    key = private_key(key_path)
    signed = key.sign(_CONTEXT + (bundle.path / MANIFEST_NAME).read_bytes())
    signer = id_of_key(key.public_key())
    text = json.dumps({"algorithm": "ed25519", "key": signer, "signature": signed.hex()}, indent=1) + "\n"
    place = bundle.path / SIGNATURE_NAME
    part = place.with_name(f"{place.name}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(place)
    except OSError as error:
        raise DeviceError(f"{place} cannot be written: {error.strerror}") from error
    return signer


def check_signature(manifest: bytes, signature: bytes | None, keys: Keys, where: str) -> str:
    """The id of the trusted key that signed these bytes of a manifest. Raises BundleError where none did."""
    from cryptography.exceptions import InvalidSignature

    if signature is None:
        raise BundleError(f"{where} is not signed: have its maker sign it (`fidgety bundle sign`)")
    key_id, signed = _read_signature(signature, where)
    if key_id not in keys:
        known = ", ".join(keys) or "none"
        raise BundleError(f"{where} is signed with the key {key_id}, which this device does not trust (known: {known})")
    try:
        keys[key_id].verify(signed, _CONTEXT + manifest)
    except InvalidSignature:
        raise BundleError(
            f"{where}: the signature is not that of this manifest: it was changed after it was signed"
        ) from None
    return key_id


def signer_of(bundle: Bundle, keys: Keys) -> str:
    """As `check_signature`, of a bundle on disk."""
    place = bundle.path / SIGNATURE_NAME
    try:
        signature = place.read_bytes()[: _MOST_BYTES + 1] if place.is_file() else None
        manifest = (bundle.path / MANIFEST_NAME).read_bytes()
    except OSError as error:
        raise BundleError(f"the signature of {bundle.path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(manifest).hexdigest() != bundle.sha256:
        raise BundleError(f"the manifest of {bundle.path} changed while it was read: install the bundle anew")
    return check_signature(manifest, signature, keys, f"the bundle {bundle.label}")


def require_trusted(bundle: Bundle) -> None:
    """Raises BundleError where this device trusts keys and none of them signed the bundle."""
    if keys := trusted_keys(key_folder()):
        signer_of(bundle, keys)


def _read_signature(content: bytes, where: str) -> tuple[str, bytes]:
    try:
        told = json.loads(content) if len(content) <= _MOST_BYTES else None
        if not isinstance(told, dict) or told.get("algorithm") != "ed25519":
            raise ValueError
        return str(told["key"]), bytes.fromhex(str(told["signature"]))
    except (ValueError, KeyError, RecursionError):
        raise BundleError(f"{where}: its {SIGNATURE_NAME} is damaged: have the bundle signed anew") from None


def _public_key(path: Path) -> tuple[str, Ed25519PublicKey]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes()[:_MOST_BYTES])
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"{path} is no Ed25519 public key: copy it anew, or take it out of the folder")
    return id_of_key(key), key


def private_key(path: Path) -> Ed25519PrivateKey:
    """The key in a PEM file. Raises UsageError where it cannot be read, is none, or needs another passphrase."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    secret = os.environ.get(PASSPHRASE)
    try:
        key = load_pem_private_key(path.read_bytes()[:_MOST_BYTES], secret.encode() if secret else None)
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from error
    except TypeError:  # one is told and not needed, or needed and not told
        raise UsageError(f"the key {path} fits not to ${PASSPHRASE}: set it, or unset it") from None
    except ValueError as error:
        raise UsageError(f"{path} is no private key, or ${PASSPHRASE} is not its passphrase ({error})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is no Ed25519 key: make one with `fidgety bundle key`")
    return key


def id_of_key(key: Ed25519PublicKey) -> str:
    """The first 16 hex digits of the raw key's SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]
