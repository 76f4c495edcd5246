"""Are the risks what they say, and what is acting on them worth: calibration, decision curve, intention to screen."""

from __future__ import annotations

import numpy as np

from fidgety.errors import UsageError
from fidgety.training.evaluation.cases import TOO_FEW, gather_cases
from fidgety.training.evaluation.records import Run
from fidgety.training.evaluation.study import Study, comparison_table, in_words
from fidgety.training.evaluation.tables import Cell, Table
from fidgety.training.statistics.decision import decision_curve, intention_to_screen
from fidgety.training.statistics.reliability import brier_score, fit_recalibration, integrated_calibration_index

__all__ = ["calibration_table", "decision_table", "screening_table"]

_THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


def calibration_table(study: Study, setting: str) -> Table:
    """Brier score, the recalibration line and ICI."""

    def figures(run: Run) -> tuple[Cell, ...] | None:
        if setting not in run.settings:
            return None
        cases = gather_cases(run.settings[setting]).assessed
        try:
            line = fit_recalibration(cases.risks, cases.is_risk)
            index = integrated_calibration_index(cases.risks, cases.is_risk)
        except UsageError:  # one class only
            return (len(cases), *(TOO_FEW,) * 5)
        brier = brier_score(cases.risks, cases.is_risk)
        return (len(cases), brier, line.intercept, line.slope, line.in_the_large, index)

    return comparison_table(
        f"calibration_{setting}",
        f"Calibration: {in_words(setting)}",
        ("infants", "Brier", "intercept", "slope", "in the large", "ICI"),
        study,
        figures,
        (
            "Slope 1, intercept 0: risks are what they say. Slope and intercept are not defined where the risks part "
            "the classes fully. In the large: the intercept at slope 1, above 0 where risks are said too low.",
        ),
    )


def decision_table(study: Study, setting: str) -> Table:
    """Net benefit at some thresholds; the plot has all of them."""

    def figures(run: Run) -> tuple[Cell, ...] | None:
        if setting not in run.settings:
            return None
        cases = gather_cases(run.settings[setting]).assessed
        try:
            curve = decision_curve(cases.risks, cases.is_risk, np.array(_THRESHOLDS))
        except UsageError:  # one class only
            return (TOO_FEW,) * len(_THRESHOLDS)
        return tuple(float(one) for one in curve.system)

    table = comparison_table(
        f"decision_curve_{setting}",
        f"Net benefit of referring from a risk of ... on: {in_words(setting)}",
        tuple(f"{one:g}" for one in _THRESHOLDS),
        study,
        figures,
        ("True positives per infant seen, less false ones at the threshold's odds. Referring nobody: 0.",),
    )
    return Table(table.name, table.title, table.columns, (_refer_all(study, setting), *table.rows), table.notes)


def screening_table(study: Study, setting: str) -> Table:
    """Sensitivity and specificity with nobody left out, beside those of the assessed alone."""

    def figures(run: Run) -> tuple[Cell, ...] | None:
        if setting not in run.settings:
            return None
        cases = gather_cases(run.settings[setting])
        # Margins, since each fold has a threshold of its own; their sign is exact.
        found = intention_to_screen(cases.margins, cases.is_risk, 0.0)
        alone: tuple[Cell, Cell] = ("nobody", "nobody")
        if found.assessed is not None:
            alone = (found.assessed.sensitivity, found.assessed.specificity)
        lost = (found.n_not_assessable_positive, found.n_not_assessable_negative)
        all_infants = (found.screened.sensitivity, found.screened.specificity)
        return (len(cases), found.assessable, *lost, *all_infants, *alone)

    columns = (
        "infants",
        "assessable",
        "lost, risk",
        "lost, normal",
        "sensitivity, all",
        "specificity, all",
        "sensitivity, assessed",
        "specificity, assessed",
    )
    return comparison_table(
        f"intention_to_screen_{setting}",
        f"Intention to screen: {in_words(setting)}",
        columns,
        study,
        figures,
        ("Not assessable = refer: such an infant counts as found at risk. Wilson's intervals.",),
    )


def _refer_all(study: Study, setting: str) -> tuple[Cell, ...]:
    """The same for everybody: of the infants that the lead system assessed."""
    run = study.lead if setting in study.lead.settings else next(one for one in study.runs if setting in one.settings)
    assessed = gather_cases(run.settings[setting]).assessed
    share = float(assessed.is_risk.mean()) if len(assessed) else float("nan")
    benefits = [share - (1.0 - share) * one / (1.0 - one) for one in _THRESHOLDS]
    return ("refer all", *benefits, "", "")
