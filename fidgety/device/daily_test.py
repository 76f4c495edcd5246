"""How long a self-test holds: its outcome is kept, and is worth one day, one start of the system, one bundle.

The service asks `daily_test` before the first infant; a recorder may ask `selftest_is_current`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from fidgety import __version__
from fidgety.bundle import Bundle
from fidgety.device.clock import boot_id as boot_id_now
from fidgety.device.selftest import Outcome, run_selftest
from fidgety.device.selftest_reference import find_reference, reference_path
from fidgety.device.state import state_folder
from fidgety.durable import faults, write_bytes
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.pipeline import Watcher

__all__ = ["daily_test", "keep_outcome", "selftest_is_current"]

_OUTCOME_FILE = "selftest.json"
_CLOCK_TOLERANCE_S = 120.0


def daily_test(
    folder: Path, device_for: Callable[[Bundle], Device], say: Callable[[str], None], watch: Watcher | None = None
) -> Callable[[Bundle], str | None]:
    """A check for a service: None where the bundle's self-test is current or passes now, else what failed.

    Outcomes are kept in `folder`. The reference is the one in `folder`, which a service may read whoever it runs as,
    else the user's own, the bundle's or the demo's. `watch` sees every pose; what it raises goes through. Else as
    `run_selftest`.
    """

    def test(bundle: Bundle) -> str | None:
        device = device_for(bundle)
        if selftest_is_current(folder, bundle, device):
            return None
        say(f"self-test of {bundle.label} before the first infant")
        place = folder if reference_path(folder, bundle).is_file() else state_folder()
        outcome = run_selftest(bundle, find_reference(place, bundle), device, watch)
        keep_outcome(folder, outcome)
        say(f"self-test {'passed' if outcome.is_passed else 'FAILED'} in {outcome.took_s:.0f} s")
        return "; ".join(check.sentence for check in outcome.checks if not check.is_passed) or None

    return test


def keep_outcome(state: Path, outcome: Outcome) -> None:
    """Remember an outcome. Raises DeviceError."""
    with faults(str(state / _OUTCOME_FILE)):
        state.mkdir(parents=True, exist_ok=True)
        write_bytes(state / _OUTCOME_FILE, (json.dumps(asdict(outcome), indent=1) + "\n").encode())


def selftest_is_current(
    state: Path, bundle: Bundle, device: Device = CPU, now_s: float | None = None, boot_id: str | None = None
) -> bool:
    """True when the last self-test passed, with this very bundle, program and device, since the system was started,
    and today.

    Both are asked for: the day, since a box may run for weeks, and the start, since a clock may be wrong.
    """
    try:
        kept = json.loads((state / _OUTCOME_FILE).read_text(encoding="utf-8"))
        tested_s, now = float(kept["time_s"]), time.time() if now_s is None else now_s
        return (
            kept["is_passed"] is True
            and kept["bundle_sha256"] == bundle.sha256
            and kept["fidgety"] == __version__
            and kept["device"] == device.settings()
            and kept["boot_id"] == (boot_id or boot_id_now())
            and tested_s <= now + _CLOCK_TOLERANCE_S
            and time.localtime(tested_s)[:3] == time.localtime(now)[:3]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False  # none yet, or not readable: then it is not current
