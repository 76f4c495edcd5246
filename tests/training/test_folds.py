"""Whole infants on one side, both classes everywhere, labels permuted when asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fidgety.bundle import MamSettings
from fidgety.errors import UsageError
from fidgety.training.folds import assessable_of, deal_folds, hold_out, shuffle_labels
from fidgety.training.tracked import TrackedInfant, TrackedRecording, WindowRule

RULE = WindowRule(MamSettings("w", "b", "i", 240, 150, 20, 0.1, 200.0), 25.0, 9.6)


def _infant(number: int, fold: int | None = None, n_frames: int = 240) -> TrackedInfant:
    is_risk = number % 3 == 0
    recording = TrackedRecording(
        infant_id=f"i{number}",
        file=f"{number}.poses",
        sha256=f"{number:064x}",
        is_risk=is_risk,
        characteristics=None,
        joints=np.zeros((n_frames, 17, 3), np.float32),
        is_observed=np.ones(n_frames, bool),
        clip_starts=np.empty(0, np.int64),
        clip_shares=np.empty(0, np.float32),
        rule=RULE,
        is_simulated=False,
    )
    category = "absent" if is_risk else "continual"
    return TrackedInfant(f"i{number}", "site", is_risk, category, fold, (recording,))


INFANTS = tuple(_infant(number) for number in range(18))


def _ids(infants: tuple[TrackedInfant, ...]) -> set[str]:
    return {infant.infant_id for infant in infants}


def test_deal_folds_tests_each_infant_once() -> None:
    parts = deal_folds(INFANTS, 3, seed=1)
    assert [part.number for part in parts] == [0, 1, 2]
    for part in parts:
        assert not _ids(part.train) & _ids(part.test)
        assert _ids(part.train) | _ids(part.test) == _ids(INFANTS)
        assert sum(infant.is_risk for infant in part.test) == 2
    assert sum(len(part.test) for part in parts) == 18


def test_deal_folds_takes_those_of_the_cohort() -> None:
    told = [replace(infant, fold=number // 6 + 3) for number, infant in enumerate(INFANTS)]
    parts = deal_folds(told, 5, seed=1)
    assert [part.number for part in parts] == [3, 4, 5]
    assert _ids(parts[1].test) == {f"i{number}" for number in range(6, 12)}


def test_deal_folds_refuses() -> None:
    with pytest.raises(UsageError, match="6 infants at risk cannot be dealt out to 7 folds"):
        deal_folds(INFANTS, 7, seed=1)
    with pytest.raises(UsageError, match=r"infants.csv: 17 infants have no fold \(i1\)"):
        deal_folds([replace(INFANTS[0], fold=0), *INFANTS[1:]], 2, seed=1)
    with pytest.raises(UsageError, match="all infants are in one fold"):
        deal_folds([replace(infant, fold=1) for infant in INFANTS], 2, seed=1)
    lone = [replace(infant, fold=int(infant.is_risk)) for infant in INFANTS]
    with pytest.raises(UsageError, match="without fold 0 there are 6 infants at risk and 0 normal ones"):
        deal_folds(lone, 2, seed=1)


def test_hold_out_takes_a_share_of_either_class() -> None:
    learn, held = hold_out(INFANTS, 0.2, seed=1)
    assert not _ids(learn) & _ids(held) and _ids(learn) | _ids(held) == _ids(INFANTS)
    assert 3 <= len(held) <= 5 and 0 < sum(infant.is_risk for infant in held) < len(held)
    assert _ids(hold_out(INFANTS[::-1], 0.2, seed=1)[1]) == _ids(held)
    few = (INFANTS[0], INFANTS[1], INFANTS[2], INFANTS[3])
    assert sum(infant.is_risk for infant in hold_out(few, 0.2, seed=1)[1]) == 1
    with pytest.raises(UsageError, match="1 infants at risk: a split needs two or more"):
        hold_out(few[:3], 0.2, seed=1)


def test_assessable_of_leaves_out_who_cannot_be_scored() -> None:
    short = _infant(4, n_frames=239)
    mixed = replace(short, recordings=(*short.recordings, *INFANTS[5].recordings))
    kept = assessable_of([*INFANTS[:2], short, mixed])
    assert len(kept) == 3
    assert [recording.file for recording in kept[2].recordings] == ["5.poses"]


def test_shuffle_labels_permutes_them_over_infants() -> None:
    shuffled = shuffle_labels(INFANTS, seed=1)
    assert [infant.infant_id for infant in shuffled] == [infant.infant_id for infant in INFANTS]
    before, after = ([infant.is_risk for infant in group] for group in (INFANTS, shuffled))
    assert sorted(before) == sorted(after) and before != after
    for infant in shuffled:
        assert infant.is_risk == (infant.category == "absent")
        assert all(recording.is_risk == infant.is_risk for recording in infant.recordings)
    again = shuffle_labels(INFANTS, seed=1)
    assert [infant.is_risk for infant in again] == after
    assert [infant.is_risk for infant in shuffle_labels(INFANTS, seed=2)] != after
