"""The layout of a cohort's folder: names of tables and columns, and how a table is written. Needs no pydantic.

    folder/infants.csv      one row for each infant
    folder/recordings.csv   one row for each video or pose track, named relative to the folder
    folder/clips.csv        one row for each rating of a clip of 9.6 s; may be missing

Tables are UTF-8, separated by commas, with these names in the first row. Dates are YYYY-MM-DD, gestation is weeks+days.
A cell may be empty where something is not known; ids, sites and consents may not.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from fidgety.errors import DeviceError

__all__ = ["CLIPS", "CLIP_COLUMNS", "INFANTS", "INFANT_COLUMNS", "RECORDINGS", "RECORDING_COLUMNS", "write_table"]

INFANTS = "infants.csv"
RECORDINGS = "recordings.csv"
CLIPS = "clips.csv"
INFANT_COLUMNS = (
    "id",
    "born",
    "gestation",
    "sex",
    "birth_weight_g",
    "fms_category",
    "label",
    "site",
    "consent_training",
    "consent_evaluation",
    "fold",  # the only column that may be left out
)
RECORDING_COLUMNS = ("infant", "file", "recorded")
CLIP_COLUMNS = ("recording", "start_s", "fms_share", "rater")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table (RFC 4180) to `path`, whole or not at all; None becomes an empty cell.

    Raises DeviceError when it cannot be written, ValueError for a row of another length than the columns.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(columns)
            for row in rows:
                if len(row) != len(columns):
                    raise ValueError(f"{path.name}: {len(row)} cells for {len(columns)} columns")
                table.writerow(row)
        part.replace(path)
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
