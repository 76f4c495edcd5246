"""Rows of text -> checked rows, for what a training run leaves behind and for the tables of a reader study.

Field by field the columns of the files; every message says what is wrong with the cell and what to write. Together with
`fidgety.cohort.tables` the only modules that need pydantic.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from fidgety.cohort.records import MAM_2023, Fault, FmsCategory

__all__ = [
    "LABEL_COLUMNS",
    "PREDICTION_COLUMNS",
    "TRUTH_COLUMNS",
    "WINDOW_COLUMNS",
    "AccountModel",
    "LabelRow",
    "PredictionRow",
    "TruthRow",
    "WindowRow",
    "check_account",
    "parse_class",
    "parse_number",
]

System = Literal["mam", "stam", "wo-gma", "eml"]
Part = Literal["info", "closeness", "ref"]
_CATEGORIES = (*MAM_2023.normal, *MAM_2023.risk)
_TRUE, _FALSE = ("1", "1.0", "true", "yes", "risk"), ("0", "0.0", "false", "no", "normal")


def parse_class(text: str) -> bool:
    """The class of a case, true = risk. Raises ValueError that says what to write."""
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(f"{text!r} is no class: write 1 or 0, true or false, risk or normal")
    return text.lower() in _TRUE


def parse_number(text: str) -> float:
    """A finite number. Raises ValueError that says what to write."""
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is None:  # Python takes 'inf' and '1_000' too
        raise ValueError(f"{text!r} is no number: write digits and a decimal point")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is too large a number: look at its exponent")
    return number


def _name(text: str) -> str:
    if not text:
        raise ValueError("this cell may not be empty")
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a character that cannot be printed: write it anew")
    return text


def _share(text: str) -> float | None:
    """None where the cell is empty; numpy writes `nan` for it."""
    if not text or text.lower() == "nan":
        return None
    share = parse_number(text)
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"{text!r}: a share or probability lies between 0 and 1")
    return share


def _fold(text: str) -> int | None:
    if text and re.fullmatch(r"\d{1,3}", text) is None:
        raise ValueError(f"{text!r}: number the folds 0, 1, 2; the cell of an external recording is empty")
    return int(text) if text else None


def _count(text: str) -> int:
    if re.fullmatch(r"\d{1,9}", text) is None:
        raise ValueError(f"{text!r} is no count: write a whole number, 0 or more")
    return int(text)


def _seconds(text: str) -> float | None:
    if not text:
        return None
    seconds = parse_number(text)
    if seconds < 0.0:
        raise ValueError(f"{text!r}: seconds are 0 or more")
    return seconds


def _some_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds is None:
        raise ValueError("this cell may not be empty: write seconds from the recording's first frame")
    return seconds


def _category(text: str) -> str | None:
    if text and text not in _CATEGORIES:
        raise ValueError(
            f"{text!r} is no category of the scheme {MAM_2023.name}: write {', '.join(_CATEGORIES)}, or leave it empty"
        )
    return text or None


def _said(text: str) -> str:
    if text not in ("normal", "risk", *_CATEGORIES):
        raise ValueError(f"{text!r} is no label: write normal or risk, or else {', '.join(_CATEGORIES)}")
    return text


def _aid(text: str) -> str:
    if text not in ("none", "mam"):
        raise ValueError(f"{text!r}: write none, or mam where the assessor saw its clips")
    return text


def _level(text: str) -> str | None:
    if text not in ("", "beginner", "expert"):
        raise ValueError(f"{text!r}: write beginner or expert, or leave it empty")
    return text or None


def _order(text: str) -> int | None:
    return _count(text) if text else None


Name = Annotated[str, BeforeValidator(_name)]
Share = Annotated[float | None, BeforeValidator(_share)]
Fold = Annotated[int | None, BeforeValidator(_fold)]


class _Row(BaseModel):
    """A row of text cells: strict, nothing beside the columns, nothing to be changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PredictionRow(_Row):
    """A row of predictions.csv: one recording, scored by networks that have not seen its infant."""

    infant: Name
    recording: Name  # its `file` in recordings.csv
    site: Name
    is_risk: Annotated[bool, BeforeValidator(parse_class)]
    fms_category: Annotated[FmsCategory | None, BeforeValidator(_category)]
    fold: Fold
    risk: Share  # None = not assessable
    fms_frequency: Share  # None = not assessable, or the system scores no windows
    n_windows: Annotated[int, BeforeValidator(_count)]
    seconds_assessable: Annotated[float | None, BeforeValidator(_seconds)]
    risk_threshold: Share
    fms_threshold: Share


class WindowRow(_Row):
    """A row of windows.csv: one window of 9.6 s."""

    recording: Name
    start_s: Annotated[float, BeforeValidator(_some_seconds)]
    fold: Fold
    fms_probability: Share  # None = void


class ProtocolModel(BaseModel):
    """How a run was trained, by name and value."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    values: dict[str, Any]


class FoldModel(BaseModel):
    """Whom the network of one fold learned from, by id; `held` chose its epoch and thresholds. None: trained on all."""

    model_config = ConfigDict(extra="allow", frozen=True)

    fold: int | None
    learn: list[str]
    held: list[str]


class AccountModel(BaseModel):
    """run.json: what a run says of itself. More keys are allowed; of these only the last two may be missing."""

    model_config = ConfigDict(extra="allow", frozen=True)

    system: System
    without: list[Part]
    input: str
    pose: str
    protocol: ProtocolModel
    seed: int
    folds: int
    cohort_digest: str
    clips_digest: str | None
    seconds: list[float]
    versions: dict[str, str]
    shuffle_labels: bool
    flow: str
    is_simulated: bool = False
    models: list[FoldModel] = []


class LabelRow(_Row):
    """A row of LABELS.csv: what an assessor said of a recording, with or without help."""

    assessor: Name
    recording: Name
    aid: Annotated[Literal["none", "mam"], BeforeValidator(_aid)]
    label: Annotated[str, BeforeValidator(_said)]
    seconds: Annotated[float | None, BeforeValidator(_seconds)] = None
    order: Annotated[int | None, BeforeValidator(_order)] = None  # of presentation to this assessor
    level: Annotated[Literal["beginner", "expert"] | None, BeforeValidator(_level)] = None


class TruthRow(_Row):
    """A row of TRUTH.csv."""

    recording: Name
    label: Annotated[str, BeforeValidator(_said)]


def check_account(file: str, content: object) -> tuple[AccountModel | None, list[Fault]]:
    """What `file` says of its run, or a fault for each key that is missing or makes no sense."""
    try:
        return AccountModel.model_validate(content), []
    except ValidationError as error:
        return None, [Fault(file, None, ".".join(map(str, one["loc"])) or None, one["msg"]) for one in error.errors()]


PREDICTION_COLUMNS = tuple(PredictionRow.model_fields)
WINDOW_COLUMNS = tuple(WindowRow.model_fields)
LABEL_COLUMNS = tuple(LabelRow.model_fields)
TRUTH_COLUMNS = tuple(TruthRow.model_fields)
