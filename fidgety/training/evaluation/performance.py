"""How well systems find risk: over folds, pooled, on external cohorts; paired tests; the check on shuffled labels.

Thresholds are the ones that each network brought from its own training folds.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from fidgety.errors import UsageError
from fidgety.training.evaluation.cases import TOO_FEW, Cases, accuracy_of, auc_of, gather_cases
from fidgety.training.evaluation.records import Run
from fidgety.training.evaluation.study import Row, Study, adjusted, comparison_table, in_words, systems_table
from fidgety.training.evaluation.tables import NOT_RUN, Cell, Table, format_figure
from fidgety.training.statistics.estimate import Estimate
from fidgety.training.statistics.groups import ALPHA, mean_sd_over_folds
from fidgety.training.statistics.roc import AucComparison, auc, auc_by_chance, compare_aucs
from fidgety.training.statistics.two_by_two import Accuracy

__all__ = ["compare_runs", "fold_table", "paired_table", "pooled_table", "shuffle_table"]

_FIGURES = ("sensitivity", "specificity", "PPV", "NPV", "accuracy")


def fold_table(study: Study) -> Table:
    """Mean and SD over the folds of the cross-validation, as the paper prints them."""

    def figures(run: Run) -> tuple[Cell, ...]:
        cases = gather_cases(run.internal).assessed
        folds = [_fold_figures(cases.pick(cases.folds == fold)) for fold in np.unique(cases.folds)]
        means = mean_sd_over_folds(folds)
        return (len(folds), *(means[name] for name in ("AUC", *_FIGURES)))

    return comparison_table(
        "cross_validation",
        "Cross-validation: mean (SD) over folds",
        ("folds", "AUC", *_FIGURES),
        study,
        figures,
        (
            "Each fold at the threshold that was chosen on its own training infants. A figure that one fold lacks (an "
            "AUC of one class, a PPV where nobody was found at risk) is not defined over folds; the pooled one is.",
        ),
    )


def pooled_table(study: Study, setting: str) -> Table:
    """All infants of a setting: AUC with DeLong's interval, the others with Wilson's."""

    def figures(run: Run) -> tuple[Cell, ...] | None:
        if setting not in run.settings:
            return None
        cases = gather_cases(run.settings[setting])
        assessed = cases.assessed
        found = accuracy_of(cases)
        shares = (TOO_FEW,) * len(_FIGURES) if found is None else _shares(found)
        return (len(assessed), int(assessed.is_risk.sum()), auc_of(cases), *shares)

    return comparison_table(
        f"performance_{setting}",
        f"Performance: {in_words(setting)}",
        ("infants", "at risk", "AUC", *_FIGURES),
        study,
        figures,
        (
            "95 % intervals: DeLong for AUC, Wilson for the others. Assessed infants only; see intention to screen. "
            "PPV and NPV hold at this cohort's share at risk.",
        ),
    )


def paired_table(study: Study, setting: str) -> Table:
    """DeLong's paired test of every two systems that scored a setting."""
    runs = [run for run in study.systems if setting in run.settings]
    pairs = [(one, other, compare_runs(one, other, setting)) for one, other in combinations(runs, 2)]
    p_values = adjusted([float("nan") if found is None else found[1].p_value for _, _, found in pairs])
    rows = []
    for (one, other, found), p_value in zip(pairs, p_values, strict=True):
        figures: tuple[Cell, ...] = (0, *(TOO_FEW,) * 4)
        if found is not None:
            n, compared = found
            figures = (n, compared.first, compared.second, compared.difference, p_value)
        rows.append((f"{one.label} - {other.label}", *figures))
    return Table(
        f"paired_{setting}",
        f"Paired comparison of AUC: {in_words(setting)}",
        ("systems", "infants", "AUC, first", "AUC, second", "difference", "p (Holm)"),
        tuple(rows) or (("two systems or more are needed", *(NOT_RUN,) * 5),),
        (
            "DeLong's paired test on the infants that both assessed, Holm over all rows; significant up to "
            f"{format_figure(ALPHA)}.",
        ),
    )


def compare_runs(one: Run, other: Run, setting: str) -> tuple[int, AucComparison] | None:
    """How many infants both assessed, and the comparison of their risks; None where a class has fewer than two."""
    first, second = gather_cases(one.settings[setting]), gather_cases(other.settings[setting])
    is_both = ~np.isnan(first.risks) & ~np.isnan(second.risks)
    try:
        compared = compare_aucs(first.risks[is_both], second.risks[is_both], first.is_risk[is_both])
    except UsageError:
        return None
    return int(is_both.sum()), compared


def shuffle_table(study: Study) -> Table:
    """What is left where the labels were shuffled before training, and what chance allows: more may mean that something
    leaks.
    """

    def figures(run: Run) -> tuple[Cell, ...]:
        cases = gather_cases(run.internal).assessed
        n_risk, area = int(cases.is_risk.sum()), auc_of(cases)
        chance = TOO_FEW if isinstance(area, str) else auc_by_chance(n_risk, len(cases) - n_risk)
        return (len(cases), n_risk, area, chance)

    rows: list[Row] = [(run.label, run) for run in study.shuffled]
    return systems_table(
        "shuffled_labels",
        "Shuffled labels: what is left should be chance",
        ("infants", "at risk", "AUC", "AUC by chance"),
        rows or [("any system on shuffled labels", None)],
        figures,
        (
            "By chance: .5 +- 1.96 sqrt((n + m + 1) / (12 n m)) for n infants at risk and m normal ones; of systems "
            "that know nothing 95 in 100 lie there. An AUC outside is a sign, not a proof, that infants of the test "
            "fold leaked into the training: shuffle with other seeds. The target of .4 to .6 is narrower than chance "
            "where both classes have fewer than 65 infants.",
        ),
    )


def _fold_figures(cases: Cases) -> dict[str, float]:
    found = accuracy_of(cases)
    has_both = 0 < int(cases.is_risk.sum()) < len(cases)
    values = [float("nan")] * len(_FIGURES) if found is None else [one.value for one in _shares(found)]
    area = auc(cases.risks, cases.is_risk) if has_both else float("nan")
    return {"AUC": area, **dict(zip(_FIGURES, values, strict=True))}


def _shares(found: Accuracy) -> tuple[Estimate, ...]:
    return found.sensitivity, found.specificity, found.ppv, found.npv, found.accuracy
