"""All that is evaluated together: runs, their cohorts, what is known of the clips; and which rows a table has.

Every table of systems names the ones of SPEC 5, every ablation table the published switches. What no run was given for
stands there as "not run". Protocol and seconds of training stand beside each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fidgety.cohort.records import Cohort
from fidgety.training.evaluation.records import INTERNAL, Run
from fidgety.training.evaluation.references import Reference
from fidgety.training.evaluation.tables import NOT_RUN, Cell, PValue, Table
from fidgety.training.statistics.groups import holm

__all__ = [
    "Row",
    "Study",
    "ablation_rows",
    "adjusted",
    "comparison_rows",
    "comparison_table",
    "in_words",
    "is_full_mam",
    "systems_table",
]

# The published rows. A row is found by what the account of a run says.
_SYSTEMS = (("mam", "MAM"), ("stam", "STAM"), ("wo-gma", "WO-GMA"), ("eml", "EML"))
_ABLATIONS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("info",), "difference", "3d"),
    (("closeness",), "difference", "3d"),
    (("ref",), "difference", "3d"),
    (("closeness", "ref"), "difference", "3d"),
    ((), "distance", "3d"),
    ((), "coordinates", "3d"),
    ((), "velocity", "3d"),
    ((), "acceleration", "3d"),
    ((), "difference", "2d"),
)

Row = tuple[str, Run | None]  # what stands in the first column; None = not run
Figures = Callable[[Run], tuple[Cell, ...] | None]  # of a row; None = not run


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """runs: comparable ones. shuffled: trained on shuffled labels. cohorts, references: by setting, where known."""

    runs: tuple[Run, ...]
    shuffled: tuple[Run, ...]
    cohorts: Mapping[str, Cohort]
    references: Mapping[str, tuple[Reference, ...]]

    @property
    def systems(self) -> tuple[Run, ...]:
        """Runs that lack nothing."""
        return tuple(run for run in self.runs if not run.is_ablation)

    @property
    def lead(self) -> Run:
        """The run that figures of one system alone are of: the first MAM that lacks nothing, or else the first run."""
        return next((run for run in self.runs if is_full_mam(run)), self.runs[0])

    @property
    def setting_names(self) -> tuple[str, ...]:
        """Internal first, then the external ones by name."""
        names = {name for run in self.runs for name in run.settings} - {INTERNAL}
        return (INTERNAL, *sorted(names))


def is_full_mam(run: Run) -> bool:
    """MAM with all its parts: what ablations are held against."""
    return run.account.system == "mam" and not run.is_ablation


def in_words(setting: str) -> str:
    """A setting as it stands in titles."""
    return "internal, out of fold" if setting == INTERNAL else f"external, {setting}"


def comparison_rows(study: Study) -> list[Row]:
    """Every system, in the order of the paper; one that several runs are of has several rows."""
    rows: list[Row] = []
    for system, name in _SYSTEMS:
        found = [run for run in study.systems if run.account.system == system]
        rows += [(run.label, run) for run in found] or [(name, None)]
    return rows


def ablation_rows(study: Study) -> list[Row]:
    """MAM with all its parts, each published ablation, then those that were tried beside."""
    rows: list[Row] = [(run.label, run) for run in study.runs if is_full_mam(run)] or [("MAM", None)]
    tried = [run for run in study.runs if run.account.system == "mam" and run.is_ablation]
    for switches in _ABLATIONS:
        found = [run for run in tried if _switches(run) == switches]
        rows += [(run.label, run) for run in found] or [(_name(*switches), None)]
    others = [run for run in study.runs if run.is_ablation and not (run in tried and _switches(run) in _ABLATIONS)]
    return rows + [(run.label, run) for run in others]


def systems_table(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Iterable[Row],
    figures: Figures,
    notes: Sequence[str] = (),
) -> Table:
    """A row for each system: its name, `figures` of its run, protocol and seconds of training."""
    filled = [(label, *_cells(run, figures, len(columns))) for label, run in rows]
    return Table(name, title, ("system", *columns, "protocol", "training, s"), tuple(filled), tuple(notes))


def comparison_table(
    name: str, title: str, columns: Sequence[str], study: Study, figures: Figures, notes: Sequence[str] = ()
) -> Table:
    """`systems_table` of `comparison_rows`."""
    return systems_table(name, title, columns, comparison_rows(study), figures, notes)


def adjusted(p_values: Sequence[float]) -> list[PValue]:
    """Holm's p values of those that are known, in the same order; NaN, where a test cannot tell, stays."""
    values = np.array(p_values, dtype=np.float64)
    is_known = ~np.isnan(values)
    if is_known.any():
        values[is_known] = holm(values[is_known])
    return [PValue(float(value)) for value in values]


def _cells(run: Run | None, figures: Figures, n: int) -> tuple[Cell, ...]:
    found = None if run is None else figures(run)
    if run is None or found is None:
        return (NOT_RUN,) * (n + 2)
    return (*found, run.account.protocol, round(sum(run.account.seconds)))


def _switches(run: Run) -> tuple[tuple[str, ...], str, str]:
    return run.account.without, run.account.inputs, run.account.pose


def _name(without: tuple[str, ...], inputs: str, pose: str) -> str:
    if without:
        return f"MAM without {' and '.join(without)}"
    return f"MAM in {pose}" if pose != "3d" else f"MAM on {inputs}"
