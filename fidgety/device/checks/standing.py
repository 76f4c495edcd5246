"""Traps of what must stand ready: the time, the model bundle, the data folder, the service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryFile

from fidgety.bundle import open_bundle
from fidgety.bundle.signature import require_trusted
from fidgety.device.checks.finding import Finding, fault, warning
from fidgety.device.clock import BoxClock
from fidgety.device.tree import SystemTree
from fidgety.errors import BundleError

__all__ = ["check_bundle", "check_clock", "check_data_folder", "check_watchdog"]

_UNITS = ("/etc/systemd/system/fidgety.service", "/usr/lib/systemd/system/fidgety.service")


def check_clock(clock: BoxClock) -> Iterator[Finding]:
    """A date that cannot be believed makes an age that cannot be believed."""
    shown = datetime.fromtimestamp(clock.now_s, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    by_hand = "sudo timedatectl set-time 'YYYY-MM-DD HH:MM'"
    if clock.doubt is not None:
        cell = "; the coin cell of the board may be empty" if clock.doubt.kind == "went-back" else ""
        yield fault(f"clock-{clock.doubt.kind}", clock.doubt.words, f"{by_hand}{cell}")
    elif clock.is_synchronised is not True and not clock.has_rtc:
        yield warning(
            "clock-no-battery",
            f"the clock ({shown}) follows no time server and there is none that goes on without power",
            f"compare it with a watch before the first recording of the day: {by_hand}",
        )
    elif clock.is_synchronised is False:
        yield warning(
            "clock-unsynchronised",
            f"the clock ({shown}) follows no time server",
            f"sudo timedatectl set-ntp true, or without a network compare it with a watch: {by_hand}",
        )


def check_bundle(path: Path) -> Iterator[Finding]:
    """The model bundle: there, whole, and from a maker whom this box trusts."""
    try:
        require_trusted(open_bundle(path))
    except BundleError as error:
        is_missing = not path.exists()
        yield fault(
            "bundle-missing" if is_missing else "bundle-damaged",
            str(error).split(": make it")[0],
            "fidgety bundle install FILE, with the file of the bundle's maker; the demo: fidgety bundle build",
        )


def check_data_folder(folder: Path) -> Iterator[Finding]:
    """Whether results can be kept: proved by writing, since rights, quotas and read-only disks show in no other way."""
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        if not place.is_dir():
            raise NotADirectoryError(20, os.strerror(20))
        with TemporaryFile(dir=place) as probe:
            probe.write(b"fidgety")
    except OSError as error:
        yield fault(
            "data-folder",
            f"nothing can be written to {folder}: {error.strerror}",
            "give this user the folder (sudo chown), or name another one with --store",
        )


def check_watchdog(tree: SystemTree) -> Iterator[Finding]:
    """Who starts the service again when it hangs? Asked only where the service is installed."""
    unit = next((lines for lines in map(tree.lines, _UNITS) if lines), None)
    if unit is None:
        return
    if not tree.path("/run/systemd/system").is_dir():
        yield warning(
            "no-watchdog",
            "the service is installed, but systemd does not run: nobody restarts it",
            "start `fidgety serve` from what runs here in place of systemd, and have it restarted when it ends",
        )
    elif not any(line.strip().startswith("WatchdogSec=") for line in unit):
        yield warning(
            "no-watchdog",
            "the service has no watchdog: one that hangs is not restarted",
            "make the unit anew with `fidgety serve --print-unit`, then sudo systemctl daemon-reload",
        )
