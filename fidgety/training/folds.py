"""Who is trained on, who is held out of that for epoch and thresholds, and who is tested: always whole infants.

infants --deal_folds--> train, test       train --hold_out--> learn, held
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fidgety.errors import UsageError
from fidgety.training.statistics.splits import require_disjoint, split_by_infant
from fidgety.training.tracked import TrackedInfant

__all__ = ["FINAL", "Part", "assessable_of", "deal_folds", "hold_out", "shuffle_labels"]

Infants = tuple[TrackedInfant, ...]

FINAL = "final"  # in place of a fold's number: the model of all infants


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One fold of a cross-validation."""

    number: int
    train: Infants
    test: Infants


def deal_folds(infants: Sequence[TrackedInfant], n_folds: int, seed: int) -> tuple[Part, ...]:
    """The folds that the cohort itself names, if it does; else `n_folds` by class and infant (`split_by_infant`).

    Raises UsageError where a class has fewer infants than folds, where some infants have a fold and some none, or where
    the cohort names one fold only.
    """
    folds = [infant.fold for infant in infants]
    if all(fold is None for fold in folds):
        dealt = split_by_infant([i.infant_id for i in infants], [i.is_risk for i in infants], n_folds, seed)
        parts = [Part(n, _pick(infants, fold.train), _pick(infants, fold.test)) for n, fold in enumerate(dealt)]
    else:
        parts = [_told(infants, number) for number in _numbers(infants)]
    for part in parts:
        require_disjoint([i.infant_id for i in part.train], [i.infant_id for i in part.test])
    return tuple(parts)


def hold_out(infants: Sequence[TrackedInfant], share: float, seed: int) -> tuple[Infants, Infants]:
    """Training infants -> those to learn from, and those to choose epoch and thresholds on: about `share` of either
    class. Raises UsageError where a class has fewer than two infants.
    """
    n_risk = sum(infant.is_risk for infant in infants)
    n_parts = max(2, min(round(1.0 / share), n_risk, len(infants) - n_risk))
    fold = split_by_infant([i.infant_id for i in infants], [i.is_risk for i in infants], n_parts, seed)[0]
    return _pick(infants, fold.train), _pick(infants, fold.test)


def assessable_of(infants: Sequence[TrackedInfant]) -> Infants:
    """Those with a recording that can be scored, with such recordings alone."""
    kept = [replace(one, recordings=tuple(r for r in one.recordings if r.is_assessable)) for one in infants]
    return tuple(one for one in kept if one.recordings)


def shuffle_labels(infants: Sequence[TrackedInfant], seed: int) -> Infants:
    """The same infants with labels and categories permuted among them: the control that must end at chance."""
    order = np.random.default_rng([seed, 0x5B0F]).permutation(len(infants))
    return tuple(_relabelled(infant, infants[int(other)]) for infant, other in zip(infants, order, strict=True))


def _relabelled(infant: TrackedInfant, other: TrackedInfant) -> TrackedInfant:
    recordings = tuple(replace(recording, is_risk=other.is_risk) for recording in infant.recordings)
    return replace(infant, is_risk=other.is_risk, category=other.category, recordings=recordings)


def _numbers(infants: Sequence[TrackedInfant]) -> list[int]:
    without = [infant.infant_id for infant in infants if infant.fold is None]
    if without:
        raise UsageError(
            f"infants.csv: {len(without)} infants have no fold ({without[0]}): give all of them one, or none"
        )
    numbers = sorted({infant.fold for infant in infants if infant.fold is not None})
    if len(numbers) < 2:
        raise UsageError("infants.csv: all infants are in one fold: name two or more, or leave the column empty")
    return numbers


def _told(infants: Sequence[TrackedInfant], number: int) -> Part:
    train = tuple(infant for infant in infants if infant.fold != number)
    n_risk = sum(infant.is_risk for infant in train)
    if min(n_risk, len(train) - n_risk) < 2:
        raise UsageError(
            f"infants.csv: without fold {number} there are {n_risk} infants at risk and {len(train) - n_risk} normal "
            "ones: two or more of each are needed to train"
        )
    return Part(number, train, tuple(infant for infant in infants if infant.fold == number))


def _pick(infants: Sequence[TrackedInfant], rows: Sequence[int] | np.ndarray) -> Infants:
    return tuple(infants[int(row)] for row in rows)
