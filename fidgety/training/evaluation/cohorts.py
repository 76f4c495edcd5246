"""The cohorts that runs are held against: does every prediction belong to them, and do they share no infant?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fidgety.cohort.apart import known_of, shared_with
from fidgety.cohort.records import Cohort, CohortInfant, Fault
from fidgety.errors import UsageError
from fidgety.phantom.cohort_recordings import read_bouts
from fidgety.training.evaluation.records import FINAL_SUFFIX, INTERNAL, Predictions, Run

__all__ = ["is_simulated", "match_cohorts", "require_apart", "require_comparable", "require_fits"]

_MAX_NAMED = 10


def is_simulated(cohort: Cohort) -> bool:
    """A phantom's truth lies beside one of its recordings."""
    return any(_has_truth(cohort, place) for place in range(len(cohort.recordings)))


def match_cohorts(runs: Sequence[Run], internal: Cohort, externals: Sequence[Cohort]) -> Mapping[str, Cohort]:
    """The cohort of each setting, by its name. An external cohort is that of the setting whose recordings it holds,
    and of the same one scored by the model of all infants.

    Raises UsageError where a run's predictions do not fit its cohort, where no run was scored on an external one, or
    where two cohorts share an infant or a recording.
    """
    cohorts = {INTERNAL: internal}
    names = dict.fromkeys(name for run in runs for name in run.settings if name != INTERNAL)
    for cohort in externals:
        name = _setting_of(cohort, runs, [name for name in names if name not in cohorts])
        if name is None:
            told = ", ".join(names) or "none"
            raise UsageError(
                f"no run was scored on the cohort in {cohort.folder} (external settings of the runs: {told}): score it "
                "with the runs first, or leave --external-cohort out"
            )
        require_apart(internal, cohort)
        cohorts |= {one: cohort for one in names if one in (name, f"{name}{FINAL_SUFFIX}")}
    for run in runs:
        for name, predictions in run.settings.items():
            if name in cohorts:
                require_fits(run, name, predictions, cohorts[name])
    return cohorts


def require_fits(run: Run, name: str, predictions: Predictions, cohort: Cohort) -> None:
    """Raises UsageError that lists what a run says of infants or recordings that the cohort does not know so."""
    faults = list(_misfits(run, predictions, cohort))
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults[:_MAX_NAMED])
        raise UsageError(
            f"{run.folder}, {name}: {len(faults)} rows do not fit the cohort in {cohort.folder}; name the cohort that "
            f"the run was made on, or train anew:\n{lines}"
        )


def require_apart(internal: Cohort, external: Cohort) -> None:
    """Raises UsageError that names infants and recordings of both cohorts, told as in `cohort/apart.py`."""
    shared = shared_with(known_of(internal), external)
    if shared:
        raise UsageError(
            f"the external cohort in {external.folder} is not apart from the one in {internal.folder}: {shared}. Take "
            "them out of one of the two and train again"
        )


def require_comparable(runs: Sequence[Run]) -> None:
    """Raises UsageError where two runs that would stand in one table saw other infants, folds, classes or clips."""
    for run in runs[1:]:
        first = runs[0]
        if run.account.cohort_digest != first.account.cohort_digest:
            _refuse(first, run, "were trained on different cohorts")
        digests = {one.account.clips_digest for one in (first, run)} - {None}
        if len(digests) > 1:
            _refuse(first, run, "were pre-trained on different clips")
        if _deal(run.internal) != _deal(first.internal):
            _refuse(first, run, "have different folds, infants or classes")
        for name in set(run.settings) & set(first.settings) - {INTERNAL}:
            if _deal(run.settings[name]) != _deal(first.settings[name]):
                _refuse(first, run, f"were scored on different infants or classes of {name}")


def _refuse(first: Run, other: Run, reason: str) -> None:
    raise UsageError(
        f"{first.folder} and {other.folder} {reason}: their figures may not stand side by side. Evaluate them one by "
        "one, or train one of them again with the cohort, the clips and the seed of the other"
    )


def _deal(predictions: Predictions) -> dict[str, tuple[str, int, bool]]:
    """Infant, fold and class of each recording."""
    columns = (predictions.infants, predictions.folds.tolist(), predictions.is_risk.tolist())
    rows = zip(predictions.recordings.tolist(), *columns, strict=True)
    return {recording: (str(infant), fold, is_risk) for recording, infant, fold, is_risk in rows}


def _misfits(run: Run, predictions: Predictions, cohort: Cohort) -> Iterator[Fault]:
    """Row by row; the header is row 1. Blank rows are not counted here."""
    owners, by_id = {one.file: one.infant_id for one in cohort.recordings}, cohort.infants_by_id
    for i, (infant, recording) in enumerate(zip(predictions.infants, predictions.recordings, strict=True)):
        if owners.get(recording) != infant:
            message = f"the cohort has no recording {recording} of infant {infant}"
            yield Fault("predictions.csv", i + 2, "recording", message)
            continue
        contradiction = _contradiction(by_id[infant], predictions, i, is_shuffled=run.account.is_shuffled)
        if contradiction is not None:
            yield Fault("predictions.csv", i + 2, "infant", f"infant {infant} {contradiction}")


def _contradiction(told: CohortInfant, predictions: Predictions, i: int, *, is_shuffled: bool) -> str | None:
    label = "risk" if predictions.is_risk[i] else "normal"
    if told.site != predictions.sites[i]:
        return f"is of site {told.site} in the cohort, of {predictions.sites[i]} in the run"
    if told.label != label and not is_shuffled:
        return f"is {told.label or 'not labelled'} in the cohort, {label} in the run"
    return None


def _setting_of(cohort: Cohort, runs: Sequence[Run], names: Sequence[str]) -> str | None:
    """Sites may name their recordings alike: the setting that bears the folder's name is asked first."""
    files = {one.file for one in cohort.recordings}
    likely = sorted(names, key=lambda name: name != cohort.folder.resolve().name)
    return next((name for name in likely if _known_files(runs, name) & files), None)


def _known_files(runs: Sequence[Run], name: str) -> set[str]:
    found = [run.settings[name].recordings for run in runs if name in run.settings]
    return {str(file) for file in np.concatenate(found)}


def _has_truth(cohort: Cohort, place: int) -> bool:
    try:
        read_bouts(cohort.recordings[place].path)
    except FileNotFoundError:
        return False
    return True
