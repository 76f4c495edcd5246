"""Folders of recordings that the database does not name are entered: after a kill, or after the database was lost.

What a folder holds tells the recording (`about.json`, the files); what the log tells of it, where it tells anything,
gives its results, overrides and deletions back.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fidgety.bundle import sha256_of_file
from fidgety.device.books import Change
from fidgety.device.holdings import About, Infant, StoredFile, id_of
from fidgety.device.intake import content_hash, insert_row, kind_of
from fidgety.device.shelf import Shelf
from fidgety.device.vault import SEALED, key_id_of
from fidgety.durable import hash_stream

__all__ = ["register_folders"]

_RESULTS = ("scored", "not-assessable")


def register_folders(shelf: Shelf, lost: list[str]) -> list[str]:
    """Enter folders that hold a recording, move others to lost+found; gives the ids. Raises OSError, DeviceError."""
    entered = []
    for folder in sorted((shelf.folder / "recordings").glob("R[0-9]*")):
        if not folder.name[1:].isdigit() or not folder.is_dir():
            continue
        number = int(folder.name[1:])
        if shelf.books.read("SELECT 1 FROM recordings WHERE number = ?", number):
            continue
        files = [_look_at(shelf, path) for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_size]
        with shelf.books.change() as change:
            if change.run("SELECT 1 FROM recordings WHERE number = ?", number).fetchone() is not None:
                continue
            if _enter(shelf, change, number, files):
                entered.append(folder.name)
            elif folder.exists():
                lost.append(shelf.lose(folder))
    return entered


def _look_at(shelf: Shelf, path: Path) -> StoredFile:
    """A file in its place, by what is in it. Raises DeviceError for a sealed one that needs another key."""
    stored_sha256 = sha256_of_file(path)
    if path.suffix != SEALED:
        return StoredFile(path.name, kind_of(path.name), stored_sha256, path.stat().st_size, stored_sha256, None)
    file = StoredFile(path.stem, kind_of(path.stem), "", 0, stored_sha256, key_id_of(path))
    with shelf.read(int(path.parent.name[1:]), file) as content:
        sha256, n_bytes = hash_stream(content)
    return replace(file, sha256=sha256, n_bytes=n_bytes)


def _enter(shelf: Shelf, change: Change, number: int, files: list[StoredFile]) -> bool:
    """The rows of one folder; False where it holds no recording, or one that is there under another number."""
    history = _history(change, number)
    known = [event["details"]["sha256"] for event in history if event["kind"] in ("added", "recorded", "registered")]
    came_in = [file for file in files if file.kind in ("video", "poses") and f"{id_of(number)}-" not in file.name]
    if not came_in and not known:
        return False
    sha256 = known[-1] if known else content_hash(came_in)
    if change.run("SELECT 1 FROM recordings WHERE sha256 = ?", sha256).fetchone() is not None:
        return False
    told = _read_about(shelf, number, files)
    about = About(
        None if told.get("infant") is None else Infant(**told["infant"]),
        told.get("session_id"),
        told.get("recorded_on"),
        told.get("duration_s"),
        told.get("n_dropped_frames"),
    )
    recorded = (told.get("recorded_at", change.now.text), bool(told.get("is_clock_trusted", False)))
    insert_row(shelf, change, number, about, "recorded", sha256, recorded)
    for file in files:
        shelf.register(change, number, file)
    _replay(shelf, change, number, {file.name for file in files}, history)
    change.note("registered", recording=id_of(number), sha256=sha256)
    return True


def _history(change: Change, number: int) -> list[dict[str, Any]]:
    """What the log tells of a recording."""
    rows = change.run("SELECT line FROM events WHERE line LIKE ? ORDER BY seq", f'%"{id_of(number)}"%')
    events = [json.loads(row["line"]) for row in rows]
    return [event for event in events if event["details"].get("recording") == id_of(number)]


def _replay(shelf: Shelf, change: Change, number: int, names: set[str], history: list[dict[str, Any]]) -> None:
    """Results, overrides and deletions as the log tells them, as far as their files are there."""
    for event in history:
        kind, details = event["kind"], event["details"]
        stamp = (event["time"], int(event["is_clock_trusted"]))
        if kind in _RESULTS and (name := f"{id_of(number)}-{details['result']}-result.json") in names:
            made_s = datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
            change.run(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                details["result"],
                number,
                name,
                kind,
                details["bundle"],
                details["bundle_sha256"],
                details["engines"],
                details["program"],
                stamp[0],
                made_s,
                stamp[1],
            )
            change.run("UPDATE recordings SET state = ? WHERE number = ?", kind, number)
        elif kind == "override" and (name := f"{id_of(number)}-{details['override']}-override.json") in names:
            values = (details["override"], number, details["result"], name, details["staff"], *stamp)
            change.run("INSERT INTO overrides VALUES (?, ?, ?, ?, ?, ?, ?)", *values)
        elif kind == "deleted" and details["name"] not in names:
            gone = StoredFile(details["name"], "video", details["sha256"], 0, "", None, "deleted")
            shelf.register(change, number, gone)
        elif kind == "deletion-confirmed":
            change.run("UPDATE recordings SET is_deletion_confirmed = 1 WHERE number = ?", number)


def _read_about(shelf: Shelf, number: int, files: list[StoredFile]) -> dict[str, Any]:
    for file in files:
        if file.kind == "about":
            with shelf.read(number, file) as content:
                told = json.loads(content.read())
            return told if isinstance(told, dict) else {}
    return {}
