"""Heat maps (N, K, H, W) and SimCC vectors (N, K, W), (N, K, H) -> places and peaks of K keypoints, finer than a cell.

FMs are 3 mm and more; a cell of a quarter of the crop's resolution is 8 mm of an infant, and the customary quarter
offset leaves steps of a quarter cell, 2 mm, in what moves slowly. These networks are taught Gaussians, whose logarithm
is a round hill. So a hill is fitted to the logarithms around the highest cell, by least squares, each cell weighing
what its likelihood is (Guo, IEEE Signal Processing Magazine 2011): exact for Gaussians, at the border too, and every
cell that knows the joint has its say. A parabola through three cells (DARK's Taylor step, Zhang et al., CVPR 2020, sums
over three rows) is as exact, but passes more of the network's trembling on: behind our own network 1.45 mm rms of the
limbs' band of FMs were not the infant's, with the hill 1.07 (`benchmarks/heatmap_places.py`). Scores are peaks.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fidgety.records import FloatArray

__all__ = ["decode_heatmaps", "decode_simcc"]

Values = Literal["likelihood", "logit"]
_REACH_CELLS, _REACH_BINS = 3, 8  # of the fit: 2 of a Gaussian's usual 1.5 cells, 1.5 of its usual 5 to 6 bins
_MOST_CELLS, _MOST_BINS = 1.0, 4.0  # that the top may lie beside the highest one
_FLOOR = 1e-6  # of the peak: what lies below tells nothing
_LOG_FLOOR = float(np.log(_FLOOR))
_FLAT = 1e-4  # of the peak: so much a peak must stand out from the mean


def decode_heatmaps(heatmaps: FloatArray, values: Values) -> tuple[FloatArray, FloatArray]:
    """(K, H, W) -> places (K, 2) in cells, x and y, and peaks (K,). A flat or damaged map has no place: NaN, peak 0.

    `values`: whether a Gaussian is taught as itself, or the map is its logarithm.
    """
    n, height, width = heatmaps.shape
    flat = heatmaps.reshape(n, -1)
    best = np.nan_to_num(flat, nan=-np.inf).argmax(axis=1)
    rows, columns = np.divmod(best, width)
    steps = np.arange(-_REACH_CELLS, _REACH_CELLS + 1)
    ys, xs = rows[:, None] + steps, columns[:, None] + steps
    inside = _is_inside(ys, height)[:, :, None] & _is_inside(xs, width)[:, None, :]
    near = heatmaps[
        np.arange(n)[:, None, None], np.clip(ys, 0, height - 1)[:, :, None], np.clip(xs, 0, width - 1)[:, None, :]
    ]
    y, x = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    beside = _top(near.reshape(n, -1), inside.reshape(n, -1), np.stack([x, y], axis=1), values, _MOST_CELLS)
    places = np.stack([columns, rows], axis=1) + beside
    return _without_flat(places, flat, flat[np.arange(n), best])


def decode_simcc(x: FloatArray, y: FloatArray, values: Values) -> tuple[FloatArray, FloatArray]:
    """(K, Wx) and (K, Wy) -> places (K, 2) in bins, and peaks (K,), the lower one of both axes. Flat ones as above."""
    steps = np.arange(-_REACH_BINS, _REACH_BINS + 1)
    found = []
    for vector in (x, y):
        n, length = vector.shape
        best = np.nan_to_num(vector, nan=-np.inf).argmax(axis=1)
        bins = best[:, None] + steps
        near = vector[np.arange(n)[:, None], np.clip(bins, 0, length - 1)]
        place = best[:, None] + _top(near, _is_inside(bins, length), steps[:, None], values, _MOST_BINS)
        places, peaks = _without_flat(place, vector, vector[np.arange(n), best])
        found.append((places[:, 0], peaks))
    (place_x, peak_x), (place_y, peak_y) = found
    places = np.stack([place_x, place_y], axis=1)
    places[np.isnan(places).any(axis=1)] = np.nan
    return places, np.minimum(peak_x, peak_y)


def _is_inside(index: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    return (index >= 0) & (index < length)


def _top(
    near: FloatArray, inside: NDArray[np.bool_], steps: NDArray[np.int64], values: Values, most: float
) -> NDArray[np.float64]:
    """Values (K, P) of the cells that lie `steps` (P, D) beside each highest one -> how far its hill's top is (K, D).

    The hill is a + b.s + c |s|^2, as round as the Gaussian is; where none falls on all sides, the top is the cell.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # damaged maps are told apart later
        logs = _logarithm(np.where(inside, near, np.float32(-np.inf)), values)
        weights = np.where(inside & (logs > _LOG_FLOOR), np.exp(logs), 0.0)
    logs, weights = np.nan_to_num(logs), np.nan_to_num(weights)
    terms = np.column_stack([np.ones(len(steps)), steps, (steps**2).sum(axis=1)]).astype(np.float64)
    n_terms = terms.shape[1]
    products = (terms[:, :, None] * terms[:, None, :]).reshape(len(steps), -1)
    normal = (weights @ products).reshape(-1, n_terms, n_terms) + 1e-9 * np.eye(n_terms)
    hill = np.linalg.solve(normal, ((weights * logs) @ terms)[..., None])[..., 0]
    bend = hill[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        top = -0.5 * hill[:, 1:-1] / bend
    return np.where(bend < 0, np.clip(top, -most, most), 0.0)


def _logarithm(near: FloatArray, values: Values) -> NDArray[np.float64]:
    """Of the likelihood over its highest, (K, P); never below that of _FLOOR."""
    peak = near.max(axis=1, keepdims=True).astype(np.float64)
    if values == "logit":
        return np.asarray(np.maximum(near - peak, _LOG_FLOOR))
    return np.asarray(np.log(np.maximum(near / np.maximum(peak, 1e-12), _FLOOR)))


def _without_flat(places: NDArray[np.float64], flat: FloatArray, peaks: FloatArray) -> tuple[FloatArray, FloatArray]:
    is_known = np.isfinite(flat).all(axis=1)
    with np.errstate(invalid="ignore"):
        is_known &= peaks - flat.mean(axis=1) > _FLAT * np.abs(peaks)
    places = np.where(is_known[:, None], places, np.nan)
    return places.astype(np.float32), np.where(is_known, np.clip(peaks, 0.0, 1.0), 0.0).astype(np.float32)
