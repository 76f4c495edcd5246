"""A table of infants -> the characteristics of each recording of a folder.

    recording,born,recorded,gestation,sex,birth_weight
    ward-3/0041.mp4,2026-02-01,2026-05-10,39+2,female,3300

One row for each recording, by its path below the folder, or by its file name where only one recording has it.
`age_weeks` (corrected) may stand in place of the dates. Only `recording` is required. Nothing is guessed: a recording
without a row has no age, and is therefore not assessable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from fidgety.batch.recordings import Recording
from fidgety.cohort.records import Fault
from fidgety.cohort.text_table import TextRow, read_text_table
from fidgety.errors import UsageError
from fidgety.infant import characteristics, parse_date, parse_gestation_days
from fidgety.records import Characteristics

__all__ = ["INFANT_COLUMNS", "InfantTable", "match_infants", "read_infants"]

INFANT_COLUMNS = ("recording", "born", "recorded", "gestation", "sex", "birth_weight", "age_weeks")
_OPTION = re.compile(r"^--([a-z-]+) ")


@dataclass(frozen=True, slots=True)
class InfantTable:
    """What the table tells, by the recording's name as it is written there, and the rows by number."""

    file: str
    by_name: Mapping[str, Characteristics]
    rows: Mapping[str, int]


def read_infants(path: Path, today: date | None = None) -> InfantTable:
    """The checked table. Raises UsageError that lists every fault with file, row and column."""
    table = read_text_table(path, INFANT_COLUMNS, optional=INFANT_COLUMNS[1:])
    faults = list(table.faults)
    by_name: dict[str, Characteristics] = {}
    rows: dict[str, int] = {}
    for row in table.rows if "recording" in table.columns else ():
        if not row.is_whole:
            continue
        cells = {column: row.cells.get(column, "").strip() or None for column in INFANT_COLUMNS}
        name = cells.pop("recording")
        if name is None:
            faults.append(Fault(table.file, row.number, "recording", "this cell may not be empty"))
        elif name in rows:
            message = f"{name} stands in row {rows[name]} already: keep one of them"
            faults.append(Fault(table.file, row.number, "recording", message))
        else:
            rows[name] = row.number
            infant, wrong = _read_row(cells, table.file, row, today)
            by_name[name] = infant
            faults += wrong
    _raise(path, faults)
    return InfantTable(table.file, by_name, rows)


def match_infants(table: InfantTable, recordings: Sequence[Recording]) -> dict[str, Characteristics]:
    """Characteristics by the recording's address.

    Raises UsageError where a row may mean several recordings, or several rows the same one: nobody is given another
    infant's age.
    """
    faults: list[Fault] = []
    told: dict[str, tuple[str, Characteristics]] = {}
    for name, infant in table.by_name.items():
        meant = [one for one in recordings if name in (one.shown, one.address)]
        meant = meant or [one for one in recordings if PurePosixPath(one.shown).name == name]
        if len(meant) > 1:
            places = ", ".join(one.shown for one in meant[:3])
            message = f"{name} may be any of {len(meant)} recordings ({places}): write the path below the folder"
            faults.append(Fault(table.file, table.rows[name], "recording", message))
        for one in meant[:1]:
            if one.address in told:
                message = f"{name} is the recording of row {table.rows[told[one.address][0]]}: keep one of them"
                faults.append(Fault(table.file, table.rows[name], "recording", message))
            told[one.address] = (name, infant)
    _raise(Path(table.file), faults)
    return {address: infant for address, (_, infant) in told.items()}


def _read_row(
    cells: Mapping[str, str | None], file: str, row: TextRow, today: date | None
) -> tuple[Characteristics, list[Fault]]:
    """Each cell alone first, so that all of a row's faults are told; then what they say together."""
    faults: list[Fault] = []
    numbers: dict[str, float | None] = {}
    for column, cell in cells.items():
        try:
            if column in ("age_weeks", "birth_weight"):
                numbers[column] = None if cell is None else _number(cell)
            _check_cell(column, cell, numbers.get(column), today)
        except (UsageError, ValueError) as error:
            faults.append(Fault(file, row.number, column, _OPTION.sub("", str(error))))
    if faults:
        return Characteristics(), faults
    try:
        infant = characteristics(
            cells["born"],
            cells["recorded"],
            cells["gestation"],
            numbers["age_weeks"],
            cells["sex"],
            numbers["birth_weight"],
            today,
        )
    except UsageError as error:
        named = _OPTION.match(str(error))
        column = named[1].replace("-", "_") if named else "recorded"
        return Characteristics(), [Fault(file, row.number, column, _OPTION.sub("", str(error)).replace("--", ""))]
    return infant, []


def _check_cell(column: str, cell: str | None, number: float | None, today: date | None) -> None:
    if cell is None:
        return
    if column in ("born", "recorded"):
        parse_date(cell, column)
    elif column == "gestation":
        parse_gestation_days(cell)
    elif column == "sex":
        characteristics(sex=cell, today=today)
    elif column == "birth_weight":
        characteristics(birth_weight_g=number, today=today)
    else:
        characteristics(age_weeks=number, today=today)


def _number(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text) is None:  # Python takes 'nan', 'inf' and '1_000' too
        raise ValueError(f"{text!r} is no number: write digits and a decimal point")
    return float(text)


def _raise(path: Path, faults: Iterable[Fault]) -> None:
    lines = sorted(faults, key=lambda fault: fault.row or 0)
    if lines:
        n = f"{len(lines)} {'fault' if len(lines) == 1 else 'faults'}"
        raise UsageError(f"{path} has {n}; mend them first:\n" + "\n".join(f"  {fault}" for fault in lines))
