"""A maker signs and packs a bundle; a device installs it, goes back, and scores by nothing that it does not trust."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fidgety.bundle import Bundle

from ..conftest import Run


@pytest.fixture
def made(bundle: Bundle, tmp_path: Path) -> Path:
    """The demo bundle, as its maker has it."""
    return Path(shutil.copytree(bundle.path, tmp_path / "made", ignore=shutil.ignore_patterns("signature.json")))


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of trusted keys; empty."""
    folder = tmp_path / "keys"
    folder.mkdir()
    monkeypatch.setenv("FIDGETY_KEYS", str(folder))
    return folder


def _raise_version(bundle: Path) -> None:
    manifest = bundle / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"version": "9.0"}))


def test_bundle_from_maker_to_device_and_back(run: Run, made: Path, keys: Path, tmp_path: Path) -> None:
    device, stick = tmp_path / "device", tmp_path / "stick.fidgety"
    assert "keep it secret" in run("bundle", "key", tmp_path / "maker").out
    assert "signed with the key" in run("bundle", "sign", "--key", tmp_path / "maker", "--bundle", made).out
    assert run("bundle", "pack", stick, "--bundle", made).code == 0

    refused = run("bundle", "install", stick, "--bundle", device)
    assert (refused.code, device.exists()) == (5, False)
    assert "no key is trusted here: put the maker's public key" in refused.err
    shutil.copy(tmp_path / "maker.pub", keys)
    assert "is in use" in run("bundle", "install", stick, "--bundle", device).out
    assert "signed with the trusted key" in run("bundle", "verify", "--bundle", device).out

    _raise_version(made)
    changed = run("bundle", "install", made, "--bundle", device)
    assert changed.code == 5 and "changed after it was signed" in changed.err
    run("bundle", "sign", "--key", tmp_path / "maker", "--bundle", made)
    assert " 9.0 (" in run("bundle", "install", made, "--bundle", device).out
    difference = run("bundle", "diff", device, made).out.splitlines()
    assert len(difference) == 1
    back = run("bundle", "rollback", "--bundle", device)
    assert back.code == 0 and "again" in back.out and " 9.0 (" not in back.out
    assert "version: " in run("bundle", "diff", device, made).out
    older = run("bundle", "rollback", "--bundle", device)
    assert older.code == 5 and "no earlier bundle is kept" in older.err


def test_score_by_a_bundle_that_is_not_trusted_is_refused(run: Run, made: Path, keys: Path, tmp_path: Path) -> None:
    run("bundle", "key", tmp_path / "maker")
    shutil.copy(tmp_path / "maker.pub", keys)
    refused = run("score", "recording.mp4", "--bundle", made)
    assert refused.code == 5 and "is not signed: have its maker sign it" in refused.err
    assert refused.out == ""
    shown = run("bundle", "sign", "--key", tmp_path / "nowhere", "--bundle", made)
    assert shown.code == 2 and "cannot be read" in shown.err
