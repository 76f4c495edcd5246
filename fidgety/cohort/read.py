"""Folder -> Cohort. All faults are looked for and told at once: nobody mends a table for the sake of one cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fidgety.cohort.files import FileFacts, inspect_file
from fidgety.cohort.layout import CLIP_COLUMNS, CLIPS, INFANT_COLUMNS, INFANTS, RECORDING_COLUMNS, RECORDINGS
from fidgety.cohort.links import (
    clip_class_faults,
    clip_faults,
    content_faults,
    infant_class_faults,
    infant_faults,
    recording_faults,
)
from fidgety.cohort.records import MAM_2023, Cohort, CohortRecording, Fault
from fidgety.cohort.tables import ClipRow, InfantRow, Numbered, RecordingRow, check_rows
from fidgety.cohort.text_table import TextTable, read_text_table
from fidgety.errors import SourceError, UsageError

__all__ = ["CheckedCohort", "check_cohort", "read_cohort"]


@dataclass(frozen=True, slots=True)
class CheckedCohort:
    """A cohort and what is wrong with it. With faults, `cohort` holds what could be read, and is not to be used."""

    cohort: Cohort
    faults: tuple[Fault, ...]  # by table and row


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tables as text and as checked rows. `clips_text`: None where there is no such table."""

    infants_text: TextTable
    recordings_text: TextTable
    clips_text: TextTable | None
    infants: Numbered[InfantRow]
    recordings: Numbered[RecordingRow]
    clips: Numbered[ClipRow]


def read_cohort(folder: Path, today: date | None = None) -> Cohort:
    """The cohort in `folder`. Raises UsageError that lists every fault, one in a line."""
    checked = check_cohort(folder, today)
    if checked.faults:
        n = len(checked.faults)
        lines = "\n".join(f"  {fault}" for fault in checked.faults)
        raise UsageError(f"the cohort in {folder} has {n} {'fault' if n == 1 else 'faults'}; mend them first:\n{lines}")
    return checked.cohort


def check_cohort(folder: Path, today: date | None = None) -> CheckedCohort:
    """Read and check everything: tables, links between them, every recording's content (it is read to be hashed).

    `today`: dates after it are faults; default the clock's. Raises UsageError where there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: name the one that holds {INFANTS} and {RECORDINGS}")
    tables, faults = _read_tables(folder)
    facts, file_faults = _inspect_files(folder, tables.recordings)
    faults += file_faults
    faults += _link_faults(tables, facts, today or date.today())
    order = (INFANTS, RECORDINGS, CLIPS)
    faults.sort(key=lambda fault: (order.index(fault.file), fault.row or 0))
    return CheckedCohort(_cohort(folder, tables, facts), tuple(faults))


def _read_tables(folder: Path) -> tuple[_Tables, list[Fault]]:
    infants_text = read_text_table(folder / INFANTS, INFANT_COLUMNS, optional=("fold",))
    recordings_text = read_text_table(folder / RECORDINGS, RECORDING_COLUMNS)
    clips_text = read_text_table(folder / CLIPS, CLIP_COLUMNS) if (folder / CLIPS).exists() else None
    infants, infants_faults = check_rows(infants_text, InfantRow)
    recordings, recordings_faults = check_rows(recordings_text, RecordingRow)
    clips, clips_faults = ([], []) if clips_text is None else check_rows(clips_text, ClipRow)
    texts = [text for text in (infants_text, recordings_text, clips_text) if text is not None]
    faults = [fault for text in texts for fault in text.faults] + infants_faults + recordings_faults + clips_faults
    return _Tables(infants_text, recordings_text, clips_text, infants, recordings, clips), faults


def _inspect_files(folder: Path, rows: Numbered[RecordingRow]) -> tuple[dict[str, FileFacts], list[Fault]]:
    """What the files are, by their names in the table; a name listed twice is looked at once."""
    facts: dict[str, FileFacts] = {}
    faults: dict[str, Fault] = {}
    for number, row in rows:
        if row.file in facts or row.file in faults:
            continue
        try:
            facts[row.file] = inspect_file(folder, row.file)
        except SourceError as error:
            faults[row.file] = Fault(RECORDINGS, number, "file", str(error))
    return facts, list(faults.values())


def _link_faults(tables: _Tables, facts: Mapping[str, FileFacts], today: date) -> Iterator[Fault]:
    known_ids, known_files = tables.infants_text.values("id"), tables.recordings_text.values("file")
    yield from infant_faults(tables.infants, today)
    yield from recording_faults(tables.recordings, tables.infants, known_ids, today)
    yield from content_faults(tables.recordings, facts)
    yield from clip_faults(tables.clips, known_files, facts)
    # Not from a part of a table: the rows that cannot be read may be those of the other class.
    if tables.clips_text is not None and len(tables.clips) == len(tables.clips_text.rows):
        yield from clip_class_faults(tables.clips)
    if tables.clips_text is None and len(tables.infants) == len(tables.infants_text.rows):
        yield from infant_class_faults(tables.infants)


def _cohort(folder: Path, tables: _Tables, facts: Mapping[str, FileFacts]) -> Cohort:
    recordings = [_recording(row, facts[row.file]) for _, row in tables.recordings if row.file in facts]
    return Cohort(
        folder=folder,
        scheme=MAM_2023,
        infants=tuple(row.record() for _, row in tables.infants),
        recordings=tuple(recordings),
        ratings=tuple(row.record() for _, row in tables.clips),
    )


def _recording(row: RecordingRow, facts: FileFacts) -> CohortRecording:
    return CohortRecording(
        row.infant, row.file, facts.path, row.recorded, facts.sha256, facts.duration_s, facts.other_hashes
    )
