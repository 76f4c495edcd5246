from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.device.selftest_reference import Measured, as_reference, find_reference, measurement_of, reference_path
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
