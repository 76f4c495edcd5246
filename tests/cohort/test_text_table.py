from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.cohort.text_table import TextTable, read_text_table

COLUMNS = ("id", "born", "fold")


def _read(tmp_path: Path, content: str | bytes) -> TextTable:
    path = tmp_path / "infants.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_text_table(path, COLUMNS, optional=("fold",))


def test_read_text_table_numbers_rows_as_a_spreadsheet_does(tmp_path: Path) -> None:
    table = _read(tmp_path, 'born,id\n2024-01-01,a\n\n,\n"2024-\n01-02", b \n')
    assert not table.faults
    assert [(row.number, row.cells["id"]) for row in table.rows] == [(2, "a"), (5, " b ")]
    assert table.columns == {"id", "born"}
    assert table.values("id") == {"a", "b"}
    assert table.values("fold") is None


def test_read_text_table_takes_what_spreadsheets_add(tmp_path: Path) -> None:
    table = _read(tmp_path, b"\xef\xbb\xbfid,born,,\r\na,2024-01-01,,\r\nb,,,\r\n")
    assert not table.faults
    assert [dict(row.cells) for row in table.rows] == [{"id": "a", "born": "2024-01-01"}, {"id": "b", "born": ""}]
    assert all(row.is_whole for row in table.rows)


def test_read_text_table_ragged_rows_keep_what_they_have(tmp_path: Path) -> None:
    table = _read(tmp_path, "id,born\na\nb,2024-01-01,c\n")
    assert [(fault.row, fault.message.split(":")[0]) for fault in table.faults] == [
        (2, "has 1 cells for 2 columns"),
        (3, "has 3 cells for 2 columns"),
    ]
    assert not any(row.is_whole for row in table.rows)
    assert table.values("id") == {"a", "b"}  # who they are is still known


@pytest.mark.parametrize(
    ("content", "row", "column", "message"),
    [
        ("id;born\na;2024-01-01\n", 1, None, "semicolons: save it with commas"),
        ("", 1, None, "no header: name the columns id, born, fold"),
        ("\nid,born\n", 1, None, "no header"),
        ("id,born\n", None, None, "no rows"),
        ("id\na\n", 1, "born", "missing: add it"),
        ("id,born,Name\na,,x\n", 1, "Name", "no such column: take it out; known are id, born, fold"),
        ("id,born,,x\na,,,1\n", 1, "", "no such column"),
        ("id,born,id\na,,b\n", 1, "id", "twice: keep one"),
        ('id,born\n"a,\n', None, None, "quotation mark without its pair"),
        ("id,born\nJosé,\n".encode("latin-1"), None, None, "no UTF-8 text: save it as 'CSV UTF-8'"),
    ],
)
def test_read_text_table_faults_of_the_file(
    tmp_path: Path, content: str | bytes, row: int | None, column: str | None, message: str
) -> None:
    faults = [fault for fault in _read(tmp_path, content).faults if fault.column == column]
    assert [fault.row for fault in faults] == [row]
    assert message in faults[0].message


def test_read_text_table_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "infants.csv").mkdir()
    (fault,) = read_text_table(tmp_path / "infants.csv", COLUMNS).faults
    assert str(fault).startswith("infants.csv: cannot be read (Is a directory)")
