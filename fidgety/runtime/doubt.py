"""PoseTrack -> PoseTrack in which a keypoint that the pose network hardly sees moves only slowly.

A limb that is hidden or misread is scored low, and wanders by centimetres: movement that is not the infant's, and in
the band of FMs. Below one score such a keypoint follows its mean over two seconds, weighted by score; above another it
is left as it was read; between the two it does both in proportion. What is seen well is handed on untouched. Rows come
out 25 rows later, the same ones for any chunking.

Measured: on rendered recordings .0 to .6 % of the limbs' keypoints lie below .6; on a real infant that draws its legs
up, knees and ankles do for half of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fidgety.bundle import PoseSettings
from fidgety.records import PoseTrack

__all__ = ["steady_doubtful"]

_SLOW = np.hanning(53)[1:-1]  # 51 rows: under .01 of what moves at 1 Hz and quicker is left
_BLEND = np.hanning(15)[1:-1]  # 13 rows: trust comes and goes within half a second, not from one row to the next,
_NEAR = len(_BLEND) // 2  # and is gone before the doubt begins: the least trust of 13 rows is what is blended
_REACH = len(_SLOW) // 2


def steady_doubtful(pieces: Iterable[PoseTrack], settings: PoseSettings) -> Iterator[PoseTrack]:
    """Consecutive pieces of one track -> the same rows, 25 rows later. What is not observed stays NaN."""
    waiting: PoseTrack | None = None  # rows around the next one to be given
    n_before = 0  # of them, how many were given already
    for piece in pieces:
        waiting = piece if waiting is None else _joined(waiting, piece)
        n_ready = len(waiting.keypoints_xy) - _REACH - n_before
        if n_ready > 0:
            yield _steadied(waiting, n_before, n_before + n_ready, settings)
            n_kept = min(n_before + n_ready, _REACH)
            waiting, n_before = _rows(waiting, n_before + n_ready - n_kept, None), n_kept
    if waiting is not None and len(waiting.keypoints_xy) > n_before:
        yield _steadied(waiting, n_before, len(waiting.keypoints_xy), settings)


def _steadied(track: PoseTrack, first: int, end: int, settings: PoseSettings) -> PoseTrack:
    """Rows first to end of the track, with the rows around them looked at."""
    given = _rows(track, first, end)
    around = slice(max(first - 2 * _NEAR, 0), end + 2 * _NEAR)
    with np.errstate(invalid="ignore"):  # NaN where nothing was observed
        is_plain = not (track.keypoint_scores[around] < settings.sure_score).any()
    if is_plain:
        return given
    scores = np.nan_to_num(track.keypoint_scores.astype(np.float64))[..., None]
    is_seen = np.isfinite(track.keypoints_xy).all(axis=-1, keepdims=True)
    weights = np.where(is_seen, scores**2 + 1e-6, 0.0)
    sums = _around(_SLOW, np.concatenate([weights * np.nan_to_num(track.keypoints_xy), weights], axis=-1), first, end)
    slow = sums[..., :2] / np.maximum(sums[..., 2:], 1e-12)
    span = settings.sure_score - settings.doubtful_score
    trust = np.where(is_seen, np.clip((scores - settings.doubtful_score) / span, 0.0, 1.0), 1.0)
    share = _around(_BLEND, _least_near(trust), first, end) / _around(_BLEND, np.ones_like(trust), first, end)
    steady = np.where(share < 1.0, share * given.keypoints_xy + (1.0 - share) * slow, given.keypoints_xy)
    return replace(given, keypoints_xy=steady.astype(np.float32))


def _least_near(trust: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, K, 1) -> the least of the 13 rows around each row."""
    padded = np.pad(trust, ((_NEAR, _NEAR), (0, 0), (0, 0)), mode="edge")
    return np.asarray(np.min([padded[i : i + len(trust)] for i in range(len(_BLEND))], axis=0))


def _around(weights: NDArray[np.float64], values: NDArray[np.float64], first: int, end: int) -> NDArray[np.float64]:
    """Weighted sums of (T, K, C) over the rows around each of the rows first to end; nothing is outside of the track.

    Row by row in one order, so that the same numbers come out for any chunking.
    """
    reach = len(weights) // 2
    padded = np.pad(values, ((reach, reach), (0, 0), (0, 0)))
    total = np.zeros((end - first, *values.shape[1:]))
    for i, weight in enumerate(weights):
        total += weight * padded[first + i : end + i]
    return total


def _joined(one: PoseTrack, other: PoseTrack) -> PoseTrack:
    return replace(
        one,
        keypoints_xy=np.concatenate([one.keypoints_xy, other.keypoints_xy]),
        keypoint_scores=np.concatenate([one.keypoint_scores, other.keypoint_scores]),
        is_observed=np.concatenate([one.is_observed, other.is_observed]),
    )


def _rows(track: PoseTrack, first: int, end: int | None) -> PoseTrack:
    """Copies of some rows: a view would keep all of the others."""
    rows = slice(first, end)
    return PoseTrack(
        track.skeleton,
        track.fps,
        track.first_frame + first,
        track.keypoints_xy[rows].copy(),
        track.keypoint_scores[rows].copy(),
        track.is_observed[rows].copy(),
    )
