from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fidgety.batch.infants import match_infants, read_infants
from fidgety.batch.recordings import Recording
from fidgety.errors import UsageError
from fidgety.records import Characteristics

TODAY = date(2026, 6, 1)


def write(folder: Path, *lines: str) -> Path:
    path = folder / "infants.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def recording(shown: str) -> Recording:
    return Recording(f"data/{shown}", shown, 10)


def test_read_infants_reads_dates_and_ages(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "recording,born,recorded,gestation,sex,birth_weight,age_weeks",
        "a.mp4,2026-02-01,2026-05-10,40,female,3300,",
        "b.mp4,,,,,,13.5",
        "c.mp4,,,,,,",
    )
    table = read_infants(path, TODAY)
    assert table.by_name["a.mp4"] == Characteristics(14.0, 40.0, "female", 3300.0)
    assert table.by_name["b.mp4"] == Characteristics(13.5)
    assert table.by_name["c.mp4"] == Characteristics()


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a,2026-13-01,2026-05-10,40,,,", "infants.csv:2:born: '2026-13-01' is no date"),
        ("a,2026-05-01,2026-02-10,40,,,", "infants.csv:2:recorded: recorded on 2026-02-10, before the birth"),
        ("a,2026-02-01,2026-05-10,12,,,", "infants.csv:2:gestation: '12': a gestation lies between"),
        ("a,2026-02-01,2026-05-10,,,,", "infants.csv:2:gestation: is missing"),
        ("a,2026-02-01,,40,,,", "infants.csv:2:recorded: is missing"),
        ("a,,,,f,,13", "infants.csv:2:sex: 'f': write female or male"),
        ("a,,,,,3,13", "infants.csv:2:birth_weight: 3: give it in grams"),
        ("a,,,,,heavy,13", "infants.csv:2:birth_weight: 'heavy' is no number"),
        ("a,,,,,,nan", "infants.csv:2:age_weeks: 'nan' is no number"),
        ("a,2026-02-01,2026-05-10,40,,,30", "infants.csv:2:age_weeks: 30 contradicts the dates"),
        (",,,,,,13", "infants.csv:2:recording: this cell may not be empty"),
        ("a,,,,,", "infants.csv:2: has 6 cells for 7 columns"),
    ],
)
def test_read_infants_tells_file_row_and_column(tmp_path: Path, row: str, fault: str) -> None:
    path = write(tmp_path, "recording,born,recorded,gestation,sex,birth_weight,age_weeks", row)
    with pytest.raises(UsageError) as raised:
        read_infants(path, TODAY)
    assert fault in str(raised.value)
    assert "1 fault" in str(raised.value)


def test_read_infants_tells_all_faults_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "recording,sex,age_weeks", "a,x,900", "a,female,13", "b,,yes")
    with pytest.raises(UsageError) as raised:
        read_infants(path, TODAY)
    assert "4 faults" in str(raised.value)
    for place in ("2:sex", "2:age_weeks", "3:recording", "4:age_weeks"):
        assert f"infants.csv:{place}" in str(raised.value)


def test_read_infants_refuses_a_column_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"infants.csv:1:weight: no such column"):
        read_infants(write(tmp_path, "recording,weight", "a,3300"), TODAY)


def test_match_infants_by_path_or_by_a_name_that_is_alone(tmp_path: Path) -> None:
    table = read_infants(write(tmp_path, "recording,age_weeks", "ward/a.mp4,12", "b.mp4,13", "later.mp4,14"), TODAY)
    told = match_infants(table, [recording("ward/a.mp4"), recording("home/b.mp4"), recording("home/c.mp4")])
    assert told == {"data/ward/a.mp4": Characteristics(12.0), "data/home/b.mp4": Characteristics(13.0)}


def test_match_infants_gives_nobody_the_age_of_another(tmp_path: Path) -> None:
    both = [recording("1/a.mp4"), recording("2/a.mp4")]
    with pytest.raises(UsageError, match=r"2:recording: a.mp4 may be any of 2 recordings \(1/a.mp4, 2/a.mp4\)"):
        match_infants(read_infants(write(tmp_path, "recording,age_weeks", "a.mp4,12"), TODAY), both)
    twice = write(tmp_path, "recording,age_weeks", "1/a.mp4,12", "data/1/a.mp4,13")
    with pytest.raises(UsageError, match=r"3:recording: data/1/a.mp4 is the recording of row 2"):
        match_infants(read_infants(twice, TODAY), both)
