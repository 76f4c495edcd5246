"""RUN folders of `fidgety train` -> Runs, checked cell by cell and row against row.

    RUN/run.json, predictions.csv, windows.csv           out of fold
    RUN/external-NAME/predictions.csv, windows.csv       another cohort, scored by networks that saw none of it
    RUN/models/final.npz                                 trained on all infants, if it was kept: the Info Branch's table

windows.csv may be missing or empty: some systems score no windows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fidgety.cohort.records import Fault, label_of
from fidgety.cohort.tables import Numbered, check_rows
from fidgety.cohort.text_table import read_text_table
from fidgety.errors import UsageError
from fidgety.training.evaluation.records import INTERNAL, NO_FOLD, Account, Predictions, Run, Windows
from fidgety.training.evaluation.rows import (
    PREDICTION_COLUMNS,
    WINDOW_COLUMNS,
    AccountModel,
    PredictionRow,
    WindowRow,
    check_account,
)
from fidgety.training.statistics.splits import require_disjoint

__all__ = ["SYSTEM_NAMES", "read_run", "read_runs"]

SYSTEM_NAMES = {"mam": "MAM", "stam": "STAM", "wo-gma": "WO-GMA", "eml": "EML"}
_ACCOUNT, _PREDICTIONS, _WINDOWS, _EXTERNAL = "run.json", "predictions.csv", "windows.csv", "external-"


def read_runs(folders: Sequence[Path]) -> tuple[Run, ...]:
    """All runs, in this order, with labels that tell them apart. Raises UsageError like `read_run`, and for none."""
    if not folders:
        raise UsageError("no runs: name the folders that `fidgety train` wrote")
    twice = [folder for folder, n in Counter(folder.resolve() for folder in folders).items() if n > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named twice: name each run once")
    runs = [read_run(folder) for folder in folders]
    counts, seen = Counter(run.label for run in runs), Counter[str]()
    labelled = []
    for run in runs:
        label = run.label
        if counts[run.label] > 1:
            seen[run.label] += 1
            label = f"{run.label} ({run.account.protocol}, seed {run.account.seed}, run {seen[run.label]})"
        labelled.append(Run(run.folder, label, run.account, run.settings))
    return tuple(labelled)


def read_run(folder: Path) -> Run:
    """One run. Raises UsageError that lists every fault (file:row:column: message), one in a line."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: name one that `fidgety train` wrote")
    account, faults = _read_account(folder / _ACCOUNT)
    settings: dict[str, Predictions] = {}
    places = [(INTERNAL, folder), *((one.name.removeprefix(_EXTERNAL), one) for one in _externals(folder))]
    for name, place in places:
        predictions, found = _read_setting(place, name, is_shuffled=account is not None and account.is_shuffled)
        faults += found
        settings[name] = predictions
    if faults or account is None:
        n = len(faults)
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise UsageError(f"the run in {folder} has {n} {'fault' if n == 1 else 'faults'}; train it anew:\n{lines}")
    for name, predictions in settings.items():
        _require_classes(folder, name, predictions)
    _require_split(folder, account, settings[INTERNAL])
    return Run(folder, _label(account), account, settings)


def _externals(folder: Path) -> list[Path]:
    found = sorted(one for one in folder.glob(f"{_EXTERNAL}*") if one.is_dir())
    for one in found:
        if one.name.removeprefix(_EXTERNAL) in ("", INTERNAL):
            raise UsageError(f"{one} is no name of an external cohort: rename the folder")
    return found


def _read_account(path: Path) -> tuple[Account | None, list[Fault]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, [Fault(path.name, None, None, "there is no such file: the training did not come to its end")]
    except OSError as error:
        return None, [Fault(path.name, None, None, f"cannot be read ({error.strerror}): check the folder's rights")]
    except ValueError as error:
        return None, [Fault(path.name, None, None, f"is no JSON text ({error}): the file is damaged")]
    told, faults = check_account(path.name, content)
    return None if told is None else _account(told), faults


def _account(told: AccountModel) -> Account:
    return Account(
        system=told.system,
        without=tuple(sorted(told.without)),
        inputs=told.input,
        pose=told.pose,
        protocol=told.protocol.name,
        protocol_values=told.protocol.values,
        seed=told.seed,
        n_folds=told.folds,
        cohort_digest=told.cohort_digest,
        clips_digest=told.clips_digest,
        seconds=tuple(told.seconds),
        versions=told.versions,
        is_shuffled=told.shuffle_labels,
        flow=told.flow,
        is_simulated=told.is_simulated,
        learners={one.fold: frozenset(one.learn + one.held) for one in told.models if one.fold is not None},
    )


def _label(account: Account) -> str:
    """The system and what is unusual about it."""
    parts = [SYSTEM_NAMES[account.system]]
    if account.without:
        parts.append(f"without {' and '.join(account.without)}")
    if account.inputs != "difference":
        parts.append(f"on {account.inputs}")
    if account.pose != "3d":
        parts.append(f"in {account.pose}")
    if account.is_shuffled:
        parts.append("on shuffled labels")
    return " ".join(parts)


def _read_setting(folder: Path, name: str, *, is_shuffled: bool) -> tuple[Predictions, list[Fault]]:
    text = read_text_table(folder / _PREDICTIONS, PREDICTION_COLUMNS)
    rows, faults = check_rows(text, PredictionRow)
    faults = [*text.faults, *faults, *_row_faults(rows, name, is_shuffled)]
    windows: Numbered[WindowRow] = []
    if _has_rows(folder / _WINDOWS):
        windows_text = read_text_table(folder / _WINDOWS, WINDOW_COLUMNS)
        windows, window_faults = check_rows(windows_text, WindowRow)
        faults += [*windows_text.faults, *window_faults, *_window_faults(windows, rows)]
    prefix = "" if name == INTERNAL else f"{folder.name}/"
    placed = [Fault(f"{prefix}{one.file}", one.row, one.column, one.message) for one in faults]
    return _predictions([row for _, row in rows], [row for _, row in windows]), placed


def _has_rows(path: Path) -> bool:
    """More than a header: a system that scores no windows writes none."""
    if not path.exists():
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return sum(1 for line, _ in zip(stream, range(2), strict=False) if line.strip()) > 1


def _row_faults(rows: Numbered[PredictionRow], name: str, is_shuffled: bool) -> Iterator[Fault]:
    """A recording twice; an infant in two folds or of two classes; a fold where there is none, or none where there is
    one; a risk without its threshold; a category that contradicts the class.
    """
    seen: dict[str, int] = {}
    first: dict[str, tuple[int, PredictionRow]] = {}
    for number, row in rows:
        if row.recording in seen:
            message = f"{row.recording} is in row {seen[row.recording]} already: each recording is predicted once"
            yield Fault(_PREDICTIONS, number, "recording", message)
        seen.setdefault(row.recording, number)
        yield from _contradictions(number, row, *first.setdefault(row.infant, (number, row)))
        if (row.fold is None) != (name != INTERNAL):
            told = "out-of-fold predictions name their fold" if row.fold is None else "external recordings have no fold"
            yield Fault(_PREDICTIONS, number, "fold", f"{told}: the file is not what `fidgety train` wrote")
        if row.risk is not None and row.risk_threshold is None:
            yield Fault(_PREDICTIONS, number, "risk_threshold", "a risk needs its threshold: the cell is empty")
        if row.fms_category is not None and not is_shuffled and (label_of(row.fms_category) == "risk") != row.is_risk:
            message = f"{row.fms_category} FMs contradict the class {'risk' if row.is_risk else 'normal'}"
            yield Fault(_PREDICTIONS, number, "is_risk", message)


def _contradictions(number: int, row: PredictionRow, other_number: int, other: PredictionRow) -> Iterator[Fault]:
    if row.fold != other.fold:
        message = (
            f"infant {row.infant} is in fold {row.fold} here and in fold {other.fold} in row {other_number}: it stands "
            "on both sides of the split, the figures would flatter; train again with all its recordings in one fold"
        )
        yield Fault(_PREDICTIONS, number, "fold", message)
    if row.is_risk != other.is_risk:
        message = f"infant {row.infant} is of the other class in row {other_number}: an infant has one"
        yield Fault(_PREDICTIONS, number, "is_risk", message)


def _window_faults(windows: Numbered[WindowRow], rows: Numbered[PredictionRow]) -> Iterator[Fault]:
    """A window of no recording, of another fold than its recording, or scored twice."""
    folds = {row.recording: row.fold for _, row in rows}
    seen: dict[tuple[str, float], int] = {}
    for number, window in windows:
        if window.recording not in folds:
            message = f"{window.recording} is not in {_PREDICTIONS}: both files must be of one training"
            yield Fault(_WINDOWS, number, "recording", message)
        elif window.fold != folds[window.recording]:
            message = f"fold {window.fold}, but {window.recording} is in fold {folds[window.recording]}"
            yield Fault(_WINDOWS, number, "fold", message)
        key = (window.recording, round(window.start_s, 3))
        if key in seen:
            yield Fault(_WINDOWS, number, "start_s", f"this window is in row {seen[key]} already: keep one")
        seen.setdefault(key, number)


def _require_split(folder: Path, account: Account, predictions: Predictions) -> None:
    """Raises UsageError that names infants whose prediction comes from a network that learned from them."""
    for fold, learners in account.learners.items():
        try:
            require_disjoint(sorted(learners), np.unique(predictions.infants[predictions.folds == fold]))
        except UsageError as error:
            raise UsageError(f"{folder}, fold {fold}: {error}") from error


def _require_classes(folder: Path, name: str, predictions: Predictions) -> None:
    """Raises UsageError where a class has fewer than two infants: nothing can be said of such a cohort."""
    for word, is_risk in (("at risk", True), ("normal", False)):
        n = len(np.unique(predictions.infants[predictions.is_risk == is_risk]))
        if n < 2:
            raise UsageError(f"{folder}, {name}: infants {word}: {n}; an evaluation needs two or more of each class")


def _predictions(rows: Sequence[PredictionRow], windows: Sequence[WindowRow]) -> Predictions:
    return Predictions(
        infants=np.array([row.infant for row in rows], dtype=np.str_),
        recordings=np.array([row.recording for row in rows], dtype=np.str_),
        sites=np.array([row.site for row in rows], dtype=np.str_),
        is_risk=np.array([row.is_risk for row in rows], dtype=bool),
        categories=np.array([row.fms_category or "" for row in rows], dtype=np.str_),
        folds=np.array([NO_FOLD if row.fold is None else row.fold for row in rows], dtype=np.int64),
        risks=np.array([row.risk for row in rows], dtype=np.float64),  # None becomes NaN
        fms_frequencies=np.array([row.fms_frequency for row in rows], dtype=np.float64),
        n_windows=np.array([row.n_windows for row in rows], dtype=np.int64),
        seconds_assessable=np.array([row.seconds_assessable for row in rows], dtype=np.float64),
        risk_thresholds=np.array([row.risk_threshold for row in rows], dtype=np.float64),
        fms_thresholds=np.array([row.fms_threshold for row in rows], dtype=np.float64),
        windows=Windows(
            recordings=np.array([window.recording for window in windows], dtype=np.str_),
            start_s=np.array([window.start_s for window in windows], dtype=np.float64),
            fms_probabilities=np.array([window.fms_probability for window in windows], dtype=np.float64),
        ),
    )
