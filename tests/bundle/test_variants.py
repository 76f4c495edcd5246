"""Which file a device loads for a network, and the manifest of a bundle made from another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fidgety.bundle import Bundle, GraphVariant, Manifest, open_bundle, write_bundle
from fidgety.bundle.derived import derived_manifest
from fidgety.errors import BundleError, UsageError
from fidgety.runtime.networks import graph_of, window_network


def _with_variants(tmp_path: Path, manifest: Manifest) -> Bundle:
    files = {}
    for name in ("mam_window.onnx", "window.int8.onnx", "window.b1.fp16.onnx", "window.b8.fp16.onnx"):
        files[name] = tmp_path / f"made-{name}"
        files[name].write_bytes(name.encode())
    variants = (
        GraphVariant("mam_window.onnx", "window.int8.onnx", "int8-x86", {}, ("cpu",)),
        GraphVariant("mam_window.onnx", "window.b1.fp16.onnx", "fp16", {"B": 1}, ("cuda", "tensorrt")),
        GraphVariant("mam_window.onnx", "window.b8.fp16.onnx", "fp16", {"B": 8}, ("tensorrt",)),
    )
    return write_bundle(tmp_path / "with-variants", replace(manifest, variants=variants), files)


@pytest.mark.parametrize(
    ("device", "n_rows", "file"),
    [
        ("cpu", None, "window.int8.onnx"),
        ("tensorrt", 1, "window.b1.fp16.onnx"),
        ("tensorrt", 8, "window.b8.fp16.onnx"),
        ("tensorrt", None, "mam_window.onnx"),  # of any number of rows: none of fixed sizes fits
        ("cuda", 1, "window.b1.fp16.onnx"),
        ("cuda", 8, "mam_window.onnx"),
    ],
)
def test_graph_takes_the_variant_that_fits(
    device: Any, n_rows: int | None, file: str, tmp_path: Path, manifest: Manifest
) -> None:
    bundle = open_bundle(_with_variants(tmp_path, manifest).path)
    assert bundle.graph("mam_window.onnx", device, n_rows) == bundle.file(file)


@pytest.mark.parametrize(
    ("device", "file", "precision"),
    [
        ("cpu", "window.int8.onnx", "int8-x86"),
        ("cuda", "window.b1.fp16.onnx", "fp16"),
        ("tensorrt", "window.b1.fp16.onnx", "fp16"),
    ],
)
def test_graph_of_is_what_the_runtime_opens_on_a_device(
    device: Any, file: str, precision: str, tmp_path: Path, manifest: Manifest
) -> None:
    bundle = _with_variants(tmp_path, manifest)
    graph = graph_of(bundle, "mam_window.onnx", window_network(manifest.mam), device)
    assert (graph.path, graph.precision) == (bundle.file(file), precision)


def test_graph_without_variants_is_the_float32_one(tmp_path: Path, manifest: Manifest) -> None:
    bundle = _with_variants(tmp_path, manifest)
    plain = replace(bundle, manifest=replace(bundle.manifest, variants=()))
    assert plain.graph("mam_window.onnx", "tensorrt") == bundle.file("mam_window.onnx")


@pytest.mark.parametrize("key", ["graph", "file"])
def test_open_bundle_variant_of_a_file_that_is_not_there(key: str, tmp_path: Path, manifest: Manifest) -> None:
    bundle = _with_variants(tmp_path, manifest)
    path = bundle.path / "manifest.json"
    data = json.loads(path.read_text())
    data["variants"][0][key] = "gone.onnx"
    path.write_text(json.dumps(data))
    with pytest.raises(BundleError, match=r"variants name 'gone\.onnx'"):
        open_bundle(bundle.path)


def test_derived_manifest_is_one_version_up_and_names_its_parent(tmp_path: Path, manifest: Manifest) -> None:
    bundle = _with_variants(tmp_path, manifest)
    made = derived_manifest(bundle, name="other")
    assert (made.version, made.parent, made.name) == ("1.1", bundle.sha256, "other")
    odd = replace(bundle, manifest=replace(bundle.manifest, version="first"))
    with pytest.raises(UsageError, match="its version is no number"):
        derived_manifest(odd)
