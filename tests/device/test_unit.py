from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from fidgety.device.unit import UnitPlan, render_unit
from fidgety.errors import UsageError

PLAN = UnitPlan(("/usr/bin/env", "fidgety", "serve"), Path("/var/lib/fidgety"), Path("/srv/in"), (), "root")


def settings(text: str) -> dict[str, list[str]]:
    """All lines of the unit's [Service], by key."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_unit_shuts_out_the_network_and_the_system() -> None:
    unit = settings(render_unit(PLAN))
    for key, value in (
        ("Type", "notify"),
        ("PrivateNetwork", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX"),
        ("ProtectSystem", "strict"),
        ("ReadWritePaths", "/var/lib/fidgety"),
        ("ReadOnlyPaths", "/srv/in"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("DevicePolicy", "closed"),
        ("ProtectHome", "yes"),
        ("Restart", "on-failure"),
    ):
        assert unit[key] == [value], key
    assert int(unit["WatchdogSec"][0]) > 60
    assert "@" not in "".join(unit["ExecStart"] + unit["ReadWritePaths"] + unit["User"] + unit["MemoryMax"])


def test_unit_of_a_store_at_home_sees_homes() -> None:
    plan = UnitPlan(("/usr/bin/env",), Path("/home/kit/store"), None, (), "kit")
    unit = settings(render_unit(plan))
    assert unit["ProtectHome"] == ["read-only"]
    assert "ReadOnlyPaths" not in unit


@pytest.mark.parametrize("path", ["relative", "/with space", "/per%cent"])
def test_unit_refuses_a_path_that_systemd_reads_otherwise(path: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a unit"):
        render_unit(UnitPlan(("/usr/bin/env",), Path(path), None, (), "root"))


def test_unit_has_the_form_of_a_unit() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(render_unit(PLAN))
    assert parser.sections() == ["Unit", "Service", "Install"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_unit_satisfies_systemd(tmp_path: Path) -> None:
    path = tmp_path / "fidgety.service"
    path.write_text(render_unit(PLAN))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
