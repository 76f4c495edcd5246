"""The errors that a pose network makes on a phantom, as numbers: measured against the truth, saved, drawn from.

Lengths are in torso lengths (median distance from hip to thorax), because a pose network looks at a crop of fixed
size, so that its errors grow with the infant in the picture. Errors are per axis of the picture (x, y alike).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError
from fidgety.records import FloatArray
from fidgety.skeleton import H36M_17

__all__ = ["PoseNoise", "assumed_pose_noise", "default_pose_noise", "measure_pose_noise"]

_J = len(H36M_17)
_SEGMENT = 250  # frames, 10 s at 25 Hz: resolves .1 Hz
_BAND_HZ = (0.5, 4.0)  # the movements of interest
_HIGHEST_LEVEL = 3.0  # of the noise while moving: nothing livelier was measured
_HIP, _THORAX = H36M_17.indices("hip", "thorax")


@dataclass(frozen=True, slots=True, eq=False)
class PoseNoise:
    """Statistics of pose errors over J = 17 joints; all arrays float32, lengths in torso lengths.

    frequency_hz: (F,) rising. psd: (F, J) one-sided power density of the noise per axis, 1/Hz.
    correlation: (J, J) of the noise between joints. leak: (J, J), share of joint j's movement that joint i shows (0
    on the diagonal).
    gain_mean, gain_sd: (J,) of movement. offset_mean: (J, 2) constant error of the infant stood upright (x to the right
    as seen, y to the feet), alike on both sides; offset_sd: (J,) its SD over recordings, per axis.
    speed_rms: (J,) 1/s, speed in the plane, per axis, at which the noise is that of `psd`; speed_exponent: (J,) the
    noise grows with that power of the speed; rest_level: (J,) what is left at rest.
    level_log_sd: SD over recordings of the log of the noise level.
    """

    frequency_hz: FloatArray
    psd: FloatArray
    correlation: FloatArray
    leak: FloatArray
    gain_mean: FloatArray
    gain_sd: FloatArray
    offset_mean: FloatArray
    offset_sd: FloatArray
    speed_rms: FloatArray
    speed_exponent: FloatArray
    rest_level: FloatArray
    level_log_sd: float = 0.35
    outlier_rate_hz: float = 0.02  # per joint
    outlier_size: float = 0.15
    dropout_rate_hz: float = 0.05

    def sample(self, rng: np.random.Generator, n_frames: int, fps: float = 25.0) -> NDArray[np.float64]:
        """Additive noise (n_frames, 17, 2) in torso lengths: coloured in time, correlated between joints."""
        mixing, amplitude = _spectral_shape(self, n_frames, fps)
        white = rng.standard_normal((2, *amplitude.shape))
        spectrum = np.matmul(mixing, white[0] + 1j * white[1]) * amplitude
        spectrum[0] = 0.0  # the constant error is the observer's offset
        return np.asarray(np.fft.irfft(spectrum, n_frames, axis=0))

    def level_at(self, movement: NDArray[np.float64], fps: float = 25.0) -> NDArray[np.float64]:
        """(T, 17) factor on the noise while the joints move as in `movement` (T, 17, 2), torso lengths in the plane.

        A pose network errs by more where a limb moves (measured: wrists 1.1 mm in the quietest seconds, 3.9 mm in the
        liveliest), so a still infant is seen more quietly than a lively one. Of a second's noise its speed tells as
        much as its path (correlation of the logarithms within recordings, mean of the limbs: .58; rms between .5 and
        4 Hz: .55).
        """
        ratio = _local_rms(_speed(movement, fps), fps) / np.maximum(self.speed_rms, 1e-6)
        level = np.maximum(ratio, 1e-6) ** self.speed_exponent
        return np.asarray(np.clip(level, self.rest_level, _HIGHEST_LEVEL))

    def save(self, path: Path) -> None:
        """Write as .npz (no pickles)."""
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> PoseNoise:
        """Read what `save` wrote. Raises UsageError where the file is not there or holds other keys."""
        if not path.is_file():
            raise UsageError(f"no pose noise at {path}: measure it first, or use assumed_pose_noise()")
        with np.load(path, allow_pickle=False) as saved:
            wanted = {f.name for f in fields(cls)}
            if set(saved.files) != wanted:
                raise UsageError(f"{path}: keys differ from PoseNoise by {sorted(wanted ^ set(saved.files))}")
            arrays = {name: saved[name] for name in wanted}
        values: dict[str, Any] = {k: float(v) if v.ndim == 0 else v.astype(np.float32) for k, v in arrays.items()}
        return cls(**values)


@lru_cache(maxsize=16)
def _spectral_shape(noise: PoseNoise, n_frames: int, fps: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mixing matrix (17, 17) of the joints and amplitudes (n_frames // 2 + 1, 17, 2) that turn white spectra into
    noise.
    """
    frequency = np.fft.rfftfreq(n_frames, 1.0 / fps)
    density = np.empty((len(frequency), _J, 2))
    for joint in range(_J):
        density[:, joint] = np.interp(frequency, noise.frequency_hz, noise.psd[:, joint])[:, None]
    correlation = noise.correlation.astype(np.float64)
    mixing = np.linalg.cholesky((correlation + 1e-3 * np.eye(_J)) / 1.001)
    return np.asarray(mixing), np.asarray(np.sqrt(density * n_frames * fps / 4.0))


def assumed_pose_noise() -> PoseNoise:
    """Rough figures until the noise is measured: .6 mm rms in .5-4 Hz, slow bias 5-10 mm (FACTS 1)."""
    torso_mm = 170.0
    frequency = np.linspace(0.0, 12.5, 126)
    shape = 1.0 / (1.0 + (frequency / 1.0) ** 1.5) + 0.1
    in_band = (frequency >= _BAND_HZ[0]) & (frequency <= _BAND_HZ[1])
    shape *= (0.6 / torso_mm) ** 2 / (shape[in_band].sum() * (frequency[1] - frequency[0]))
    shape += 9.0 * shape.max() / (1.0 + (frequency / 0.1) ** 4)
    factor = np.full(_J, 1.0)
    factor[H36M_17.indices("left_wrist", "right_wrist", "left_ankle", "right_ankle")] = 1.5
    psd = (shape[:, None] * factor**2).astype(np.float32)
    correlation = np.full((_J, _J), 0.3) + 0.7 * np.eye(_J)
    ones = np.ones(_J, dtype=np.float32)
    return PoseNoise(
        frequency_hz=frequency.astype(np.float32),
        psd=psd,
        correlation=correlation.astype(np.float32),
        leak=(0.02 * (1.0 - np.eye(_J)) / 4).astype(np.float32),
        gain_mean=ones,
        gain_sd=0.12 * ones,
        offset_mean=np.zeros((_J, 2), np.float32),
        offset_sd=0.03 * ones,
        speed_rms=0.3 * ones,
        speed_exponent=0.5 * ones,
        rest_level=0.4 * ones,
    )


def default_pose_noise() -> PoseNoise:
    """The measured noise that comes with the package; the assumed one where that file is missing."""
    path = Path(__file__).with_name("pose_noise.npz")
    return PoseNoise.load(path) if path.is_file() else assumed_pose_noise()


def _periodogram(noise: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """Welch's one-sided density, segments of 10 s, half overlapping: (T, J) -> (126, J), 1/Hz."""
    window = np.hanning(_SEGMENT)[:, None]
    starts = range(0, len(noise) - _SEGMENT + 1, _SEGMENT // 2)
    pieces = [noise[s : s + _SEGMENT] - noise[s : s + _SEGMENT].mean(axis=0) for s in starts]
    power = np.mean([np.abs(np.fft.rfft(piece * window, axis=0)) ** 2 for piece in pieces], axis=0)
    return np.asarray(2.0 * power / (fps * (window**2).sum()))


def _band(values: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """The part of (T, ...) between .5 and 4 Hz."""
    spectrum = np.fft.rfft(values, axis=0)
    frequency = np.fft.rfftfreq(len(values), 1.0 / fps)
    spectrum[(frequency < _BAND_HZ[0]) | (frequency > _BAND_HZ[1])] = 0.0
    return np.asarray(np.fft.irfft(spectrum, len(values), axis=0))


def _speed(values: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """Change per second of (T, ...), central differences."""
    return np.asarray(np.gradient(values, 1.0 / fps, axis=0))


def _local_rms(values: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """Rms per axis of (T, J, A) over the second around each frame: (T, J)."""
    width = min(round(fps), len(values))
    square = np.concatenate([np.zeros((1, values.shape[1])), (values**2).mean(axis=2).cumsum(axis=0)])
    low = np.clip(np.arange(len(values)) - width // 2, 0, len(values) - width)
    return np.asarray(np.sqrt(np.maximum(square[low + width] - square[low], 0.0) / width))


def _upright(offset: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """Offsets (J, 2) in the picture -> the same with the trunk of the true track (T, J, 2) stood upright."""
    trunk = complex(*np.median(true[:, _THORAX] - true[:, _HIP], axis=0))
    turned = (offset[:, 0] + 1j * offset[:, 1]) * (-1j * np.conj(trunk) / abs(trunk))
    return np.stack([turned.real, turned.imag], axis=-1)


def _gains(seen: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """Regression of seen on true movement per joint, (T, J, A) each -> (J,)."""
    return np.asarray((seen * true).sum(axis=(0, 2)) / ((true * true).sum(axis=(0, 2)) + 1e-12))


def measure_pose_noise(pairs: Sequence[tuple[FloatArray, FloatArray]], fps: float = 25.0) -> PoseNoise:
    """Pose errors from recordings whose truth is known.

    pairs: (observed, truth) tracks per recording, (T, 17, 2) px each, T >= 250, same frames, rooted or not; no NaN.
    Give tracks **before** the track's filter. Raises UsageError for fewer than two recordings, or for tracks that do
    not fit each other.
    """
    if len(pairs) < 2:
        raise UsageError(f"spread over recordings needs at least two of them, got {len(pairs)}")
    gains, offsets, psds, residuals, seconds = [], [], [], [], []
    for observed, truth in pairs:
        if observed.shape != truth.shape or observed.shape[1:] != (_J, 2) or len(observed) < _SEGMENT:
            raise UsageError(f"tracks: expected two of (T >= {_SEGMENT}, {_J}, 2), got {observed.shape}, {truth.shape}")
        torso = float(np.median(np.linalg.norm(truth[:, _THORAX] - truth[:, _HIP], axis=-1)))
        seen, true = observed.astype(np.float64) / torso, truth.astype(np.float64) / torso
        seen_band, true_band = _band(seen, fps), _band(true, fps)
        gain = _gains(seen_band, true_band)
        error = seen - true
        noise = seen - seen.mean(axis=0) - gain[:, None] * (true - true.mean(axis=0))
        gains.append(gain)
        offsets.append(_upright(error.mean(axis=0), true))
        psds.append((_periodogram(noise[..., 0], fps) + _periodogram(noise[..., 1], fps)) / 2)
        band_noise = _band(noise, fps)
        every_second = slice(None, None, round(fps))
        seconds.append((_local_rms(_speed(true, fps), fps)[every_second], _local_rms(band_noise, fps)[every_second]))
        residuals.append((band_noise / (band_noise.std(axis=0) + 1e-12)).transpose(0, 2, 1).reshape(-1, _J))
    speed, noise_level = (np.concatenate(both) for both in zip(*seconds, strict=True))
    return _summarise(
        gains,
        offsets,
        psds,
        np.concatenate(residuals),
        _noise_by_speed(speed, noise_level),
        fps,
    )


def _noise_by_speed(
    speed: NDArray[np.float64], noise: NDArray[np.float64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How the noise (S, J) of single seconds follows their speed (S, J): log-log regression per joint.

    Gives speed_rms, speed_exponent and rest_level of a `PoseNoise`.
    """
    x, y = np.log(speed + 1e-6), np.log(noise + 1e-6)
    slope = ((x - x.mean(axis=0)) * (y - y.mean(axis=0))).mean(axis=0) / (x.var(axis=0) + 1e-12)
    exponent = np.clip(slope, 0.02, 1.0)
    # The speed at which the level is 1 is the one with which the mean square of all levels is 1.
    reference = (speed ** (2 * exponent)).mean(axis=0) ** (1 / (2 * exponent))
    overall = np.sqrt((noise**2).mean(axis=0))
    at_rest = np.quantile(noise, 0.02, axis=0) / (overall + 1e-12)
    return reference.astype(np.float32), exponent.astype(np.float32), at_rest.astype(np.float32)


def _summarise(
    gains: list[NDArray[np.float64]],
    offsets: list[NDArray[np.float64]],
    psds: list[NDArray[np.float64]],
    residuals: NDArray[np.float64],
    by_speed: tuple[FloatArray, FloatArray, FloatArray],
    fps: float,
) -> PoseNoise:
    """Means and spreads over recordings."""
    frequency = np.fft.rfftfreq(_SEGMENT, 1.0 / fps)
    in_band = (frequency >= _BAND_HZ[0]) & (frequency <= _BAND_HZ[1])
    levels = np.log([np.sqrt(psd[in_band].mean()) for psd in psds])
    offset_mean = np.mean(offsets, axis=0)
    offset_mean = (offset_mean + offset_mean[list(H36M_17.mirror)] * np.array([-1.0, 1.0])) / 2
    offset_sd = np.sqrt(np.mean(np.square(np.array(offsets) - offset_mean), axis=(0, 2)))
    correlation = np.nan_to_num(np.corrcoef(residuals, rowvar=False))
    np.fill_diagonal(correlation, 1.0)
    f32 = np.float32
    return PoseNoise(
        frequency_hz=frequency.astype(f32),
        psd=np.mean(psds, axis=0).astype(f32),
        correlation=correlation.astype(f32),
        leak=assumed_pose_noise().leak,
        gain_mean=np.mean(gains, axis=0).astype(f32),
        gain_sd=np.std(gains, axis=0).astype(f32),
        offset_mean=offset_mean.astype(f32),
        offset_sd=offset_sd.astype(f32),
        speed_rms=by_speed[0],
        speed_exponent=by_speed[1],
        rest_level=by_speed[2],
        level_log_sd=float(levels.std()),
    )
