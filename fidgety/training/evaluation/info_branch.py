"""What the characteristics do to the risk: exact Shapley values of the Info Branch, from the weights of the network
that was trained on all infants (RUN/models/final.npz).

Explained is the branch's own logit of risk, before it is added to the bag's: effects add there. The background are the
same infants, which that network was trained on; no infant stands outside of it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fidgety.cohort.records import Cohort, characteristics_at
from fidgety.errors import UsageError
from fidgety.training.evaluation.records import INTERNAL, Run
from fidgety.training.evaluation.study import Study
from fidgety.training.evaluation.subgroups import first_recordings
from fidgety.training.evaluation.tables import NOT_RUN, Cell, Table
from fidgety.training.statistics.attributions import shapley_values
from fidgety.training.statistics.inputs import DoubleArray

__all__ = ["info_logit", "info_table", "read_info_weights"]

_CHARACTERISTICS = ("sex (male)", "gestation", "birth weight", "corrected age")  # columns of networks.mam.InfoNetwork
_SHAPES = {
    "info.mean": (4,),
    "info.sd": (4,),
    "info.hidden.weight": (32, 4),
    "info.hidden.bias": (32,),
    "info.out.weight": (2, 32),
    "info.out.bias": (2,),
}


def info_table(study: Study) -> Table:
    """Mean magnitude and direction of each characteristic's effect on the lead system's Info Branch."""
    run, cohort = study.lead, study.cohorts[INTERNAL]
    rows: list[tuple[Cell, ...]] = [(name, *(NOT_RUN,) * 4) for name in _CHARACTERISTICS]
    known = _known_rows(run, cohort)
    if _has_branch(run) and len(known):
        weights = read_info_weights(run.info_weights)
        found = shapley_values(lambda asked: info_logit(weights, asked), known, known)
        total = max(float(found.importances.sum()), 1e-12)
        rows = [
            (name, len(known), float(size), float(size) / total, _direction(known[:, i], found.values[:, i]))
            for i, (name, size) in enumerate(zip(_CHARACTERISTICS, found.importances, strict=True))
        ]
    return Table(
        "info_branch",
        f"Info Branch, {run.label}: Shapley values",
        ("characteristic", "infants", "mean magnitude, logits", "share", "direction"),
        tuple(rows),
        (
            "Exact, over all 16 coalitions. Direction: correlation of the characteristic with its effect, 1 = more of "
            "it means more risk. Not run: the run has no Info Branch or kept no models/final.npz.",
        ),
    )


def read_info_weights(path: Path) -> Mapping[str, DoubleArray]:
    """The Info Branch's arrays. Raises UsageError where the file is damaged or holds others."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            weights = {name: np.asarray(archive[name], dtype=np.float64) for name in _SHAPES if name in archive}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} cannot be read ({error}): train again, or take the file away") from error
    for name, shape in _SHAPES.items():
        if name not in weights or weights[name].shape != shape:
            found = weights[name].shape if name in weights else "none"
            raise UsageError(f"{path}: expected {name} of shape {shape}, found {found}: it is no MAM")
    return weights


def info_logit(weights: Mapping[str, DoubleArray], characteristics: DoubleArray) -> DoubleArray:
    """(M, 4) characteristics in raw units -> (M,) logit of risk, as `networks.mam.InfoNetwork` has it."""
    scaled = (characteristics - weights["info.mean"]) / weights["info.sd"]
    hidden = np.maximum(scaled @ weights["info.hidden.weight"].T + weights["info.hidden.bias"], 0.0)
    classes = hidden @ weights["info.out.weight"].T + weights["info.out.bias"]
    return np.asarray(classes[:, 1] - classes[:, 0])


def _has_branch(run: Run) -> bool:
    return run.account.system == "mam" and "info" not in run.account.without and run.info_weights.is_file()


def _known_rows(run: Run, cohort: Cohort) -> DoubleArray:
    """(N, 4) of the infants whose characteristics are all known, at the first recording that the run learned from."""
    told = [characteristics_at(infant, recording) for infant, recording in first_recordings(cohort, run.internal)]
    rows = [
        (1.0 if one.sex == "male" else 0.0, one.gestation_weeks, one.birth_weight_g, one.corrected_age_weeks)
        for one in told
        if one.are_complete
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(_CHARACTERISTICS))


def _direction(values: DoubleArray, effects: DoubleArray) -> float:
    """Pearson's r; NaN where one of them is constant."""
    if np.ptp(values) == 0.0 or np.ptp(effects) == 0.0:
        return float("nan")
    return float(np.corrcoef(values, effects)[0, 1])
