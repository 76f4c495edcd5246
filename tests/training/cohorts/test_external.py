"""Scores give way to their own cohort alone, whatever its folder is called and whatever was mended in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import Cohort
from fidgety.errors import UsageError
from fidgety.training.external import external_folder, require_own, write_external
from fidgety.training.run_files import Table, write_tables
from fidgety.training.scoring import Prediction


@pytest.fixture(scope="module")
def cohort(folder: Path) -> Cohort:
    return read_cohort(folder / "external")


@pytest.fixture
def other(cohort: Cohort) -> Cohort:
    """The same infants' ids, site and files' names; other recordings."""
    recordings = [replace(one, sha256=one.sha256[::-1], other_hashes=frozenset()) for one in cohort.recordings]
    return replace(cohort, recordings=tuple(recordings))


def _table(cohort: Cohort) -> Table:
    infants = cohort.infants_by_id
    return [
        Prediction(one.infant_id, one.file, infants[one.infant_id].site, True, None, None, 0.5, 0.5, 3, 60.0, 0.5, 0.5)
        for one in cohort.recordings
    ], []


@pytest.mark.parametrize(
    ("name", "by_final", "expected"),
    [("export", False, "external-export"), ("Site B, 2", True, "external-Site-B-2-final")],
)
def test_external_folder_is_named_as_the_cohort(tmp_path: Path, name: str, by_final: bool, expected: str) -> None:
    assert external_folder(tmp_path, tmp_path / "data" / name, by_final=by_final) == tmp_path / expected


def test_write_external_gives_way_to_its_own_cohort(cohort: Cohort, tmp_path: Path) -> None:
    place = tmp_path / "external-export"
    require_own(place, cohort)
    write_external(place, cohort, _table(cohort))
    first, *others = cohort.recordings
    mended = replace(
        cohort,
        folder=tmp_path / "moved",
        infants=tuple(replace(one, site="Site B", label="risk") for one in cohort.infants),
        recordings=(replace(first, file="another name"), *others),
    )
    grown = replace(mended, recordings=(*mended.recordings, replace(first, file="more", sha256="1" * 64)))
    for one in (cohort, mended, grown):
        write_external(place, one, _table(one))
    with pytest.raises(UsageError, match=r"scores of recordings that are not in .*moved \(another name and 1 more\)"):
        require_own(place, replace(mended, recordings=mended.recordings[1:]))


def test_write_external_knows_a_recording_by_any_of_its_hashes(cohort: Cohort, tmp_path: Path) -> None:
    place = tmp_path / "external-export"
    write_external(place, cohort, _table(cohort))
    anew = [replace(one, sha256=f"{i:064x}") for i, one in enumerate(cohort.recordings)]
    require_own(place, replace(cohort, recordings=tuple(anew)))


def test_write_external_refuses_another_cohort(cohort: Cohort, other: Cohort, tmp_path: Path) -> None:
    place = tmp_path / "external-export"
    write_external(place, cohort, _table(cohort))
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(UsageError, match=rf"{other.recordings[0].file} and 7 more.*rename .*or this one.*delete"):
        write_external(place, other, _table(other))
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_require_own_of_a_folder_that_keeps_no_contents(cohort: Cohort, other: Cohort, tmp_path: Path) -> None:
    place = tmp_path / "external-export"
    write_tables(place, _table(cohort))
    require_own(place, cohort)
    require_own(place, other)  # nothing there tells it apart
    elsewhere = replace(cohort, infants=tuple(replace(one, site="bonn") for one in cohort.infants))
    renamed = replace(cohort, recordings=tuple(replace(one, file=f"x-{one.file}") for one in cohort.recordings))
    for one in (elsewhere, renamed):
        with pytest.raises(UsageError, match="holds scores of recordings that are not in"):
            require_own(place, one)


@pytest.mark.parametrize("text", ["infant,recording\na,b\n", "\xff"])
def test_require_own_of_a_damaged_table(cohort: Cohort, tmp_path: Path, text: str) -> None:
    (tmp_path / "predictions.csv").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"predictions.csv cannot be read .*: delete the folder, and apply again"):
        require_own(tmp_path, cohort)
