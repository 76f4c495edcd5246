"""Is the system as good for every kind of infant? One system's figures by sex, gestation, age, birth weight, site."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fidgety.cohort.records import Cohort, CohortInfant, CohortRecording, characteristics_at, earliest_first
from fidgety.records import BoolArray
from fidgety.training.evaluation.cases import TOO_FEW, Cases, accuracy_of, auc_of, frequency_auc_of, gather_cases
from fidgety.training.evaluation.frequency import NO_WINDOWS
from fidgety.training.evaluation.records import Predictions
from fidgety.training.evaluation.study import Study, in_words
from fidgety.training.evaluation.tables import NOT_RUN, Cell, Table

__all__ = ["first_recordings", "subgroup_table"]

_COLUMNS = ("infants", "at risk", "AUC", "sensitivity", "specificity", "AUC of FMs frequency")
_KINDS = ("all", "sex", "gestation", "corrected age", "birth weight", "site")
_PRETERM_WEEKS, _LOW_WEIGHT_G = 37.0, 2500.0
_PRETERM, _LOW_WEIGHT = ("below 37 weeks", "37 weeks or more"), ("below 2500 g", "2500 g or more")
_AGES_WEEKS = (9.0, 12.0, 16.0, 20.0)
_BANDS = ("9 to 12 weeks", "12 to 16 weeks", "16 to 20 weeks")
_NOT_TOLD = "not told"
_ORDER = ("all", "female", "male", *_PRETERM, *_BANDS, "other age", *_LOW_WEIGHT, _NOT_TOLD)


def subgroup_table(study: Study, setting: str) -> Table:
    """The lead system's figures in each group of infants; a group of nobody is left out."""
    run, cohort = study.lead, study.cohorts.get(setting)
    rows: list[tuple[Cell, ...]] = [("", "the cohort was not given", *(NOT_RUN,) * len(_COLUMNS))]
    if setting in run.settings and cohort is not None:
        predictions = run.settings[setting]
        cases = gather_cases(predictions)
        has_windows = not np.isnan(cases.fms_frequencies).all()
        groups = _groups(first_recordings(cohort, predictions))
        rows = [(kind, group, *_figures(cases.pick(is_in), has_windows)) for kind, group, is_in in groups]
    return Table(
        f"subgroups_{setting}",
        f"Subgroups, {run.label}: {in_words(setting)}",
        ("by", "group", *_COLUMNS),
        tuple(rows),
        (
            "Counts: infants with a risk. Age: the corrected one at the first recording that the system was given; a "
            "limit belongs to the older band. Intervals that overlap are no proof that groups are alike.",
        ),
    )


def first_recordings(cohort: Cohort, predictions: Predictions) -> list[tuple[CohortInfant, CohortRecording]]:
    """Each infant of a setting, sorted by id, with its earliest recording among those that have a row there.

    The tables of a cohort also hold what inclusion removed, such as a recording at seven weeks: no system saw it.
    """
    given = set(predictions.recordings.tolist())
    first: dict[str, CohortRecording] = {}
    for recording in earliest_first(one for one in cohort.recordings if one.file in given):
        first.setdefault(recording.infant_id, recording)
    by_id = cohort.infants_by_id
    return [(by_id[name], first[name]) for name in np.unique(predictions.infants).tolist()]


def _groups(firsts: list[tuple[CohortInfant, CohortRecording]]) -> Iterator[tuple[str, str, BoolArray]]:
    """Each group that has somebody, in the order of _ORDER, with is_in (N,)."""
    told = [_memberships(*one) for one in firsts]
    for i, kind in enumerate(_KINDS):
        groups = {one[i] for one in told}
        for group in sorted(groups, key=lambda name: (_ORDER.index(name) if name in _ORDER else -1, name)):
            yield kind, group, np.array([one[i] == group for one in told], dtype=bool)


def _memberships(infant: CohortInfant, recording: CohortRecording) -> tuple[str, ...]:
    """The group of an infant for each of _KINDS."""
    told = characteristics_at(infant, recording)
    return (
        "all",
        told.sex or _NOT_TOLD,
        _side(told.gestation_weeks, _PRETERM_WEEKS, _PRETERM),
        _age_band(told.corrected_age_weeks),
        _side(told.birth_weight_g, _LOW_WEIGHT_G, _LOW_WEIGHT),
        infant.site,
    )


def _side(value: float | None, limit: float, names: tuple[str, str]) -> str:
    return _NOT_TOLD if value is None else names[value >= limit]


def _age_band(age_weeks: float | None) -> str:
    if age_weeks is None:
        return _NOT_TOLD
    if not _AGES_WEEKS[0] <= age_weeks <= _AGES_WEEKS[-1]:
        return "other age"
    return _BANDS[sum(age_weeks >= limit for limit in _AGES_WEEKS[1:-1])]


def _figures(cases: Cases, has_windows: bool) -> tuple[Cell, ...]:
    assessed, found = cases.assessed, accuracy_of(cases)
    shares: tuple[Cell, Cell] = (TOO_FEW, TOO_FEW) if found is None else (found.sensitivity, found.specificity)
    frequency: Cell = frequency_auc_of(cases) if has_windows else NO_WINDOWS
    return (len(assessed), int(assessed.is_risk.sum()), auc_of(cases), *shares, frequency)
