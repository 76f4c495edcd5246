"""The table beside a watched folder: which infant each file shows, by pseudonym, and what the score needs to know.

    recording,infant,born,recorded,gestation,sex,birth_weight
    bed-2/0041.mp4,A-17,2026-02-01,2026-05-10,39+2,female,3300

`recording` is the path below the folder. The table is read anew when it changes; a file waits until its row is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fidgety.cohort.text_table import read_text_table
from fidgety.device.holdings import About, Infant
from fidgety.errors import UsageError
from fidgety.infant import parse_date

__all__ = ["TOLD_COLUMNS", "ToldInfants"]

TOLD_COLUMNS = ("recording", "infant", "born", "recorded", "gestation", "sex", "birth_weight")


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
        table = read_text_table(self._path, TOLD_COLUMNS)
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
    told = {key: value or None for key, value in cells.items()}
    try:
        if told["recorded"] is not None:
            parse_date(told["recorded"], "recorded")
        weight = None if told["birth_weight"] is None else float(told["birth_weight"])
        infant = Infant(told["infant"] or "", told["born"], told["gestation"], told["sex"], weight)
        infant.characteristics(told["recorded"])
    except UsageError as error:
        return f"{place}: {error}"
    except ValueError:
        return f"{place}: birth_weight {told['birth_weight']!r} is no number: write it in grams"
    return About(infant, recorded_on=told["recorded"])
