"""Installing on a device: what is refused, what survives, and the way back."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fidgety.bundle import Bundle, open_bundle
from fidgety.bundle.install import install_bundle, roll_back
from fidgety.bundle.one_file import pack_bundle
from fidgety.bundle.signature import sign_bundle
from fidgety.bundle.store import kept
from fidgety.errors import BundleError, DeviceError, FidgetyError, UsageError

MakeBundle = Callable[..., Bundle]
PackBundle = Callable[..., Path]


def _version(path: Path) -> str:
    return open_bundle(path).manifest.version


def _refused(source: Path, device: Path, message: str) -> None:
    """It is refused with this message, and the device is as it was."""
    before = [place.name for _, place in kept(device)]
    with pytest.raises(FidgetyError, match=message):
        install_bundle(source, device)
    assert _version(device) == "1.0"
    assert [place.name for _, place in kept(device)] == before
    assert not (device.parent / "bundle.kept" / ".staged").exists()


def _rezip(source: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same file with other contents, its checksums in order."""
    with zipfile.ZipFile(source) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    change(contents)
    with zipfile.ZipFile(source, "w") as packed:
        for name, content in contents.items():
            packed.writestr(name, content)
    return source


def test_install_bundle_of_a_file_and_of_a_folder(device: Path, make_bundle: MakeBundle, pack: PackBundle) -> None:
    assert install_bundle(pack("1.1"), device).manifest.version == "1.1"
    assert install_bundle(make_bundle("1.10").path, device).manifest.version == "1.10"
    assert _version(device) == "1.10"
    assert [_version(place) for _, place in kept(device)] == ["1.1", "1.10"]


@pytest.mark.usefixtures("trusting")
def test_install_bundle_on_a_device_that_has_none(tmp_path: Path, pack: PackBundle) -> None:
    assert install_bundle(pack(), tmp_path / "new" / "bundle").manifest.version == "1.0"


def test_install_bundle_again_changes_nothing(device: Path, pack: PackBundle) -> None:
    before = kept(device)
    assert install_bundle(pack("1.0"), device).path == before[0][1].resolve()
    assert kept(device) == before


def test_install_bundle_in_place_of_a_damaged_one(device: Path, pack: PackBundle) -> None:
    (device / "mam_bag.onnx").write_bytes(b"worn out")
    assert install_bundle(pack("1.0"), device).manifest.version == "1.0"
    assert _version(device) == "1.0"


@pytest.mark.parametrize("version", ["0.9", "1.0", "1.0.0-other", "0.99.7"])
def test_install_bundle_that_is_not_newer(device: Path, make_bundle: MakeBundle, tmp_path: Path, version: str) -> None:
    made = make_bundle(version)
    manifest = made.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"by hand"', '"by foot"'))  # never the very bundle in use
    sign_bundle(open_bundle(made.path), tmp_path / "maker")
    _refused(made.path, device, "is not newer than .*rollback")


def test_install_bundle_of_another_name_needs_no_higher_version(device: Path, make_bundle: MakeBundle) -> None:
    assert install_bundle(make_bundle("0.3", name="ward-7").path, device).manifest.name == "ward-7"


def test_install_bundle_whose_version_is_no_number(device: Path, make_bundle: MakeBundle) -> None:
    _refused(make_bundle("newest").path, device, "its version is no number")


def test_install_bundle_of_a_stranger(device: Path, pack: PackBundle, make_bundle: MakeBundle) -> None:
    _refused(pack("2.0", signer="stranger"), device, "does not trust")
    _refused(make_bundle("2.1", signer="stranger").path, device, "does not trust")
    _refused(pack("2.2", signer=None), device, "is not signed")
    _refused(make_bundle("2.3", signer=None).path, device, "is not signed")


def test_install_bundle_where_nobody_is_trusted(tmp_path: Path, pack: PackBundle) -> None:
    with pytest.raises(BundleError, match="no key is trusted here: put"):
        install_bundle(pack(), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["manifest.json", "signature.json", "pose_detector.onnx", "mam_bag.onnx"])
@pytest.mark.parametrize("is_file", [False, True])
def test_install_bundle_with_a_flipped_byte(
    device: Path, make_bundle: MakeBundle, pack: PackBundle, name: str, is_file: bool
) -> None:
    def flip(contents: dict[str, bytes]) -> None:
        middle = len(contents[name]) // 2
        contents[name] = contents[name][:middle] + bytes([contents[name][middle] ^ 1]) + contents[name][middle + 1 :]

    if is_file:
        source = _rezip(pack("2.0"), flip)
    else:
        source = make_bundle("2.0").path
        contents = {name: (source / name).read_bytes()}
        flip(contents)
        (source / name).write_bytes(contents[name])
    told = "is not the file that the manifest names" if name.endswith(".onnx") else "changed after it|is damaged|trust"
    _refused(source, device, told)


def test_install_bundle_with_a_swapped_graph(device: Path, pack: PackBundle) -> None:
    def swap(contents: dict[str, bytes]) -> None:
        contents["mam_bag.onnx"], contents["pose_detector.onnx"] = (
            contents["pose_detector.onnx"],
            contents["mam_bag.onnx"],
        )

    _refused(_rezip(pack("2.0"), swap), device, "is not the file that the manifest names")


def test_install_bundle_with_an_edited_manifest(device: Path, pack: PackBundle) -> None:
    def edit(contents: dict[str, bytes]) -> None:
        told = json.loads(contents["manifest.json"])
        told["operating_point"]["risk_threshold"] = 0.99
        contents["manifest.json"] = json.dumps(told).encode()

    _refused(_rezip(pack("2.0"), edit), device, "changed after it was signed")


def test_install_bundle_with_an_older_manifests_signature(device: Path, pack: PackBundle) -> None:
    with zipfile.ZipFile(pack("1.5")) as packed:
        signature = packed.read("signature.json")
    source = _rezip(pack("2.0"), lambda contents: contents.update({"signature.json": signature}))
    _refused(source, device, "changed after it was signed")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_install_bundle_of_a_truncated_file(device: Path, pack: PackBundle, share: float) -> None:
    source = pack("2.0")
    content = source.read_bytes()
    source.write_bytes(content[: int(share * len(content))])
    _refused(source, device, "is damaged or no bundle")


def test_install_bundle_of_what_is_no_bundle(device: Path, tmp_path: Path) -> None:
    _refused(tmp_path / "nowhere.fidgety", device, "there is no file")
    (tmp_path / "folder").mkdir()
    _refused(tmp_path / "folder", device, "no model bundle at")
    (tmp_path / "text").write_text("hello")
    _refused(tmp_path / "text", device, "is damaged or no bundle")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as packed:
        packed.writestr("readme.txt", "hello")
    _refused(tmp_path / "other.zip", device, r"holds no manifest\.json")


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "sub/../../escaped", "..\\escaped", "sub/escaped", "sub/"])
def test_install_bundle_with_a_path_that_leads_out(device: Path, pack: PackBundle, name: str) -> None:
    source = _rezip(pack("2.0"), lambda contents: contents.update({name: b"evil"}))
    _refused(source, device, "leads out of the bundle|is no plain file")
    assert not list(device.parents[1].rglob("escaped"))


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def test_install_bundle_with_a_link(device: Path, pack: PackBundle) -> None:
    source = _rezip(pack("2.0"), lambda contents: contents.pop("mam_bag.onnx") and None)
    with zipfile.ZipFile(source, "a") as packed:
        packed.writestr(_entry("mam_bag.onnx", 0o120777), "/etc/passwd")
    _refused(source, device, "is no plain file")


def test_install_bundle_with_a_link_in_the_folder(device: Path, make_bundle: MakeBundle, tmp_path: Path) -> None:
    source = make_bundle("2.0").path
    (tmp_path / "elsewhere").write_bytes((source / "mam_bag.onnx").read_bytes())
    (source / "mam_bag.onnx").unlink()
    (source / "mam_bag.onnx").symlink_to(tmp_path / "elsewhere")
    install_bundle(source, device)  # its bytes are the right ones, and they are copied
    assert not (device / "mam_bag.onnx").is_symlink()
    (tmp_path / "elsewhere").unlink()
    assert _version(device) == "2.0"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_install_bundle_with_a_file_twice_too_many_or_missing(
    device: Path, pack: PackBundle, make_bundle: MakeBundle
) -> None:
    twice = pack("2.0")
    with zipfile.ZipFile(twice, "a") as packed:
        packed.writestr("mam_bag.onnx", b"another")
    _refused(twice, device, "is there twice")
    more = _rezip(pack("2.1"), lambda contents: contents.update({"extra.onnx": b"?"}))
    _refused(more, device, "which its manifest does not name")
    less = _rezip(pack("2.2"), lambda contents: contents.pop("mam_bag.onnx") and None)
    _refused(less, device, "is missing, which its manifest names")
    folder = make_bundle("2.3").path
    (folder / "mam_bag.onnx").unlink()
    _refused(folder, device, r"holds no mam_bag\.onnx, which its manifest names")


def test_install_bundle_of_a_zip_bomb(device: Path, pack: PackBundle) -> None:
    source = pack("2.0")
    with zipfile.ZipFile(source) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in contents.items():
            packed.writestr(name, content if name != "mam_bag.onnx" else bytes(200_000_000))
    assert source.stat().st_size < 1_000_000
    _refused(source, device, "is packed or encrypted")


def test_install_bundle_that_claims_to_be_huge(device: Path, pack: PackBundle) -> None:
    """The directory at the end says that a file has 3 GB."""
    source = pack("2.0")
    content = bytearray(source.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = struct.pack("<II", 3_000_000_000, 3_000_000_000)
    source.write_bytes(content)
    _refused(source, device, "claims to hold more than it is long")


def test_install_bundle_with_a_huge_manifest(device: Path, pack: PackBundle) -> None:
    source = _rezip(pack("2.0"), lambda contents: contents.update({"manifest.json": b" " * 2_000_000}))
    _refused(source, device, "is 2000000 bytes long")


def test_install_bundle_of_a_file_that_cannot_be_read(
    device: Path, pack: PackBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, opened = pack("2.0"), Path.open

    def refuse(self: Path, *told: Any, **more: Any) -> Any:
        if self == source:
            raise PermissionError(13, "Permission denied")
        return opened(self, *told, **more)

    monkeypatch.setattr(Path, "open", refuse)
    _refused(source, device, r"2\.0\.fidgety cannot be read: Permission denied")


def test_install_bundle_without_room(device: Path, pack: PackBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    _refused(pack("2.0"), device, "has room for 0 MB, the bundle needs 1")


@pytest.mark.parametrize("is_file", [False, True])
def test_install_bundle_while_the_disk_fills(
    device: Path, make_bundle: MakeBundle, pack: PackBundle, monkeypatch: pytest.MonkeyPatch, is_file: bool
) -> None:
    source = pack("2.0") if is_file else make_bundle("2.0").path

    def fill(_: Any, target: Any, *__: Any) -> None:
        place = target if isinstance(target, Path) else Path(target.name)
        place.write_bytes(b"some")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj" if is_file else "copyfile", fill)
        _refused(source, device, "No space left on device")
    assert install_bundle(source, device).manifest.version == "2.0"


def test_roll_back_and_forth(device: Path, pack: PackBundle) -> None:
    newer = pack("2.0")
    install_bundle(newer, device)
    assert roll_back(device).manifest.version == "1.0"
    assert _version(device) == "1.0"
    with pytest.raises(BundleError, match="no earlier bundle is kept"):
        roll_back(device)
    assert install_bundle(newer, device).manifest.version == "2.0"
    assert [_version(place) for _, place in kept(device)] == ["1.0", "2.0"]
    assert roll_back(device).manifest.version == "1.0"


def test_roll_back_to_a_damaged_or_forsaken_one(device: Path, pack: PackBundle, trusting: Path, tmp_path: Path) -> None:
    install_bundle(pack("2.0"), device)
    place = kept(device)[0][1] / "mam_bag.onnx"
    whole = place.read_bytes()
    place.write_bytes(b"worn out")
    with pytest.raises(BundleError, match="is not the file that the manifest names"):
        roll_back(device)
    place.write_bytes(whole)
    shutil.copy(tmp_path / "stranger.pub", trusting / "maker.pub")
    with pytest.raises(BundleError, match="does not trust"):
        roll_back(device)
    assert _version(device) == "2.0"


def test_install_bundle_killed_at_50_random_moments(device: Path, pack: PackBundle) -> None:
    """Each time a whole bundle is in use, the old one or the new one, and the next attempt goes through."""
    seed = int(time.time())
    print(f"seed {seed}")
    moments = random.Random(seed)
    source = pack("2.0")
    start = time.monotonic()
    install_bundle(source, device)
    usual_s = time.monotonic() - start
    found = []
    for _ in range(50):
        roll_back(device)
        child = os.fork()
        if child == 0:
            try:
                install_bundle(source, device)
            finally:
                os._exit(0)
        time.sleep(moments.uniform(0.0, 1.2 * usual_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.append(_version(device))
        assert install_bundle(source, device).manifest.version == "2.0"
        assert [_version(place) for _, place in kept(device)] == ["1.0", "2.0"]
    assert set(found) <= {"1.0", "2.0"}


def test_pack_bundle_is_the_same_for_the_same_bundle(tmp_path: Path, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    for name in ("one", "other"):
        pack_bundle(bundle, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        pack_bundle(bundle, tmp_path / "one")
    with pytest.raises(DeviceError, match="cannot be written"):
        pack_bundle(bundle, tmp_path / "nowhere" / "one")
