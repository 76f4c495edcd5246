"""What was found of a recording, and what staff said to it: rows that are added to and never changed."""

from __future__ import annotations

import io
import json

from fidgety.device.holdings import KeptResult, Override, check_id, id_of
from fidgety.device.shelf import Shelf
from fidgety.durable import faults, hash_stream
from fidgety.errors import DeviceError, UsageError

__all__ = ["content", "override", "overrides", "results"]


def results(shelf: Shelf, recording_id: str) -> list[KeptResult]:
    """All results of a recording, the oldest first. Raises UsageError where there is no such recording."""
    number = shelf.recording(recording_id).number
    return [
        KeptResult(
            id=row["id"],
            recording_id=id_of(number),
            name=row["name"],
            outcome=row["outcome"],
            bundle=row["bundle"],
            bundle_sha256=row["bundle_sha256"],
            engines=json.loads(row["engines"]),
            program=row["program"],
            made_at=row["made_at"],
            made_s=row["made_s"],
            is_clock_trusted=bool(row["is_clock_trusted"]),
        )
        for row in shelf.books.read("SELECT * FROM results WHERE recording = ? ORDER BY id", number)
    ]


def content(shelf: Shelf, result: KeptResult) -> bytes:
    """A result's JSON. Raises DeviceError where it is gone, changed, or needs the key."""
    return _words(shelf, result.recording_id, result.name)


def override(shelf: Shelf, recording_id: str, staff: str, finding: str, reason: str) -> int:
    """Add what staff hold against the last result. Raises UsageError where something is not told, DeviceError."""
    check_id(staff, "staff")
    if not finding.strip() or not reason.strip():
        raise UsageError("an override needs a finding and a reason: --finding and --reason")
    number = shelf.recording(recording_id).number
    kept = results(shelf, recording_id)
    result_id = kept[-1].id if kept else None
    told = {"format": 1, "staff": staff, "result": result_id, "finding": finding.strip(), "reason": reason.strip()}
    with faults("the override cannot be kept"):
        piece = shelf.stage(io.BytesIO(json.dumps(told, indent=1, ensure_ascii=False).encode("utf-8")), "override")
    try:
        with shelf.books.change() as change:
            row = change.run("SELECT COALESCE(MAX(id), 0) + 1 AS next FROM overrides").fetchone()
            file = shelf.place(change, number, piece, f"{id_of(number)}-{row['next']}-override.json")
            change.run(
                "INSERT INTO overrides VALUES (?, ?, ?, ?, ?, ?, ?)",
                row["next"],
                number,
                result_id,
                file.name,
                staff,
                change.now.text,
                int(change.is_clock_trusted),
            )
            change.note(
                "override",
                recording=id_of(number),
                override=row["next"],
                override_sha256=file.sha256,
                result=result_id,
                staff=staff,
            )
    finally:
        piece.part.unlink(missing_ok=True)
    return int(row["next"])


def overrides(shelf: Shelf, recording_id: str) -> list[Override]:
    """All that staff said to a recording, the oldest first."""
    number = shelf.recording(recording_id).number
    found = []
    for row in shelf.books.read("SELECT * FROM overrides WHERE recording = ? ORDER BY id", number):
        told = json.loads(_words(shelf, recording_id, row["name"]))
        found.append(
            Override(
                row["id"], id_of(number), row["result"], row["staff"], told["finding"], told["reason"], row["made_at"]
            )
        )
    return found


def _words(shelf: Shelf, recording_id: str, name: str) -> bytes:
    """The content of a small file, checked against the hash that it came with."""
    recording = shelf.recording(recording_id)
    file = next(one for one in recording.files if one.name == name)
    with shelf.read(recording.number, file) as stream, faults(f"{name} cannot be read"):
        words = stream.read()
    if hash_stream(io.BytesIO(words))[0] != file.sha256:
        raise DeviceError(f"{recording.id}/{name} was changed since it was kept: bring it back from a backup")
    return words
