"""The table beside a watched folder: which infant each file shows, by pseudonym, and what the score needs to know.

    recording,infant,born,recorded,gestation,sex,birth_weight
    bed-2/0041.mp4,A-17,2026-02-01,2026-05-10,39+2,female,3300

`recording` is the path below the folder. Where staff know the age and no dates, `age_weeks` (corrected, on the day
`recorded`) may stand in place of `born` and `gestation`; a column that nobody fills may be left out. The table is read
anew when it changes; a file waits until its row is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fidgety.cohort.text_table import read_text_table
from fidgety.device.holdings import About, Infant
from fidgety.errors import UsageError
from fidgety.infant import parse_date

__all__ = ["TOLD_COLUMNS", "ToldInfants"]

TOLD_COLUMNS = ("recording", "infant", "born", "recorded", "gestation", "sex", "birth_weight", "age_weeks")


class ToldInfants:
    """Call it with a file's name below the folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, int] | None = None
        self._rows: dict[str, About | str] = {}  # str: what is wrong with the row
        self._fault: str | None = None

    def __call__(self, name: str) -> About | None:
        """What is told; None where there is no row yet. Raises UsageError where the table or the row has a fault."""
        self._read()
        if self._fault is not None:
            raise UsageError(self._fault)
        found = self._rows.get(name)
        if isinstance(found, str):
            raise UsageError(found)
        return found

    def _read(self) -> None:
        try:
            state = self._path.stat()
            now = (state.st_size, state.st_mtime_ns)
        except OSError as error:
            self._state, self._fault = None, f"{self._path} cannot be read: {error.strerror}"
            return
        if now == self._state:
            return
        table = read_text_table(self._path, TOLD_COLUMNS, optional=TOLD_COLUMNS[2:])
        faults = [str(fault) for fault in table.faults if fault.row in (None, 1)]
        self._state, self._fault = now, faults[0] if faults else None
        self._rows = {}
        for row in table.rows if not faults else ():
            cells = {key: cell.strip() for key, cell in row.cells.items()}
            name = cells.get("recording", "")
            place = f"{table.file}:{row.number}"
            if not row.is_whole:
                self._rows[name] = f"{place}: it has a cell too many or too few"
            elif name in self._rows:
                self._rows[name] = f"{place}: this recording stands in the table twice"
            else:
                self._rows[name] = _about(cells, place)


def _about(cells: Mapping[str, str], place: str) -> About | str:
    """The row as it is told to the store, or what is wrong with it."""
    told = dict.fromkeys(TOLD_COLUMNS) | {key: value or None for key, value in cells.items()}
    try:
        if told["recorded"] is not None:
            parse_date(told["recorded"], "recorded")
        weight, age = _number(told, "birth_weight", "in grams"), _number(told, "age_weeks", "in weeks, corrected")
        if age is not None and told["recorded"] is None:
            raise UsageError("age_weeks without recorded: on which day was it so old?")
        age_on = None if age is None else told["recorded"]
        infant = Infant(told["infant"] or "", told["born"], told["gestation"], told["sex"], weight, age, age_on)
        infant.characteristics(told["recorded"])
    except UsageError as error:
        return f"{place}: {error}"
    return About(infant, recorded_on=told["recorded"])


def _number(told: Mapping[str, str | None], column: str, how: str) -> float | None:
    """A cell's number; None where it is empty. Raises UsageError."""
    cell = told[column]
    if cell is None:
        return None
    try:
        return float(cell)
    except ValueError:
        raise UsageError(f"{column} {cell!r} is no number: write it {how}") from None
