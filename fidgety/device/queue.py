"""Recordings wait for their score; a worker claims one, and hands in a result or says why there is none.

A claim lasts as long as the worker's process runs, and no longer than its lease (`renew` it while frames advance). Both
are told without the wall clock. A worker that comes back after its claim was given to another is refused, so that no
recording is scored twice by accident; one whose worker died is queued again by the next start or the next claim.
"""

from __future__ import annotations

import io
import json
import secrets
from contextlib import ExitStack

from fidgety import __version__
from fidgety.device.books import Change
from fidgety.device.clock import Now
from fidgety.device.holdings import Claim, Result, id_of, number_of
from fidgety.device.owners import is_at_work
from fidgety.device.shelf import Piece, Shelf
from fidgety.durable import faults
from fidgety.errors import DeviceError, UsageError

__all__ = ["claim_next", "enqueue", "fail", "finish", "hand_back", "reclaim", "renew", "set_aside"]

LEASE_S = 3600.0
MOST_KILLS = 5  # while the same recording was scored, without a power cut: then a person has to look at it

_NEXT = """
SELECT number FROM recordings WHERE state = 'queued' OR (state = 'failed' AND next_try_s IS NOT NULL
  AND (next_try_boot_id != ? OR next_try_s <= ?)) ORDER BY state = 'failed', number LIMIT 1
"""
_FREE = "owner = NULL, worker = NULL, claim = NULL, lease_boot_id = NULL, lease_until_s = NULL"


def claim_next(shelf: Shelf, worker: str, lease_s: float) -> Claim | None:
    """The recording that came first of those that wait; failed ones after them, once their time has come.

    None where nothing waits. Raises DeviceError.
    """
    with faults(f"nothing can be claimed in {shelf.folder}"):
        owner = shelf.owner.token
    reclaim(shelf)
    token = secrets.token_hex(8)
    if not shelf.books.read(_NEXT, *_moment(shelf.books.look_at_clock()[0])):
        return None  # without a write: a worker may ask every second
    with shelf.books.change() as change:
        row = change.run(_NEXT, *_moment(change.now)).fetchone()
        if row is None:
            return None
        change.run(
            "UPDATE recordings SET state = 'scoring', owner = ?, worker = ?, claim = ?, lease_boot_id = ?, "
            "lease_until_s = ? WHERE number = ?",
            owner,
            worker,
            token,
            change.now.boot_id,
            change.now.boot_s + lease_s,
            row["number"],
        )
        change.note("claimed", recording=id_of(row["number"]), worker=worker)
    return Claim(shelf.recording(id_of(row["number"])), worker, token)


def renew(shelf: Shelf, claim: Claim, lease_s: float) -> None:
    """The worker gets on: its lease begins anew. Raises DeviceError where the claim is no longer its own."""
    with shelf.books.change() as change:
        _require_own(change, claim)
        change.run(
            "UPDATE recordings SET lease_boot_id = ?, lease_until_s = ? WHERE number = ?",
            change.now.boot_id,
            change.now.boot_s + lease_s,
            claim.recording.number,
        )


def finish(shelf: Shelf, claim: Claim, result: Result) -> int:
    """Keep a result with its files and the recording's new state, in one transaction; gives the result's id.

    Earlier results stay. Raises DeviceError where the claim is no longer the worker's own, or the disk lets us down;
    then nothing is kept and the recording is still claimed.
    """
    number = claim.recording.number
    with ExitStack() as cleaning:
        with faults(f"the result of {claim.recording.id} cannot be kept"):
            pieces = _stage_result(shelf, result, cleaning)
        with shelf.books.change() as change:
            _require_own(change, claim)
            result_id = _next_result(change)
            names = [
                shelf.place(change, number, piece, f"{id_of(number)}-{result_id}-{end}").name for piece, end in pieces
            ]
            change.run(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                result_id,
                number,
                names[0],
                result.outcome,
                result.bundle,
                result.bundle_sha256,
                json.dumps(dict(result.engines)),
                f"fidgety {__version__}",
                change.now.text,
                change.now.wall_s,
                int(change.is_clock_trusted),
            )
            change.run(
                f"UPDATE recordings SET state = ?, reason = NULL, n_tries = 0, n_kills = 0, {_FREE} WHERE number = ?",
                result.outcome,
                number,
            )
            change.note(
                result.outcome,
                recording=id_of(number),
                result=result_id,
                result_sha256=pieces[0][0].file.sha256,
                bundle=result.bundle,
                bundle_sha256=result.bundle_sha256,
                engines=json.dumps(dict(result.engines)),
                program=f"fidgety {__version__}",
                worker=claim.worker,
            )
    return result_id


def fail(shelf: Shelf, claim: Claim, reason: str, retry_in_s: float | None) -> None:
    """It failed for an outside reason (heat, a full disk): it is tried again after so many seconds; None: on demand."""
    with shelf.books.change() as change:
        _require_own(change, claim)
        change.run(
            f"UPDATE recordings SET state = 'failed', reason = ?, n_tries = n_tries + 1, next_try_boot_id = ?, "
            f"next_try_s = ?, {_FREE} WHERE number = ?",
            reason,
            change.now.boot_id,
            None if retry_in_s is None else change.now.boot_s + retry_in_s,
            claim.recording.number,
        )
        change.note("failed", recording=claim.recording.id, reason=reason, worker=claim.worker, retry_in_s=retry_in_s)


def set_aside(shelf: Shelf, claim: Claim, reason: str) -> None:
    """It is damaged: kept as it is, and not tried again until somebody asks for it."""
    with shelf.books.change() as change:
        _require_own(change, claim)
        _put_aside(change, claim.recording.number, reason)


def hand_back(shelf: Shelf, claim: Claim) -> None:
    """The worker stops on purpose: the recording waits at its old place again."""
    with shelf.books.change() as change:
        _require_own(change, claim)
        change.run(f"UPDATE recordings SET state = 'queued', {_FREE} WHERE number = ?", claim.recording.number)
        change.note("handed-back", recording=claim.recording.id, worker=claim.worker)


def enqueue(shelf: Shelf, recording_id: str) -> None:
    """Ask for a score, or for another one. Raises UsageError while it is being made or scored."""
    number = number_of(recording_id)
    shelf.recording(recording_id)
    with shelf.books.change() as change:
        state = change.run("SELECT state FROM recordings WHERE number = ?", number).fetchone()["state"]
        if state in ("recording", "scoring"):
            raise UsageError(f"{id_of(number)} is {state}: wait until that has ended")
        if state == "queued":
            return
        change.run("UPDATE recordings SET state = 'queued', reason = NULL, n_kills = 0 WHERE number = ?", number)
        change.note("queued", recording=id_of(number), before=state)


def reclaim(shelf: Shelf) -> list[str]:
    """Queue again what was claimed by workers that are gone, or whose lease has passed; gives the recordings' ids."""
    sql = "SELECT number, owner, claim, n_kills, lease_boot_id, lease_until_s FROM recordings WHERE state = 'scoring'"
    now = shelf.books.look_at_clock()[0]
    with faults(f"the workers of {shelf.folder} cannot be looked at"):
        lost = [
            row
            for row in shelf.books.read(sql)
            if row["lease_boot_id"] != now.boot_id
            or row["lease_until_s"] <= now.boot_s
            or not is_at_work(shelf.folder, row["owner"])
        ]
    for row in lost:
        with shelf.books.change() as change:
            if change.run("SELECT 1 FROM recordings WHERE claim = ?", row["claim"]).fetchone() is None:
                continue  # it came to its end meanwhile
            was_killed = row["lease_boot_id"] == change.now.boot_id
            n_kills = row["n_kills"] + int(was_killed)
            if n_kills >= MOST_KILLS:
                _put_aside(change, row["number"], f"the program ended {n_kills} times while it was being scored")
                continue
            change.run(
                f"UPDATE recordings SET state = 'queued', n_kills = ?, {_FREE} WHERE number = ?", n_kills, row["number"]
            )
            change.note("reclaimed", recording=id_of(row["number"]), killed=was_killed)
    return [id_of(row["number"]) for row in lost]


def _moment(now: Now) -> tuple[str, float]:
    return now.boot_id, now.boot_s


def _require_own(change: Change, claim: Claim) -> None:
    row = change.run("SELECT claim FROM recordings WHERE number = ?", claim.recording.number).fetchone()
    if row is None or row["claim"] != claim.token:
        raise DeviceError(
            f"{claim.recording.id} is no longer claimed by {claim.worker}: its lease passed, and it was queued again; "
            "what this worker has is not kept"
        )


def _put_aside(change: Change, number: int, reason: str) -> None:
    change.run(f"UPDATE recordings SET state = 'set-aside', reason = ?, {_FREE} WHERE number = ?", reason, number)
    change.note("set-aside", recording=id_of(number), reason=reason)


def _next_result(change: Change) -> int:
    return int(change.run("SELECT COALESCE(MAX(id), 0) + 1 AS next FROM results").fetchone()["next"])


def _stage_result(shelf: Shelf, result: Result, cleaning: ExitStack) -> list[tuple[Piece, str]]:
    """The result first, then its files, each with the end of its name."""
    pieces = [(shelf.stage(io.BytesIO(result.content), "result"), "result.json")]
    cleaning.callback(pieces[0][0].part.unlink, missing_ok=True)
    for kind, path in result.files.items():
        with path.open("rb") as stream:
            piece = shelf.stage(stream, kind)
        cleaning.callback(piece.part.unlink, missing_ok=True)
        pieces.append((piece, f"{kind}{path.suffix}"))
    return pieces
