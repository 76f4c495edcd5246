"""Is the audit log as it was written? Any line that was removed, edited, moved, put in, or cut off at the end is named.

Two witnesses: the chain (each line names the hash of the one before) and the database, which holds every line too. A
third, where somebody wrote it down: the number and hash of a line at some earlier time.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fidgety.device.audit_log import FIRST, digest
from fidgety.device.books import Books
from fidgety.durable import faults as faults_of_disk

__all__ = ["LogCheck", "check_against", "check_chain", "check_head", "split_lines", "verify"]


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What was found. No faults: the log is as it was written."""

    n_lines: int
    head: str  # number and hash of the last line, to be written down elsewhere: 17:9f3c...
    faults: tuple[str, ...]


def split_lines(content: bytes) -> list[str]:
    """The lines of a log file; a last one without an end counts."""
    lines = content.decode("utf-8", errors="replace").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def verify(books: Books, head: str | None = None) -> LogCheck:
    """The log of an open store. head: `number:hash` as somebody wrote it down. Raises DeviceError."""
    known = [str(row["line"]) for row in books.read("SELECT line FROM events ORDER BY seq")]
    with faults_of_disk(f"{books.log_path} cannot be read"):
        content = books.log_path.read_bytes() if books.log_path.exists() else b""
    lines = split_lines(content)
    found = check_chain(known, "the database's event")
    found += check_against(lines, known, int(books.setting("log_seq") or 0))
    if head is not None:
        found += check_head(known, head)
    return LogCheck(len(lines), f"{len(known)}:{digest(known[-1])}" if known else "0:", tuple(found))


def check_chain(lines: Sequence[str], what: str = "line") -> list[str]:
    """Whether each line names the one before; without the database, what is missing at the end cannot be seen."""
    faults, seq, before = [], 0, FIRST
    for number, line in enumerate(lines, 1):
        told = _parse(line)
        if told is None:
            faults.append(f"{what} {number} is no line of a log: it was edited or damaged")
        elif told["seq"] != seq + 1:
            gap = f"events {seq + 1} to {told['seq'] - 1} are missing" if told["seq"] > seq else "it is out of order"
            faults.append(f"{what} {number} is event {told['seq']} after event {seq}: {gap}")
        elif told["before"] != before:
            faults.append(f"{what} {number} does not fit the one before: {what} {number - 1} or {number} was edited")
        seq, before = (told["seq"] if told is not None else seq + 1), digest(line)
    return faults


def check_against(lines: Sequence[str], known: Sequence[str], n_copied: int) -> list[str]:
    """The file's lines against the database's; of those after the first `n_copied` the file may lack the last ones."""
    by_seq = dict(enumerate(known, 1))
    told = [_parse(line) for line in lines]
    if lines and known and not set(lines) & set(known):
        return ["the whole log was replaced: it holds not one line that the database knows"]
    faults, seen, places = [], set(), []
    for number, (line, one) in enumerate(zip(lines, told, strict=True), 1):
        seq = None if one is None else one["seq"]
        if seq is None:
            faults.append(f"line {number} is no line of a log: it was edited, damaged or put in")
        elif seq not in by_seq:
            faults.append(f"line {number} (event {seq}) was put in: the database knows of no such event")
        elif seq in seen:
            faults.append(f"line {number} (event {seq}) was put in: that event stands above already")
        else:
            seen.add(seq)
            places.append((number, seq))
            if line != by_seq[seq]:
                faults.append(f"line {number} (event {seq}) was edited")
    kept = _longest_rise([seq for _, seq in places])
    faults += [f"line {number} (event {seq}) was moved" for number, seq in places if seq not in kept]
    last = max(seen, default=0)
    missing = [seq for seq in by_seq if seq not in seen and (seq <= n_copied or seq < last)]
    return faults + [_tell_missing(run, seen) for run in _runs(missing)]


def check_head(known: Sequence[str], head: str) -> list[str]:
    """Whether the event that was written down as `number:hash` is still the same."""
    number, _, wanted = head.partition(":")
    if not number.isdigit() or not 1 <= int(number) <= len(known):
        return [f"event {number} was written down, and the log has {len(known)} events: it was cut off or replaced"]
    found = digest(known[int(number) - 1])
    is_same = len(wanted) >= 8 and found.startswith(wanted.lower())
    return [] if is_same else [f"event {number} was written down as {wanted}, now it is {found[:16]}: it was replaced"]


def _parse(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_line = isinstance(told, dict) and type(told.get("seq")) is int and isinstance(told.get("before"), str)
    return told if is_line else None


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """The largest set of numbers that already stand in order: whatever is not in it was moved."""
    ends: list[int] = []
    previous: dict[int, int | None] = {}
    for number in numbers:
        place = bisect_left(ends, number)
        previous[number] = ends[place - 1] if place else None
        ends[place : place + 1] = [number]
    kept: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        kept.add(last)
        last = previous[last]
    return kept


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """[2, 3, 4, 9] -> (2, 4), (9, 9)."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _tell_missing(run: tuple[int, int], seen: set[int]) -> str:
    first, last = run
    which = f"event {first} was" if first == last else f"events {first} to {last} were"
    where = "removed" if seen and max(seen) > last else "cut off at the end"
    return f"{which} {where}"
