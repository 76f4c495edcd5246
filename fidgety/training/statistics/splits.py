"""Folds for training and evaluation: by infant, both classes in each, the same for the same seed.

An infant recorded twice looks like itself: with a recording on either side of a split, a network that has learnt the
infant passes for one that has learnt FMs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedKFold

from fidgety.errors import UsageError
from fidgety.training.statistics.inputs import read_labels

__all__ = ["Fold", "require_disjoint", "split_by_infant"]

_MAX_NAMED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Row numbers of one fold, ascending; train: (N - M,), test: (M,) int64."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def split_by_infant(infants: ArrayLike, is_risk: ArrayLike, n_folds: int = 5, seed: int = 0) -> tuple[Fold, ...]:
    """K folds in which each row is tested once and all rows of an infant stay together.

    infants: (N,) the infant of each row, by name or number. is_risk: (N,) bool; an infant is at risk if any of its
    rows is. Infants, not rows, are dealt out by class: folds differ by one infant of a class at most
    (StratifiedGroupKFold balances rows: with 8 infants at risk of 40, one to five recordings each, its 5 folds differ
    by more in 43 of 200 draws). The order of rows changes nothing.
    Raises UsageError where inputs misfit, for fewer than two folds, and where a class has fewer infants than folds.
    """
    labels, names = read_labels(is_risk), np.asarray(infants)
    if names.shape != labels.shape:
        raise UsageError(f"one infant for each of {len(labels)} rows: got {names.shape}")
    unique, owner = np.unique(names, return_inverse=True)
    infant_is_risk = np.bincount(owner, weights=labels) > 0
    _require_enough(infant_is_risk, n_folds)
    dealer = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    folds = []
    for _, tested in dealer.split(np.zeros((len(unique), 1)), infant_is_risk):
        is_test = np.isin(owner, tested)
        folds.append(Fold(np.flatnonzero(~is_test), np.flatnonzero(is_test)))
    return tuple(folds)


def require_disjoint(train_infants: ArrayLike, test_infants: ArrayLike) -> None:
    """Raises UsageError that names the infants standing on both sides of a split; both (N,) names or numbers."""
    # As text: the infant 7 of a table and the infant "7" of a file name are one.
    both = np.intersect1d(np.asarray(train_infants).astype(str), np.asarray(test_infants).astype(str))
    if len(both) == 0:
        return
    rest = f" and {len(both) - _MAX_NAMED} more" if len(both) > _MAX_NAMED else ""
    raise UsageError(
        f"infants on both sides of the split: {', '.join(both[:_MAX_NAMED])}{rest}. "
        "Keep all recordings of an infant on one side"
    )


def _require_enough(infant_is_risk: NDArray[np.bool_], n_folds: int) -> None:
    if n_folds < 2:
        raise UsageError(f"two folds or more: got {n_folds}")
    for name, n in (("infants at risk", int(infant_is_risk.sum())), ("normal infants", int((~infant_is_risk).sum()))):
        if n < 2:
            raise UsageError(f"{n} {name}: a split needs two or more of each class, one for either side")
        if n < n_folds:
            raise UsageError(f"{n} {name} cannot be dealt out to {n_folds} folds: take {n} folds or fewer")
