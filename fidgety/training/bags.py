"""The batch rule of MAM's training (SPEC 3): balanced labelled clips, and instances of one normal and one risk bag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError
from fidgety.records import FloatArray
from fidgety.training.tracked import TrackedRecording

__all__ = [
    "ALL_CLIPS",
    "BOTH_CLASSES",
    "CLEAR_CLIPS",
    "BagPair",
    "ClipPool",
    "Clips",
    "Strata",
    "draw_bag_pair",
    "soft_targets",
]

# Clips are drawn evenly from these ranges of the FMs share, as far as they hold any: what is hard, the windows that
# bouts fill by about a half, is drawn as often as what is easy. Above .5 is the class FMs. Raters' shares scatter: of a
# phantom's 384 rated clips 12 % have a mean share of 0.
Strata = Mapping[int, tuple[tuple[float, float], ...]]
ALL_CLIPS: Strata = {0: ((0.5, 0.7), (0.7, 1.0)), 1: ((-1.0, 0.1), (-1.0, 0.1), (0.1, 0.3), (0.3, 0.5))}
CLEAR_CLIPS: Strata = {0: ((0.8, 1.0),), 1: ((-1.0, 0.1),)}
BOTH_CLASSES: Strata = {0: ((0.5, 1.0),), 1: ((-1.0, 0.5),)}


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """C labelled clips.

    windows: (C, 240, 17, 3) float32. shares: (C,) true FMs share. labels: (C,) 0 = FMs, 1 = non-FMs.
    """

    windows: FloatArray
    shares: FloatArray
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BagPair:
    """One normal and one risk bag, in this order. windows: (2, N, 240, 17, 3) float32. characteristics: (2, 4)
    float32; a row of NaN where they are not complete.
    """

    windows: FloatArray
    characteristics: FloatArray


def soft_targets(shares: FloatArray, width: float) -> FloatArray:
    """(C,) FMs shares -> (C, 2) targets (FMs, non-FMs): a ramp of `width` about one half; 0 = the hard label share
    > .5.
    """
    if width <= 0.0:
        fms = (shares > 0.5).astype(np.float32)
    else:
        fms = np.clip((shares - 0.5) / width + 0.5, 0.0, 1.0).astype(np.float32)
    return np.stack([fms, 1.0 - fms], axis=1)


class ClipPool:
    """All clips that a set of recordings offers; draws ones balanced by class, and within a class by FMs share."""

    def __init__(self, recordings: Sequence[TrackedRecording], strata: Strata = ALL_CLIPS) -> None:
        """Raises UsageError where a class has no clip."""
        self._recordings = recordings
        rows = [
            (index, start, share)
            for index, recording in enumerate(recordings)
            for start, share in zip(recording.clip_starts, recording.clip_shares, strict=True)
        ]
        clips = np.array(rows, dtype=np.float64).reshape(-1, 3)
        inside = {label: [(clips[:, 2] > a) & (clips[:, 2] <= b) for a, b in strata[label]] for label in (0, 1)}
        self._strata = {label: [clips[mask] for mask in masks if mask.any()] for label, masks in inside.items()}
        if not all(self._strata.values()):
            raise UsageError("training needs clips with and without FMs: take more infants, or longer recordings")

    def draw(self, rng: np.random.Generator, n_clips: int) -> Clips:
        """`n_clips` clips, half of them with FMs, from anywhere in the pool."""
        windows, shares = [], []
        labels = np.arange(n_clips, dtype=np.int64) % 2
        for label in labels:
            strata = self._strata[int(label)]
            stratum = strata[int(rng.integers(len(strata)))]
            index, start, share = stratum[int(rng.integers(len(stratum)))]
            windows.append(self._recordings[int(index)].clip(rng, int(start)))
            shares.append(share)
        return Clips(np.stack(windows), np.array(shares, dtype=np.float32), labels)


def draw_bag_pair(rng: np.random.Generator, recordings: Sequence[TrackedRecording], n_instances: int) -> BagPair:
    """`n_instances` random instances of one random normal and one random risk recording each.

    Raises UsageError where one of the two kinds is missing.
    """
    windows, characteristics = [], []
    for is_risk in (False, True):
        offered = [recording for recording in recordings if recording.is_risk == is_risk]
        if not offered:
            raise UsageError("a bag pair needs normal and risk infants")
        recording = offered[int(rng.integers(len(offered)))]
        windows.append(recording.instances(rng, n_instances, shift=int(rng.integers(0, 150))))
        known = recording.characteristics
        characteristics.append(np.full(4, np.nan, np.float32) if known is None else known)
    return BagPair(np.stack(windows), np.stack(characteristics))
