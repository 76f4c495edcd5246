"""What a cohort is made of: infants, their recordings, and what raters said of clips.

None means not told. Nothing is guessed: an infant without a date of birth has no corrected age, and is not included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from fidgety.bundle import LabelScheme
from fidgety.infant import corrected_age_days
from fidgety.records import Characteristics
from fidgety.runtime.posefile import POSE_SUFFIXES

__all__ = [
    "MAM_2023",
    "ClipRating",
    "Cohort",
    "CohortInfant",
    "CohortRecording",
    "Fault",
    "FmsCategory",
    "Label",
    "Use",
    "age_days_at",
    "characteristics_at",
    "earliest_first",
    "label_of",
]

FmsCategory = Literal["continual", "intermittent", "sporadic", "absent", "abnormal"]
Label = Literal["normal", "risk"]
Use = Literal["training", "evaluation"]  # what an infant's parents may consent to

# SPEC 1. Abnormal FMs stand in neither group: such infants are excluded.
MAM_2023 = LabelScheme("mam-2023", normal=("continual", "intermittent"), risk=("sporadic", "absent"))


def label_of(category: FmsCategory, scheme: LabelScheme = MAM_2023) -> Label | None:
    """The class of a category under the scheme; None where the scheme excludes it."""
    if category in scheme.risk:
        return "risk"
    return "normal" if category in scheme.normal else None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a cohort, where, and what to do about it.

    file: table, relative to the folder. row: as a spreadsheet counts, the header is row 1; None = the whole table.
    """

    file: str
    row: int | None
    column: str | None
    message: str

    def __str__(self) -> str:
        place = [self.file, *(str(part) for part in (self.row, self.column) if part is not None)]
        return f"{':'.join(place)}: {self.message}"


@dataclass(frozen=True, slots=True)
class CohortInfant:
    """One participant."""

    infant_id: str
    born: date | None
    gestation_days: int | None
    sex: Literal["female", "male"] | None
    birth_weight_g: float | None
    fms_category: FmsCategory | None  # the expert's; None = not told, or the label alone was
    label: Label | None  # of the label scheme; None = not told, or abnormal FMs
    site: str
    consents: frozenset[Use]
    fold: int | None  # of a cross-validation; None = not assigned


@dataclass(frozen=True, slots=True)
class CohortRecording:
    """One recording of one infant. `file` is its name in the tables, `path` where it lies."""

    infant_id: str
    file: str
    path: Path
    recorded: date | None
    sha256: str  # of the file's bytes
    duration_s: float | None  # None: a video that does not state it
    other_hashes: frozenset[str] = frozenset()  # of a track: its content's, and that of the video it was made of

    @property
    def hashes(self) -> frozenset[str]:
        """All by which the same recording is recognised, under another name or as another bundle's track."""
        return self.other_hashes | {self.sha256}

    @property
    def is_track(self) -> bool:
        """A pose track, not a video."""
        return self.path.suffix in POSE_SUFFIXES


@dataclass(frozen=True, slots=True)
class ClipRating:
    """What one rater said of one clip of 9.6 s."""

    file: str  # the recording
    start_s: float
    fms_share: float  # in [0, 1], of the clip that FMs fill; above .5 it holds FMs
    rater: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """Infants, recordings and ratings of one folder, each in the order of its table."""

    folder: Path
    scheme: LabelScheme
    infants: tuple[CohortInfant, ...]
    recordings: tuple[CohortRecording, ...]
    ratings: tuple[ClipRating, ...]

    @property
    def infants_by_id(self) -> Mapping[str, CohortInfant]:
        """Made anew at every call: keep it while looping."""
        return {infant.infant_id: infant for infant in self.infants}

    def recordings_of(self, infant: CohortInfant) -> tuple[CohortRecording, ...]:
        """All recordings of one infant, in the order of the table."""
        return tuple(one for one in self.recordings if one.infant_id == infant.infant_id)


def age_days_at(infant: CohortInfant, recording: CohortRecording) -> int | None:
    """Corrected age at the recording in days; None where a date or the gestation is not told."""
    if infant.born is None or infant.gestation_days is None or recording.recorded is None:
        return None
    return corrected_age_days(infant.born, recording.recorded, infant.gestation_days)


def characteristics_at(infant: CohortInfant, recording: CohortRecording) -> Characteristics:
    """What the Info Branch reads of an infant at one of its recordings."""
    age_days = age_days_at(infant, recording)
    return Characteristics(
        corrected_age_weeks=None if age_days is None else age_days / 7,
        gestation_weeks=None if infant.gestation_days is None else infant.gestation_days / 7,
        sex=infant.sex,
        birth_weight_g=infant.birth_weight_g,
    )


def earliest_first(recordings: Iterable[CohortRecording]) -> list[CohortRecording]:
    """By date, those without one last; recordings of one day stay in their order."""
    return sorted(recordings, key=lambda one: one.recorded or date.max)
