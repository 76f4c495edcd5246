"""What an instrument does to movement: a true and a measured track in, gain, phase, noise, lines and cross-talk out.

Pure functions on arrays. A signal is (T, D) float, evenly sampled at `fps`: T frames of one point in D axes, any unit,
no NaN. Amplitudes are 0 to peak. A complex gain is measured over true; a negative phase means that the measurement
lags.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "amplitudes_at",
    "band_gain",
    "band_rms",
    "cross_talk",
    "direction_at",
    "gain_at",
    "levels_db",
    "power_spectrum",
    "residual_at",
    "stroke_at",
]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

# A Hann window spreads a line over the bins beside it: neighbours begin two bins away.
_NEAREST_BINS, _FURTHEST_BINS = 2, 6
_FEWEST_BINS = 4  # neighbours on one side


def amplitudes_at(signal: Array, fps: float, frequency_hz: float) -> Complex:
    """(D,) complex amplitudes a of Re(a exp(2 pi i f t)), t = 0 at the first frame, by least squares.

    Mean and straight drift are fitted along, so that slow posture does not leak in. Raises ValueError where the signal
    is shorter than one period or the frequency is not below half the sampling rate.
    """
    n = len(signal)
    if n * frequency_hz < fps or not 0.0 < frequency_hz < fps / 2:
        raise ValueError(f"{frequency_hz} Hz cannot be measured in {n} frames at {fps} Hz")
    time_s = np.arange(n) / fps
    angle = 2 * np.pi * frequency_hz * time_s
    basis = np.stack([np.ones(n), time_s - time_s.mean(), np.cos(angle), np.sin(angle)], axis=1)
    fitted = np.linalg.lstsq(basis, signal, rcond=None)[0]
    return np.asarray(fitted[2] - 1j * fitted[3])


def direction_at(signal: Array, fps: float, frequency_hz: float) -> Array:
    """(D,) unit vector along which the signal moves most at one frequency (the long axis of its ellipse)."""
    amplitudes = amplitudes_at(signal, fps, frequency_hz)
    return np.asarray(np.linalg.svd(np.stack([amplitudes.real, amplitudes.imag]))[2][0])


def stroke_at(signal: Array, fps: float, frequency_hz: float) -> float:
    """Amplitude at one frequency along the direction of most movement."""
    amplitudes = amplitudes_at(signal, fps, frequency_hz)
    return float(np.linalg.svd(np.stack([amplitudes.real, amplitudes.imag]), compute_uv=False)[0])


def gain_at(true: Array, measured: Array, fps: float, frequency_hz: float) -> complex:
    """Complex gain at one frequency, along the true direction of movement.

    true, measured: (T, D). Raises ValueError where the truth does not move at that frequency.
    """
    along = direction_at(true, fps, frequency_hz)
    of_true = complex(amplitudes_at(true, fps, frequency_hz) @ along)
    if abs(of_true) <= 1e-9 * (1.0 + float(np.abs(true).max())):
        raise ValueError(f"the truth does not move at {frequency_hz} Hz: it has no gain there")
    return complex(amplitudes_at(measured, fps, frequency_hz) @ along) / of_true


def residual_at(true: Array, measured: Array, fps: float, frequency_hz: float) -> float:
    """Rms error an axis that remains beside gain and phase: mean, drift and the driven frequency taken out.

    It holds noise, distortion and leaks from elsewhere. true, measured: (T, D).
    """
    error = measured - true
    time_s = np.arange(len(error)) / fps
    angle = 2 * np.pi * frequency_hz * time_s
    basis = np.stack([np.ones(len(error)), time_s - time_s.mean(), np.cos(angle), np.sin(angle)], axis=1)
    rest = error - basis @ np.linalg.lstsq(basis, error, rcond=None)[0]
    return float(np.sqrt(np.mean(rest**2)))


def cross_talk(driven: Array, resting: Array, fps: float, frequency_hz: float) -> Array:
    """(J,) movement of resting points at the driven frequency as a share of the driven point's true stroke.

    driven: (T, D) truth of what moves. resting: (T, J, D) measured error of J points that do not, or measured less true
    where they do.
    """
    stroke = stroke_at(driven, fps, frequency_hz)
    return np.array([stroke_at(resting[:, j], fps, frequency_hz) / stroke for j in range(resting.shape[1])])


def band_rms(signal: Array, fps: float, low_hz: float, high_hz: float) -> Array:
    """(D,) rms of what lies between two frequencies, both included.

    One Hann-windowed spectrum of the signal without mean and drift; right for noise that stays alike over the signal.
    """
    window = np.hanning(len(signal))[:, None]
    transform = np.fft.rfft(_without_drift(signal) * window, axis=0)
    frequency_hz = np.fft.rfftfreq(len(signal), 1 / fps)
    in_band = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    power = 2 * np.abs(transform[in_band]) ** 2 / (len(signal) * np.sum(window**2))
    return np.asarray(np.sqrt(power.sum(axis=0)))


def power_spectrum(signal: Array, fps: float, segment_s: float = 8.0) -> tuple[Array, Array]:
    """Frequencies (F,) in Hz and power (F,), all axes together, unit squared per Hz.

    Welch: Hann windows of `segment_s`, half overlapping, each without its mean and drift (P. D. Welch, IEEE Trans.
    Audio Electroacoust. 15, 1967). Raises ValueError where the signal is shorter than one segment.
    """
    pieces, scale = _transforms(signal, fps, segment_s)
    power = scale * np.mean(np.abs(pieces) ** 2, axis=0).sum(axis=-1)
    return _frequencies(fps, segment_s), power


def levels_db(power: Array) -> Array:
    """(F,) level of every bin against its neighbours, dB: near 0 or below where there is no line.

    The neighbours are the five bins on either side that begin two bins away; the bin is held against the median of the
    side that is the higher one, so that the slope of a spectrum and the edge of a filter's notch do not pass for lines.
    power: (F,). NaN near both ends (less than four neighbours on one side), and where all of them are empty.
    """
    levels = np.full(len(power), np.nan)
    for i in range(_NEAREST_BINS + _FEWEST_BINS, len(power) - _NEAREST_BINS - _FEWEST_BINS + 1):
        below = power[max(i - _FURTHEST_BINS, 1) : i - _NEAREST_BINS + 1]  # the mean is taken out of bin 0
        above = power[i + _NEAREST_BINS : i + _FURTHEST_BINS + 1]
        around = max(float(np.median(below)), float(np.median(above)))
        if around > 0.0 and power[i] > 0.0:
            levels[i] = 10 * np.log10(power[i] / around)
        elif power[i] > 0.0:
            levels[i] = np.inf
    return levels


def band_gain(true: Array, measured: Array, fps: float, low_hz: float, high_hz: float) -> tuple[complex, float]:
    """Complex gain and coherence (0 to 1) of noise-like movement between two frequencies.

    Cross-spectrum over the truth's own spectrum, along the truth's principal direction; 4 s segments. true, measured:
    (T, D). Raises ValueError where no bin lies between the frequencies or the truth has nothing there.
    """
    along = np.linalg.svd(true - true.mean(axis=0), full_matrices=False)[2][0]
    segment_s = 4.0
    x, _ = _transforms((true @ along)[:, None], fps, segment_s)
    y, _ = _transforms((measured @ along)[:, None], fps, segment_s)
    frequency_hz = _frequencies(fps, segment_s)
    in_band = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    xx = float(np.sum(np.abs(x[:, in_band]) ** 2))
    yy = float(np.sum(np.abs(y[:, in_band]) ** 2))
    xy = complex(np.sum(y[:, in_band] * np.conj(x[:, in_band])))
    if xx <= 0.0:
        raise ValueError(f"the truth does not move between {low_hz} and {high_hz} Hz")
    return xy / xx, abs(xy) ** 2 / (xx * yy) if yy > 0.0 else 0.0


def _without_drift(signal: Array) -> Array:
    """The signal (T, D) less its mean and straight drift."""
    ramp = np.linspace(-1.0, 1.0, len(signal))
    basis = np.stack([np.ones(len(signal)), ramp], axis=1)
    return np.asarray(signal - basis @ np.linalg.lstsq(basis, signal, rcond=None)[0])


def _transforms(signal: Array, fps: float, segment_s: float) -> tuple[Complex, float]:
    """(S, F, D) transforms of S segments, and the factor from their squares to one-sided power per Hz."""
    length = round(segment_s * fps)
    if len(signal) < length:
        raise ValueError(f"{len(signal)} frames are shorter than one segment of {length}")
    window = np.hanning(length)[:, None]
    starts = range(0, len(signal) - length + 1, length // 2)
    pieces = np.stack([np.fft.rfft(_without_drift(signal[i : i + length]) * window, axis=0) for i in starts])
    return pieces, 2.0 / (fps * float(np.sum(window**2)))


def _frequencies(fps: float, segment_s: float) -> Array:
    return np.asarray(np.fft.rfftfreq(round(segment_s * fps), 1 / fps), np.float64)
