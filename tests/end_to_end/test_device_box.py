"""`fidgety device show` and `device doctor` on the machine that runs the tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the box remembers of itself goes elsewhere."""
    monkeypatch.setenv("FIDGETY_STATE", str(tmp_path / "state"))


def test_device_show(run: Run, tmp_path: Path) -> None:
    outcome = run("device", "show", "--json", "--data", tmp_path)
    assert outcome.code == 0
    shown = json.loads(outcome.out)
    assert shown["memory"]["total_mb"] > shown["memory"]["available_mb"] > 0
    assert {"name": "CPUExecutionProvider", "is_working": True}.items() <= shown["engines"][0].items()


@pytest.mark.bundle
def test_device_doctor_finds_nothing_wrong_with_what_make_test_installed(run: Run, tmp_path: Path) -> None:
    outcome = run("device", "doctor", "--json", "--data", tmp_path)
    codes = {finding["code"] for finding in json.loads(outcome.out)}
    assert not {code for code in codes if code.startswith(("onnxruntime", "opencv", "av-", "bundle", "data-folder"))}


def test_device_doctor_of_a_box_without_a_bundle(run: Run, tmp_path: Path) -> None:
    outcome = run("device", "doctor", "--data", tmp_path, "--bundle", tmp_path / "none")
    assert outcome.code == 4
    assert "FIX   bundle-missing: no model bundle at" in outcome.out
    assert "-> fidgety bundle install FILE" in outcome.out
    assert outcome.out.splitlines()[-1].startswith("not fit: ")
