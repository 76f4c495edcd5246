"""Runs belong to their cohorts, runs that stand side by side to each other, and no infant to two cohorts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from fidgety.cohort.read import read_cohort
from fidgety.errors import UsageError
from fidgety.training.evaluation.cohorts import is_simulated, match_cohorts, require_apart, require_comparable
from fidgety.training.evaluation.records import INTERNAL
from fidgety.training.evaluation.runs import read_runs


@pytest.fixture(scope="module")
def internal(cohort: Path) -> Any:
    return read_cohort(cohort)


@pytest.fixture(scope="module")
def external(shared: Any) -> Any:
    return read_cohort(shared.cohort("other", prefix="b", site="site-b", has_truth=False))


def test_is_simulated_where_truth_lies_beside(internal: Any, external: Any) -> None:
    assert is_simulated(internal)
    assert not is_simulated(external)


def test_match_cohorts_finds_the_setting_by_its_recordings(maker: Any, internal: Any, external: Any) -> None:
    folder = maker.run()
    maker.setting(folder / "external-a", prefix="c", site="site-c", is_external=True)
    maker.setting(folder / "external-z", prefix="b", site="site-b", is_external=True)
    cohorts = match_cohorts(read_runs([folder]), internal, [external])
    assert list(cohorts) == [INTERNAL, "z"] and cohorts["z"] is external


def test_match_cohorts_gives_a_cohort_to_what_folds_and_the_final_model_made_of_it(
    maker: Any, internal: Any, external: Any
) -> None:
    folder = maker.run()
    for name in ("b", "b-final", "b-other"):
        maker.setting(folder / f"external-{name}", prefix="b", site="site-b", is_external=True)
    cohorts = match_cohorts(read_runs([folder]), internal, [external])
    assert list(cohorts) == [INTERNAL, "b", "b-final"] and cohorts["b"] is cohorts["b-final"] is external


def test_match_cohorts_of_sites_that_name_recordings_alike(maker: Any, internal: Any, external: Any) -> None:
    folder = maker.run()
    for name in ("alike", external.folder.name):
        maker.setting(folder / f"external-{name}", prefix="b", site="site-b", is_external=True)
    assert list(match_cohorts(read_runs([folder]), internal, [external])) == [INTERNAL, external.folder.name]


def test_match_cohorts_of_a_cohort_that_no_run_was_scored_on(maker: Any, internal: Any, external: Any) -> None:
    with pytest.raises(UsageError, match=r"no run was scored on the cohort in .*external settings of the runs: none"):
        match_cohorts(read_runs([maker.run()]), internal, [external])


def test_match_cohorts_of_another_cohort_than_the_runs(maker: Any, external: Any) -> None:
    with pytest.raises(UsageError, match=r"40 rows do not fit .*\n  predictions.csv:2:recording: the cohort has no"):
        match_cohorts(read_runs([maker.run()]), external, [])


def test_match_cohorts_of_labels_that_were_changed_since(maker: Any, cohort: Path) -> None:
    changed = Path(shutil.copytree(cohort, maker.root / "cohort"))
    maker.edit(changed / "infants.csv", 3, fms_category="absent", label="risk")
    maker.edit(changed / "infants.csv", 4, site="site-z")
    with pytest.raises(UsageError, match=r"(?s)2 rows.*a001 is risk in the cohort, normal in the run.*a002 is of site"):
        match_cohorts(read_runs([maker.run()]), read_cohort(changed), [])


def test_match_cohorts_lets_shuffled_labels_differ(maker: Any, internal: Any) -> None:
    runs = read_runs([maker.run(label=lambda i: i % 2 == 0, shuffle_labels=True)])
    assert list(match_cohorts(runs, internal, [])) == [INTERNAL]


def test_require_apart_of_an_infant_in_both(maker: Any, internal: Any) -> None:
    other = maker.cohort("other", prefix="b", site="site-b")
    maker.edit(other / "infants.csv", 2, id="a000")
    maker.edit(other / "recordings.csv", 2, infant="a000")
    with pytest.raises(UsageError, match=r"not apart from .*: infant a000, born 2023-01-01\. Take them out"):
        require_apart(internal, read_cohort(other))


def test_require_apart_lets_an_id_be_used_twice(maker: Any, internal: Any) -> None:
    other = maker.cohort("other", prefix="b", site="site-b")
    maker.edit(other / "infants.csv", 2, id="a000", born="2023-01-02")
    maker.edit(other / "recordings.csv", 2, infant="a000")
    require_apart(internal, read_cohort(other))


def test_require_apart_of_one_recording_under_two_names(maker: Any, internal: Any, cohort: Path) -> None:
    other = maker.cohort("other", prefix="b", site="site-b")
    shutil.copy(cohort / "a007.npz", other / "b003.npz")
    with pytest.raises(UsageError, match=r"b003.npz is a007.npz of infant a007"):
        require_apart(internal, read_cohort(other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cohort_digest": "decaf"}, "different cohorts"),
        ({"clips_digest": "decaf"}, "different clips"),
        ({"n_infants": 39}, "different folds, infants or classes"),
    ],
)
def test_require_comparable_of_runs_that_are_not(maker: Any, change: dict[str, Any], message: str) -> None:
    runs = read_runs([maker.run("one", clips_digest="c0ffee"), maker.run("two", system="stam", **change)])
    with pytest.raises(UsageError, match=rf"one and .*two were .*{message}|one and .*two have {message}"):
        require_comparable(runs)


def test_require_comparable_of_other_folds(maker: Any) -> None:
    one, two = maker.run("one"), maker.run("two", system="stam", has_windows=False)
    maker.edit(two / "predictions.csv", 2, fold="1")
    with pytest.raises(UsageError, match="have different folds"):
        require_comparable(read_runs([one, two]))


def test_require_comparable_of_other_external_infants(maker: Any) -> None:
    one, two = maker.run("one"), maker.run("two", system="stam")
    maker.setting(one / "external-b", prefix="b", is_external=True)
    maker.setting(two / "external-b", prefix="b", is_external=True, n_infants=30)
    with pytest.raises(UsageError, match="different infants or classes of b"):
        require_comparable(read_runs([one, two]))


def test_require_comparable_lets_a_run_do_without_clips(maker: Any) -> None:
    require_comparable(read_runs([maker.run("one", clips_digest="c0ffee"), maker.run("two", without=["ref"])]))
