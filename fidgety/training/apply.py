"""A run's models on another cohort, such as an external site's: the same two tables, in OUT/external-NAME.

Risk, P(FMs) and thresholds are the means over the models of all folds, the same way for every system. Only MAM on its
default input has a model of all infants, the one that goes into a bundle: it takes a fifth of the time, and its tables
lie in OUT/external-NAME-final, so that nobody takes the one for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fidgety.bundle import Bundle
from fidgety.cohort.apart import Known, shared_with
from fidgety.cohort.inclusion import InclusionRules, include
from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import Cohort
from fidgety.errors import UsageError
from fidgety.training.calibrate import Calibration
from fidgety.training.cohort_data import track_folder
from fidgety.training.cohort_tracks import chain_digest, track_cohort
from fidgety.training.external import external_folder, require_own, write_external
from fidgety.training.folds import FINAL
from fidgety.training.models import Model
from fidgety.training.protocol import protocol_of
from fidgety.training.run_files import read_fold, read_json, read_weights
from fidgety.training.scoring import Prediction, predict
from fidgety.training.task import Options
from fidgety.training.train_system import load_model

__all__ = ["apply_run"]


def apply_run(
    out: Path,
    cohort_folder: Path,
    bundle: Bundle,
    report: Callable[[str], None] = lambda _: None,
    min_recording_s: float | None = None,
    tracks: Path | None = None,
    *,
    by_final: bool = False,
) -> tuple[Prediction, ...]:
    """Score every included recording of the cohort in `cohort_folder` with the models of the run in `out`.

    `min_recording_s`: None = as in the run; `tracks`: folder of lifted tracks, None = in `out`; `by_final`: by the
    model of all infants alone. Raises UsageError where there is no finished run or no such model, where the bundle
    lifts otherwise than in the run, where the cohort holds an infant or a recording that the run was trained on, and
    where another cohort's scores lie in its place.
    """
    account = read_json(out / "run.json")
    if account.get("chain_digest") != chain_digest(bundle):
        raise UsageError(f"the tracks of {out} went through another chain than {bundle.label}: name that bundle")
    least_s = float(account["min_recording_s"]) if min_recording_s is None else min_recording_s
    cohort, folder = read_cohort(cohort_folder), external_folder(out, cohort_folder, by_final=by_final)
    included = include(cohort, InclusionRules(use="evaluation", min_recording_s=least_s)).cohort
    _require_unseen(account, included, out)
    require_own(folder, cohort)
    infants = track_cohort(included, bundle, track_folder(out, tracks), least_s, report)
    scorers = _scorers(account, out, by_final)
    report(f"scoring {len(infants)} infants with {len(scorers)} models")
    table = predict(scorers, infants, None)
    write_external(folder, cohort, table)
    return tuple(table[0])


def _scorers(account: Mapping[str, Any], out: Path, by_final: bool) -> list[tuple[Model, Calibration]]:
    options = Options(account["system"], frozenset(account["without"]), account["input"], account["pose"])
    protocol = protocol_of(account["protocol"]["values"], f"{out / 'run.json'}: protocol")
    names = [FINAL if told["fold"] is None else f"fold-{told['fold']}" for told in account["models"]]
    scorers = []
    for name in names:
        record = read_fold(out / "folds" / name) if (name == FINAL) == by_final else None
        if record is not None:
            model = load_model(options, protocol, read_weights(out / "models" / f"{name}.npz"))
            scorers.append((model, record.calibration))
    if not scorers:
        raise UsageError(f"{out} has no model of all infants: only MAM on its default input has. Leave --final out")
    return scorers


def _require_unseen(account: Mapping[str, Any], cohort: Cohort, out: Path) -> None:
    shared = shared_with(_seen(account), cohort)
    if shared:
        raise UsageError(
            f"what was in the training of {out} is in {cohort.folder} too: {shared}. Its scores would flatter; take it "
            "out of the cohort"
        )


def _seen(account: Mapping[str, Any]) -> Known:
    """Those that a run learned from. One that was written before it kept more knows names and hashes of files."""
    participants = {**account["participants"], **account["clip_participants"]}
    files = {sha256: f"a recording of infant {name}" for name, hashes in participants.items() for sha256 in hashes}
    told = account.get("known_by", {"births": [], "recordings": {}})
    return Known(frozenset(participants), frozenset(told["births"]), {**files, **told["recordings"]})
