"""Whom a device trusts, and what it says of everybody else."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fidgety.bundle import Bundle, open_bundle
from fidgety.bundle.signature import make_key, require_trusted, sign_bundle, signer_of, trusted_keys
from fidgety.errors import BundleError, UsageError

MakeBundle = Callable[..., Bundle]


def test_signer_of_is_the_key_that_signed(trusting: Path, make_bundle: MakeBundle) -> None:
    (key_id,) = trusted_keys(trusting)
    assert signer_of(make_bundle(), trusted_keys(trusting)) == key_id
    require_trusted(make_bundle("2.0"))


def test_require_trusted_asks_for_nothing_while_no_key_is_trusted(make_bundle: MakeBundle) -> None:
    require_trusted(make_bundle(signer=None))


@pytest.mark.usefixtures("trusting")
def test_require_trusted_refuses_a_bundle_that_is_not_signed(make_bundle: MakeBundle) -> None:
    with pytest.raises(BundleError, match="is not signed"):
        require_trusted(make_bundle(signer=None))


@pytest.mark.usefixtures("trusting")
def test_require_trusted_refuses_a_strangers_signature(make_bundle: MakeBundle) -> None:
    with pytest.raises(BundleError, match="which this device does not trust"):
        require_trusted(make_bundle(signer="stranger"))


def _pretend(told: dict[str, Any]) -> None:
    """A stranger's signature under the maker's name."""
    told["key"] = told.pop("maker")


def _flip(told: dict[str, Any]) -> None:
    told["signature"] = f"{int(told['signature'], 16) ^ 1:0128x}"


@pytest.mark.parametrize("change", [_pretend, _flip])
def test_require_trusted_refuses_a_false_signature(
    trusting: Path, make_bundle: MakeBundle, change: Callable[[dict[str, Any]], None]
) -> None:
    bundle = make_bundle(signer="stranger" if change is _pretend else "maker")
    place = bundle.path / "signature.json"
    told = json.loads(place.read_text()) | {"maker": next(iter(trusted_keys(trusting)))}
    change(told)
    place.write_text(json.dumps(told))
    with pytest.raises(BundleError, match="changed after it was signed"):
        require_trusted(bundle)


@pytest.mark.usefixtures("trusting")
def test_require_trusted_refuses_an_edited_manifest(make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    manifest = bundle.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"risk_threshold": 0.5', '"risk_threshold": 0.9'))
    with pytest.raises(BundleError, match="changed after it was signed"):
        require_trusted(open_bundle(bundle.path))


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("text", ["", "{}", "[" * 5000, '{"algorithm": "none", "key": "", "signature": ""}'])
def test_require_trusted_refuses_a_damaged_signature(make_bundle: MakeBundle, text: str) -> None:
    bundle = make_bundle()
    (bundle.path / "signature.json").write_text(text)
    with pytest.raises(BundleError, match="is damaged: have the bundle signed anew"):
        require_trusted(bundle)


def test_trusted_keys_that_may_not_be_read_are_not_none(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> Iterator[Path]:  # as of a folder of another user; root may read every folder
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BundleError, match=r"trusted keys in .* cannot be read: Permission denied"):
        trusted_keys(keys)


def test_trusted_keys_a_link_to_nothing_is_not_none(keys: Path, tmp_path: Path) -> None:
    keys.mkdir(exist_ok=True)
    (keys / "maker.pub").symlink_to(tmp_path / "gone.pub")
    with pytest.raises(BundleError, match="cannot be read"):
        trusted_keys(keys)


def test_trusted_keys_of_no_folder_are_none(tmp_path: Path) -> None:
    assert trusted_keys(tmp_path / "none") == {}


def test_trusted_keys_a_damaged_one_is_not_none(keys: Path) -> None:
    (keys / "maker.pub").write_text("-----BEGIN PUBLIC KEY-----\n")
    with pytest.raises(BundleError, match=r"maker\.pub is no Ed25519 public key"):
        trusted_keys(keys)


def test_make_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "maker").stat().st_mode) == 0o600
    before = (tmp_path / "maker").read_bytes()
    with pytest.raises(UsageError, match="never overwritten"):
        make_key(tmp_path / "maker")
    (tmp_path / "maker.pub").unlink()
    with pytest.raises(UsageError, match="never overwritten"):
        make_key(tmp_path / "maker")
    assert (tmp_path / "maker").read_bytes() == before


def test_sign_bundle_with_a_locked_key(
    tmp_path: Path, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(signer=None)
    monkeypatch.setenv("FIDGETY_KEY_PASSPHRASE", "open sesame")
    make_key(tmp_path / "locked")
    sign_bundle(bundle, tmp_path / "locked")
    with pytest.raises(UsageError, match="unset it"):
        sign_bundle(bundle, tmp_path / "maker")
    monkeypatch.setenv("FIDGETY_KEY_PASSPHRASE", "wrong")
    with pytest.raises(UsageError, match="is not its passphrase"):
        sign_bundle(bundle, tmp_path / "locked")
    monkeypatch.delenv("FIDGETY_KEY_PASSPHRASE")
    with pytest.raises(UsageError, match="set it"):
        sign_bundle(bundle, tmp_path / "locked")
    with pytest.raises(UsageError, match="cannot be read"):
        sign_bundle(bundle, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is no private key"):
        sign_bundle(bundle, tmp_path / "maker.pub")
