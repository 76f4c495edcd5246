from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.export.publish import build_bundle, is_current

from ..conftest import Run


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The bundle that `make test` builds; its pose networks are taken as if they had just been exported."""
    bundle = open_bundle(default_bundle_path())
    pose = bundle.manifest.pose

    class Networks:
        detector, landmarks = bundle.file(pose.detector), bundle.file(pose.landmarks)
        source_package, source_sha256, licence, parity = "a wheel", "0" * 64, "Apache-2.0", "alike"

    def export(*_: Any, **__: Any) -> type[Networks]:
        return Networks

    monkeypatch.setattr("fidgety.export.publish.export_pose_networks", export)
    monkeypatch.setattr("fidgety.export.publish._parity_pictures", list)
    return bundle


@pytest.mark.bundle
def test_build_bundle_of_a_version(present: Bundle, tmp_path: Path) -> None:
    assert is_current(present.path, "full")
    assert not is_current(present.path, "full", version="0.2.0")
    made, _ = build_bundle(tmp_path / "made", "full", tmp_path, version="0.2.0")
    assert made.manifest.version == "0.2.0-full"
    assert is_current(tmp_path / "made", "full", version="0.2.0")
    assert not is_current(tmp_path / "made", "full")


def test_bundle_build_refuses_a_version_that_no_device_could_compare(typed: Run, tmp_path: Path) -> None:
    outcome = typed("bundle", "build", "--version", "new", "--bundle", tmp_path / "made")
    assert outcome.code == 2 and "'new' is no number such as 1.4.0" in outcome.err
    assert not (tmp_path / "made").exists()
