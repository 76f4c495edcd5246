"""Packages come through a fake pip and a fake npm: small scripts that do what the real ones do, or fail as they do."""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.errors import FetchError
from fidgety.export import fetch
from fidgety.export.fetch import NPM_PACKAGE, WHEEL, Package, default_cache_dir, fetch_networks, fetch_package

CONTENT = b"the right package"
PIP_OFFLINE = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by NewConnectionError: refused\n"
    "ERROR: No matching distribution found for mediapipe==0.10.21"
)


def _pinned(package: Package, content: bytes = CONTENT) -> Package:
    return replace(package, sha256=hashlib.sha256(content).hexdigest())


def _client(path: Path, script: str) -> Path:
    """An executable that counts its calls in `calls` beside it, then does what `script` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho call >> '{path.parent}/calls'\n{script}\n")
    path.chmod(0o755)
    return path


def _n_calls(client: Path) -> int:
    return len((client.parent / "calls").read_text().splitlines())


@pytest.fixture
def python_with_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python whose pip delivers CONTENT into its working folder."""
    client = _client(tmp_path / "bin" / "python", f"printf '{CONTENT.decode()}' > {WHEEL.file_name}")
    monkeypatch.setattr(sys, "executable", str(client))
    return client


def _failing_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    client = _client(tmp_path / "bin" / "python", f"cat >&2 <<'END'\n{words}\nEND\nexit 1")
    monkeypatch.setattr(sys, "executable", str(client))


def test_fetch_package_downloads_once(python_with_pip: Path, tmp_path: Path) -> None:
    package, cache = _pinned(WHEEL), tmp_path / "deep" / "cache"
    first = fetch_package(package, cache)
    assert first.read_bytes() == CONTENT
    assert fetch_package(package, cache) == first
    assert _n_calls(python_with_pip) == 1
    assert [path.name for path in cache.iterdir()] == [WHEEL.file_name]


def test_fetch_package_damaged_cache_entry_is_replaced(python_with_pip: Path, tmp_path: Path) -> None:
    (tmp_path / WHEEL.file_name).write_bytes(CONTENT[:5])
    assert fetch_package(_pinned(WHEEL), tmp_path).read_bytes() == CONTENT
    assert _n_calls(python_with_pip) == 1


@pytest.mark.usefixtures("python_with_pip")
def test_fetch_package_wrong_hash_leaves_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(FetchError) as caught:
        fetch_package(_pinned(WHEEL, b"another content"), cache)
    assert hashlib.sha256(CONTENT).hexdigest() in str(caught.value)
    assert "--offline" in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("/x/python: No module named pip", "this Python has no pip"),
        (PIP_OFFLINE, "no connection to the package registry"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "No space left on device"),
        ("ERROR: No matching distribution found for mediapipe==0.10.21", "No matching distribution"),
        ("", "it gave no reason"),
    ],
)
def test_fetch_package_pip_fails(words: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _failing_pip(tmp_path, monkeypatch, words)
    with pytest.raises(FetchError) as caught:
        fetch_package(WHEEL, tmp_path / "cache")
    message = str(caught.value)
    assert reason in message
    assert WHEEL.file_name in message
    assert "--offline" in message
    assert "\n" not in message
    assert caught.value.exit_code == 5


def test_fetch_package_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(FetchError, match="cannot start"):
        fetch_package(WHEEL, tmp_path)


def test_fetch_package_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(_client(tmp_path / "bin" / "python", "exec sleep 20")))
    monkeypatch.setattr(fetch, "DOWNLOAD_TIMEOUT_S", 0.2)
    with pytest.raises(FetchError, match=r"no end after 0\.2 s"):
        fetch_package(WHEEL, tmp_path)


def test_fetch_package_npm_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="npm is not installed"):
        fetch_package(NPM_PACKAGE, tmp_path)


def test_fetch_package_npm_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _client(tmp_path / "bin" / "npm", f"printf '{CONTENT.decode()}' > {NPM_PACKAGE.file_name}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert fetch_package(_pinned(NPM_PACKAGE), tmp_path / "cache").read_bytes() == CONTENT


def test_fetch_package_cache_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(FetchError, match=r"cache folder .*cache"):
        fetch_package(WHEEL, tmp_path / "cache")


def test_fetch_networks_offline_file_missing(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="No such file") as caught:
        fetch_networks("full", tmp_path, offline=tmp_path / "gone.whl")
    assert WHEEL.file_name in str(caught.value)


def test_fetch_networks_offline_folder_without_package(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=WHEEL.file_name):
        fetch_networks("heavy", tmp_path, offline=tmp_path)


def test_fetch_networks_offline_never_downloads(python_with_pip: Path, tmp_path: Path) -> None:
    with pytest.raises(FetchError):
        fetch_networks("full", tmp_path, offline=tmp_path / "gone.whl")
    assert not (python_with_pip.parent / "calls").exists()


def test_fetch_networks_member_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / WHEEL.file_name
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("mediapipe/__init__.py", "")
    monkeypatch.setattr(fetch, "WHEEL", _pinned(WHEEL, path.read_bytes()))
    monkeypatch.setattr(fetch, "LANDMARK_MEMBERS", {"full": (fetch.WHEEL, "nothing")})
    with pytest.raises(FetchError, match=r"pose_detection\.tflite"):
        fetch_networks("full", tmp_path, offline=path)


def test_fetch_networks_truncated_wheel(pose_wheel: Path, tmp_path: Path) -> None:
    stump = tmp_path / WHEEL.file_name
    with pose_wheel.open("rb") as whole:
        stump.write_bytes(whole.read(1_000_000))
    with pytest.raises(FetchError, match="1000000 bytes with SHA-256"):
        fetch_networks("full", tmp_path, offline=stump)


def test_fetch_networks_wheel_under_another_name(pose_wheel: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "from_a_stick.whl"
    renamed.symlink_to(pose_wheel)
    networks = fetch_networks("full", tmp_path / "unused", offline=renamed)
    assert networks.detector[4:8] == networks.landmarks[4:8] == b"TFL3"
    assert [package.name for package in networks.packages] == ["mediapipe==0.10.21"]
    assert not (tmp_path / "unused").exists()


def test_fetch_networks_npm_file_finds_the_wheel_beside_it(pose_wheel: Path, npm_package: Path, tmp_path: Path) -> None:
    shutil.copy(npm_package, tmp_path / "pose.tgz")
    (tmp_path / WHEEL.file_name).symlink_to(pose_wheel)
    networks = fetch_networks("lite", tmp_path / "unused", offline=tmp_path / "pose.tgz")
    assert len(networks.landmarks) == 2_819_824
    assert [package.tool for package in networks.packages] == ["pip", "npm"]


def test_default_cache_dir_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "fidgety" / "fetch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "fidgety" / "fetch"
