"""Small cohorts and RUN folders whose figures are known in advance.

Infants 0 to 19 are given a risk of .2, and 4 of them are at risk; infants 20 to 39 one of .8, and 16 of them are. So
the recalibration line is slope 1, intercept 0, and the AUC .8 x .8 + .5 x 2 x .8 x .2 = .8.

Recordings last 20 s, 14 clips. Normal infants have a bout from 2 to 12 s, which fills 9 clips (0 to 6.4 s); sporadic
FMs fill 2, absent ones none. The system misses the first clip of every normal infant and is right elsewhere.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.training.evaluation.evaluation import read_study

N_INFANTS, N_FOLDS, N_CLIPS = 40, 5, 14
AT_RISK = frozenset({0, 6, 12, 18, *range(24, 40)})
BOUTS = {"continual": [(2.0, 12.0)], "intermittent": [(2.0, 12.0)], "sporadic": [(0.0, 6.0)], "absent": []}
N_FMS_CLIPS = {"continual": 9, "intermittent": 9, "sporadic": 2, "absent": 0}
PREDICTION_COLUMNS = (
    "infant", "recording", "site", "is_risk", "fms_category", "fold", "risk", "fms_frequency", "n_windows",
    "seconds_assessable", "risk_threshold", "fms_threshold",
)  # fmt: skip


def category_of(number: int) -> str:
    """Two of each class in turn."""
    return ("sporadic", "absent")[number % 2] if number in AT_RISK else ("continual", "intermittent")[number % 2]


def known_risk(number: int) -> float | None:
    return 0.2 if number < 20 else 0.8


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])


@dataclass(frozen=True)
class Maker:
    """Writes cohorts and runs below a folder."""

    root: Path
    at_risk: frozenset[int] = AT_RISK

    @staticmethod
    def read(path: Path) -> list[dict[str, str]]:
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    @staticmethod
    def edit(path: Path, row: int, **cells: str) -> None:
        """Change cells of a row; the header is row 1."""
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
        for column, value in cells.items():
            rows[row - 1][rows[0].index(column)] = value
        _write_csv(path, rows[0], rows[1:])

    @staticmethod
    def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
        _write_csv(path, columns, rows)
        return path

    def cohort(
        self,
        name: str = "cohort",
        *,
        prefix: str = "a",
        site: str = "site-a",
        has_truth: bool = True,
        raters: Mapping[str, Callable[[bool, int], bool]] | None = None,
        n_infants: int = N_INFANTS,
        n_frames: Callable[[int], int] = lambda _: 101,
    ) -> Path:
        """raters: what each says of clip k of which the truth is told."""
        folder = self.root / name
        infants, recordings, clips = [], [], []
        for number in range(n_infants):
            infant, file = f"{prefix}{number:03d}", f"{prefix}{number:03d}.npz"
            born = date(2023, 1, 1) + timedelta(days=number)
            gestation, weight = ("34+0", 2100) if number % 4 == 0 else ("39+0", 3300)
            sex, category = ("female", "male")[number % 2], category_of(number)
            label = "risk" if number in AT_RISK else "normal"
            row = (infant, born, gestation, sex, weight, category, label, site, "yes", "yes")
            infants.append(row)
            recordings.append((infant, file, born + timedelta(days=120 + 3 * (number % 5))))
            _write_track(folder / file, n_frames(number), seed=[number, *prefix.encode()])
            if has_truth:
                truth = {"bouts_s": BOUTS[category]}
                (folder / f"{infant}.truth.json").write_text(json.dumps(truth), encoding="utf-8")
            for rater, says in (raters or {}).items():
                for k in range(N_CLIPS):
                    share = 1.0 if says(k < N_FMS_CLIPS[category], k) else 0.0
                    clips.append((file, round(0.8 * k, 1), share, rater))
        columns = ("id", "born", "gestation", "sex", "birth_weight_g", "fms_category", "label", "site")
        _write_csv(folder / "infants.csv", (*columns, "consent_training", "consent_evaluation"), infants)
        _write_csv(folder / "recordings.csv", ("infant", "file", "recorded"), recordings)
        if clips:
            _write_csv(folder / "clips.csv", ("recording", "start_s", "fms_share", "rater"), clips)
        return folder

    def run(
        self,
        name: str = "run",
        *,
        risk: Callable[[int], float | None] = known_risk,
        has_windows: bool = True,
        prefix: str = "a",
        site: str = "site-a",
        n_infants: int = N_INFANTS,
        label: Callable[[int], bool] = AT_RISK.__contains__,
        **account: Any,
    ) -> Path:
        folder = self.root / name
        self.setting(folder, risk, has_windows, prefix, site, n_infants, label=label)
        told = {
            "system": "mam",
            "without": [],
            "input": "difference",
            "pose": "3d",
            "protocol": {"name": "reduced", "values": {"epochs": 3}},
            "seed": 1,
            "folds": N_FOLDS,
            "cohort_digest": "c0ffee",
            "clips_digest": None,
            "seconds": [10.0, 11.0, 12.0, 13.0, 14.0],
            "versions": {"torch": "2.13.0"},
            "shuffle_labels": False,
            "flow": "|  | participants |\n|---|---:|\n| in the tables | 40 |\n\nIncluded: 20 normal, 20 at risk.",
        }
        (folder / "run.json").write_text(json.dumps(told | account), encoding="utf-8")
        return folder

    def setting(
        self,
        folder: Path,
        risk: Callable[[int], float | None] = known_risk,
        has_windows: bool = True,
        prefix: str = "a",
        site: str = "site-a",
        n_infants: int = N_INFANTS,
        *,
        is_external: bool = False,
        label: Callable[[int], bool] = AT_RISK.__contains__,
    ) -> Path:
        """predictions.csv and windows.csv of one setting."""
        predictions, windows = [], []
        for number in range(n_infants):
            category, said = category_of(number), risk(number)
            found = [1 <= k < N_FMS_CLIPS[category] or (k == 0 and category == "sporadic") for k in range(N_CLIPS)]
            frequency = sum(found) / N_CLIPS if has_windows and said is not None else ""
            fold = "" if is_external else number % N_FOLDS
            infant, file = f"{prefix}{number:03d}", f"{prefix}{number:03d}.npz"
            told = "" if said is None else f"{said:.17g}"
            head = (infant, file, site, int(label(number)), category, fold, told, frequency)
            predictions.append((*head, N_CLIPS if has_windows else 0, 20.0, 0.5, 0.5))
            if has_windows:
                windows += [(file, round(0.8 * k, 1), fold, 0.9 if found[k] else 0.1) for k in range(N_CLIPS)]
        _write_csv(folder / "predictions.csv", PREDICTION_COLUMNS, predictions)
        _write_csv(folder / "windows.csv", ("recording", "start_s", "fold", "fms_probability"), windows)
        return folder


def _write_track(path: Path, n_frames: int, seed: Sequence[int]) -> None:
    """A lying infant, 5 frames a second, every point trembling by 1 px; trunk 100 px."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    at = np.array(
        [(0, -130), (5, -135), (-5, -135), (12, -132), (-12, -132), (40, -100), (-40, -100), (70, -80), (-70, -80),
         (80, -40), (-80, -40), (20, 0), (-20, 0), (50, 40), (-50, 40), (40, 90), (-40, 90)]
    )  # fmt: skip
    xy = at + 300.0 + rng.normal(0.0, 1.0, (n_frames, 17, 2))
    np.savez(path, xyc=np.concatenate([xy, np.full((n_frames, 17, 1), 0.9)], axis=2).astype(np.float32), fps=5.0)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """A folder for cohorts and runs that no test changes."""
    return Maker(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="session")
def cohort(shared: Maker) -> Path:
    """The cohort of the module's docstring, with truth. Not to be changed."""
    return shared.cohort()


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    """A folder of the test's own."""
    return Maker(tmp_path)


@dataclass(frozen=True)
class Figures:
    """A table's rows by their first cell, or first two, each a mapping from column to cell."""

    table: Any

    def __getitem__(self, key: str | tuple[str, ...]) -> dict[str, Any]:
        wanted = (key,) if isinstance(key, str) else key
        found = [row for row in self.table.rows if row[: len(wanted)] == wanted]
        assert len(found) == 1, f"{len(found)} rows {wanted}"
        return dict(zip(self.table.columns, found[0], strict=True))

    @property
    def names(self) -> list[str]:
        return [row[0] for row in self.table.rows]


@pytest.fixture
def figures() -> type[Figures]:
    return Figures


@pytest.fixture(scope="session")
def known_study(shared: Maker, cohort: Path) -> Any:
    """MAM of the known figures; STAM that knows nothing; MAM without ref, which finds no FMs; EML, scored at home only;
    MAM on shuffled labels. An external cohort with two raters and no truth, scored by MAM. Not to be changed.
    """
    raters = {"ann": lambda truth, _: truth, "ben": lambda truth, k: truth != (k == 3)}
    other = shared.cohort("external", prefix="b", site="site-b", has_truth=False, raters=raters)
    mam = shared.run("mam")
    shared.setting(mam / "external-b", prefix="b", site="site-b", is_external=True)
    ablated = shared.run("ablated", without=["ref"], risk=lambda i: 0.5 if i % 3 else 0.2 + 0.6 * (i >= 20))
    _no_fms(ablated / "windows.csv")
    runs = [
        mam,
        shared.run("stam", system="stam", risk=lambda _: 0.5),
        shared.run("eml", system="eml", has_windows=False, risk=lambda i: None if i < 3 else known_risk(i)),
        ablated,
        shared.run("shuffled", shuffle_labels=True, label=lambda i: i % 2 == 0),
    ]
    return read_study(runs, cohort, [other])


def _no_fms(path: Path) -> None:
    rows = Maker.read(path)
    _write_csv(path, list(rows[0]), [[*list(row.values())[:3], 0.1] for row in rows])
