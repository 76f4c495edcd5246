"""A maker signs and packs a bundle; a device installs it, goes back, and scores by nothing that it does not trust."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.device import selftest
from fidgety.device.selftest_reference import Measured, find_reference

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


@pytest.mark.usefixtures("own_state")
def test_bundle_of_ones_own_brings_its_self_test_reference(
    run: Run, made: Path, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured is tested in tests/device; here, on whose word a box that installs it tests itself."""
    manifest = made / "manifest.json"
    told = json.loads(manifest.read_text())
    told["operating_point"]["fms_threshold"] = 0.6
    manifest.write_text(json.dumps(told))
    run("bundle", "key", tmp_path / "maker")
    shutil.copy(tmp_path / "maker.pub", keys)
    bare = run("bundle", "sign", "--key", tmp_path / "maker", "--bundle", made)
    assert (bare.code, "brings no self-test reference" in bare.err) == (0, True)
    installed = run("bundle", "install", made, "--bundle", tmp_path / "device")
    assert installed.code == 0 and "until `fidgety device selftest --record`" in installed.err

    demo = find_reference(tmp_path / "state", open_bundle(default_bundle_path()))
    found = Measured(None, demo.n_fms, demo.n_instances, demo.noise_floor_mm, "", demo.outputs)
    monkeypatch.setattr(selftest, "measure", lambda *_, **__: found)
    monkeypatch.setattr(selftest, "golden_inputs", lambda *_, **__: demo.inputs)
    brought = run("bundle", "reference", "--bundle", made)
    assert brought.code == 0 and "sign it anew" in brought.out
    _raise_version(made)
    assert "reference" not in run("bundle", "sign", "--key", tmp_path / "maker", "--bundle", made).err
    assert "reference" not in run("bundle", "install", made, "--bundle", tmp_path / "device").err
    assert run("device", "selftest", "--bundle", tmp_path / "device").code == 0


def test_bundle_reference_far_from_the_truth_is_refused(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = find_reference(tmp_path / "state", open_bundle(default_bundle_path()))
    found = Measured(None, 2, demo.n_instances, demo.noise_floor_mm, "", demo.outputs)
    monkeypatch.setattr(selftest, "measure", lambda *_, **__: found)
    monkeypatch.setattr(selftest, "golden_inputs", lambda *_, **__: demo.inputs)
    refused = run("bundle", "reference", "--bundle", made)
    assert refused.code == 4 and "cannot be a reference" in refused.err
    assert "selftest.npz" not in json.loads((made / "manifest.json").read_text())["files"]
