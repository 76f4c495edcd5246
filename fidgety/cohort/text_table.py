"""A CSV file -> rows of text, with the faults of the file itself: encoding, separators, header, ragged rows.

Rows keep the numbers that a spreadsheet shows, blank ones counted, so that a fault is found where it is said to be.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fidgety.cohort.records import Fault

__all__ = ["TextRow", "TextTable", "read_text_table"]


@dataclass(frozen=True, slots=True)
class TextRow:
    """One row as it stands. `is_whole`: it has a cell for every column."""

    number: int  # the header is row 1
    cells: Mapping[str, str]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of text. `columns`: those of the header that are known; without all that are required nothing is read."""

    file: str
    columns: frozenset[str]
    rows: tuple[TextRow, ...]
    faults: tuple[Fault, ...]

    def values(self, column: str) -> frozenset[str] | None:
        """All values of a column, whatever is wrong with their rows; None where the table has no such column."""
        if column not in self.columns:
            return None
        return frozenset(row.cells[column].strip() for row in self.rows if column in row.cells)


def read_text_table(path: Path, columns: Sequence[str], optional: Collection[str] = ()) -> TextTable:
    """Read a table whose header must name `columns`, in any order; those in `optional` may be left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # spreadsheets put a byte-order mark before UTF-8
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        return _unreadable(path.name, None, f"there is no such table: write one with the columns {', '.join(columns)}")
    except OSError as error:
        return _unreadable(path.name, None, f"cannot be read ({error.strerror}): check the folder and its rights")
    except UnicodeDecodeError:
        return _unreadable(path.name, None, "is no UTF-8 text: save it as 'CSV UTF-8'")
    except csv.Error as error:
        return _unreadable(path.name, None, f"is no CSV table ({error}): look for a quotation mark without its pair")
    if not records or not any(records[0]):
        return _unreadable(path.name, 1, f"has no header: name the columns {', '.join(columns)} in the first row")
    return _table(path.name, records, columns, optional)


def _table(file: str, records: list[list[str]], columns: Sequence[str], optional: Collection[str]) -> TextTable:
    header = _without_empty_end([name.strip() for name in records[0]])
    if len(header) == 1 and ";" in header[0]:
        return _unreadable(file, 1, "is separated by semicolons: save it with commas")
    faults = [*_header_faults(file, header, columns, optional)]
    rows = []
    for number, record in enumerate(records[1:], start=2):
        cells = _without_empty_end(record, len(header))
        if not any(cell.strip() for cell in cells):
            continue  # blank rows are counted, not read
        is_whole = len(cells) == len(header)
        if not is_whole:
            message = f"has {len(cells)} cells for {len(header)} columns: look for a comma too many or too few"
            faults.append(Fault(file, number, None, message))
        rows.append(TextRow(number, dict(zip(header, cells, strict=False)), is_whole))
    if not rows:
        faults.append(Fault(file, None, None, "holds no rows below its header: write one for each entry"))
    return TextTable(file, frozenset(header) & frozenset(columns), tuple(rows), tuple(faults))


def _header_faults(
    file: str, header: Sequence[str], columns: Sequence[str], optional: Collection[str]
) -> Iterator[Fault]:
    for name in columns:
        if name not in header and name not in optional:
            yield Fault(file, 1, name, "this column is missing: add it to the header and to every row")
    for name in dict.fromkeys(header):
        if name not in columns:
            yield Fault(file, 1, name, f"no such column: take it out; known are {', '.join(columns)}")
        elif header.count(name) > 1:
            yield Fault(file, 1, name, "this column is there twice: keep one of them")


def _without_empty_end(cells: list[str], least: int = 0) -> list[str]:
    """Spreadsheets write empty cells beyond the last column where one was ever touched."""
    end = len(cells)
    while end > least and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _unreadable(file: str, row: int | None, message: str) -> TextTable:
    return TextTable(file, frozenset(), (), (Fault(file, row, None, message),))
