"""Rows of text -> checked rows: one pydantic model for each table, field by field the columns of `layout.py`.

Every message says what is wrong with the cell and what to write. The only module that needs pydantic (extra `train`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, field_validator

from fidgety.cohort.records import MAM_2023, ClipRating, CohortInfant, Fault, FmsCategory, Label, Use, label_of
from fidgety.cohort.text_table import TextTable
from fidgety.errors import UsageError
from fidgety.infant import characteristics, parse_date, parse_gestation_days

__all__ = ["ClipRow", "InfantRow", "Numbered", "RecordingRow", "check_rows"]

_Told = TypeVar("_Told")
RowT = TypeVar("RowT", bound=BaseModel)
Numbered = list[tuple[int, RowT]]  # rows with the numbers that a spreadsheet shows

_LONGEST_S = 86_400.0  # of a recording


def _as_told(parse: Callable[[str], _Told], text: str) -> _Told | None:
    """An empty cell is None. What `fidgety.infant` refuses is refused without the option that it names."""
    if not text:
        return None
    try:
        return parse(text)
    except UsageError as error:
        raise ValueError(re.sub(r"^--[a-z-]+ ", "", str(error))) from None


def _day(text: str) -> date | None:
    return _as_told(lambda told: parse_date(told, "date"), text)


def _gestation_days(text: str) -> int | None:
    return _as_told(parse_gestation_days, text)


def _sex(text: str) -> str | None:
    return _as_told(lambda told: characteristics(sex=told).sex, text)


def _birth_weight_g(text: str) -> float | None:
    return _as_told(lambda told: characteristics(birth_weight_g=_number(told)).birth_weight_g, text)


def _number(text: str) -> float:
    """A finite number."""
    try:
        if re.fullmatch(r"[+-]?\d*\.?\d*([eE][+-]?\d+)?", text) is None:  # Python takes 'nan', 'inf' and '1_000' too
            raise ValueError(text)
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number: write digits and a decimal point") from None
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is too large a number: look at its exponent")
    return number


def _name(text: str) -> str:
    if not text:
        raise ValueError("this cell may not be empty")
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a character that cannot be printed: write it anew")
    return text


def _consent(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"{text!r}: write yes or no; without a yes the infant is not included")
    return text == "yes"


def _fold(text: str) -> int | None:
    if text and re.fullmatch(r"\d{1,3}", text) is None:
        raise ValueError(f"{text!r}: number the folds 0, 1, 2, or leave the cell empty")
    return int(text) if text else None


def _fms_category(text: str) -> str | None:
    if text and text not in get_args(FmsCategory):
        known = ", ".join(get_args(FmsCategory))
        raise ValueError(f"{text!r} is no category of FMs: write {known}, or leave the cell empty")
    return text or None


def _label(text: str) -> str | None:
    if text and text not in get_args(Label):
        raise ValueError(f"{text!r} is no label of the scheme {MAM_2023.name}: write normal or risk, or leave it empty")
    return text or None


def _start_s(text: str) -> float:
    start_s = _number(text)
    if start_s < 0.0:
        raise ValueError(f"{text!r}: a clip starts at 0 s or later, in seconds from the recording's first frame")
    if start_s > _LONGEST_S:  # a video that does not state its length would let it pass
        raise ValueError(f"{text!r}: no recording lasts longer than a day; write seconds from its first frame")
    return start_s


def _share(text: str) -> float:
    share = _number(text)
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"{text!r}: a share of FMs lies between 0 and 1, not in percent")
    return share


Name = Annotated[str, BeforeValidator(_name)]
Day = Annotated[date | None, BeforeValidator(_day)]
Consent = Annotated[bool, BeforeValidator(_consent)]


class _Row(BaseModel):
    """A row of text cells: strict, nothing beside the columns, nothing to be changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class InfantRow(_Row):
    """A row of infants.csv. Only `fold` may be missing as a column."""

    id: Name
    born: Day
    gestation: Annotated[int | None, BeforeValidator(_gestation_days)]  # days
    sex: Annotated[Literal["female", "male"] | None, BeforeValidator(_sex)]
    birth_weight_g: Annotated[float | None, BeforeValidator(_birth_weight_g)]
    fms_category: Annotated[FmsCategory | None, BeforeValidator(_fms_category)]
    label: Annotated[Label | None, BeforeValidator(_label)]
    site: Name
    consent_training: Consent
    consent_evaluation: Consent
    fold: Annotated[int | None, BeforeValidator(_fold)] = None

    @field_validator("label")
    @classmethod
    def _label_fits_category(cls, label: Label | None, info: ValidationInfo) -> Label | None:
        category = info.data.get("fms_category")
        if label is None or category is None or label == label_of(category):
            return label
        means = label_of(category) or "neither normal nor risk"
        raise ValueError(f"{label!r} contradicts {category} FMs, which are {means} under {MAM_2023.name}: correct one")

    def record(self) -> CohortInfant:
        """The infant, labelled by its category where it has one."""
        consents: dict[Use, bool] = {"training": self.consent_training, "evaluation": self.consent_evaluation}
        return CohortInfant(
            infant_id=self.id,
            born=self.born,
            gestation_days=self.gestation,
            sex=self.sex,
            birth_weight_g=self.birth_weight_g,
            fms_category=self.fms_category,
            label=self.label if self.fms_category is None else label_of(self.fms_category),
            site=self.site,
            consents=frozenset(use for use, is_given in consents.items() if is_given),
            fold=self.fold,
        )


class RecordingRow(_Row):
    """A row of recordings.csv."""

    infant: Name
    file: Name
    recorded: Day


class ClipRow(_Row):
    """A row of clips.csv."""

    recording: Name  # its `file` in recordings.csv
    start_s: Annotated[float, BeforeValidator(_start_s)]
    fms_share: Annotated[float, BeforeValidator(_share)]
    rater: Name

    def record(self) -> ClipRating:
        """The rating."""
        return ClipRating(self.recording, self.start_s, self.fms_share, self.rater)


def check_rows(table: TextTable, model: type[RowT]) -> tuple[Numbered[RowT], list[Fault]]:
    """The rows that are right, and a fault for each cell that is not.

    Rows that are not whole, and all rows of a table that lacks a column, are left out: their fault is the table's own.
    """
    rows: Numbered[RowT] = []
    faults: list[Fault] = []
    needed = {name for name, field in model.model_fields.items() if field.is_required()}
    for text in table.rows if needed <= table.columns else ():
        if not text.is_whole:
            continue
        cells = {name: cell.strip() for name, cell in text.cells.items() if name in table.columns}
        try:
            rows.append((text.number, model.model_validate(cells)))
        except ValidationError as error:
            faults += [_fault(table.file, text.number, dict(one)) for one in error.errors()]
    return rows, faults


def _fault(file: str, number: int, error: dict[str, Any]) -> Fault:
    """Validators of this module raise ValueError with the whole message; pydantic hands it on as the cause."""
    cause = error.get("ctx", {}).get("error", error["msg"])
    return Fault(file, number, str(error["loc"][0]), str(cause))
