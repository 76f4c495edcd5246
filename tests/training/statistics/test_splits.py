"""No infant on both sides, both classes in each fold, and always the same folds."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.training.statistics.splits import require_disjoint, split_by_infant


@pytest.fixture
def cohort() -> tuple[np.ndarray, np.ndarray]:
    """(infants, is_risk) of 90 recordings: 37 infants, one to four recordings each, 11 infants at risk."""
    rng = np.random.default_rng(6)
    owner = np.concatenate([np.arange(37), rng.integers(0, 37, 53)])
    rng.shuffle(owner)
    return np.array([f"infant-{i:02}" for i in owner]), owner < 11


def test_split_tests_every_row_once_and_keeps_infants_whole(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    infants, is_risk = cohort
    folds = split_by_infant(infants, is_risk, n_folds=5)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(90))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(90))
        assert not set(infants[fold.train]) & set(infants[fold.test])


def test_split_deals_infants_of_each_class_out_evenly(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    infants, is_risk = cohort
    folds = split_by_infant(infants, is_risk, n_folds=5)
    at_risk = [len(set(infants[fold.test][is_risk[fold.test]])) for fold in folds]
    normal = [len(set(infants[fold.test][~is_risk[fold.test]])) for fold in folds]
    assert sorted(at_risk) == [2, 2, 2, 2, 3]
    assert sorted(normal) == [5, 5, 5, 5, 6]


def test_split_follows_its_seed_and_not_the_order_of_rows(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    infants, is_risk = cohort

    def tested(rows: np.ndarray, seed: int) -> list[set[str]]:
        return [set(infants[rows][fold.test]) for fold in split_by_infant(infants[rows], is_risk[rows], seed=seed)]

    rows = np.arange(90)
    assert tested(rows, 3) == tested(rows[::-1], 3)
    assert tested(rows, 3) != tested(rows, 4)


def test_split_counts_an_infant_with_one_risk_recording_as_at_risk() -> None:
    infants = ["a", "a", "b", "c", "d"]
    folds = split_by_infant(infants, [0, 1, 1, 0, 0], n_folds=2)
    assert all(({0, 1} <= set(fold.test)) != (2 in fold.test) for fold in folds)


def test_split_of_too_few_infants_says_why() -> None:
    with pytest.raises(UsageError, match="1 infants at risk: a split needs two or more"):
        split_by_infant(["a", "a", "b", "c"], [1, 1, 0, 0], n_folds=2)
    with pytest.raises(UsageError, match="3 normal infants cannot be dealt out to 4 folds: take 3 folds or fewer"):
        split_by_infant(list("abcdefg"), [1, 1, 1, 1, 0, 0, 0], n_folds=4)
    with pytest.raises(UsageError, match="two folds or more: got 1"):
        split_by_infant(list("abcd"), [1, 1, 0, 0], n_folds=1)
    with pytest.raises(UsageError, match="each of 4 rows"):
        split_by_infant(["a", "b"], [1, 1, 0, 0], n_folds=2)


def test_require_disjoint_names_the_infants() -> None:
    require_disjoint(["a", "b"], ["c"])
    with pytest.raises(UsageError, match=r"both sides of the split: b, d\. Keep all recordings"):
        require_disjoint(["a", "b", "d", "d"], ["d", "b", "e"])
    with pytest.raises(UsageError, match=r"split: 7\. Keep"):
        require_disjoint([7, 8], ["7"])


def test_require_disjoint_names_ten_of_many() -> None:
    with pytest.raises(UsageError, match=r"108, 109 and 2 more\. Keep"):
        require_disjoint(range(100, 112), range(100, 112))
