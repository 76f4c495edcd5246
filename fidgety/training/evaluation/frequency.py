"""The FMs frequency by itself: does it differ between the groups, how far does it tell them apart, and is it right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fidgety.cohort.records import MAM_2023
from fidgety.errors import UsageError
from fidgety.training.evaluation.cases import frequency_auc_of, gather_cases, mean_by_owner
from fidgety.training.evaluation.records import Predictions, Run, TextArray
from fidgety.training.evaluation.references import Clips, Reference, system_clips
from fidgety.training.evaluation.study import Study, comparison_table, in_words
from fidgety.training.evaluation.tables import Cell, PValue, Table
from fidgety.training.statistics.estimate import z_of
from fidgety.training.statistics.groups import compare_ranks, spread_of
from fidgety.training.statistics.inputs import DoubleArray

__all__ = [
    "NO_WINDOWS",
    "Agreement",
    "agreement_of",
    "agreement_table",
    "category_table",
    "group_table",
    "measure_agreement",
]

NO_WINDOWS = "scores no windows"
_CATEGORIES = (*MAM_2023.normal, *MAM_2023.risk)


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Measured and reference FMs frequency of R recordings, over the clips that both have.

    measured, reference: (R,) float64 in [0, 1]. bias: mean of measured less reference; low, high: Bland and Altman's
    limits of agreement (1986), bias +- 1.96 SD, NaN for a single recording.
    """

    recordings: TextArray
    measured: DoubleArray
    reference: DoubleArray
    bias: float
    low: float
    high: float

    @property
    def mean_error(self) -> float:
        """Mean of |measured - reference|."""
        return float(np.abs(self.measured - self.reference).mean())


def group_table(study: Study, setting: str) -> Table:
    """Median and IQR by class, Mann-Whitney's test, and the AUC of the FMs frequency alone."""

    def figures(run: Run) -> tuple[Cell, ...] | None:
        if setting not in run.settings:
            return None
        cases = gather_cases(run.settings[setting])
        groups = cases.fms_frequencies[~cases.is_risk], cases.fms_frequencies[cases.is_risk]
        if np.isnan(cases.fms_frequencies).all():
            return (NO_WINDOWS,) * 4
        try:
            p_value: Cell = PValue(compare_ranks(*groups).p_value)
        except UsageError:  # one group has none
            p_value = "one group only"
        return (*(spread_of(group) for group in groups), p_value, frequency_auc_of(cases))

    return comparison_table(
        f"fms_frequency_{setting}",
        f"FMs frequency by group: {in_words(setting)}",
        ("normal", "risk", "p", "AUC"),
        study,
        figures,
        (
            "Median (IQR) over infants; Mann-Whitney U test; AUC of the FMs frequency alone with DeLong's interval, "
            "few FMs meaning risk.",
        ),
    )


def category_table(study: Study, setting: str) -> Table:
    """Median and IQR by the expert's four categories."""

    def figures(run: Run) -> tuple[Cell, ...] | None:
        if setting not in run.settings:
            return None
        cases = gather_cases(run.settings[setting])
        if np.isnan(cases.fms_frequencies).all():
            return (NO_WINDOWS,) * len(_CATEGORIES)
        return tuple(spread_of(cases.fms_frequencies[cases.categories == name]) for name in _CATEGORIES)

    title = f"FMs frequency by category: {in_words(setting)}"
    return comparison_table(
        f"fms_frequency_by_category_{setting}", title, _CATEGORIES, study, figures, ("Median (IQR) over infants.",)
    )


def agreement_table(study: Study, setting: str) -> Table:
    """Measured FMs frequency against the true one, or against what each rater's clips come to."""
    references = study.references.get(setting, ())

    def figures(run: Run) -> tuple[Cell, ...] | None:
        found = agreement_of(run.settings.get(setting), references)
        if found is None:
            return None
        return (references[0].name, len(found.recordings), found.bias, found.low, found.high, found.mean_error)

    return comparison_table(
        f"fms_frequency_agreement_{setting}",
        f"FMs frequency, measured against reference: {in_words(setting)}",
        ("reference", "recordings", "bias", "lower limit", "upper limit", "mean error"),
        study,
        figures,
        (
            "Both over the same 9.6 s windows, .8 s apart. Bias: mean of measured less reference; limits of agreement: "
            "bias less and plus 1.96 SD (Bland and Altman). Not run: no windows, or no true bouts and no rated clips.",
        ),
    )


def measure_agreement(clips: Clips, reference: str) -> Agreement | None:
    """FMs frequency by the system and by a reference, recording by recording; None where they share no clip."""
    readings = clips.references[reference]
    is_both = ~np.isnan(readings)
    if not is_both.any():
        return None
    names, owner = np.unique(clips.recordings[is_both], return_inverse=True)
    measured, true = mean_by_owner(clips.system[is_both], owner), mean_by_owner(readings[is_both], owner)
    differences = measured - true
    reach = z_of(0.95) * float(differences.std(ddof=1)) if len(names) > 1 else float("nan")
    bias = float(differences.mean())
    return Agreement(names, measured, true, bias, bias - reach, bias + reach)


def agreement_of(predictions: Predictions | None, references: tuple[Reference, ...]) -> Agreement | None:
    """Against the first reference: the truth where there is one."""
    if predictions is None or not references or len(predictions.windows) == 0:
        return None
    return measure_agreement(system_clips(predictions, references[:1]), references[0].name)
