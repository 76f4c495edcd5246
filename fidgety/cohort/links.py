"""What does not fit between rows, and between tables: an infant twice, a recording before the birth, a clip of nothing.

Each function takes checked rows with their numbers and yields faults. What a faulty row hides is not held against
others: the ids and files that exist are those of the text, right or wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date

from fidgety.cohort.annotations import CLIP_S, has_fms
from fidgety.cohort.files import FileFacts
from fidgety.cohort.layout import CLIPS, INFANTS, RECORDINGS
from fidgety.cohort.records import Fault
from fidgety.cohort.tables import ClipRow, InfantRow, Numbered, RecordingRow

__all__ = [
    "clip_class_faults",
    "clip_faults",
    "content_faults",
    "infant_class_faults",
    "infant_faults",
    "recording_faults",
]

_OLDEST_DAYS = 5 * 365  # at a recording: beyond it, a date is wrong
_END_TOLERANCE_S = 0.05  # the last frame lasts as long as the others, more or less


def infant_faults(rows: Numbered[InfantRow], today: date) -> Iterator[Fault]:
    """An infant twice, at two sites, in two folds; born in the future."""
    first: dict[str, tuple[int, InfantRow]] = {}
    for number, row in rows:
        if row.born is not None and row.born > today:
            yield Fault(INFANTS, number, "born", f"{row.born} is yet to come (today is {today}): check the date")
        if row.id in first:
            yield _repeated_infant(number, row, *first[row.id])
        first.setdefault(row.id, (number, row))


def _repeated_infant(number: int, row: InfantRow, other_number: int, other: InfantRow) -> Fault:
    """The one fault of a repeated id that says most."""
    if row.site != other.site:
        message = (
            f"infant {row.id} is at {row.site} here and at {other.site} in row {other_number}: keep one row, or tell "
            "two infants apart by their ids"
        )
        return Fault(INFANTS, number, "site", message)
    if row.fold != other.fold:
        message = (
            f"infant {row.id} is in fold {_fold(row)} here and in fold {_fold(other)} in row {other_number}: keep one "
            "row, or the model is tested on an infant that it was trained on"
        )
        return Fault(INFANTS, number, "fold", message)
    return Fault(INFANTS, number, "id", f"infant {row.id} is in row {other_number} already: keep one row of the two")


def _fold(row: InfantRow) -> str:
    return "none" if row.fold is None else str(row.fold)


def recording_faults(
    rows: Numbered[RecordingRow], infants: Numbered[InfantRow], known_ids: Collection[str] | None, today: date
) -> Iterator[Fault]:
    """A recording twice, of nobody, before the birth, in the future. `known_ids`: None = nobody knows them.

    A birth in the future is a fault of its own, and is not held against the recordings.
    """
    born = {row.id: row.born for _, row in infants if row.born is not None and row.born <= today}
    first: dict[str, int] = {}
    for number, row in rows:
        if row.file in first:
            message = f"{row.file} is in row {first[row.file]} already: keep one row of the two"
            yield Fault(RECORDINGS, number, "file", message)
        first.setdefault(row.file, number)
        if known_ids is not None and row.infant not in known_ids:
            message = f"there is no infant {row.infant} in {INFANTS}: add it there or correct the id"
            yield Fault(RECORDINGS, number, "infant", message)
        wrong_date = _wrong_date(row.recorded, born.get(row.infant), today)
        if wrong_date is not None:
            yield Fault(RECORDINGS, number, "recorded", wrong_date)


def _wrong_date(recorded: date | None, born: date | None, today: date) -> str | None:
    if recorded is None:
        return None
    if recorded > today:
        return f"{recorded} is yet to come (today is {today}): check the date"
    if born is not None and recorded < born:
        return f"recorded on {recorded}, before the birth on {born}: check both dates"
    if born is not None and (recorded - born).days > _OLDEST_DAYS:
        return f"recorded on {recorded}, {(recorded - born).days // 365} years after the birth on {born}: check both"
    return None


def content_faults(rows: Numbered[RecordingRow], facts: Mapping[str, FileFacts]) -> Iterator[Fault]:
    """One recording in two files, under whatever names and infants: two copies, a video and its track, two tracks."""
    first: dict[str, tuple[int, RecordingRow]] = {}
    for number, row in rows:
        if row.file not in facts:
            continue
        same = [first.setdefault(one, (number, row)) for one in facts[row.file].hashes]
        other_number, other = min(same, key=lambda one: one[0])
        if other.file == row.file:  # the first of its content, or a name listed twice, which is a fault of its own
            continue
        whose = "the same infant's" if other.infant == row.infant else f"infant {other.infant}'s"
        message = (
            f"{row.file} has the content of {other.file} (row {other_number}, {whose}): find out whose recording it "
            "is and keep one of the two"
        )
        yield Fault(RECORDINGS, number, "file", message)


def clip_faults(
    rows: Numbered[ClipRow], known_files: Collection[str] | None, facts: Mapping[str, FileFacts]
) -> Iterator[Fault]:
    """A clip of no recording, beyond the end of its recording, or rated twice by one rater."""
    first: dict[tuple[str, int, str], int] = {}
    for number, row in rows:
        if known_files is not None and row.recording not in known_files:
            message = f"there is no recording {row.recording} in {RECORDINGS}: add it there or correct the name"
            yield Fault(CLIPS, number, "recording", message)
        duration_s = facts[row.recording].duration_s if row.recording in facts else None
        if duration_s is not None and row.start_s + CLIP_S > duration_s + _END_TOLERANCE_S:
            message = (
                f"a clip of {CLIP_S:g} s from {row.start_s:g} s on ends after the recording, which lasts "
                f"{duration_s:.2f} s: correct the start or take the row out"
            )
            yield Fault(CLIPS, number, "start_s", message)
        key = (row.recording, round(row.start_s * 1000), row.rater)
        if key in first:
            message = f"{row.rater} rated this clip in row {first[key]} already: keep one row of the two"
            yield Fault(CLIPS, number, "rater", message)
        first.setdefault(key, number)


def infant_class_faults(rows: Numbered[InfantRow]) -> Iterator[Fault]:
    """Infants of one class only, in a cohort whose infants are what is learnt from: it has no rated clips."""
    labels = {label for label in (row.record().label for _, row in rows) if label is not None}
    if rows and len(labels) < 2:
        found = f"all labelled infants are of the class {labels.pop()}" if labels else "no infant is labelled"
        yield Fault(INFANTS, None, "fms_category", f"{found}: a cohort needs normal infants and infants at risk")


def clip_class_faults(rows: Numbered[ClipRow]) -> Iterator[Fault]:
    """Rated clips of one kind only."""
    kinds = {has_fms(row.fms_share) for _, row in rows}
    if len(kinds) == 1:
        found = "hold FMs" if kinds.pop() else "hold no FMs"
        yield Fault(CLIPS, None, "fms_share", f"all rated clips {found}: nothing is learnt from them, add other ones")
