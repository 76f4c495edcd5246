from __future__ import annotations

import configparser
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.device.unit import UnitPlan, render_unit
from fidgety.errors import UsageError

from ..conftest import Run

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


def test_unit_names_the_places_of_bundle_keys_and_engines() -> None:
    plan = replace(PLAN, places={"FIDGETY_BUNDLE": Path("/srv/bundle"), "FIDGETY_KEYS": Path("/home/kit/keys")})
    unit = settings(render_unit(plan))
    assert unit["Environment"] == ["FIDGETY_BUNDLE=/srv/bundle", "FIDGETY_KEYS=/home/kit/keys"]
    assert unit["ProtectHome"] == ["read-only"]  # hidden keys would be none, and any bundle trusted
    with pytest.raises(UsageError, match="cannot stand in a unit"):
        render_unit(replace(PLAN, places={"FIDGETY_KEYS": Path("/my keys")}))


def test_printed_unit_runs_as_its_user_who_finds_all_that_other_commands_do(
    typed: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "kit")
    monkeypatch.chdir(tmp_path)
    ours = ("FIDGETY_BUNDLE", "FIDGETY_ENGINES", "FIDGETY_STATE", "FIDGETY_STORE", "XDG_DATA_HOME", "XDG_STATE_HOME")
    for name in ours:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/kit")
    monkeypatch.setenv("FIDGETY_KEYS", "/srv/keys")
    unit = settings(typed("serve", "--bundle", "mine", "--print-unit").out)
    assert unit["User"] == ["kit"]
    assert unit["ReadWritePaths"] == ["/home/kit/.local/share/fidgety/store"]
    assert unit["Environment"] == [
        f"FIDGETY_BUNDLE={tmp_path}/mine",
        "FIDGETY_KEYS=/srv/keys",
        "FIDGETY_ENGINES=/home/kit/.local/share/fidgety/engines",
        "FIDGETY_STATE=/home/kit/.local/state/fidgety",
    ]
    assert settings(typed("serve", "--user", "another", "--print-unit").out)["User"] == ["another"]


def test_printed_unit_hangs_on_no_folder_and_names_the_key(
    typed: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIDGETY_KEY_FILE", "store.key")
    monkeypatch.setenv("FIDGETY_KEY_PASSPHRASE", "not to be told")
    done = typed(
        "serve", "--watch=in", "--infants", "../infants.csv", "--store", "st", "--threads", "1", "--print-unit"
    )
    unit = settings(done.out)
    (command,) = unit["ExecStart"]
    assert command.endswith(
        f"serve --watch={tmp_path}/in --infants {tmp_path}/../infants.csv --store {tmp_path}/st --threads 1"
    )
    assert f"FIDGETY_KEY_FILE={tmp_path}/store.key" in unit["Environment"]
    assert "not to be told" not in done.out + done.err and "EnvironmentFile=FILE" in done.err


def test_unit_sees_homes_where_a_file_that_it_reads_lies_there() -> None:
    plan = replace(PLAN, reads=(Path("/usr/bin/env"), Path("/home/kit/store.key")))
    assert settings(render_unit(plan))["ProtectHome"] == ["read-only"]


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
    path.write_text(render_unit(replace(PLAN, places={"FIDGETY_KEYS": Path("/srv/keys")})))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
