from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle, write_bundle
from fidgety.bundle.manifest import SELFTEST_REFERENCE
from fidgety.device.selftest_reference import (
    Measured,
    as_reference,
    brings_reference,
    find_reference,
    measurement_of,
    put_reference,
    reference_path,
    write_reference,
)
from fidgety.errors import BundleError, DeviceError

pytestmark = pytest.mark.bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


def test_as_reference_refuses_what_could_not_be_assessed(bundle: Bundle) -> None:
    with pytest.raises(DeviceError, match="too-dark"):
        as_reference(bundle, Measured(None, 0, 0, 0.0, "too-dark", {}), {})


def test_find_reference_that_is_damaged(bundle: Bundle, tmp_path: Path) -> None:
    reference_path(tmp_path, bundle).write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(BundleError, match="damaged"):
        find_reference(tmp_path, bundle)


def test_measurement_does_not_depend_on_the_quality_limits(bundle: Bundle) -> None:
    manifest = bundle.manifest
    stricter = replace(manifest, quality=replace(manifest.quality, max_noise_floor_mm=1.0))
    other = replace(manifest, operating_point=replace(manifest.operating_point, fms_threshold=0.6))
    assert measurement_of(replace(bundle, manifest=stricter)) == measurement_of(bundle)
    assert measurement_of(replace(bundle, manifest=other)) != measurement_of(bundle)


@pytest.fixture
def other(bundle: Bundle, tmp_path: Path) -> Bundle:
    """A bundle that decides by another threshold: the demo's reference is none of it."""
    point = replace(bundle.manifest.operating_point, fms_threshold=0.6)
    files = {name: bundle.file(name) for name in bundle.manifest.files}
    return write_bundle(tmp_path / "other", replace(bundle.manifest, operating_point=point), files)


def test_a_bundle_brings_its_reference_to_every_box(bundle: Bundle, other: Bundle, tmp_path: Path) -> None:
    assert brings_reference(bundle)  # the demo's lies in the package
    assert not brings_reference(other)
    with pytest.raises(BundleError, match="no self-test reference"):
        find_reference(tmp_path / "box", other)
    demo = find_reference(tmp_path / "box", bundle)
    measured = replace(demo, measurement=measurement_of(other), n_fms=7)
    brought = put_reference(tmp_path / "other", other, measured)
    assert (brought.sha256 != other.sha256, brought.manifest.version) == (True, other.manifest.version)
    assert brings_reference(brought)
    found = find_reference(tmp_path / "box", brought)
    assert (found.n_fms, found.noise_floor_mm) == (7, demo.noise_floor_mm)
    assert all((found.outputs[name] == array).all() for name, array in demo.outputs.items())
    again = put_reference(tmp_path / "other", brought, replace(measured, n_fms=6))
    assert find_reference(tmp_path / "box", again).n_fms == 6


def test_what_the_box_recorded_comes_before_what_the_bundle_brings(bundle: Bundle, tmp_path: Path) -> None:
    demo = find_reference(tmp_path, bundle)
    brought = put_reference(tmp_path / "bundle", bundle, replace(demo, n_fms=7))
    assert find_reference(tmp_path, brought).n_fms == 7
    write_reference(reference_path(tmp_path, brought), replace(demo, n_fms=5))
    assert find_reference(tmp_path, brought).n_fms == 5


def test_a_reference_of_another_threshold_is_not_taken(bundle: Bundle, tmp_path: Path) -> None:
    """Calibrating a bundle to a site carries the file on; it tells of the bundle before."""
    brought = put_reference(tmp_path / "bundle", bundle, find_reference(tmp_path, bundle))
    point = replace(brought.manifest.operating_point, fms_threshold=0.6)
    files = {name: brought.file(name) for name in brought.manifest.files}
    moved = write_bundle(tmp_path / "moved", replace(brought.manifest, operating_point=point), files)
    assert SELFTEST_REFERENCE in moved.manifest.files
    assert not brings_reference(moved)
