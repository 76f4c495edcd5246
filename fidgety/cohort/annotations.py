"""Bouts of FMs -> overlapping labelled clips; ratings of several raters -> one label for each clip.

The paper cuts recordings into clips of 9.6 s every .8 s; a clip holds FMs where they fill more than half of it (SPEC 2,
3). An expert marks bouts, which is less work and says more; the clips follow from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.cohort.records import ClipRating
from fidgety.errors import UsageError
from fidgety.records import Stretch

__all__ = ["CLIP_S", "STEP_S", "ClipShares", "LabelledClip", "annotate_bouts", "has_fms", "label_clips"]

CLIP_S = 9.6  # 240 frames at 25 Hz
STEP_S = 0.8  # 20 frames
_LEAST_SHARE = 0.5
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ClipShares:
    """The clips of one recording in order. start_s: (C,) float64 seconds. fms_share: (C,) float64 in [0, 1]."""

    start_s: NDArray[np.float64]
    fms_share: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start_s)

    @property
    def has_fms(self) -> NDArray[np.bool_]:
        """(C,) more than half of the clip is filled."""
        return self.fms_share > _LEAST_SHARE


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One clip with what its raters said together. A label to train on."""

    file: str  # the recording
    start_s: float
    fms_share: float  # mean of the raters
    has_fms: bool  # what most raters say; where they are split, whether their mean share is above .5
    n_raters: int
    is_agreed: bool  # all raters say the same


def has_fms(fms_share: float) -> bool:
    """The rule of more than one half: a clip that FMs fill by exactly a half holds none."""
    return fms_share > _LEAST_SHARE


def annotate_bouts(
    bouts: Sequence[Stretch], duration_s: float, clip_s: float = CLIP_S, step_s: float = STEP_S
) -> ClipShares:
    """The clips of a recording of `duration_s` whose bouts are known; none where it is shorter than a clip.

    Raises UsageError for bouts that are empty, out of order or overlap.
    """
    edges = np.array([[bout.start_s, bout.end_s] for bout in bouts], dtype=np.float64).reshape(-1, 2)
    if not (np.diff(edges, axis=1) > 0.0).all() or (edges[1:, 0] < edges[:-1, 1]).any():
        raise UsageError("bouts must have a length, stand in order and not overlap: mend their starts and ends")
    n_clips = max(0, int(np.floor((duration_s - clip_s + _ROUNDING_S) / step_s)) + 1)
    start_s = step_s * np.arange(n_clips, dtype=np.float64)
    shared_s = np.minimum(edges[:, 1], start_s[:, None] + clip_s) - np.maximum(edges[:, 0], start_s[:, None])
    return ClipShares(start_s, np.clip(shared_s, 0.0, None).sum(axis=1) / clip_s)


def label_clips(ratings: Iterable[ClipRating]) -> list[LabelledClip]:
    """One label for each clip that anybody rated, ordered by recording and start."""
    shares: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for rating in ratings:
        shares[rating.file, round(rating.start_s * 1000)].append(rating.fms_share)
    return [_label(file, start_ms / 1000, given) for (file, start_ms), given in sorted(shares.items())]


def _label(file: str, start_s: float, shares: list[float]) -> LabelledClip:
    n_fms, mean = sum(has_fms(share) for share in shares), sum(shares) / len(shares)
    is_split = 2 * n_fms == len(shares)
    return LabelledClip(
        file=file,
        start_s=start_s,
        fms_share=mean,
        has_fms=has_fms(mean) if is_split else 2 * n_fms > len(shares),
        n_raters=len(shares),
        is_agreed=n_fms in (0, len(shares)),
    )
