"""A recording's joints -> named figures of its movement, for learners that read tables (eml.py). numpy only.

    joints (T, 17, 3) --> per joint: speed, acceleration, power, jerk, entropy, range --+--> features (108,)
                      --> left against right, limb against limb ------------------------+

Only the picture plane is read: the lifter's depth holds posture, hardly any movement. Sizes are logarithms to base 10,
as infants differ by factors; a joint that never moves has the floor's.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError
from fidgety.records import BoolArray, FloatArray
from fidgety.skeleton import H36M_17

__all__ = ["BAND_HZ", "FEATURE_NAMES", "feature_table", "motion_features"]

Array = NDArray[np.float64]

FPS = 25.0
BAND_HZ = (0.5, 4.0)  # of fidgety movements
_SPECTRUM_HZ = (0.25, 10.0)  # of the entropy
_ROWS = 100  # of a stretch of the spectra, 4 s; every other half overlaps
_FLOOR = 1e-6  # trunk lengths, and per second, second squared and cubed: far below any noise
_FIGURES = ("speed", "acceleration", "power", "jerk", "entropy", "range")
_JOINTS = H36M_17.keypoints[1:]  # the hip is the origin
_PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_ENDS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")

FEATURE_NAMES: tuple[str, ...] = (
    *(f"{joint}_{figure}" for joint in _JOINTS for figure in _FIGURES),
    *(f"asymmetry_{part}" for part in _PARTS),
    *(f"coupling_{one}_{other}" for one, other in combinations(_ENDS, 2)),
)


def feature_table(recordings: Sequence[FloatArray]) -> Array:
    """(R, 108) features of R recordings. Raises UsageError as `motion_features` does."""
    return np.stack([motion_features(joints) for joints in recordings])


def motion_features(joints: FloatArray) -> Array:
    """(108,) float64 in the order of FEATURE_NAMES, all finite.

    joints: (T, 17, 3), trunk lengths at 25 Hz. A frame with a NaN counts as not observed, and nothing is taken across
    it. Per joint, as it moves about the hip:

    - speed: log10 of the mean, trunk lengths/s; acceleration, jerk: log10 of the rms.
    - power: log10 of the rms movement between .5 and 4 Hz, trunk lengths; median over stretches of 4 s, so that a kick
      does not count.
    - entropy: of the spectrum from .25 to 10 Hz, mean over the stretches; 0 = a single line, 1 = white.
    - range: log10 of the diagonal between the 5th and 95th percentiles of x and y.

    asymmetry: |left - right| of the speeds' log10. coupling: correlation of the speeds of two limbs' ends.

    Raises UsageError for another shape, or without 4 s in a row that were observed.
    """
    places = _places(joints)
    spectra, step_hz = _spectra(places)
    speeds = np.linalg.norm(np.diff(places, axis=0), axis=-1) * FPS
    speed, power, entropy = _log(np.nanmean(speeds, axis=0)), _band_power(spectra, step_hz), _entropy(spectra, step_hz)
    figures = [speed, _log(_rms(places, 2)), power, _log(_rms(places, 3)), entropy, _log(_range(places))]
    return np.concatenate([np.stack(figures, axis=1).ravel(), _asymmetry(speed), _coupling(speeds)])


def _places(joints: FloatArray) -> Array:
    """(T, 16, 2) places from the hip in the picture plane, float64; NaN throughout where the frame has a NaN."""
    if joints.ndim != 3 or joints.shape[1:] != (len(H36M_17), 3):
        raise UsageError(f"a recording is (T, {len(H36M_17)}, 3), got {joints.shape}")
    plane = np.asarray(joints, dtype=np.float64)[..., :2]
    is_observed: BoolArray = np.asarray(np.isfinite(joints).all(axis=(1, 2)))
    return np.where(is_observed[:, None, None], plane[:, 1:] - plane[:, :1], np.nan)


def _log(sizes: Array) -> Array:
    return np.asarray(np.log10(sizes + _FLOOR))


def _rms(places: Array, order: int) -> Array:
    """(16,) rms size of the `order`-th derivative."""
    derivative = np.diff(places, n=order, axis=0) * FPS**order
    return np.asarray(np.sqrt(np.nanmean((derivative**2).sum(axis=-1), axis=0)))


def _range(places: Array) -> Array:
    low, high = np.nanpercentile(places, [5.0, 95.0], axis=0)
    return np.asarray(np.linalg.norm(high - low, axis=-1))


def _spectra(places: Array) -> tuple[Array, float]:
    """Power densities (S, 51, 16) of the stretches that were observed throughout, x and y added, trunk lengths squared
    per Hz; and the step between two frequencies, Hz.
    """
    starts = np.arange(0, len(places) - _ROWS + 1, _ROWS // 2)
    whole = [s for s in starts if np.isfinite(places[s : s + _ROWS]).all()]
    if not whole:
        raise UsageError(
            f"features need {_ROWS / FPS:g} s in a row that were observed, in {len(places) / FPS:g} s none"
        )
    stretches = np.stack([places[s : s + _ROWS] for s in whole])
    taper = np.hanning(_ROWS + 1)[:-1, None, None]
    lines = np.fft.rfft((stretches - stretches.mean(axis=1, keepdims=True)) * taper, axis=1)
    density = 2.0 * np.abs(lines) ** 2 / (FPS * (taper**2).sum())
    return np.asarray(density.sum(axis=-1)), FPS / _ROWS


def _between(spectra: Array, step_hz: float, band_hz: tuple[float, float]) -> Array:
    """The lines (S, N, 16) of a band, both ends included."""
    return spectra[:, round(band_hz[0] / step_hz) : round(band_hz[1] / step_hz) + 1]


def _band_power(spectra: Array, step_hz: float) -> Array:
    rms = np.sqrt(_between(spectra, step_hz, BAND_HZ).sum(axis=1) * step_hz)
    return _log(np.median(rms, axis=0))


def _entropy(spectra: Array, step_hz: float) -> Array:
    lines = _between(spectra, step_hz, _SPECTRUM_HZ) + _FLOOR**2
    shares = lines / lines.sum(axis=1, keepdims=True)
    return np.asarray((-shares * np.log(shares)).sum(axis=1).mean(axis=0) / np.log(lines.shape[1]))


def _asymmetry(log_speed: Array) -> Array:
    left, right = ([_JOINTS.index(f"{side}_{part}") for part in _PARTS] for side in ("left", "right"))
    return np.abs(log_speed[left] - log_speed[right])


def _coupling(speeds: Array) -> Array:
    """Pearson's r of each pair of ends; 0 where one of them does not move."""
    ends = speeds[:, [_JOINTS.index(end) for end in _ENDS]]
    centred = ends - np.nanmean(ends, axis=0)
    together = np.nan_to_num(centred).T @ np.nan_to_num(centred)
    sizes = np.sqrt(np.diag(together)) + _FLOOR
    return np.array([together[i, j] / (sizes[i] * sizes[j]) for i, j in combinations(range(len(_ENDS)), 2)])
