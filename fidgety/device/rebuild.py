"""A store whose database is lost: the list is made anew from the recordings' folders and the audit log.

What the database alone knew is gone (who waits for what, why something was set aside): recordings without a result are
`recorded` again, and somebody asks for their scores with `fidgety store queue all`.
"""

from __future__ import annotations

import json
from pathlib import Path

from fidgety.device.audit_log import LOG_NAME
from fidgety.device.clock import Clock
from fidgety.device.log_check import check_chain, split_lines
from fidgety.device.schema import create
from fidgety.device.store import Store
from fidgety.device.vault import Key
from fidgety.durable import faults, move
from fidgety.errors import DeviceError, UsageError

__all__ = ["rebuild"]


def rebuild(folder: Path, key: Key | None, clock: Clock | None = None) -> Store:
    """Give the store in `folder` a new database and open it; `recovery` says what was entered.

    A log whose chain is broken is put aside, and a new one begun. Raises UsageError where there is no store, or one
    that has its database; DeviceError where it is encrypted and the key is not given.
    """
    if (folder / "store.db").exists():
        raise UsageError(f"{folder} has its database: there is nothing to make anew")
    if not (folder / "recordings").is_dir():
        raise UsageError(f"there is no store in {folder}")
    with faults(f"{folder} cannot be brought in order"):
        lines = _lines(folder / LOG_NAME)
        settings = _settings(lines)
        wanted = settings.get("key_id")
        if wanted is not None and (key is None or key.id != wanted):
            raise DeviceError(f"{folder} is encrypted: name the file of the key {wanted}")
        create(folder / "store.db", lines, settings)
    return Store.open(folder, key=key, clock=clock)


def _lines(log: Path) -> list[str]:
    """The log's lines; none where its chain is broken, and then it lies aside."""
    if not log.is_file():
        return []
    lines = split_lines(log.read_bytes())
    if not check_chain(lines):
        return lines
    number = 1
    while (aside := log.with_name(f"{log.name}.damaged-{number}")).exists():
        number += 1
    move(log, aside)
    return []


def _settings(lines: list[str]) -> dict[str, str]:
    """What was set, as the log tells it."""
    settings: dict[str, str] = {}
    for event in map(json.loads, lines):
        if event["kind"] == "encryption-turned-on":
            settings["key_id"] = event["details"]["key"]
        elif event["kind"] == "retention-rule":
            settings["retention"] = json.dumps({"video_days": event["details"]["video_days"]})
    if lines:
        n_bytes = sum(len(line.encode("utf-8")) + 1 for line in lines)
        settings |= {"log_seq": str(len(lines)), "log_bytes": str(n_bytes)}
    return settings
