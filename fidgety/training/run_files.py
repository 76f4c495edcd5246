"""What a training run writes and reads again.

OUT/run.json, predictions.csv, windows.csv      all folds, when all are done
OUT/settings.json                               what was asked for: another run may not go on in this folder
OUT/models/fold-N.npz, final.npz                weights
OUT/folds/fold-N/                               fold.json, log.csv, its predictions, windows and margins, checkpoints
OUT/tracks/                                     lifted tracks (cohort_tracks.py)
OUT/ref/                                        the Ref Branch that all folds share
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fidgety.cohort.layout import write_table
from fidgety.errors import DeviceError, UsageError
from fidgety.records import BoolArray
from fidgety.training.calibrate import Calibration
from fidgety.training.log import write_json
from fidgety.training.scoring import Prediction, WindowRow

__all__ = [
    "FoldRecord",
    "Table",
    "join_tables",
    "read_fold",
    "read_json",
    "read_margins",
    "read_weights",
    "write_fold",
    "write_tables",
    "write_weights",
    "written",
]

PREDICTIONS, WINDOWS, MARGINS, FOLD = "predictions.csv", "windows.csv", "margins.csv", "fold.json"
_PREDICTION_COLUMNS = tuple(one.name for one in fields(Prediction) if one.name != "margins")
_MARGIN_COLUMNS = ("recording", "is_risk", "margin", "plain_margin")
_WINDOW_COLUMNS = tuple(one.name for one in fields(WindowRow))
_DIGITS = 6  # of scores and seconds in the tables

Done = TypeVar("Done")
Table = tuple[list[Prediction], list[WindowRow]]


@dataclass(frozen=True, slots=True)
class FoldRecord:
    """One model's account: who was on which side (infants' ids), what was chosen, how long it took."""

    fold: int | None  # None: the final model
    learn: list[str]
    held: list[str]
    test: list[str]
    clips_learn: list[str]  # infants whose rated clips it learned from
    clips_held: list[str]
    n_without_characteristics: int  # recordings to learn from that the Info Branch leaves out
    calibration: Calibration
    best_epochs: dict[str, int]
    seconds: float


def written(write: Callable[[], Done], place: Path) -> Done:
    """`write()`, with the disk's own errors as DeviceError."""
    try:
        return write()
    except OSError as error:
        raise DeviceError(f"{place} cannot be written: {error.strerror}") from error


def write_tables(folder: Path, table: Table) -> None:
    """predictions.csv and windows.csv, and margins.csv where one model has scored, each whole or not at all. Raises
    DeviceError.
    """
    predictions, windows = table
    written(lambda: folder.mkdir(parents=True, exist_ok=True), folder)
    write_table(folder / PREDICTIONS, _PREDICTION_COLUMNS, [_cells(row, _PREDICTION_COLUMNS) for row in predictions])
    write_table(folder / WINDOWS, _WINDOW_COLUMNS, [_cells(row, _WINDOW_COLUMNS) for row in windows])
    margins = [(row.recording, int(row.is_risk), *row.margins) for row in predictions if row.margins is not None]
    if margins:
        write_table(folder / MARGINS, _MARGIN_COLUMNS, margins)


def read_margins(folders: Sequence[Path]) -> tuple[list[tuple[float, float]], BoolArray]:
    """Raw logits of the risk with and without characteristics, and classes, of all recordings that these folds scored.
    Raises UsageError where a fold has none.
    """
    margins, is_risk = [], []
    for folder in folders:
        try:
            with (folder / MARGINS).open(newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
            margins += [(float(row["margin"]), float(row["plain_margin"])) for row in rows]
            is_risk += [row["is_risk"] == "1" for row in rows]
        except (OSError, KeyError, ValueError) as error:
            raise UsageError(f"{folder / MARGINS} cannot be read ({error}): delete the folder, and train on") from error
    return margins, np.array(is_risk, bool)


def join_tables(folders: Sequence[Path], out: Path) -> None:
    """The folds' tables, one below the other, into `out`. Raises DeviceError."""
    for name in (PREDICTIONS, WINDOWS):
        texts = [(folder / name).read_text(encoding="utf-8").splitlines(keepends=True) for folder in folders]
        part = out / f"{name}.part"
        joined = texts[0][0] + "".join(line for text in texts for line in text[1:])
        written(lambda part=part, joined=joined: part.write_text(joined, encoding="utf-8", newline=""), out)  # type: ignore[misc]
        part.replace(out / name)


def _cells(row: Prediction | WindowRow, columns: Sequence[str]) -> list[object]:
    return [_cell(getattr(row, name)) for name in columns]


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return round(value, _DIGITS) if isinstance(value, float) else value


def write_fold(folder: Path, record: FoldRecord) -> None:
    """fold.json, last: its presence says that the fold is done. Raises DeviceError."""
    part = folder / f"{FOLD}.part"
    written(lambda: write_json(part, asdict(record)), folder)
    part.replace(folder / FOLD)


def read_fold(folder: Path) -> FoldRecord | None:
    """None where the fold is not done. Raises UsageError where its record cannot be read."""
    if not (folder / FOLD).is_file():
        return None
    told = read_json(folder / FOLD)
    try:
        calibration = told.pop("calibration")
        known: dict[str, Any] = {name: math.nan if value is None else value for name, value in calibration.items()}
        return FoldRecord(**told, calibration=Calibration(**known))
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / FOLD} is not what this program wrote ({error}): delete the folder") from error


def read_json(path: Path) -> dict[str, Any]:
    """An object. Raises UsageError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}: name a folder that `fidgety train` wrote to its end") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no object: it is damaged")
    return content


def write_weights(path: Path, weights: Mapping[str, NDArray[np.generic]]) -> None:
    """Arrays by name (.npz), whole or not at all. Raises DeviceError."""
    part = path.with_name(f"{path.stem}.part.npz")
    written(lambda: path.parent.mkdir(parents=True, exist_ok=True), path)
    written(lambda: np.savez(part, **weights), path)  # type: ignore[arg-type]  # its stubs take names for allow_pickle
    part.replace(path)


def read_weights(path: Path) -> dict[str, NDArray[np.generic]]:
    """Raises UsageError where there are none."""
    if not path.is_file():
        raise UsageError(f"there are no weights at {path}: train anew")
    with np.load(path, allow_pickle=False) as saved:
        return {name: saved[name] for name in saved.files}
