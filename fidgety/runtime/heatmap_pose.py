"""Heat maps (N, K, H, W) and SimCC vectors (N, K, W), (N, K, H) -> places and peaks of K keypoints, finer than a cell.

FMs are 3 mm and more; a cell of a quarter of the crop's resolution is 8 mm of an infant, and the customary quarter
offset leaves steps of a quarter cell, 2 mm, in what moves slowly. So the place is where a parabola through the
logarithm of the peak and its two neighbours is highest: exact for Gaussians, which these networks are taught (it is
DARK's Taylor step, Zhang et al., CVPR 2020, along each axis; DARK's own blur before it shifts what it steadies at the
border, and the sum over three rows that is taken here steadies as well). Scores are peaks.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from fidgety.records import FloatArray

__all__ = ["decode_heatmaps", "decode_simcc"]

Values = Literal["likelihood", "logit"]
_FLOOR = 1e-6  # of the peak: what lies below tells nothing
_FLAT = 1e-4  # of the peak: so much a peak must stand out from the mean


def decode_heatmaps(heatmaps: FloatArray, values: Values) -> tuple[FloatArray, FloatArray]:
    """(K, H, W) -> places (K, 2) in cells, x and y, and peaks (K,). A flat or damaged map has no place: NaN, peak 0.

    `values`: whether a Gaussian is taught as itself, or the map is its logarithm.
    """
    n, height, width = heatmaps.shape
    flat = heatmaps.reshape(n, -1)
    best = np.nan_to_num(flat, nan=-np.inf).argmax(axis=1)
    rows, columns = np.divmod(best, width)
    logs = _logarithm(heatmaps, values)
    if values == "likelihood":  # three rows or columns together
        near = np.maximum(heatmaps, 0.0)
        index = np.arange(n)[:, None]
        band_y = np.clip(rows[:, None] + (-1, 0, 1), 0, height - 1)
        band_x = np.clip(columns[:, None] + (-1, 0, 1), 0, width - 1)
        along_x = _logarithm(near[index, band_y].sum(axis=1), values)
        along_y = _logarithm(near[index, :, band_x].sum(axis=1), values)
    else:
        along_x, along_y = logs[np.arange(n), rows], logs[np.arange(n), :, columns]
    places = np.stack([columns + _offset(along_x, columns), rows + _offset(along_y, rows)], axis=1)
    return _without_flat(places, flat, flat[np.arange(n), best])


def decode_simcc(x: FloatArray, y: FloatArray, values: Values) -> tuple[FloatArray, FloatArray]:
    """(K, Wx) and (K, Wy) -> places (K, 2) in bins, and peaks (K,), the lower one of both axes. Flat ones as above."""
    found = []
    for vector in (x, y):
        best = np.nan_to_num(vector, nan=-np.inf).argmax(axis=1)
        place = best + _offset(_logarithm(vector, values), best)
        places, peaks = _without_flat(place[:, None], vector, vector[np.arange(len(vector)), best])
        found.append((places[:, 0], peaks))
    (place_x, peak_x), (place_y, peak_y) = found
    places = np.stack([place_x, place_y], axis=1)
    places[np.isnan(places).any(axis=1)] = np.nan
    return places, np.minimum(peak_x, peak_y)


def _logarithm(likelihoods: FloatArray, values: Values) -> FloatArray:
    if values == "logit":
        return likelihoods
    peak = np.maximum(likelihoods.reshape(len(likelihoods), -1).max(axis=1), 1e-12)
    floor = (_FLOOR * peak).reshape(-1, *[1] * (likelihoods.ndim - 1))
    return np.asarray(np.log(np.maximum(likelihoods, floor)), np.float32)


def _offset(lines: FloatArray, peaks: np.ndarray) -> FloatArray:
    """Lines (K, N) of logarithms and where each is highest -> how far beside that the parabola is, in [-.5, .5].

    At a border the parabola through the last three is taken: it is as good there, as long as it falls on both sides.
    """
    n, length = lines.shape
    middle = np.clip(peaks, 1, length - 2)
    left, centre, right = (lines[np.arange(n), middle + step].astype(np.float64) for step in (-1, 0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):  # flat and damaged lines are told apart later
        bend = left - 2 * centre + right
        offset = 0.5 * (left - right) / bend + (middle - peaks)
    return np.where(bend < 0, np.clip(offset, -0.5, 0.5), 0.0).astype(np.float32)


def _without_flat(places: FloatArray, flat: FloatArray, peaks: FloatArray) -> tuple[FloatArray, FloatArray]:
    is_known = np.isfinite(flat).all(axis=1)
    with np.errstate(invalid="ignore"):
        is_known &= peaks - flat.mean(axis=1) > _FLAT * np.abs(peaks)
    places = np.where(is_known[:, None], places, np.nan)
    return places.astype(np.float32), np.where(is_known, np.clip(peaks, 0.0, 1.0), 0.0).astype(np.float32)
