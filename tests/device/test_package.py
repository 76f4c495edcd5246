"""Packages: only the receiver reads them, only a trusted device's are believed, only as they were written."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from fidgety.bundle.signature import make_key, private_key
from fidgety.device import package
from fidgety.device.export import device_key, export
from fidgety.device.holdings import About, Infant
from fidgety.device.log_check import verify
from fidgety.device.package import Body, pack, unpack
from fidgety.device.receiver import make_receiver_key, read_receiver
from fidgety.device.sealing import turn_on
from fidgety.device.store import Store
from fidgety.device.vault import make_key_file
from fidgety.durable import hash_stream
from fidgety.errors import DeviceError, UsageError

from .conftest import MakeRecording, a_result, claimed


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The private key of a receiver; `stranger` has one too."""
    monkeypatch.delenv("FIDGETY_KEY_PASSPHRASE", raising=False)
    make_receiver_key(tmp_path / "stranger")
    make_receiver_key(tmp_path / "receiver")
    return tmp_path / "receiver"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


@pytest.fixture
def senders(tmp_path: Path, store: Store) -> Path:
    """Whom the receiver trusts: the store's device."""
    (tmp_path / "senders").mkdir()
    shutil.copy(f"{device_key(store)}.pub", tmp_path / "senders" / "device.pub")
    return tmp_path / "senders"


@pytest.fixture
def filled(store: Store, make_recording: MakeRecording) -> Store:
    store.add(make_recording("1.mp4", 150_000), About(Infant("A", born="2026-09-01")))
    store.add(make_recording("2.mp4"))
    store.finish(claimed(store), a_result('{"n": 1}'))
    store.override("R000001", "S-1", "FMs present", "seen")
    return store


def made(store: Store, stick: Path, receiver: Path) -> Path:
    return export(store, store.recordings(), stick, Path(f"{receiver}.pub")).path


@pytest.mark.parametrize("is_sealed", [False, True])
def test_from_device_to_receiver(
    filled: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path, is_sealed: bool
) -> None:
    if is_sealed:
        list(turn_on(filled.shelf, make_key_file(tmp_path / "key")))
    path = made(filled, stick, receiver)
    assert [one.name for one in stick.iterdir()] == [path.name]
    assert b"2026-09-01" not in path.read_bytes()
    done = unpack(path, tmp_path / "out", receiver, senders)
    assert (tmp_path / "out/R000001/R000001.mp4").read_bytes() == (tmp_path / "1.mp4").read_bytes()
    assert (tmp_path / "out/R000001/R000001-1-result.json").read_text() == '{"n": 1}'
    told = {one["id"]: one for one in done.manifest["recordings"]}
    assert told["R000001"]["overrides"][0]["finding"] == "FMs present"
    assert told["R000001"]["results"][0]["bundle"] == "demo 1.0 (abc)"
    log = (tmp_path / "out/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in log] == ["added", "added", "claimed", "scored", "override"]
    assert verify(filled.shelf.books, done.manifest["log_head"]).faults == ()
    assert json.loads((tmp_path / "out/manifest.json").read_bytes()) == done.manifest


def test_export_without_videos(filled: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path) -> None:
    path = export(filled, filled.recordings(), stick, Path(f"{receiver}.pub"), has_video=False).path
    unpack(path, tmp_path / "out", receiver, senders)
    assert not list((tmp_path / "out").rglob("*.mp4")) and list((tmp_path / "out").rglob("*result.json"))


@pytest.mark.parametrize("place", [0, 20, 40, 57, 58, 1000, 70_000, -1])
def test_unpack_refuses_a_flipped_byte(
    filled: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path, place: int
) -> None:
    path = made(filled, stick, receiver)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DeviceError, match=r"changed|no package|is for the receiver"):
        unpack(path, tmp_path / "out", receiver, senders)
    assert not (tmp_path / "out").exists() and not (tmp_path / ".out.part").exists()


@pytest.mark.parametrize("n_bytes", [1, 100, 65_552, 140_000])
def test_unpack_refuses_what_was_cut_off(
    filled: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path, n_bytes: int
) -> None:
    path = made(filled, stick, receiver)
    os.truncate(path, path.stat().st_size - n_bytes)
    with pytest.raises(DeviceError, match=r"changed or cut off"):
        unpack(path, tmp_path / "out", receiver, senders)
    assert not (tmp_path / "out").exists()


def test_unpack_by_another_receiver(filled: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path) -> None:
    path = made(filled, stick, receiver)
    with pytest.raises(DeviceError, match="is for the receiver"):
        unpack(path, tmp_path / "out", tmp_path / "stranger", senders)


def test_unpack_of_another_signer(filled: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path) -> None:
    path = made(filled, stick, receiver)
    make_key(tmp_path / "other")
    shutil.copy(tmp_path / "other.pub", senders / "device.pub")
    with pytest.raises(DeviceError, match="which is not trusted"):
        unpack(path, tmp_path / "out", receiver, senders)
    (senders / "device.pub").unlink()
    with pytest.raises(DeviceError, match="no sender is trusted"):
        unpack(path, tmp_path / "out", receiver, senders)


def body(path: str, content: bytes = b"x") -> Body:
    return Body(path, io.BytesIO(content), len(content), hash_stream(io.BytesIO(content))[0])


@pytest.mark.parametrize(
    "path",
    ["../evil", "/etc/evil", "R000001/../../evil", "a/b/c", "..", ".", "", "R1/.ssh", "manifest.json", "a\\b", "R1//x"],
)
def test_unpack_refuses_paths_that_lead_elsewhere_even_from_a_trusted_device(
    store: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path, path: str
) -> None:
    place = stick / "x"
    pack(place, {"recordings": []}, [body(path)], private_key(device_key(store)), Path(f"{receiver}.pub"))
    with pytest.raises(DeviceError, match="leads out of the package"):
        unpack(place, tmp_path / "out", receiver, senders)
    assert not (tmp_path / "evil").exists() and not (tmp_path / "out").exists()


def test_unpack_refuses_a_file_named_twice(
    store: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path
) -> None:
    pack(stick / "x", {}, [body("a"), body("a")], private_key(device_key(store)), Path(f"{receiver}.pub"))
    with pytest.raises(DeviceError, match="names a file twice"):
        unpack(stick / "x", tmp_path / "out", receiver, senders)


def _forged(place: Path, change: dict[str, Any], store: Store, receiver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As somebody would write who holds no device's key: the manifest changed under the old signature."""
    written: list[bytes] = []
    with_length = package._with_length

    def change_first(words: bytes) -> bytes:
        written.append(words)
        return with_length(json.dumps(json.loads(words) | change).encode() if len(written) == 1 else words)

    with monkeypatch.context() as patched:
        patched.setattr(package, "_with_length", change_first)
        pack(place, {}, [body("a")], private_key(device_key(store)), Path(f"{receiver}.pub"))


def test_unpack_refuses_a_manifest_that_was_not_signed(
    store: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forged(stick / "x", {"made_at": "2020"}, store, receiver, monkeypatch)
    with pytest.raises(DeviceError, match="the signature is not that of what it holds"):
        unpack(stick / "x", tmp_path / "out", receiver, senders)


def test_unpack_refuses_a_package_that_was_sealed_anew_for_somebody_else(
    store: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver hands a device's package on as if the device had sent it there."""
    stranger = read_receiver(tmp_path / "stranger.pub")
    seal = package._seal
    with monkeypatch.context() as patched:
        patched.setattr(package, "_seal", lambda payload, sink, _: seal(payload, sink, stranger))
        pack(stick / "x", {}, [body("a")], private_key(device_key(store)), Path(f"{receiver}.pub"))
    with pytest.raises(DeviceError, match="sealed anew by somebody else"):
        unpack(stick / "x", tmp_path / "out", tmp_path / "stranger", senders)


def test_export_of_a_damaged_file_leaves_nothing(filled: Store, stick: Path, receiver: Path) -> None:
    path = filled.folder / "recordings/R000001/R000001.mp4"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DeviceError, match=r"R000001/R000001\.mp4 is not what came in"):
        made(filled, stick, receiver)
    assert list(stick.iterdir()) == []


def test_export_to_a_stick_without_room(
    filled: Store, stick: Path, receiver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(DeviceError, match="has room for 0 MB"):
        made(filled, stick, receiver)
    assert list(stick.iterdir()) == []


def test_export_asks_for_sense(filled: Store, stick: Path, receiver: Path, tmp_path: Path) -> None:
    for to in (receiver, tmp_path / "nowhere.pub", Path(f"{device_key(filled)}.pub")):
        with pytest.raises(UsageError, match=r"no receiver's public key|cannot be read"):
            export(filled, filled.recordings(), stick, to)
    with pytest.raises(UsageError, match="is the stick mounted"):
        export(filled, filled.recordings(), tmp_path / "nowhere", Path(f"{receiver}.pub"))
    with pytest.raises(UsageError, match="nothing to export"):
        export(filled, [], stick, Path(f"{receiver}.pub"))
    filled.begin()
    with pytest.raises(UsageError, match="is being recorded"):
        made(filled, stick, receiver)


def test_unpack_into_a_folder_that_is_there(
    filled: Store, stick: Path, receiver: Path, senders: Path, tmp_path: Path
) -> None:
    path = made(filled, stick, receiver)
    with pytest.raises(UsageError, match="is there already"):
        unpack(path, stick, receiver, senders)
    with pytest.raises(UsageError, match="is no receiver's key"):
        unpack(path, tmp_path / "out", device_key(filled), senders)
