"""What one model is trained on and how: what `fit_mam`, `fit_stam`, `fit_wo_gma` and `fit_eml` take and give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fidgety.errors import UsageError
from fidgety.training.calibrate import Calibration
from fidgety.training.log import LogRow
from fidgety.training.loop import PhaseResult, Run
from fidgety.training.models import Model
from fidgety.training.networks.inputs import Dimensions, parse_kinds
from fidgety.training.protocol import Protocol
from fidgety.training.tracked import TrackedRecording

__all__ = ["BRANCHES", "SYSTEMS", "Branch", "Fitted", "Options", "SystemName", "Task"]

SystemName = Literal["mam", "stam", "wo-gma", "eml"]
Branch = Literal["info", "closeness", "ref"]
SYSTEMS: tuple[SystemName, ...] = ("mam", "stam", "wo-gma", "eml")
BRANCHES: tuple[Branch, ...] = ("info", "closeness", "ref")


@dataclass(frozen=True, slots=True)
class Options:
    """Which system, with the ablation's switches."""

    system: SystemName = "mam"
    without: frozenset[Branch] = frozenset()
    inputs: str = "difference"  # kinds joined by + (networks/inputs.py)
    pose: Dimensions = "3d"

    def __post_init__(self) -> None:
        """Raises UsageError for switches that the system does not have."""
        parse_kinds(self.inputs)
        if self.system != "mam" and (self.without or self.inputs != "difference"):
            raise UsageError(f"--without and --input are MAM's own: leave them out for {self.system}")
        if self.system in ("stam", "eml") and self.pose != "3d":
            raise UsageError(f"{self.system} reads the picture plane alone: leave --pose out")

    @property
    def learns_from_clips(self) -> bool:
        """It has a Ref Branch."""
        return self.system == "mam" and "ref" not in self.without

    @property
    def is_plain_mam(self) -> bool:
        """MAM as a bundle's graphs hold it, all of its branches trained."""
        return self == Options()


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Recordings of training infants only. The held-out ones choose epoch and thresholds, and nothing is learned from
    them; no infant has recordings on both sides.
    """

    learn: tuple[TrackedRecording, ...]
    held: tuple[TrackedRecording, ...]
    clips: tuple[TrackedRecording, ...]  # with rated clips
    held_clips: tuple[TrackedRecording, ...]
    options: Options
    protocol: Protocol
    run: Run
    ref_run: Run  # of the Ref Branch: the run itself, or one that several folds share


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained model, its calibration, and the log of its training."""

    model: Model
    calibration: Calibration
    best_epochs: dict[str, int]  # by phase, from 1
    rows: tuple[LogRow, ...]
    seconds: float  # of all its phases, those before a kill too; of a shared Ref Branch as well

    @classmethod
    def of(cls, model: Model, calibration: Calibration, phases: Mapping[str, PhaseResult]) -> Fitted:
        """A model that was trained in these phases."""
        return cls(
            model,
            calibration,
            {name: phase.best_epoch for name, phase in phases.items()},
            tuple(row for phase in phases.values() for row in phase.rows),
            float(sum(float(phase.rows[-1]["seconds"]) for phase in phases.values())),
        )
