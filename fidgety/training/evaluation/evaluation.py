"""RUN folders and cohorts -> the report with all tables and plots, and every prediction in one CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from fidgety.cohort.read import read_cohort
from fidgety.errors import UsageError
from fidgety.report.files import write_text
from fidgety.training.evaluation.ablations import ablation_table
from fidgety.training.evaluation.cases import Cases, gather_cases
from fidgety.training.evaluation.clips import clip_table, rater_table
from fidgety.training.evaluation.cohorts import is_simulated, match_cohorts, require_comparable
from fidgety.training.evaluation.frequency import agreement_of, agreement_table, category_table, group_table
from fidgety.training.evaluation.info_branch import info_table
from fidgety.training.evaluation.performance import fold_table, paired_table, pooled_table, shuffle_table
from fidgety.training.evaluation.plots import (
    draw_agreement,
    draw_calibration,
    draw_decision,
    draw_frequency,
    draw_roc,
)
from fidgety.training.evaluation.records import NO_FOLD, Predictions, Run
from fidgety.training.evaluation.references import TRUTH, gather_references
from fidgety.training.evaluation.report import PHANTOM_BANNER, Report, Section, write_report
from fidgety.training.evaluation.runs import read_runs
from fidgety.training.evaluation.shortcuts import shortcut_table
from fidgety.training.evaluation.study import Study, in_words
from fidgety.training.evaluation.subgroups import subgroup_table
from fidgety.training.evaluation.tables import Table
from fidgety.training.evaluation.worth import calibration_table, decision_table, screening_table

__all__ = ["build_report", "evaluate_runs", "predictions_csv", "read_study"]

_COLUMNS = (
    "run",
    "setting",
    "infant",
    "recording",
    "site",
    "is_risk",
    "fms_category",
    "fold",
    "risk",
    "risk_threshold",
    "fms_frequency",
    "fms_threshold",
    "n_windows",
    "seconds_assessable",
)
Plot = tuple[str, str]  # caption and SVG


def evaluate_runs(runs: Sequence[Path], cohort: Path, externals: Sequence[Path], out: Path) -> Report:
    """Read, check and evaluate; write evaluation.md, evaluation.html, predictions.csv and tables/*.csv into `out`.

    Raises UsageError for whatever makes no sense (`read_study`), UsageError or DeviceError where `out` cannot be
    written.
    """
    study = read_study(runs, cohort, externals)
    report = build_report(study)
    write_text(out / "predictions.csv", predictions_csv([*study.runs, *study.shuffled]))
    write_report(out, report)
    return report


def read_study(runs: Sequence[Path], cohort: Path, externals: Sequence[Path]) -> Study:
    """Everything that is evaluated together.

    Raises UsageError where a run or a cohort has faults, runs may not be compared, a run does not fit its cohort, a
    class has fewer than two infants, or an infant stands on both sides of a split.
    """
    found = read_runs(runs)
    compared = tuple(run for run in found if not run.account.is_shuffled)
    if not compared:
        raise UsageError("all runs were trained on shuffled labels: name the runs that they are the check of, too")
    require_comparable(compared)
    cohorts = match_cohorts(found, read_cohort(cohort), [read_cohort(folder) for folder in externals])
    return Study(
        runs=compared,
        shuffled=tuple(run for run in found if run.account.is_shuffled),
        cohorts=cohorts,
        references={name: gather_references(one) for name, one in cohorts.items()},
    )


def build_report(study: Study) -> Report:
    """All sections, in the order in which a paper has them."""
    names = study.setting_names
    simulated = any(run.account.is_simulated for run in study.runs) or any(map(is_simulated, study.cohorts.values()))
    performance = [pooled_table(study, name) for name in names] + [paired_table(study, name) for name in names]
    clips = [table for name in names for table in (clip_table(study, name), rater_table(study, name))]
    frequency = [table for name in names for table in (group_table(study, name), category_table(study, name))]
    worth = [table(study, name) for table in (calibration_table, decision_table, screening_table) for name in names]
    sections = (
        Section("Runs", (_runs_table(study),), texts=_settings_texts(study)),
        Section("Participants", texts=(study.lead.account.flow,)),
        Section("Risk", (fold_table(study), *performance), tuple(_roc_plots(study))),
        Section("FMs frequency", tuple(frequency), tuple(_frequency_plots(study))),
        Section("Where FMs were seen", tuple(clips)),
        Section(
            "Measured and reference FMs frequency",
            tuple(agreement_table(study, name) for name in names),
            tuple(_agreement_plots(study)),
        ),
        Section("Ablations", tuple(ablation_table(study, name) for name in names)),
        Section("Subgroups", tuple(subgroup_table(study, name) for name in names)),
        Section("Calibration, decisions, screening", tuple(worth), tuple(_worth_plots(study))),
        Section("Info Branch", (info_table(study),)),
        Section("Checks", (*(shortcut_table(study, name) for name in names), shuffle_table(study))),
    )
    return Report("evaluation", "Evaluation of trained systems", PHANTOM_BANNER if simulated else None, sections)


def predictions_csv(runs: Sequence[Run]) -> str:
    """Every prediction of every run, one recording in a row; RFC 4180, an empty cell for what is not there."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for run in runs:
        for name, predictions in run.settings.items():
            writer.writerows([run.label, name, *row] for row in _prediction_rows(predictions))
    return stream.getvalue()


def _prediction_rows(predictions: Predictions) -> Iterator[list[object]]:
    for i in range(len(predictions)):
        fold = int(predictions.folds[i])
        yield [
            predictions.infants[i],
            predictions.recordings[i],
            predictions.sites[i],
            int(predictions.is_risk[i]),
            predictions.categories[i],
            "" if fold == NO_FOLD else fold,
            *(
                _number(float(column[i]))
                for column in (
                    predictions.risks,
                    predictions.risk_thresholds,
                    predictions.fms_frequencies,
                    predictions.fms_thresholds,
                )
            ),
            int(predictions.n_windows[i]),
            _number(float(predictions.seconds_assessable[i])),
        ]


def _number(value: float) -> str:
    return "" if value != value else f"{value:.10g}"  # NaN alone differs from itself


def _runs_table(study: Study) -> Table:
    rows = []
    for run in (*study.runs, *study.shuffled):
        account = run.account
        trained = f"{account.inputs}, {account.pose}"
        versions = ", ".join(f"{name} {version}" for name, version in sorted(account.versions.items()))
        digest = account.cohort_digest[:12]
        seconds = round(sum(account.seconds))
        rows.append((run.label, trained, account.protocol, account.n_folds, account.seed, seconds, digest, versions))
    columns = ("run", "input", "protocol", "folds", "seed", "training, s", "cohort", "versions")
    note = "Training: seconds of all folds together. A Ref Branch that they share was trained once and counts in each."
    return Table("runs", "Runs", columns, tuple(rows), (note,))


def _settings_texts(study: Study) -> tuple[str, ...]:
    """What the figures count, and what could not be checked."""
    told = (
        "An infant counts once: with several recordings it stands for their mean risk and mean FMs frequency. Clip "
        "kappa, agreement of the FMs frequency and lengths are by recording. Figures of one system alone (plots of FMs "
        f"frequency, subgroups, Info Branch, bands) are those of {study.lead.label}."
    )
    unknown = [name for name in study.setting_names if name not in study.cohorts]
    if not unknown:
        return (told,)
    return (
        told,
        f"No cohort was given for {', '.join(unknown)}: that none of its infants is in the internal cohort was not "
        "checked. Name it with --external-cohort.",
    )


def _systems(study: Study, setting: str) -> dict[str, Cases]:
    """Assessed cases of the systems that scored a setting, the lead one first."""
    runs = sorted((run for run in study.systems or study.runs[:1]), key=lambda run: run is not study.lead)
    return {run.label: gather_cases(run.settings[setting]).assessed for run in runs if setting in run.settings}


def _roc_plots(study: Study) -> Iterator[Plot]:
    for name in study.setting_names:
        title = f"ROC: {in_words(name)}"
        yield f"{title}. Band: 95 %, bootstrap by infant", draw_roc(_systems(study, name), title)


def _worth_plots(study: Study) -> Iterator[Plot]:
    for name in study.setting_names:
        title = f"Calibration: {in_words(name)}"
        yield f"{title}. Points: shares with Wilson's intervals", draw_calibration(_systems(study, name), title)
        title = f"Decision curve: {in_words(name)}"
        yield title, draw_decision(_systems(study, name), title)


def _frequency_plots(study: Study) -> Iterator[Plot]:
    for name in study.setting_names:
        if name in study.lead.settings and len(study.lead.settings[name].windows):
            title = f"FMs frequency, {study.lead.label}: {in_words(name)}"
            yield title, draw_frequency(gather_cases(study.lead.settings[name]), title)


def _agreement_plots(study: Study) -> Iterator[Plot]:
    for name in study.setting_names:
        references = study.references.get(name, ())
        found = agreement_of(study.lead.settings.get(name), references)
        if found is None:
            continue
        word = "true FMs frequency" if references[0].name == TRUTH else f"{references[0].name}'s"
        title = f"FMs frequency, measured by {study.lead.label} against {references[0].name}: {in_words(name)}"
        yield title, draw_agreement(found, word, title)
