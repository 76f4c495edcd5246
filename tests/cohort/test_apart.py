"""An infant is known by its site or its birth, a recording by any of its hashes, and a run tells no dates."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fidgety.cohort.apart import known_of, shared_with
from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import Cohort


@pytest.fixture(scope="module")
def cohort(written: Path) -> Cohort:
    return read_cohort(written)


@pytest.fixture
def other(cohort: Cohort) -> Cohort:
    """Other infants, other recordings."""
    infants = [replace(one, infant_id=f"b{one.infant_id}") for one in cohort.infants]
    recordings = [
        replace(one, infant_id=f"b{one.infant_id}", sha256=one.sha256[::-1], other_hashes=frozenset())
        for one in cohort.recordings
    ]
    return replace(cohort, infants=tuple(infants), recordings=tuple(recordings))


def test_shared_with_nobody(cohort: Cohort, other: Cohort) -> None:
    assert shared_with(known_of(cohort), other) == shared_with(known_of(), cohort) == ""


def test_shared_with_an_infant_whose_site_is_spelled_otherwise(cohort: Cohort, other: Cohort) -> None:
    same = replace(cohort.infants[0], site="Site A")
    both = replace(other, infants=(same, *other.infants[1:]))
    assert shared_with(known_of(cohort), both) == f"infant {same.infant_id}, born {same.born}"


def test_shared_with_an_infant_whose_birth_is_told_otherwise(cohort: Cohort, other: Cohort) -> None:
    first = cohort.infants[0]
    assert first.born is not None
    for born in (None, first.born + timedelta(days=1)):
        both = replace(other, infants=(replace(first, born=born), *other.infants[1:]))
        assert shared_with(known_of(cohort), both) == f"infant {first.infant_id} of site-a"


def test_shared_with_lets_an_id_be_used_twice(cohort: Cohort, other: Cohort) -> None:
    first = cohort.infants[0]
    assert first.born is not None
    namesake = replace(first, site="site-b", born=first.born + timedelta(days=1))
    assert shared_with(known_of(cohort), replace(other, infants=(namesake,))) == ""
    untold = replace(cohort, infants=(replace(first, born=None), *cohort.infants[1:]))
    assert shared_with(known_of(untold), replace(other, infants=(replace(namesake, born=None),))) == ""


def test_shared_with_a_recording_under_any_of_its_hashes(cohort: Cohort, other: Cohort) -> None:
    known = cohort.recordings[1]
    (content,) = known.other_hashes
    for changes in ({"sha256": known.sha256}, {"other_hashes": frozenset({"0" * 64, content})}, {"sha256": content}):
        twin = replace(other.recordings[0], file="twin", **changes)
        said = shared_with(known_of(cohort), replace(other, recordings=(twin, *other.recordings[1:])))
        assert said == f"twin is {known.file} of infant {known.infant_id}"


def test_shared_with_everybody_names_ten(cohort: Cohort) -> None:
    said = shared_with(known_of(cohort), cohort)
    assert said.count("; ") == 9 and said.endswith(f" and {6 + 12 - 10} more")


def test_known_of_tells_no_date(cohort: Cohort) -> None:
    known = known_of(cohort)
    assert len(known.births) == len(cohort.infants)
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in known.births)
    assert not any(str(one.born) in str(known) for one in cohort.infants)


def test_known_of_a_copied_cohort_is_the_same(cohort: Cohort, written: Path, tmp_path: Path) -> None:
    assert known_of(read_cohort(Path(shutil.copytree(written, tmp_path / "copy")))) == known_of(cohort)
