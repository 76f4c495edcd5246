"""Where the scores of another cohort lie in a run, and whose they are.

    OUT/external-NAME/predictions.csv, windows.csv     NAME: the cohort's folder, without those above it
    OUT/external-NAME/contents.csv                     hashes of the recordings that were scored

Two sites may call their folders alike: scores give way only to a cohort that holds all the recordings that they are of.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from fidgety.cohort.layout import write_table
from fidgety.cohort.records import Cohort
from fidgety.errors import UsageError
from fidgety.training.evaluation.records import FINAL_SUFFIX
from fidgety.training.run_files import PREDICTIONS, Table, write_tables, written

__all__ = ["external_folder", "require_own", "write_external"]

_CONTENTS, _COLUMNS = "contents.csv", ("recording", "sha256")


def external_folder(out: Path, cohort_folder: Path, *, by_final: bool = False) -> Path:
    """Where the tables of a cohort lie: named as its folder is, as far as file names may hold that."""
    name = re.sub(r"[^\w.-]+", "-", cohort_folder.resolve().name) or "cohort"
    return out / f"external-{name}{FINAL_SUFFIX if by_final else ''}"


def require_own(folder: Path, cohort: Cohort) -> None:
    """Raises UsageError where `folder` holds scores of recordings that are not in the cohort, included or not.

    Recordings are told by their content; those scored before contents were kept by their infant, site and name.
    """
    strangers = _strangers(folder, cohort)
    if strangers:
        rest = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise UsageError(
            f"{folder} holds scores of recordings that are not in {cohort.folder} ({strangers[0]}{rest}): where they "
            "are another cohort's, rename that cohort's folder or this one and apply again; where they are no longer "
            f"wanted, delete {folder}"
        )


def write_external(folder: Path, cohort: Cohort, table: Table) -> None:
    """The tables of a cohort's scored recordings, behind the note of whose they are. Raises as `require_own` and
    `write_tables` do.
    """
    require_own(folder, cohort)
    written(lambda: folder.mkdir(parents=True, exist_ok=True), folder)
    scored = {row.recording for row in table[0]}
    hashes = [(one.file, sha256) for one in cohort.recordings if one.file in scored for sha256 in sorted(one.hashes)]
    write_table(folder / _CONTENTS, _COLUMNS, hashes)
    write_tables(folder, table)


def _strangers(folder: Path, cohort: Cohort) -> list[str]:
    """Recordings that were scored and are not in the cohort."""
    contents: dict[str, set[str]] = {}
    for file, sha256 in _rows(folder / _CONTENTS, _COLUMNS):
        contents.setdefault(file, set()).add(sha256)
    sites = {one.infant_id: one.site for one in cohort.infants}
    names = {(one.infant_id, sites[one.infant_id], one.file) for one in cohort.recordings}
    hashes = {sha256 for one in cohort.recordings for sha256 in one.hashes}
    strangers = []
    for infant, site, file in _rows(folder / PREDICTIONS, ("infant", "site", "recording")):
        is_there = not hashes.isdisjoint(contents[file]) if file in contents else (infant, site, file) in names
        if not is_there:
            strangers.append(file)
    return strangers


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return [tuple(row[name] for name in columns) for row in csv.DictReader(stream)]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read ({error}): delete the folder, and apply again") from error
