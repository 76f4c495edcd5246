"""A small phantom cohort on disk, and a way to change its tables."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.phantom.cohort_files import CohortPlan, write_cohort
from fidgety.phantom.cohort_kinds import CLIPS

SITE = replace(CLIPS, site="site-a", fps=25.0)  # one site, one camera
PLAN = CohortPlan(SITE, seed=4, n_infants=6, n_cameras=2, duration_s=(12.0, 12.0))


class Tables:
    """The tables of a cohort's folder. Rows are numbered as a spreadsheet does, the header is row 1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, file: str) -> list[list[str]]:
        with (self.folder / file).open(newline="", encoding="utf-8") as stream:
            return list(csv.reader(stream))

    def write(self, file: str, rows: list[list[str]]) -> None:
        with (self.folder / file).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)

    def get(self, file: str, row: int, column: str) -> str:
        rows = self.read(file)
        return rows[row - 1][rows[0].index(column)]

    def put(self, file: str, row: int, column: str, value: str) -> None:
        rows = self.read(file)
        rows[row - 1][rows[0].index(column)] = value
        self.write(file, rows)

    def copy_row(self, file: str, row: int, **changes: str) -> int:
        """Append a copy of a row; gives its number."""
        rows = self.read(file)
        copied = dict(zip(rows[0], rows[row - 1], strict=True)) | changes
        self.write(file, [*rows, [copied[name] for name in rows[0]]])
        return len(rows) + 1


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six infants, two cameras, 12 s, four clips each by two raters. Not to be changed."""
    folder = tmp_path_factory.mktemp("cohorts") / "clips"
    write_cohort(folder, PLAN)
    return folder


@pytest.fixture
def tables(written: Path, tmp_path: Path) -> Tables:
    """A copy of that cohort that may be changed."""
    return Tables(Path(shutil.copytree(written, tmp_path / "cohort")))


@pytest.fixture
def unrated(tables: Tables) -> Tables:
    """The same without rated clips."""
    (tables.folder / "clips.csv").unlink()
    return tables
