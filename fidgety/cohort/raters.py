"""Simulated raters of clips who agree as much as is asked for: Cohen's kappa is set, their doubts follow from it.

A rater sees the FMs share s of a clip as s + e, where e is logistic noise of scale w, new for every clip and rater, and
says "FMs" above .5. So a rater says it with probability p(s) = 1 / (1 + exp(-(s - .5) / w)): people differ where a clip
is about half filled, and hardly at clear ones. Two raters who doubt independently differ with probability
2 E[p (1 - p)]; by chance alone they would with 2 m (1 - m), where m = E[p]. Hence, over a set of clips,

    kappa = 1 - E[p (1 - p)] / (m (1 - m)),

which falls from 1 at w = 0 towards 0 as w grows; w is found by bisection.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError

__all__ = ["doubt_for_kappa", "expected_kappa", "rate_clips"]

_LEAST_DOUBT, _MOST_DOUBT = 1e-4, 1e2
_HALVINGS = 80
_TOLERANCE = 1e-3


def expected_kappa(fms_shares: NDArray[np.float64], doubt: float) -> float:
    """Cohen's kappa that two raters of this doubt (the scale w, in FMs shares) have over clips of these shares (C,).

    0 where the raters could only ever give one answer.
    """
    says_fms = 0.5 * (1.0 + np.tanh((np.asarray(fms_shares) - 0.5) / (2.0 * doubt)))
    mean = float(says_fms.mean())
    by_chance = mean * (1.0 - mean)
    return 0.0 if by_chance <= 0.0 else 1.0 - float((says_fms * (1.0 - says_fms)).mean()) / by_chance


def doubt_for_kappa(fms_shares: NDArray[np.float64], kappa: float) -> float:
    """The doubt w with which two raters are expected to reach `kappa` over clips of these shares (C,); 0 for kappa 1.

    Raises UsageError for a kappa that is not above 0 and at most 1, or that these clips do not allow: with clips of one
    kind only, agreement is no more than chance.
    """
    if not 0.0 < kappa <= 1.0:
        raise UsageError(f"a kappa of {kappa:g} cannot be asked for: give one above 0 and at most 1")
    if kappa == 1.0:
        return 0.0
    low, high = _LEAST_DOUBT, _MOST_DOUBT
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if expected_kappa(fms_shares, middle) > kappa else (low, middle)
    if abs(expected_kappa(fms_shares, high) - kappa) > _TOLERANCE:
        raise UsageError(
            f"no raters reach a kappa of {kappa:g} over these {len(fms_shares)} clips: it needs clips with and without "
            "FMs, from more infants or longer recordings"
        )
    return high


def rate_clips(
    fms_shares: Sequence[float] | NDArray[np.float64], kappa: float, seed: int | Sequence[int], n_raters: int = 2
) -> NDArray[np.float64]:
    """Shares (n_raters, C) in [0, 1] as raters give them whose labels (share > .5) agree in pairs by `kappa`.

    The mean over raters is drawn a little towards the middle at clips that are full or empty, as no share leaves
    [0, 1]. Everything follows from `seed`. Raises UsageError as `doubt_for_kappa` does.
    """
    true = np.asarray(fms_shares, dtype=np.float64)
    doubt = doubt_for_kappa(true, kappa)
    seen = true + np.random.default_rng(seed).logistic(0.0, 1.0, (n_raters, len(true))) * doubt
    return np.asarray(np.clip(seen, 0.0, 1.0))
