"""What each part of MAM is worth: the published ablations beside MAM with all its parts, same folds, same protocol."""

from __future__ import annotations

from fidgety.training.evaluation.cases import auc_of, frequency_auc_of, gather_cases
from fidgety.training.evaluation.clips import first_kappa
from fidgety.training.evaluation.frequency import NO_WINDOWS
from fidgety.training.evaluation.performance import compare_runs
from fidgety.training.evaluation.records import Run
from fidgety.training.evaluation.study import Study, ablation_rows, adjusted, in_words, is_full_mam, systems_table
from fidgety.training.evaluation.tables import NOT_RUN, Cell, PValue, Table, format_figure
from fidgety.training.statistics.groups import ALPHA

__all__ = ["ablation_table"]

_COLUMNS = (
    "AUC",
    "AUC, less full",
    "p (Holm)",
    "AUC of FMs frequency",
    "clip kappa",
    "kappa, median less full",
)
_REFERENCE = "reference"


def ablation_table(study: Study, setting: str) -> Table:
    """AUC, AUC of the FMs frequency and clip kappa, with the differences to MAM with all its parts."""
    rows = ablation_rows(study)
    ablated = [run for _, run in rows if run is not None and run.is_ablation and setting in run.settings]
    p_values = _p_values(study, ablated, setting)

    def figures(run: Run) -> tuple[Cell, ...] | None:
        if setting not in run.settings:
            return None
        cases, full = gather_cases(run.settings[setting]), _full(study, run, setting)
        compared = None if full is None else compare_runs(run, full, setting)
        against: tuple[Cell, Cell] = (_REFERENCE, _REFERENCE) if is_full_mam(run) else (NOT_RUN, NOT_RUN)
        if compared is not None:
            against = (compared[1].difference, p_values[run.label])
        return (
            auc_of(cases),
            *against,
            NO_WINDOWS if len(run.settings[setting].windows) == 0 else frequency_auc_of(cases),
            *_kappas(study, run, full, setting),
        )

    return systems_table(
        f"ablations_{setting}",
        f"Ablations: {in_words(setting)}",
        _COLUMNS,
        rows,
        figures,
        (
            "Less full: this row less MAM with all its parts, on the infants that both assessed; DeLong's paired test, "
            f"Holm over the ablations, significant up to {format_figure(ALPHA)}. The full MAM is the one of the same "
            "protocol and seed, where there is one. Clip kappa: median (IQR) over recordings, against the truth where "
            "it is known, else against the first rater.",
        ),
    )


def _full(study: Study, run: Run, setting: str) -> Run | None:
    """The MAM that an ablation is held against; None for that MAM itself."""
    if not run.is_ablation:
        return None
    full = [one for one in study.runs if is_full_mam(one) and setting in one.settings]
    alike = [one for one in full if _training(one) == _training(run)]
    return next(iter(alike or full), None)


def _training(run: Run) -> tuple[str, int]:
    return run.account.protocol, run.account.seed


def _p_values(study: Study, ablated: list[Run], setting: str) -> dict[str, PValue]:
    raw = []
    for run in ablated:
        full = _full(study, run, setting)
        compared = None if full is None else compare_runs(run, full, setting)
        raw.append(float("nan") if compared is None else compared[1].p_value)
    return dict(zip((run.label for run in ablated), adjusted(raw), strict=True))


def _kappas(study: Study, run: Run, full: Run | None, setting: str) -> tuple[Cell, Cell]:
    references = study.references.get(setting, ())
    found = first_kappa(run, setting, references)
    if found is None:
        return (NOT_RUN, NOT_RUN)
    if is_full_mam(run):
        return (found.by_recording.spread, _REFERENCE)
    spread = found.by_recording.spread
    other = None if full is None else first_kappa(full, setting, references)
    return spread, NOT_RUN if other is None else spread.median - other.by_recording.spread.median
