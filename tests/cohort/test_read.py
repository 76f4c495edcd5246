"""Every planted fault is found, in its file, row and column, and nothing else; a sound cohort comes back whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fidgety.bundle import sha256_of_file
from fidgety.cohort.layout import CLIPS, INFANTS, RECORDINGS
from fidgety.cohort.read import check_cohort, read_cohort
from fidgety.cohort.records import Fault
from fidgety.errors import UsageError
from fidgety.phantom.video import write_video
from fidgety.runtime.posefile import PoseWriter, open_poses

TODAY = date(2026, 1, 1)


class Plant(NamedTuple):
    """A fault that `put` plants; it gives the row where it must be found."""

    file: str
    column: str | None
    message: str  # what is wrong, and what to do
    put: Callable[[Any], int]


def _cell(file: str, row: int, column: str, value: str) -> Callable[[Any], int]:
    def put(tables: Any) -> int:
        n_rows = len(tables.read(file))
        number = row if row > 0 else n_rows + row
        tables.put(file, number, column, value)
        return int(number)

    return put


def _copied(file: str, row: int, **changes: str) -> Callable[[Any], int]:
    return lambda tables: int(tables.copy_row(file, row, **changes))


def _outside(tables: Any) -> int:
    inside = tables.folder / tables.get(RECORDINGS, 3, "file")
    shutil.move(inside, tables.folder.parent / "elsewhere.poses")  # it is there, and would be read
    tables.put(RECORDINGS, 3, "file", "../elsewhere.poses")
    for row, clip in enumerate(tables.read(CLIPS), start=1):
        if clip[0].endswith(inside.name):
            tables.put(CLIPS, row, "recording", "../elsewhere.poses")
    return 3


def _content(row: int, content: bytes) -> Callable[[Any], int]:
    def put(tables: Any) -> int:
        (tables.folder / tables.get(RECORDINGS, row, "file")).write_bytes(content)
        return row

    return put


def _missing(tables: Any) -> int:
    (tables.folder / tables.get(RECORDINGS, 2, "file")).unlink()
    return 2


def _same_content(tables: Any) -> int:
    """The recording of the fourth infant is that of the third."""
    one, other = (tables.folder / tables.get(RECORDINGS, row, "file") for row in (6, 8))
    shutil.copy(one, other)
    return 8


def _same_track(tables: Any) -> int:
    """The recording of the fourth infant is that of the third, under a header of its own."""
    one, other = (tables.folder / tables.get(RECORDINGS, row, "file") for row in (7, 9))
    _rewrite(one, other, recording="another", bundle="another 2.0")
    return 9


def _rewrite(track: Path, target: Path, shift_px: float = 0.0, **header: str) -> None:
    """Write the poses of a track again: as another bundle reads them, under another header."""
    stored = open_poses(track)
    poses = list(stored.poses)
    with PoseWriter(target, stored.skeleton, header) as writer:
        for pose in poses:
            writer.write(replace(pose, keypoints_xy=pose.keypoints_xy + np.float32(shift_px)))


def _ragged(tables: Any) -> int:
    rows = tables.read(CLIPS)
    rows[-9].append("a comma too many")
    tables.write(CLIPS, rows)
    return len(rows) - 8


# Six infants (rows 2 to 7) with two recordings each (rows 2 to 13). Infants' rows 2 to 5 are spoilt cell by cell.
PLANTS = {
    "day that does not exist": Plant(
        INFANTS, "born", r"2024-02-30.* is no date: write it as year", _cell(INFANTS, 2, "born", "2024-02-30")
    ),
    "born in the future": Plant(INFANTS, "born", r"yet to come.*check", _cell(INFANTS, 6, "born", "2031-01-01")),
    "gestation in decimals": Plant(
        INFANTS, "gestation", r"^'39\.2' is not understood.*39\+2", _cell(INFANTS, 2, "gestation", "39.2")
    ),
    "gestation of 47 weeks": Plant(INFANTS, "gestation", r"between 22 and 44", _cell(INFANTS, 3, "gestation", "47")),
    "sex": Plant(INFANTS, "sex", r"^'f': write female or male", _cell(INFANTS, 2, "sex", "f")),
    "weight in kilograms": Plant(
        INFANTS, "birth_weight_g", r"^3\.2: give it in grams", _cell(INFANTS, 3, "birth_weight_g", "3.2")
    ),
    "category outside the scheme": Plant(
        INFANTS, "fms_category", r"'F\+\+' is no category.*continual", _cell(INFANTS, 3, "fms_category", "F++")
    ),
    "label outside the scheme": Plant(
        INFANTS, "label", r"'high' is no label of the scheme mam-2023: write", _cell(INFANTS, 4, "label", "high")
    ),
    "consent not told": Plant(
        INFANTS, "consent_evaluation", r"write yes or no", _cell(INFANTS, 4, "consent_evaluation", "")
    ),
    "no site": Plant(INFANTS, "site", r"may not be empty", _cell(INFANTS, 5, "site", " ")),
    "infant twice": Plant(INFANTS, "id", r"in row 7 already: keep one", _copied(INFANTS, 7)),
    "infant in two folds": Plant(
        INFANTS, "fold", r"fold 1 here and in fold none in row 7.*tested on", _copied(INFANTS, 7, fold="1")
    ),
    "infant at two sites": Plant(
        INFANTS, "site", r"at site-b here and at site-a in row 7: keep", _copied(INFANTS, 7, site="site-b")
    ),
    "recorded before born": Plant(
        RECORDINGS, "recorded", r"before the birth on .*: check both", _cell(RECORDINGS, 12, "recorded", "2019-05-01")
    ),
    "recorded years later": Plant(
        RECORDINGS,
        "recorded",
        r"\d+ years after the birth on .*: check both",
        _cell(RECORDINGS, 13, "recorded", "2033-01-01"),
    ),
    "recorded on a German date": Plant(
        RECORDINGS, "recorded", r"31\.03\.2024.* is no date: write", _cell(RECORDINGS, 10, "recorded", "31.03.2024")
    ),
    "file missing": Plant(RECORDINGS, "file", r"there is no file recordings/.*: copy it there", _missing),
    "file outside": Plant(RECORDINGS, "file", r"elsewhere\.poses lies outside of .*: copy", _outside),
    "file empty": Plant(RECORDINGS, "file", r"is empty \(0 bytes\): copy it", _content(4, b"")),
    "file damaged": Plant(
        RECORDINGS, "file", r"^recordings/\S+ is no pose track of this program: make it", _content(5, b"{}\n")
    ),
    "same content": Plant(RECORDINGS, "file", r"content of \S+ \(row 6, infant \S+'s\): find out whose", _same_content),
    "same track": Plant(RECORDINGS, "file", r"content of \S+ \(row 7, infant \S+'s\): find out whose", _same_track),
    "recording twice": Plant(RECORDINGS, "file", r"is in row 11 already: keep one", _copied(RECORDINGS, 11)),
    "infant unknown": Plant(
        RECORDINGS, "infant", r"no infant nobody in infants\.csv: add", _cell(RECORDINGS, 9, "infant", "nobody")
    ),
    "clip of no recording": Plant(
        CLIPS, "recording", r"no recording x\.poses in recordings\.csv: add", _cell(CLIPS, 0, "recording", "x.poses")
    ),
    "clip beyond the end": Plant(
        CLIPS, "start_s", r"from 5 s on ends after .* lasts 12\.00 s: correct", _cell(CLIPS, -1, "start_s", "5")
    ),
    "start no number": Plant(CLIPS, "start_s", r"'0:05' is no number: write", _cell(CLIPS, -2, "start_s", "0:05")),
    "start before the recording": Plant(CLIPS, "start_s", r"0 s or later", _cell(CLIPS, -3, "start_s", "-0.8")),
    "start at infinity": Plant(CLIPS, "start_s", r"'1e400' is too large a", _cell(CLIPS, -8, "start_s", "1e400")),
    "start after days": Plant(CLIPS, "start_s", r"no recording lasts longer", _cell(CLIPS, -10, "start_s", "1e307")),
    "share in percent": Plant(
        CLIPS, "fms_share", r"between 0 and 1, not in percent", _cell(CLIPS, -4, "fms_share", "60")
    ),
    "share not a number": Plant(CLIPS, "fms_share", r"'nan' is no number: write", _cell(CLIPS, -5, "fms_share", "nan")),
    "nobody rated": Plant(CLIPS, "rater", r"may not be empty", _cell(CLIPS, -6, "rater", "")),
    "rated twice": Plant(
        CLIPS, "rater", r"rater-1 rated this clip in row 2 already", _copied(CLIPS, 2, fms_share="0.3")
    ),
    "a comma too many": Plant(CLIPS, None, r"has 5 cells for 4 columns: look for a comma", _ragged),
}


def _find(faults: tuple[Fault, ...], plant: Plant, row: int) -> list[Fault]:
    place = (plant.file, row, plant.column)
    return [one for one in faults if (one.file, one.row, one.column) == place and re.search(plant.message, one.message)]


@pytest.mark.parametrize("name", PLANTS)
def test_check_cohort_one_fault_gets_one_message(tables: Any, name: str) -> None:
    plant = PLANTS[name]
    row = plant.put(tables)
    faults = check_cohort(tables.folder, today=date(2034, 1, 1) if "years" in name else TODAY).faults
    assert len(faults) == 1, [str(fault) for fault in faults]
    assert _find(faults, plant, row), str(faults[0])


def test_check_cohort_all_faults_together_get_as_many_messages(tables: Any) -> None:
    """None hides another, and none makes a second one."""
    together = {name: plant for name, plant in PLANTS.items() if "years" not in name}
    rows = {name: plant.put(tables) for name, plant in together.items()}
    faults = check_cohort(tables.folder, TODAY).faults
    assert len(together) > 20
    assert len(faults) == len(together), "\n".join(map(str, faults))
    for name, plant in together.items():
        assert len(_find(faults, plant, rows[name])) == 1, name


def test_read_cohort_lists_every_fault(tables: Any) -> None:
    for name in ("sex", "file missing", "share in percent"):
        PLANTS[name].put(tables)
    with pytest.raises(UsageError) as raised:
        read_cohort(tables.folder, TODAY)
    lines = str(raised.value).splitlines()
    assert "has 3 faults; mend them first" in lines[0]
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        "infants.csv:2:sex",
        "recordings.csv:2:file",
        f"clips.csv:{len(tables.read(CLIPS)) - 4}:fms_share",
    ]


def test_read_cohort_gives_what_the_tables_say(tables: Any) -> None:
    for column, value in (("born", ""), ("fms_category", "abnormal"), ("label", ""), ("fold", "3"), ("sex", "")):
        tables.put(INFANTS, 2, column, value)
    tables.put(INFANTS, 3, "consent_training", "no")
    cohort = read_cohort(tables.folder, TODAY)
    first, second = cohort.infants[:2]
    assert (first.born, first.fms_category, first.label, first.fold, first.sex) == (None, "abnormal", None, 3, None)
    assert (second.consents, second.fold, second.site) == ({"evaluation"}, None, "site-a")
    assert len(cohort.infants) == 6 and len(cohort.recordings) == 12 and len(cohort.ratings) == 12 * 4 * 2
    recording = cohort.recordings[1]
    assert recording.infant_id == first.infant_id and recording.path.is_file()
    assert recording.duration_s == pytest.approx(12.0)
    assert recording.recorded == date.fromisoformat(tables.get(RECORDINGS, 3, "recorded"))
    assert cohort.recordings_of(first) == cohort.recordings[:2]
    assert cohort.ratings[0].fms_share == float(tables.get(CLIPS, 2, "fms_share"))


def test_read_cohort_labels_by_the_category_where_there_is_one(tables: Any) -> None:
    tables.put(INFANTS, 2, "label", "")
    tables.put(INFANTS, 2, "fms_category", "sporadic")
    tables.put(INFANTS, 3, "label", "normal")
    tables.put(INFANTS, 3, "fms_category", "")
    assert [one.label for one in read_cohort(tables.folder, TODAY).infants[:2]] == ["risk", "normal"]


@pytest.mark.parametrize("category", ["absent", "abnormal"])
def test_check_cohort_label_that_contradicts_the_category(tables: Any, category: str) -> None:
    tables.put(INFANTS, 2, "fms_category", category)
    tables.put(INFANTS, 2, "label", "normal")
    (fault,) = check_cohort(tables.folder, TODAY).faults
    assert (fault.row, fault.column) == (2, "label")
    assert re.search(f"contradicts {category} FMs.*correct one", fault.message)


def test_check_cohort_one_class_only(unrated: Any) -> None:
    assert not check_cohort(unrated.folder, TODAY).faults
    for row in range(2, 8):
        unrated.put(INFANTS, row, "fms_category", "continual")
        unrated.put(INFANTS, row, "label", "normal")
    (fault,) = check_cohort(unrated.folder, TODAY).faults
    assert str(fault).startswith(
        "infants.csv:fms_category: all labelled infants are of the class normal: a cohort needs"
    )
    for row in range(2, 8):
        unrated.put(INFANTS, row, "fms_category", "")
        unrated.put(INFANTS, row, "label", "")
    (fault,) = check_cohort(unrated.folder, TODAY).faults
    assert "no infant is labelled" in fault.message


def test_check_cohort_one_class_is_enough_where_clips_are_rated(tables: Any) -> None:
    for row in range(2, 8):
        tables.put(INFANTS, row, "fms_category", "continual")
        tables.put(INFANTS, row, "label", "normal")
    assert not check_cohort(tables.folder, TODAY).faults


def test_check_cohort_missing_file_listed_twice(tables: Any) -> None:
    PLANTS["file missing"].put(tables)
    row = tables.copy_row(RECORDINGS, 2)
    faults = check_cohort(tables.folder, TODAY).faults
    assert [(fault.row, fault.message.split(" ")[0]) for fault in faults] == [
        (2, "there"),
        (row, tables.get(RECORDINGS, 2, "file")),
    ]


def test_check_cohort_rated_clips_of_one_kind_only(tables: Any) -> None:
    rows = tables.read(CLIPS)
    tables.write(CLIPS, [rows[0], *([*row[:2], "0.5", row[3]] for row in rows[1:])])
    (fault,) = check_cohort(tables.folder, TODAY).faults
    assert (fault.file, fault.column) == (CLIPS, "fms_share")
    assert "all rated clips hold no FMs" in fault.message  # a half is not more than a half


def test_check_cohort_same_content_of_the_same_infant(tables: Any) -> None:
    one, other = (tables.get(RECORDINGS, row, "file") for row in (2, 3))
    shutil.copy(tables.folder / one, tables.folder / other)
    (fault,) = check_cohort(tables.folder, TODAY).faults
    assert f"{other} has the content of {one} (row 2, the same infant's)" in fault.message


def test_check_cohort_a_video_and_its_tracks_are_one_recording(tables: Any) -> None:
    """Two bundles read it otherwise: what tells is the video's hash in the tracks' headers."""
    picture = np.full((32, 32, 3), 90, np.uint8)
    write_video(tables.folder / "a.mp4", (picture for _ in range(120)), 10.0, threads=1)
    sha256 = sha256_of_file(tables.folder / "a.mp4")
    files = [tables.get(RECORDINGS, row, "file") for row in (2, 4, 6)]
    for shift_px, file in enumerate(files):
        _rewrite(tables.folder / file, tables.folder / file, shift_px, recording=file, recording_sha256=sha256)
    faults = check_cohort(tables.folder, TODAY).faults
    assert [(fault.row, fault.column) for fault in faults] == [(4, "file"), (6, "file")]
    assert all(f"has the content of {files[0]} (row 2" in fault.message for fault in faults)
    rows = tables.read(RECORDINGS)
    tables.write(RECORDINGS, [*rows, [rows[1][0], "a.mp4", rows[1][2]]])
    row = len(rows) + 1
    assert [fault.row for fault in check_cohort(tables.folder, TODAY).faults] == [4, 6, row]


def test_check_cohort_link_that_leads_outside(tables: Any) -> None:
    inside = tables.folder / tables.get(RECORDINGS, 2, "file")
    outside = tables.folder.parent / "disk.poses"
    shutil.move(inside, outside)
    inside.symlink_to(outside)
    (fault,) = check_cohort(tables.folder, TODAY).faults
    assert "lies outside" in fault.message


def test_check_cohort_without_a_table_blames_no_row(tables: Any) -> None:
    (tables.folder / INFANTS).unlink()
    (fault,) = check_cohort(tables.folder, TODAY).faults
    assert (fault.file, fault.row) == (INFANTS, None)
    assert "write one with the columns id, born" in fault.message


def test_check_cohort_without_a_column_blames_no_row(tables: Any) -> None:
    rows = tables.read(RECORDINGS)
    tables.write(RECORDINGS, [row[:1] + row[2:] for row in rows])
    (fault,) = check_cohort(tables.folder, TODAY).faults
    assert (fault.file, fault.row, fault.column) == (RECORDINGS, 1, "file")


def test_check_cohort_fold_may_be_left_out(tables: Any) -> None:
    rows = tables.read(INFANTS)
    assert rows[0][-1] == "fold"
    tables.write(INFANTS, [row[:-1] for row in rows])
    assert {one.fold for one in read_cohort(tables.folder, TODAY).infants} == {None}


def test_check_cohort_of_no_folder(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        check_cohort(tmp_path / "nowhere")
