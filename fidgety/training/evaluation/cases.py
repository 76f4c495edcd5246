"""Predictions of recordings -> one case for each infant: what every test and interval of the tables counts.

DeLong, Wilson and Mann-Whitney take cases to be independent, and two recordings of an infant are not. An infant with
several recordings stands for their mean risk and mean FMs frequency; one with none that could be assessed is not
assessable.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import UsageError
from fidgety.records import BoolArray
from fidgety.training.evaluation.records import Predictions, TextArray
from fidgety.training.statistics.estimate import Estimate
from fidgety.training.statistics.inputs import DoubleArray
from fidgety.training.statistics.roc import estimate_auc
from fidgety.training.statistics.two_by_two import Accuracy, count_findings

__all__ = ["TOO_FEW", "Cases", "accuracy_of", "auc_of", "frequency_auc_of", "gather_cases", "mean_by_owner"]

TOO_FEW = "too few infants"


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """N infants, sorted by id. infants, sites: (N,) str. categories: (N,) str, "" = not told. folds: (N,) int64.

    risks: (N,) float64 in [0, 1], NaN = not assessable. margins: (N,) risk less the threshold of the network that gave
    it; found at risk from 0 on. fms_frequencies: (N,) float64, NaN = not assessable, or no windows are scored.
    """

    infants: TextArray
    sites: TextArray
    is_risk: BoolArray
    categories: TextArray
    folds: NDArray[np.int64]
    risks: DoubleArray
    margins: DoubleArray
    fms_frequencies: DoubleArray

    def __len__(self) -> int:
        return len(self.infants)

    def pick(self, rows: ArrayLike) -> Cases:
        """Some of them; rows: bool (N,) or row numbers."""
        return Cases(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def assessed(self) -> Cases:
        """Those with a risk."""
        return self.pick(~np.isnan(self.risks))


def gather_cases(predictions: Predictions) -> Cases:
    """One case for each infant of a setting."""
    infants, first, owner = np.unique(predictions.infants, return_index=True, return_inverse=True)
    return Cases(
        infants=infants,
        sites=predictions.sites[first],
        is_risk=predictions.is_risk[first],
        categories=predictions.categories[first],
        folds=predictions.folds[first],
        risks=mean_by_owner(predictions.risks, owner),
        margins=mean_by_owner(predictions.risks - predictions.risk_thresholds, owner),
        fms_frequencies=mean_by_owner(predictions.fms_frequencies, owner),
    )


def mean_by_owner(values: DoubleArray, owner: NDArray[np.int64]) -> DoubleArray:
    """(R,) values and their owners 0 to N - 1 -> (N,) means; NaN is left out, and stands where nothing is left."""
    is_known = ~np.isnan(values)
    n = np.bincount(owner, weights=is_known)
    total = np.bincount(owner, weights=np.where(is_known, values, 0.0))
    return np.asarray(np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0))


def auc_of(cases: Cases) -> Estimate | str:
    """AUC of the risk with DeLong's interval, among the assessed; TOO_FEW where a class has fewer than two."""
    assessed = cases.assessed
    return _auc(assessed.risks, assessed.is_risk)


def frequency_auc_of(cases: Cases) -> Estimate | str:
    """AUC of the FMs frequency alone (few FMs = risk), among infants that have one; TOO_FEW like `auc_of`."""
    known = cases.pick(~np.isnan(cases.fms_frequencies))
    return _auc(-known.fms_frequencies, known.is_risk)


def accuracy_of(cases: Cases) -> Accuracy | None:
    """Sensitivity and the others at the thresholds that came with the risks, among the assessed; None for nobody."""
    assessed = cases.assessed
    if len(assessed) == 0:
        return None
    return Accuracy.of(count_findings(assessed.margins >= 0.0, assessed.is_risk))


def _auc(scores: DoubleArray, is_risk: BoolArray) -> Estimate | str:
    try:
        return estimate_auc(scores, is_risk)
    except UsageError:  # fewer than two of a class
        return TOO_FEW
