"""The frozen records of a store: what is told of a recording when it comes in, and what the store tells of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from fidgety.errors import UsageError
from fidgety.infant import characteristics, parse_date
from fidgety.records import Characteristics

__all__ = [
    "STATES",
    "About",
    "Added",
    "Begun",
    "Claim",
    "Infant",
    "KeptResult",
    "Kind",
    "Outcome",
    "Override",
    "Recording",
    "Result",
    "State",
    "StoredFile",
    "check_id",
    "id_of",
    "number_of",
]

State = Literal["recording", "recorded", "queued", "scoring", "scored", "not-assessable", "failed", "set-aside"]
STATES: tuple[State, ...] = (
    "recording",  # the recorder is writing it
    "recorded",  # whole, and nobody has asked for a score
    "queued",  # waits for its turn
    "scoring",  # claimed by a worker
    "scored",
    "not-assessable",
    "failed",  # for an outside reason; it is tried again
    "set-aside",  # damaged: a person has to look at it
)
Kind = Literal["about", "video", "times", "poses", "result", "report", "override", "other"]
Outcome = Literal["scored", "not-assessable"]

_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")


@dataclass(frozen=True, slots=True)
class Infant:
    """An infant by its pseudonym, and what the score needs to know of it. None: not told."""

    id: str
    born: str | None = None  # YYYY-MM-DD
    gestation: str | None = None  # weeks, or weeks+days as 39+2
    sex: str | None = None  # female or male
    birth_weight_g: float | None = None
    age_weeks: float | None = None  # corrected, on the day `age_on`: where staff know the age and no dates
    age_on: str | None = None  # YYYY-MM-DD; None: on the day of the recording that it comes in with

    def __post_init__(self) -> None:
        """Raises UsageError for an id that might be a name, and for what makes no sense."""
        check_id(self.id, "infant")
        characteristics(age_weeks=self.age_weeks)
        self.characteristics(self.age_on, None if self.age_on is None else parse_date(self.age_on, "recorded"))

    def characteristics(self, recorded_on: str | None, today: date | None = None) -> Characteristics:
        """As the score takes them; the age is unknown where a day is. Raises UsageError."""
        is_dated = None not in (self.born, recorded_on, self.gestation)
        return characteristics(
            self.born if is_dated else None,
            recorded_on if is_dated else None,
            self.gestation,
            self.told_age_weeks(recorded_on),
            self.sex,
            self.birth_weight_g,
            today,
        )

    def told_age_weeks(self, day: str | None) -> float | None:
        """The corrected age on a day by the age that was told; None where no age was told, or a day is not known."""
        if self.age_weeks is None or self.age_on is None or day is None:
            return None
        return self.age_weeks + (parse_date(day, "recorded") - parse_date(self.age_on, "recorded")).days / 7


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a recording when it comes in."""

    infant: Infant | None = None
    session_id: str | None = None  # one visit at one bedside
    recorded_on: str | None = None  # YYYY-MM-DD as staff say; None: the day of the clock, if that can be believed
    duration_s: float | None = None
    n_dropped_frames: int | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """Where a recording went. is_new False: the very same content was there already, under this id."""

    id: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """A recording that is being made: write segments and whatever belongs to them straight into `folder`."""

    id: str
    folder: Path


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a recording. sha256 and n_bytes are those of its content, encrypted or not."""

    name: str
    kind: Kind
    sha256: str
    n_bytes: int
    stored_sha256: str  # of the bytes on the disk
    key_id: str | None  # None: not encrypted
    gone: Literal["deleted", "missing"] | None = None

    @property
    def stored_name(self) -> str:
        """Its name on the disk."""
        return self.name if self.key_id is None else f"{self.name}.sealed"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as the store has it. `number` is the order in which recordings came, whatever the clock said."""

    number: int
    sha256: str | None  # None while it is being made
    infant_id: str | None
    session_id: str | None
    recorded_at: str  # by the wall clock, UTC
    is_clock_trusted: bool
    recorded_on: str | None  # the day that the infant's age is reckoned by; None: not known
    duration_s: float | None
    n_dropped_frames: int | None
    is_cut_short: bool  # the program or the power went while it was made: what had been written is here
    state: State
    reason: str | None  # of failed and set-aside
    n_tries: int  # that failed for outside reasons
    is_deletion_confirmed: bool
    files: tuple[StoredFile, ...]

    @property
    def id(self) -> str:
        """What people call it: R000012."""
        return id_of(self.number)

    @property
    def videos(self) -> tuple[StoredFile, ...]:
        """Its pictures, in the order of their names, also those that are gone."""
        return tuple(one for one in self.files if one.kind == "video")

    def kept(self, kind: Kind) -> tuple[StoredFile, ...]:
        """Its files of one kind that are there."""
        return tuple(one for one in self.files if one.kind == kind and one.gone is None)


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to score one recording, until it lets go, dies or the lease passes."""

    recording: Recording
    worker: str
    token: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker hands in. files: kind -> file to keep beside the result (`poses`, `report`)."""

    outcome: Outcome
    content: bytes  # the result as JSON
    bundle: str
    bundle_sha256: str
    engines: Mapping[str, str] = field(default_factory=dict)  # graph -> sha256 of the engine that ran it
    files: Mapping[Kind, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A result as the store has it; `name` is the file of the recording that holds its JSON."""

    id: int
    recording_id: str
    name: str
    outcome: Outcome
    bundle: str
    bundle_sha256: str
    engines: Mapping[str, str]
    program: str
    made_at: str
    made_s: float  # the same, in seconds since 1970
    is_clock_trusted: bool


@dataclass(frozen=True, slots=True)
class Override:
    """What staff say against a result, which itself stays as it is."""

    id: int
    recording_id: str
    result_id: int | None  # None: there was no result yet
    staff: str
    finding: str
    reason: str
    made_at: str


def check_id(text: str, what: str) -> str:
    """Raises UsageError for anything but a short word without spaces: people's names do not belong here."""
    if _ID.fullmatch(text) is None:
        raise UsageError(
            f"{what} id {text!r}: write 1 to 40 letters (A-Z, a-z), digits, dots, hyphens or underscores, and no name"
        )
    return text


def id_of(number: int) -> str:
    """12 -> R000012."""
    return f"R{number:06d}"


def number_of(recording_id: str) -> int:
    """R000012 (or r12, 12) -> 12. Raises UsageError."""
    found = re.fullmatch(r"[Rr]?0*([0-9]{1,12})", recording_id)
    if found is None:
        raise UsageError(f"{recording_id!r} is no recording: write its id, for example R000012 (`fidgety store list`)")
    return int(found[1])
