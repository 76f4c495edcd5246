from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fidgety.bundle import Bundle, Manifest, default_bundle_path, open_bundle, sha256_of_file, write_bundle
from fidgety.bundle.store import changing, kept, one_before
from fidgety.errors import BundleError, DeviceError

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, Path]:
    """Two files to put into a bundle."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "a").write_bytes(b"graph a" * 100)
    (folder / "b").write_bytes(b"graph b" * 100)
    return {"pose_detector.onnx": folder / "a", "mam_bag.onnx": folder / "b"}


@pytest.fixture
def bundle(tmp_path: Path, manifest: Manifest, contents: dict[str, Path]) -> Bundle:
    return write_bundle(tmp_path / "bundle", manifest, contents)


def rewrite(bundle: Bundle, edit: Edit) -> None:
    """Change the manifest on disk."""
    path = bundle.path / "manifest.json"
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def test_write_bundle_then_open_gives_the_same_manifest(bundle: Bundle, manifest: Manifest) -> None:
    again = open_bundle(bundle.path)
    assert again.manifest == bundle.manifest
    assert again.sha256 == bundle.sha256
    assert again.manifest.quality == manifest.quality
    assert again.manifest.label_scheme.risk == ("sporadic", "absent")
    assert again.file("mam_bag.onnx").read_bytes() == b"graph b" * 100
    assert again.manifest.files["mam_bag.onnx"] == sha256_of_file(again.file("mam_bag.onnx"))
    assert again.label.startswith("test-bundle 1.0 (") and again.sha256[:12] in again.label


def test_open_bundle_label_changes_with_any_setting(bundle: Bundle) -> None:
    def lower(data: dict[str, Any]) -> None:
        data["operating_point"]["fms_threshold"] = 0.4

    rewrite(bundle, lower)
    assert open_bundle(bundle.path).label != bundle.label


def test_file_not_in_the_manifest_is_refused(bundle: Bundle) -> None:
    (bundle.path / "stray.onnx").write_bytes(b"?")
    with pytest.raises(BundleError, match=r"does not list the file 'stray.onnx'"):
        bundle.file("stray.onnx")


def _pop(*keys: str) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        for key in keys[:-1]:
            data = data[key]
        del data[keys[-1]]

    return edit


def _set(value: Any, *keys: str) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_set(1, "colour"), "manifest: unknown key 'colour'"),
        (_set(1, "pose", "colour"), r"manifest\.pose: unknown key 'colour'"),
        (_pop("mam"), "manifest: key 'mam' is missing"),
        (_pop("mam", "window_frames"), r"manifest\.mam: key 'window_frames' is missing"),
        (_set("240", "mam", "window_frames"), r"manifest\.mam\.window_frames is '240': expected int"),
        (_set(240.0, "mam", "window_frames"), r"window_frames is 240\.0: expected int"),
        (_set(True, "mam", "window_frames"), r"window_frames is True: expected int"),
        (_set(True, "track", "fps"), r"manifest\.track\.fps is True: expected a number"),
        (_set(float("nan"), "operating_point", "fms_threshold"), r"fms_threshold is nan: expected a number"),
        (_set(None, "track", "fps"), r"manifest\.track\.fps is None"),
        (_set("huge", "pose", "variant"), r"manifest\.pose\.variant is 'huge': expected one of 'lite', 'full'"),
        (_set("sporadic", "label_scheme", "risk"), r"label_scheme\.risk is 'sporadic': expected a list"),
        (_set([1], "label_scheme", "risk"), r"label_scheme\.risk\[0\] is 1: expected str"),
        (_set([], "files"), r"manifest\.files is \[\]: expected an object"),
        (_set("pose", "pose"), r"manifest\.pose is 'pose': expected an object"),
        (_set(1, "format"), "has format 1, this program reads 4"),
        (_pop("format"), "has format None"),
    ],
)
def test_open_bundle_wrong_key_is_named(bundle: Bundle, edit: Edit, message: str) -> None:
    rewrite(bundle, edit)
    with pytest.raises(BundleError, match=message):
        open_bundle(bundle.path)


def test_open_bundle_own_pose_network_whose_heat_maps_were_not_measured(bundle: Bundle) -> None:
    rewrite(bundle, _set({"family": "heatmap", "width_px": 192}, "pose", "network"))
    with pytest.raises(BundleError, match=r"manifest\.json holds a pose network .*: build the bundle anew with"):
        open_bundle(bundle.path)


def test_open_bundle_banner_may_be_absent(bundle: Bundle) -> None:
    rewrite(bundle, _set(None, "provenance", "banner"))
    assert open_bundle(bundle.path).manifest.provenance.banner is None


def test_open_bundle_whole_number_for_a_float_is_fine(bundle: Bundle) -> None:
    rewrite(bundle, _set(25, "track", "fps"))
    fps = open_bundle(bundle.path).manifest.track.fps
    assert fps == 25.0 and isinstance(fps, float)


def test_open_bundle_changed_byte_is_refused(bundle: Bundle) -> None:
    path = bundle.path / "mam_bag.onnx"
    data = bytearray(path.read_bytes())
    data[17] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"mam_bag\.onnx is not the file that the manifest names"):
        open_bundle(bundle.path)


def test_open_bundle_missing_file_is_refused(bundle: Bundle) -> None:
    (bundle.path / "mam_bag.onnx").unlink()
    with pytest.raises(BundleError, match=r"mam_bag\.onnx cannot be read"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 3', "\xff\xfe"])
def test_open_bundle_damaged_manifest_is_refused(bundle: Bundle, text: str) -> None:
    (bundle.path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match=r"damaged|has format None"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("place", ["nowhere", "a_file"])
def test_open_bundle_none_there_says_how_to_make_one(tmp_path: Path, place: str) -> None:
    (tmp_path / "a_file").write_text("x")
    with pytest.raises(BundleError, match="fidgety bundle build"):
        open_bundle(tmp_path / place)


@pytest.mark.parametrize("name", ["../outside", "sub/graph.onnx", "/etc/hostname", "..", ".", ""])
def test_open_bundle_name_that_leads_out_is_refused(bundle: Bundle, name: str) -> None:
    outside = bundle.path.parent / "outside"
    outside.write_bytes(b"x")
    digest = sha256_of_file(outside)
    rewrite(bundle, lambda data: data["files"].update({name: digest}))
    with pytest.raises(BundleError, match="lie in its own folder"):
        open_bundle(bundle.path)


def test_write_bundle_name_that_leads_out_writes_nothing(
    tmp_path: Path, manifest: Manifest, contents: dict[str, Path]
) -> None:
    with pytest.raises(BundleError, match="lie in its own folder"):
        write_bundle(tmp_path / "bundle", manifest, {"../escaped": contents["mam_bag.onnx"]})
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "bundle").exists()


def test_write_bundle_replaces_in_one_step_and_keeps_the_one_before(
    tmp_path: Path, bundle: Bundle, manifest: Manifest, contents: dict[str, Path]
) -> None:
    labels = [bundle.label]
    for text in (b"better", b"best"):
        contents["mam_bag.onnx"].write_bytes(text)
        labels.append(write_bundle(tmp_path / "bundle", manifest, contents).label)
        assert open_bundle(tmp_path / "bundle").file("mam_bag.onnx").read_bytes() == text
    assert len(set(labels)) == 3
    assert [open_bundle(place).label for _, place in kept(tmp_path / "bundle")] == labels[1:]
    assert not list(tmp_path.glob("bundle.kept/.staged"))


def test_open_bundle_stays_what_it_is_when_another_is_put_into_use(
    tmp_path: Path, bundle: Bundle, manifest: Manifest, contents: dict[str, Path]
) -> None:
    contents["mam_bag.onnx"].write_bytes(b"better")
    write_bundle(tmp_path / "bundle", manifest, contents)
    assert bundle.file("mam_bag.onnx").read_bytes() == b"graph b" * 100


def test_write_bundle_over_a_plain_folder_of_older_programs_keeps_it(
    tmp_path: Path, bundle: Bundle, manifest: Manifest, contents: dict[str, Path]
) -> None:
    shutil.copytree(bundle.path, tmp_path / "old")
    contents["mam_bag.onnx"].write_bytes(b"better")
    new = write_bundle(tmp_path / "old", manifest, contents)
    assert open_bundle(tmp_path / "old").label == new.label
    assert open_bundle(one_before(tmp_path / "old")).label == bundle.label


def test_write_bundle_disk_full_while_copying_leaves_the_old_one(
    tmp_path: Path, bundle: Bundle, manifest: Manifest, contents: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", copy_half)
    with pytest.raises(DeviceError, match="No space left"):
        write_bundle(tmp_path / "bundle", manifest, contents)
    assert open_bundle(tmp_path / "bundle").label == bundle.label
    assert not list(tmp_path.glob("bundle.kept/.staged"))


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("step", ["rename", "symlink_to", "replace"])
def test_write_bundle_killed_before_any_step_leaves_a_whole_bundle(
    tmp_path: Path,
    bundle: Bundle,
    manifest: Manifest,
    contents: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    def kill(*_: Any) -> None:
        raise Killed

    contents["mam_bag.onnx"].write_bytes(b"better")
    monkeypatch.setattr(Path, step, kill)
    with pytest.raises(Killed):
        write_bundle(tmp_path / "bundle", manifest, contents)
    monkeypatch.undo()
    assert open_bundle(tmp_path / "bundle").label == bundle.label
    new = write_bundle(tmp_path / "bundle", manifest, contents)  # and the next attempt goes through
    assert open_bundle(tmp_path / "bundle").label == new.label
    assert [open_bundle(place).label for _, place in kept(tmp_path / "bundle")] == [bundle.label, new.label]


def test_write_bundle_beside_another_writer_waits_for_nobody(
    tmp_path: Path, bundle: Bundle, manifest: Manifest, contents: dict[str, Path]
) -> None:
    with changing(tmp_path / "bundle"), pytest.raises(DeviceError, match="another bundle is being put"):
        write_bundle(tmp_path / "bundle", manifest, contents)
    assert open_bundle(tmp_path / "bundle").label == bundle.label


def test_write_bundle_place_that_cannot_be_written(
    tmp_path: Path, manifest: Manifest, contents: dict[str, Path]
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeviceError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "bundle", manifest, contents)


def test_default_bundle_path_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIDGETY_BUNDLE", "/somewhere/else")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_bundle_path() == Path("/somewhere/else")
    monkeypatch.delenv("FIDGETY_BUNDLE")
    assert default_bundle_path() == Path("/data/fidgety/bundle")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_bundle_path() == tmp_path / ".local" / "share" / "fidgety" / "bundle"
