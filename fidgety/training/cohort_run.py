"""A cohort on disk -> a cross-validated system: what `fidgety train` does.

    cohort --include, track_cohort--> infants --deal_folds--> train, test
        train --hold_out--> learn, held --train_system--> model, calibration --predict(test)--> the fold's tables
    all folds -> predictions.csv, windows.csv, run.json
    all infants -> the model that is exported for a bundle; it is trained first, its risks are calibrated by the folds

A run that was stopped goes on where it was: folds that are done are not trained again, a fold that was begun goes on
from its last checkpoint. Test infants come only to `predict`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fidgety.training.cohort_data import REF, Data, Request, account_of, open_run, read_data, take_ref
from fidgety.training.final_model import export_final, settle_final
from fidgety.training.folds import FINAL, Part, assessable_of, deal_folds, hold_out
from fidgety.training.log import LogRow, write_curve, write_json
from fidgety.training.loop import Run
from fidgety.training.run_files import (
    FoldRecord,
    join_tables,
    read_fold,
    write_fold,
    write_tables,
    write_weights,
    written,
)
from fidgety.training.scoring import predict
from fidgety.training.task import Fitted, Task
from fidgety.training.team import Team
from fidgety.training.tracked import TrackedInfant, TrackedRecording
from fidgety.training.train_system import train_system

__all__ = ["train_cohort"]

Infants = tuple[TrackedInfant, ...]
Report = Callable[[str], None]

_ROWS_TOLD = 50  # every so many steps


def train_cohort(request: Request, team: Team, report: Report) -> tuple[FoldRecord, ...]:
    """Train, cross-validate and write everything into `request.out`; gives the records of the folds, and of the model
    of all infants where there is one.

    Raises UsageError where cohort, switches or folder do not allow it, with what to do; DeviceError where the disk does
    not take the results.
    """
    if request.protocol.threads:
        torch.set_num_threads(request.protocol.threads)
    data = read_data(request, team, report)
    parts = deal_folds(data.infants, request.n_folds, request.seed)
    if team.leads:
        open_run(request, data)
        take_ref(request, data)
    team.wait()
    final = []
    if request.options.is_plain_mam and not request.is_shuffled:
        final = [_run_final(request, data, team, report)]  # first: what a hospital waits for; the folds say how good
    records = [_run_fold(request, data, part, team, report) for part in parts] + final
    if team.leads and final:
        records[-1] = settle_final(request, records[-1], [_folder(request, str(part.number)) for part in parts])
    if team.leads:
        join_tables([_folder(request, str(part.number)) for part in parts], request.out)
        written(lambda: write_json(request.out / "run.json", account_of(request, data, records)), request.out)
    team.wait()
    return tuple(records)


def _run_fold(request: Request, data: Data, part: Part, team: Team, report: Report) -> FoldRecord:
    """Train without the part's test infants and predict them; or take what an earlier run came to."""
    name = str(part.number)
    done = team.share(read_fold(_folder(request, name)) if team.leads else None)
    if done is not None:
        report(f"fold {name}: done before")
        return done
    fitted, record = _fit(request, data, part.train, name, team, report)
    record = replace(record, fold=part.number, test=[infant.infant_id for infant in part.test])
    if team.leads:
        report(f"fold {name}: predicting {len(part.test)} infants")
        scorers = [(fitted.model, fitted.calibration)]
        write_tables(_folder(request, name), predict(scorers, part.test, part.number))
        _write(request, f"fold-{name}", fitted, record)
    team.wait()
    return record


def _run_final(request: Request, data: Data, team: Team, report: Report) -> FoldRecord:
    """The model of all infants, some of them held out for its epoch and thresholds; exported for a bundle."""
    done = team.share(read_fold(_folder(request, FINAL)) if team.leads else None)
    if done is not None:
        return done
    fitted, record = _fit(request, data, data.infants, FINAL, team, report)
    if team.leads:
        export_final(request, data, fitted, record)
        _write(request, FINAL, fitted, record)
    team.wait()
    return record


def _fit(
    request: Request, data: Data, train: Infants, name: str, team: Team, report: Report
) -> tuple[Fitted, FoldRecord]:
    """Train on these infants; the record is without test infants yet."""
    share, seed = request.protocol.held_out_share, request.seed
    learn, held = hold_out(assessable_of(train), share, seed)
    clips = ((), ()) if not data.clip_infants else hold_out(data.clip_infants, share, seed)
    run = _make_run(request, name, team, report)
    task = Task(
        learn=_recordings(learn),
        held=_recordings(held),
        clips=_rated(clips[0] + learn),
        held_clips=_rated(clips[1] + held),
        options=request.options,
        protocol=request.protocol,
        run=run,
        ref_run=_make_run(request, REF, team, report) if data.has_shared_clips else run,
    )
    fitted = train_system(task)
    record = FoldRecord(
        fold=None,
        learn=_ids(task.learn),
        held=_ids(task.held),
        test=[],
        clips_learn=_ids(task.clips) if request.options.learns_from_clips else [],
        clips_held=_ids(task.held_clips) if request.options.learns_from_clips else [],
        n_without_characteristics=sum(one.characteristics is None for one in task.learn),
        calibration=fitted.calibration,
        best_epochs=fitted.best_epochs,
        seconds=round(fitted.seconds, 1),
    )
    return fitted, record


def _make_run(request: Request, name: str, team: Team, report: Report) -> Run:
    """Seeds differ between folds and the shared Ref Branch, and follow from the request's."""
    seed = int(np.random.default_rng([request.seed, *name.encode()]).integers(2**31))

    def tell(row: LogRow) -> None:
        if "held_out_loss" in row or int(row["step"]) % _ROWS_TOLD == 0:
            report(f"{name}: {' '.join(f'{key} {value}' for key, value in row.items())}")

    return Run(seed, _folder(request, name), request.protocol.checkpoint_steps, team, tell)


def _write(request: Request, name: str, fitted: Fitted, record: FoldRecord) -> None:
    """Weights, curve and, last, the record; checkpoints are of no more use."""
    folder = _folder(request, name.removeprefix("fold-"))
    written(lambda: folder.mkdir(parents=True, exist_ok=True), folder)
    write_weights(request.out / "models" / f"{name}.npz", fitted.model.weights())
    written(lambda: write_curve(folder / "log.csv", fitted.rows), folder)
    write_fold(folder, record)
    for path in folder.glob("*.pt"):
        path.unlink()


def _folder(request: Request, name: str) -> Path:
    """Of a fold by its number, of the final model or of the shared Ref Branch."""
    return request.out / REF if name == REF else request.out / "folds" / (name if name == FINAL else f"fold-{name}")


def _recordings(infants: Sequence[TrackedInfant]) -> tuple[TrackedRecording, ...]:
    return tuple(recording for infant in infants for recording in infant.recordings)


def _rated(infants: Sequence[TrackedInfant]) -> tuple[TrackedRecording, ...]:
    return tuple(recording for recording in _recordings(infants) if len(recording.clip_starts))


def _ids(recordings: Sequence[TrackedRecording]) -> list[str]:
    return list(dict.fromkeys(recording.infant_id for recording in recordings))
