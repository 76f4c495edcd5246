"""What a technician reads before an update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fidgety.bundle import Bundle
from fidgety.bundle.difference import differences

MakeBundle = Callable[..., Bundle]


def test_differences_names_every_key_that_is_not_the_same(make_bundle: MakeBundle) -> None:
    lines = list(differences(make_bundle("1.0"), make_bundle("1.1")))
    assert lines[0] == "version: 1.0 -> 1.1"
    assert [line.split(":")[0] for line in lines[1:]] == ["files.mam_bag.onnx", "files.pose_detector.onnx"]
    assert not list(differences(make_bundle("1.0"), make_bundle("1.0")))


def test_differences_of_a_file_that_only_one_has(make_bundle: MakeBundle) -> None:
    one = make_bundle("1.0")
    less = {name: digest for name, digest in one.manifest.files.items() if name != "mam_bag.onnx"}
    other = replace(one, manifest=replace(one.manifest, files=less))
    (line,) = differences(one, other)
    assert line == f"files.mam_bag.onnx: {one.manifest.files['mam_bag.onnx'][:12]}... -> none"
