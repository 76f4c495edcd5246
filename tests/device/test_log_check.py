"""Every attack on the log is found, and the line is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fidgety.device.audit_log import FIRST, digest
from fidgety.device.clock import Clock
from fidgety.device.log_check import LogCheck, check_chain, split_lines, verify
from fidgety.device.store import Store

from .conftest import FakeClock, MakeRecording, a_result, claimed

Attack = Callable[[list[str]], list[str]]


@pytest.fixture
def log(store: Store, make_recording: MakeRecording) -> Path:
    """A log of nine events."""
    for name in ("1.mp4", "2.mp4", "3.mp4"):
        store.add(make_recording(name))
    for _ in range(3):
        store.finish(claimed(store), a_result())
    return store.folder / "audit.jsonl"


def attacked(log: Path, attack: Attack) -> None:
    log.write_text("".join(f"{line}\n" for line in attack(log.read_text().splitlines())))


def checked(store: Store, head: str | None = None) -> tuple[str, ...]:
    return verify(store.shelf.books, head).faults


def rechained(lines: list[str]) -> list[str]:
    """The same events with new hashes from end to end, as somebody who knows the program would write them."""
    before, made = FIRST, []
    for seq, line in enumerate(lines, 1):
        made.append(json.dumps(json.loads(line) | {"seq": seq, "before": before}, separators=(", ", ": ")))
        before = digest(made[-1])
    return made


def edited(line: str) -> str:
    assert "R000002" in line
    return line.replace("R000002", "R000009")


@pytest.mark.usefixtures("log")
def test_verify_of_an_honest_log(store: Store) -> None:
    check = verify(store.shelf.books)
    assert (check.n_lines, check.faults) == (9, ())
    assert check.head.startswith("9:")


ATTACKS: dict[str, tuple[Attack, str]] = {
    "one removed": (lambda lines: lines[:3] + lines[4:], "event 4 was removed"),
    "the first removed": (lambda lines: lines[1:], "event 1 was removed"),
    "three removed": (lambda lines: lines[:2] + lines[5:], "events 3 to 5 were removed"),
    "edited": (lambda lines: [lines[0], edited(lines[1]), *lines[2:]], "line 2 (event 2) was edited"),
    "a space put in": (lambda lines: [*lines[:4], lines[4] + " ", *lines[5:]], "line 5 (event 5) was edited"),
    "two swapped": (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "line 4 (event 5) was moved"),
    "one moved to the front": (lambda lines: [lines[7], *lines[:7], lines[8]], "line 1 (event 8) was moved"),
    "put in": (lambda lines: [*lines[:3], lines[3].replace('"seq": 4', '"seq": 44'), *lines[3:]], "line 4 (event 44)"),
    "doubled": (lambda lines: [*lines[:5], lines[4], *lines[5:]], "line 6 (event 5) was put in: that event stands"),
    "garbage": (lambda lines: [*lines[:5], "hello", *lines[5:]], "line 6 is no line of a log"),
    "not a record": (lambda lines: [*lines[:5], "[1]", *lines[6:]], "line 6 is no line of a log"),
    "tail cut off": (lambda lines: lines[:-2], "events 8 to 9 were cut off at the end"),
    "emptied": (lambda _: [], "events 1 to 9 were cut off at the end"),
    "one removed, chain mended": (lambda lines: rechained(lines[:3] + lines[4:]), "line 4 (event 4) was edited"),
    "replaced": (lambda lines: rechained([edited(lines[1])] * 5), "the whole log was replaced"),
}


@pytest.mark.parametrize(("attack", "finding"), ATTACKS.values(), ids=ATTACKS)
def test_verify_finds(store: Store, log: Path, attack: Attack, finding: str) -> None:
    attacked(log, attack)
    assert finding in "; ".join(checked(store))


@pytest.mark.parametrize("name", ["one removed", "edited", "two swapped", "put in", "tail cut off"])
def test_verify_finds_it_after_the_store_went_on(
    store: Store, log: Path, folder: Path, clock: FakeClock, make_recording: MakeRecording, name: str
) -> None:
    attack, finding = ATTACKS[name]
    attacked(log, attack)
    with Store.open(folder, clock=clock) as other:
        other.add(make_recording("later.mp4"))
    assert finding.replace("cut off at the end", "removed") in "; ".join(checked(store))


def test_verify_of_a_log_that_was_deleted(store: Store, log: Path) -> None:
    log.unlink()
    assert checked(store) == ("events 1 to 9 were cut off at the end",)


def test_verify_of_half_a_line_at_the_end(store: Store, log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-20])
    assert checked(store) == (
        "line 9 is no line of a log: it was edited, damaged or put in",
        "event 9 was cut off at the end",
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_line_that_a_power_cut_halved_is_completed(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording, share: float
) -> None:
    """The line is in the database, the file has part of it, and what is remembered of the file is older."""
    store.add(make_recording("1.mp4"))
    books, log = store.shelf.books, folder / "audit.jsonl"
    remembered = [(books.setting(key), key) for key in ("log_seq", "log_bytes")]
    n_bytes = log.stat().st_size
    store.add(make_recording("2.mp4"))
    books.database.executemany("UPDATE settings SET value = ? WHERE key = ?", remembered)
    log.write_bytes(log.read_bytes()[: n_bytes + round((log.stat().st_size - n_bytes) * share)])
    store.close()
    with Store.open(folder, clock=clock) as again:
        assert again.recovery.lines() == ["1 lines of the log completed"]
        assert checked(again) == ()
        assert len(log.read_text().splitlines()) == 3


def test_verify_finds_a_changed_database(store: Store, log: Path) -> None:
    assert log.exists()
    database = store.shelf.books.database
    database.execute("DROP TRIGGER events_never_change")
    database.execute("UPDATE events SET line = replace(line, 'R000002', 'R000009') WHERE seq = 2")
    found = checked(store)
    assert "the database's event 3 does not fit the one before" in found[0]
    assert "line 2 (event 2) was edited" in found


def test_verify_with_a_written_down_head_finds_that_both_were_replaced(store: Store, log: Path) -> None:
    head = verify(store.shelf.books).head
    assert checked(store, head[:14]) == ()
    forged = rechained([*log.read_text().splitlines()[:4], *log.read_text().splitlines()[5:]])
    database = store.shelf.books.database
    database.execute("DROP TRIGGER events_stay")
    database.execute("DELETE FROM events")
    database.executemany("INSERT INTO events VALUES (?, ?)", enumerate(forged, 1))
    database.execute("UPDATE settings SET value = '8' WHERE key = 'log_seq'")
    attacked(log, lambda _: forged)
    assert checked(store) == ()
    assert "event 9 was written down, and the log has 8" in checked(store, head)[0]
    assert "event 8 was written down as" in checked(store, "8:" + "0" * 64)[0]
    assert checked(store, "8:") != ()


def test_check_chain_alone(log: Path) -> None:
    lines = split_lines(log.read_bytes())
    assert check_chain(lines) == []
    assert "events 4 to 4 are missing" in check_chain(lines[:3] + lines[4:])[0]
    assert check_chain([lines[0], edited(lines[1]), *lines[2:]]) == [
        "line 3 does not fit the one before: line 2 or 3 was edited"
    ]


def test_log_that_cannot_be_written_waits_in_the_database(
    store: Store, folder: Path, make_recording: MakeRecording
) -> None:
    (folder / "audit.jsonl").unlink()
    (folder / "audit.jsonl").mkdir()
    store.add(make_recording())
    assert "is a directory" in (store.shelf.books.log_fault or "")
    (folder / "audit.jsonl").rmdir()
    store.add(make_recording("2.mp4"))
    assert store.shelf.books.log_fault is None
    assert checked(store) == ()
    assert isinstance(verify(store.shelf.books), LogCheck)


def test_books_are_not_disturbed_by_a_reader_of_the_log(
    folder: Path, store: Store, make_recording: MakeRecording
) -> None:
    store.add(make_recording())
    with Store.open(folder, clock=Clock()) as other:
        assert checked(other) == ()
