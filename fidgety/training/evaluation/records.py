"""What a training run left behind, as arrays: its account, its predictions of every setting, and their windows.

A setting is a cohort that was scored: `internal` (out of fold), the name of an external one, or that name with
FINAL_SUFFIX.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.records import BoolArray
from fidgety.training.statistics.inputs import DoubleArray

__all__ = ["FINAL_SUFFIX", "INTERNAL", "NO_FOLD", "Account", "Predictions", "Run", "TextArray", "Windows"]

INTERNAL = "internal"
FINAL_SUFFIX = "-final"  # of a setting that the model of all infants scored, not the folds' models
NO_FOLD = -1  # of recordings that no fold held: the external ones

TextArray = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Account:
    """How a run was made (run.json)."""

    system: str
    without: tuple[str, ...]  # of info, closeness, ref, sorted
    inputs: str  # kinds joined by +
    pose: str
    protocol: str  # its name
    protocol_values: Mapping[str, Any]
    seed: int
    n_folds: int
    cohort_digest: str
    clips_digest: str | None  # of the clips that it was pre-trained on, if any
    seconds: tuple[float, ...]  # of training, one for each fold
    versions: Mapping[str, str]
    is_shuffled: bool  # labels were shuffled before training: its figures must be those of chance
    flow: str  # participant flow, Markdown
    is_simulated: bool  # a phantom was among those it learned from
    learners: Mapping[int, frozenset[str]]  # by fold: ids of those that its network learned from, where it was told


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of 9.6 s of all recordings. recordings: (W,) str. start_s: (W,) float64, seconds from the first frame.
    fms_probabilities: (W,) float64, NaN = void.
    """

    recordings: TextArray
    start_s: DoubleArray
    fms_probabilities: DoubleArray

    def __len__(self) -> int:
        return len(self.start_s)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One row for each of N recordings, in the order of the file.

    infants, recordings, sites: (N,) str. categories: (N,) str, "" = not told. folds: (N,) int64, NO_FOLD = external.
    risks, fms_frequencies: (N,) float64 in [0, 1], NaN = not assessable, or no windows are scored. Thresholds:
    (N,) float64, those of the network that scored the recording. n_windows: (N,) int64. seconds_assessable: (N,).
    """

    infants: TextArray
    recordings: TextArray
    sites: TextArray
    is_risk: BoolArray
    categories: TextArray
    folds: NDArray[np.int64]
    risks: DoubleArray
    fms_frequencies: DoubleArray
    n_windows: NDArray[np.int64]
    seconds_assessable: DoubleArray
    risk_thresholds: DoubleArray
    fms_thresholds: DoubleArray
    windows: Windows

    def __len__(self) -> int:
        return len(self.infants)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One RUN folder. settings: by name, INTERNAL always among them."""

    folder: Path
    label: str  # as it stands in tables, such as "MAM without info"
    account: Account
    settings: Mapping[str, Predictions]

    @property
    def internal(self) -> Predictions:
        return self.settings[INTERNAL]

    @property
    def is_ablation(self) -> bool:
        """It lacks a part, or reads other inputs than MAM does."""
        account = self.account
        return bool(account.without) or (account.inputs, account.pose) != ("difference", "3d")

    @property
    def info_weights(self) -> Path:
        """Where the weights of the network trained on all infants lie, if they were kept."""
        return self.folder / "models" / "final.npz"
