"""A run's models on another cohort, such as an external site's: the same two tables, in OUT/external-NAME.

Risk, P(FMs) and thresholds are the means over the models of all folds. The model of all infants would do as well, but
only MAM on its default input has one, and systems are compared on the external cohort too: all the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fidgety.bundle import Bundle
from fidgety.cohort.inclusion import Included, InclusionRules, include
from fidgety.cohort.read import read_cohort
from fidgety.errors import UsageError
from fidgety.training.calibrate import Calibration
from fidgety.training.cohort_data import track_folder
from fidgety.training.cohort_tracks import chain_digest, track_cohort
from fidgety.training.models import Model
from fidgety.training.protocol import protocol_of
from fidgety.training.run_files import read_fold, read_json, read_weights, write_tables
from fidgety.training.scoring import Prediction, predict
from fidgety.training.task import Options
from fidgety.training.train_system import load_model

__all__ = ["apply_run", "external_folder"]


def apply_run(
    out: Path,
    cohort_folder: Path,
    bundle: Bundle,
    report: Callable[[str], None] = lambda _: None,
    min_recording_s: float | None = None,
    tracks: Path | None = None,
) -> tuple[Prediction, ...]:
    """Score every included recording of the cohort in `cohort_folder` with the models of the run in `out`.

    `min_recording_s`: None = as in the run; `tracks`: folder of lifted tracks, None = in `out`. Raises UsageError where
    there is no finished run, where the bundle lifts otherwise than in the run, and where the cohort holds an infant or
    a recording that the run was trained on.
    """
    account = read_json(out / "run.json")
    if account.get("chain_digest") != chain_digest(bundle):
        raise UsageError(f"the tracks of {out} went through another chain than {bundle.label}: name that bundle")
    least_s = float(account["min_recording_s"]) if min_recording_s is None else min_recording_s
    included = include(read_cohort(cohort_folder), InclusionRules(use="evaluation", min_recording_s=least_s))
    _require_unseen(account, included, out)
    infants = track_cohort(included.cohort, bundle, track_folder(out, tracks), least_s, report)
    scorers = _scorers(account, out)
    report(f"scoring {len(infants)} infants with {len(scorers)} models")
    table = predict(scorers, infants, None)
    write_tables(external_folder(out, cohort_folder), table)
    return tuple(table[0])


def external_folder(out: Path, cohort_folder: Path) -> Path:
    """Where the tables of a cohort lie: named as its folder is, as far as file names may hold that."""
    name = re.sub(r"[^\w.-]+", "-", cohort_folder.resolve().name) or "cohort"
    return out / f"external-{name}"


def _scorers(account: Mapping[str, Any], out: Path) -> list[tuple[Model, Calibration]]:
    options = Options(account["system"], frozenset(account["without"]), account["input"], account["pose"])
    protocol = protocol_of(account["protocol"]["values"], f"{out / 'run.json'}: protocol")
    scorers = []
    for told in account["models"]:
        record = None if told["fold"] is None else read_fold(out / "folds" / f"fold-{told['fold']}")
        if record is not None:
            model = load_model(options, protocol, read_weights(out / "models" / f"fold-{record.fold}.npz"))
            scorers.append((model, record.calibration))
    return scorers


def _require_unseen(account: Mapping[str, Any], included: Included, out: Path) -> None:
    seen = {**account["participants"], **account["clip_participants"]}
    hashes = {sha256 for recordings in seen.values() for sha256 in recordings}
    for infant in included.cohort.infants:
        recordings = included.cohort.recordings_of(infant)
        if f"{infant.infant_id} of {infant.site}" in seen or any(one.sha256 in hashes for one in recordings):
            raise UsageError(
                f"infant {infant.infant_id} of {included.cohort.folder} was in the training of {out}: its scores would "
                "flatter; take it out of the cohort"
            )
