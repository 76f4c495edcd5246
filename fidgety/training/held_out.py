"""Held-out training infants, their windows cut once: the losses that choose the best epoch of MAM.

Both classes weigh alike, however many there are of either, and every instance of a bag counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fidgety.records import FloatArray
from fidgety.training.branches import BranchRule, info_of
from fidgety.training.models import window_logits
from fidgety.training.networks.mam import Mam, fuse
from fidgety.training.tracked import TrackedRecording

__all__ = ["HeldBags", "HeldClips", "balanced_mean"]

_MOST_CLIPS = 512  # spread over all


def balanced_mean(costs: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean of the classes' means of costs (N,); 0 of nothing."""
    return float(np.mean([costs[labels == label].mean() for label in np.unique(labels)])) if len(labels) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class HeldClips:
    """windows (C, 240, 17, 3) float32; labels (C,): 0 = FMs, 1 = non-FMs."""

    windows: FloatArray
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, recordings: Sequence[TrackedRecording]) -> HeldClips:
        """At most 512 of the recordings' rated clips."""
        starts = [(one, int(start)) for one in recordings for start in one.clip_starts]
        shares = np.concatenate([np.empty(0, np.float32), *(one.clip_shares for one in recordings)])
        taken = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), _MOST_CLIPS)).astype(np.int64))
        windows = [starts[i][0].windows([starts[i][1]]) for i in taken]
        nothing = np.empty((0, 240, 17, 3), np.float32)
        return cls(np.concatenate([nothing, *windows]), (shares[taken] <= 0.5).astype(np.int64))

    def loss(self, mam: Mam, frame_stride: int) -> float:
        """Cross-entropy; 0 where there are no clips."""
        logits = window_logits(mam.clip, self.windows, frame_stride).astype(np.float64)
        wrong_by = logits[np.arange(len(logits)), 1 - self.labels] - logits[np.arange(len(logits)), self.labels]
        return balanced_mean(np.logaddexp(0.0, wrong_by), self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class HeldBags:
    """All instances of R recordings.

    windows: (N, 240, 17, 3) float32. sizes: (R,) instances of each. characteristics: (R, 4), NaN = not complete.
    labels: (R,) 0 = normal, 1 = risk.
    """

    windows: FloatArray
    sizes: NDArray[np.int64]
    characteristics: FloatArray
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, recordings: Sequence[TrackedRecording]) -> HeldBags:
        """Recordings that can be assessed."""
        unknown = np.full(4, np.nan, np.float32)
        known = [unknown if one.characteristics is None else one.characteristics for one in recordings]
        return cls(
            np.concatenate([one.windows(one.instance_starts) for one in recordings]),
            np.array([len(one.instance_starts) for one in recordings], np.int64),
            np.stack(known),
            np.array([one.is_risk for one in recordings], np.int64),
        )

    @torch.inference_mode()
    def loss(self, mam: Mam, rule: BranchRule) -> float:
        """Negative log-likelihood of the fused probabilities."""
        logits = torch.from_numpy(window_logits(mam.clip, self.windows, rule.frame_stride))
        classes = torch.split(logits.to(mam.clip.head.weight.device).softmax(-1), self.sizes.tolist())
        bags = torch.cat([mam.bag(one[None], torch.ones(1, len(one), device=one.device)) for one in classes])
        fused = fuse(bags, info_of(mam.info, self.characteristics) if rule.has_info else None).cpu().numpy()
        return balanced_mean(-np.log(fused[np.arange(len(fused)), self.labels].astype(np.float64)), self.labels)
