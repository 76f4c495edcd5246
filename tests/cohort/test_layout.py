from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.cohort.layout import write_table
from fidgety.errors import DeviceError


def test_write_table_leaves_cells_empty_for_none(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", ("x", "y"), [("a,b", None), (1, 2.5)])
    assert (tmp_path / "a.csv").read_bytes() == b'x,y\r\n"a,b",\r\n1,2.5\r\n'


def test_write_table_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        write_table(tmp_path / "a.csv", ("x", "y"), [(1, 2), (3,)])
    assert not list(tmp_path.iterdir())


def test_write_table_into_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be written"):
        write_table(tmp_path / "none" / "a.csv", ("x",), [])
