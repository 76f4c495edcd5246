"""`fidgety device show` and `device doctor` on the machine that runs the tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.device import selftest
from fidgety.device.selftest_reference import Measured, find_reference

from ..conftest import Run

pytestmark = pytest.mark.usefixtures("own_state")


def test_device_show(run: Run, tmp_path: Path) -> None:
    outcome = run("device", "show", "--json", "--store", tmp_path / "store")
    assert outcome.code == 0
    shown = json.loads(outcome.out)
    assert shown["memory"]["total_mb"] > shown["memory"]["available_mb"] > 0
    assert {"name": "CPUExecutionProvider", "is_working": True}.items() <= shown["engines"][0].items()


def test_device_doctor_of_a_box_without_a_bundle(run: Run, tmp_path: Path) -> None:
    """Of what `make test` installed nothing is to be fixed."""
    outcome = run("device", "doctor", "--store", tmp_path / "store", "--bundle", tmp_path / "none")
    assert outcome.code == 4
    assert "FIX   bundle-missing: no model bundle at" in outcome.out
    assert "-> fidgety bundle install FILE" in outcome.out
    assert outcome.out.splitlines()[-1].startswith("not fit: ")
    assert not any(f"FIX   {what}" in outcome.out for what in ("onnxruntime", "opencv", "av-", "data-folder"))


@pytest.mark.bundle
@pytest.mark.parametrize(("is_passed", "code"), [(True, 0), (False, 4)])
def test_device_selftest_keeps_its_outcome(
    is_passed: bool, code: int, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it measures is tested in tests/device; here, what becomes of it."""
    reference = find_reference(tmp_path, open_bundle(default_bundle_path()))
    n_fms = reference.n_fms if is_passed else 0
    found = Measured(None, n_fms, reference.n_instances, reference.noise_floor_mm, "", reference.outputs)
    monkeypatch.setattr(selftest, "measure", lambda *_, **__: found)
    outcome = run("device", "selftest")
    assert outcome.code == code
    assert ("FAIL  fms-frequency" in outcome.out) is not is_passed
    assert json.loads((tmp_path / "state" / "selftest.json").read_text())["is_passed"] is is_passed


@pytest.mark.bundle
def test_device_selftest_records_a_reference(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle(default_bundle_path())
    demo = find_reference(tmp_path, bundle)
    found = Measured(None, 8, demo.n_instances, demo.noise_floor_mm, "", demo.outputs)
    monkeypatch.setattr(selftest, "measure", lambda *_, **__: found)
    monkeypatch.setattr(selftest, "golden_inputs", lambda *_, **__: demo.inputs)
    assert run("device", "selftest", "--record").code == 0
    kept = find_reference(tmp_path / "state", bundle)
    assert (kept.n_fms, kept.n_instances, kept.max_duration_s) == (8, demo.n_instances, None)
    assert set(kept.inputs) == set(demo.inputs)
    assert run("device", "selftest", "--record", "--to", tmp_path / "other.npz").code == 0
    assert (tmp_path / "other.npz").is_file()


def test_device_selftest_without_a_bundle(run: Run, tmp_path: Path) -> None:
    assert run("device", "selftest", "--bundle", tmp_path / "none").code == 5
