"""An outcome is worth one day, one start and one bundle."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from fidgety import __version__
from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.device import daily_test as daily_test_module
from fidgety.device.daily_test import daily_test, keep_outcome, selftest_is_current
from fidgety.device.selftest import Check, Outcome
from fidgety.device.selftest_reference import reference_path
from fidgety.errors import DeviceError
from fidgety.runtime.devices import CPU

NOW_S = 1_800_000_000.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

pytestmark = pytest.mark.bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


def outcome_of(bundle: Bundle, **changes: object) -> Outcome:
    made = Outcome(True, NOW_S, "this-boot", bundle.label, bundle.sha256, "0.1.0", 20.0, (), CPU.settings())
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "is_current"),
    [
        ({}, True),
        ({"is_passed": False}, False),
        ({"time_s": NOW_S - 86_400.0}, False),  # yesterday
        ({"time_s": NOW_S + 3_600.0}, False),  # the clock went back
        ({"boot_id": "another"}, False),
        ({"bundle_sha256": "0" * 64}, False),
        ({"fidgety": "0.0.9"}, False),
        ({"device": {"device": "tensorrt", "engine": "TensorRT 10.3"}}, False),
    ],
)
def test_selftest_is_current(changes: dict[str, object], is_current: bool, bundle: Bundle, tmp_path: Path) -> None:
    keep_outcome(tmp_path, outcome_of(bundle, **changes))
    assert selftest_is_current(tmp_path, bundle, CPU, NOW_S, "this-boot") is is_current


def test_daily_test_runs_once_and_says_what_failed(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Path] = []
    said: list[str] = []
    failed = Check("truth", False, "FMs frequency .94, in truth .62")
    outcomes = [
        outcome_of(bundle, is_passed=False, checks=(failed,), time_s=time.time(), boot_id=BOOT_ID),
        outcome_of(bundle, time_s=time.time(), boot_id=BOOT_ID, fidgety=__version__),
    ]

    def find(place: Path, _bundle: Bundle) -> Path:
        runs.append(place)
        return place

    monkeypatch.setenv("FIDGETY_STATE", str(tmp_path / "user"))
    monkeypatch.setattr(daily_test_module, "find_reference", find)
    monkeypatch.setattr(daily_test_module, "run_selftest", lambda *_: outcomes[len(runs) - 1])
    test = daily_test(tmp_path / "service", lambda _: CPU, said.append)
    assert test(bundle) == "FMs frequency .94, in truth .62"  # and it is asked again
    (tmp_path / "service").mkdir(exist_ok=True)
    reference_path(tmp_path / "service", bundle).write_bytes(b"of the service")
    assert test(bundle) is None and test(bundle) is None  # passed: not run a third time
    assert runs == [tmp_path / "user", tmp_path / "service"]
    assert [line for line in said if "FAILED" in line] and said[-1].startswith("self-test passed")


def test_selftest_is_not_current_without_or_with_a_damaged_outcome(bundle: Bundle, tmp_path: Path) -> None:
    assert not selftest_is_current(tmp_path, bundle)
    (tmp_path / "selftest.json").write_text('{"is_passed": tr')
    assert not selftest_is_current(tmp_path, bundle)


def test_keep_outcome_where_nothing_can_be_written(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(DeviceError, match="check the disk or choose another folder"):
        keep_outcome(tmp_path / "state", outcome_of(bundle))
