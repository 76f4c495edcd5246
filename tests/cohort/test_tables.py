"""The models and the layout name the same columns, and cells are read as they are meant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest
from pydantic import ValidationError

from fidgety.cohort.layout import CLIP_COLUMNS, INFANT_COLUMNS, RECORDING_COLUMNS
from fidgety.cohort.tables import ClipRow, InfantRow, RecordingRow, check_rows
from fidgety.cohort.text_table import TextRow, TextTable

INFANT = {
    "id": "a",
    "born": "2024-02-29",
    "gestation": "39+2",
    "sex": "male",
    "birth_weight_g": "3210",
    "fms_category": "absent",
    "label": "risk",
    "site": "here",
    "consent_training": "yes",
    "consent_evaluation": "no",
    "fold": "4",
}


def test_models_name_the_columns_of_the_layout() -> None:
    assert tuple(InfantRow.model_fields) == INFANT_COLUMNS
    assert tuple(RecordingRow.model_fields) == RECORDING_COLUMNS
    assert tuple(ClipRow.model_fields) == CLIP_COLUMNS


def test_infant_row_reads_every_cell() -> None:
    infant = InfantRow.model_validate(INFANT).record()
    assert (infant.infant_id, infant.born, infant.gestation_days) == ("a", date(2024, 2, 29), 39 * 7 + 2)
    assert (infant.sex, infant.birth_weight_g, infant.fold) == ("male", 3210.0, 4)
    assert (infant.fms_category, infant.label, infant.site) == ("absent", "risk", "here")
    assert infant.consents == {"training"}


def test_infant_row_what_is_not_told_stays_unknown() -> None:
    untold = dict.fromkeys(("born", "gestation", "sex", "birth_weight_g", "fms_category", "label", "fold"), "")
    infant = InfantRow.model_validate(INFANT | untold).record()
    assert (infant.born, infant.gestation_days, infant.sex, infant.birth_weight_g) == (None,) * 4
    assert (infant.fms_category, infant.label, infant.fold) == (None,) * 3


@pytest.mark.parametrize("column", ["id", "site", "consent_training", "consent_evaluation"])
def test_infant_row_what_must_be_told(column: str) -> None:
    with pytest.raises(ValidationError, match=r"may not be empty|write yes or no"):
        InfantRow.model_validate(INFANT | {column: ""})


@pytest.mark.parametrize("told", ["3.21", "-3210", "3_210", "3,210", "inf", "3210 g", "."])
def test_infant_row_weight_that_is_none(told: str) -> None:
    with pytest.raises(ValidationError, match=r"in grams|is no number"):
        InfantRow.model_validate(INFANT | {"birth_weight_g": told})


@pytest.mark.parametrize("told", ["1e400", "-1e400", "9" * 400])
def test_rows_take_no_number_that_is_not_finite(told: str) -> None:
    clip = {"recording": "a.poses", "start_s": "0", "fms_share": "1", "rater": "x"}
    for row, column in ((clip, "start_s"), (clip, "fms_share"), (INFANT, "birth_weight_g")):
        with pytest.raises(ValidationError, match="is too large a number"):
            (InfantRow if row is INFANT else ClipRow).model_validate({**row, column: told})


@pytest.mark.parametrize("told", ["-1", "1.0", "first", "²"])
def test_infant_row_fold_that_is_none(told: str) -> None:
    with pytest.raises(ValidationError, match="number the folds 0, 1, 2"):
        InfantRow.model_validate(INFANT | {"fold": told})


def test_infant_row_name_with_a_line_break() -> None:
    with pytest.raises(ValidationError, match="cannot be printed"):
        InfantRow.model_validate(INFANT | {"id": "a\nb"})


def test_rows_take_no_other_column() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        InfantRow.model_validate(INFANT | {"name": "Anna"})


def _table(*rows: Mapping[str, str], columns: tuple[str, ...] = CLIP_COLUMNS) -> TextTable:
    numbered = tuple(TextRow(number, cells, True) for number, cells in enumerate(rows, start=2))
    return TextTable("clips.csv", frozenset(columns), numbered, ())


def test_check_rows_keeps_what_is_right_and_names_every_wrong_cell() -> None:
    right = {"recording": " a.poses ", "start_s": "1.6", "fms_share": "1", "rater": "x", "unknown": "left out"}
    wrong = {"recording": "a.poses", "start_s": "soon", "fms_share": "1.1", "rater": "x"}
    rows, faults = check_rows(_table(right, wrong), ClipRow)
    assert [(number, row.recording, row.start_s, row.fms_share) for number, row in rows] == [(2, "a.poses", 1.6, 1.0)]
    assert [(fault.file, fault.row, fault.column) for fault in faults] == [
        ("clips.csv", 3, "start_s"),
        ("clips.csv", 3, "fms_share"),
    ]


def test_check_rows_of_a_table_without_a_column_reads_none() -> None:
    assert check_rows(_table({"recording": "a", "start_s": "0"}, columns=("recording", "start_s")), ClipRow) == ([], [])


def test_check_rows_leaves_rows_that_are_not_whole_to_the_file() -> None:
    short = TextRow(2, {"recording": "a.poses", "start_s": "0"}, is_whole=False)
    assert check_rows(TextTable("clips.csv", frozenset(CLIP_COLUMNS), (short,), ()), ClipRow) == ([], [])
