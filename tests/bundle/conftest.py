"""A small bundle, makers with keys, and a device that trusts one of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.bundle import Bundle, Manifest, open_bundle, write_bundle
from fidgety.bundle.one_file import pack_bundle
from fidgety.bundle.signature import make_key, sign_bundle

MakeBundle = Callable[..., Bundle]
PackBundle = Callable[..., Path]


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the keys that the device trusts; none yet. `maker` and `stranger` have keys of their own."""
    folder = tmp_path / "keys"
    folder.mkdir()
    monkeypatch.setenv("FIDGETY_KEYS", str(folder))
    monkeypatch.delenv("FIDGETY_KEY_PASSPHRASE", raising=False)
    for name in ("maker", "stranger"):
        make_key(tmp_path / name)
    return folder


@pytest.fixture
def trusting(tmp_path: Path, keys: Path) -> Path:
    """The device trusts `maker`."""
    (keys / "maker.pub").write_bytes((tmp_path / "maker.pub").read_bytes())
    return keys


@pytest.fixture
def make_bundle(tmp_path: Path, manifest: Manifest) -> MakeBundle:
    """make_bundle(version, signer="maker", name=...): a bundle of two files; signer None = not signed."""

    def make(version: str = "1.0", signer: str | None = "maker", name: str = "test") -> Bundle:
        contents = {}
        for file in ("pose_detector.onnx", "mam_bag.onnx"):
            contents[file] = tmp_path / f"made-{file}"
            contents[file].write_bytes(f"{file} of {name} {version}\n".encode() * 500)
        made = write_bundle(tmp_path / f"{name}-{version}", replace(manifest, name=name, version=version), contents)
        if signer is not None:
            sign_bundle(made, tmp_path / signer)
        return made

    return make


@pytest.fixture
def pack(tmp_path: Path, make_bundle: MakeBundle) -> PackBundle:
    """pack(version, ...): such a bundle as one file."""

    def make(version: str = "1.0", **told: str | None) -> Path:
        target = tmp_path / f"{version}.fidgety"
        pack_bundle(make_bundle(version, **told), target)
        return target

    return make


@pytest.fixture
def device(tmp_path: Path, trusting: Path, make_bundle: MakeBundle) -> Path:
    """Where bundles are installed; version 1.0 is in use."""
    from fidgety.bundle.install import install_bundle

    assert os.environ["FIDGETY_KEYS"] == str(trusting)
    path = tmp_path / "device" / "bundle"
    install_bundle(make_bundle("1.0").path, path)
    assert open_bundle(path).manifest.version == "1.0"
    return path
