"""Poses at the camera's own times -> PoseTrack rows at 25 Hz.

Poses, not pictures, are resampled: row k is what the keypoints were at k / 25 s, by cubic interpolation over the four
poses around it (linear beside a gap). A gap no longer than `max_bridge_ms` is bridged and marked as not observed; a
longer one stays NaN. A camera may change its rate, but a stretch slower than a recording may be has lost what is not
there. Then a centred weighted mean over the rows around (the manifest's weights), which never reaches across a NaN row.
Rows come out some at a time, a second's worth, once they are final: the same rows for any chunking of the poses. Row
by row, this and the stages behind it took .57 ms a frame on a busy machine; so they take .11.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fidgety.bundle import TrackSettings
from fidgety.records import FloatArray, Pose, PoseTrack

__all__ = ["BAND_WEIGHTS", "DEVICE_TRACK", "MIN_SOURCE_FPS", "TrackBuilder", "smooth_rows", "track_poses"]

# Keeps FMs, drops what is quicker: behind the filter of both_sides.py the gain is .99 to 1.01 up to 3 Hz, .92 at 3.5,
# .78 at 4, .40 at 5, .10 at 6 and under .02 from 7 Hz on (by itself .02 to .025 there). It nowhere falls to zero:
# between two zeros of a filter white noise looks like a spurious line (5 dB in the median, 8 at most; without zeros 2
# and 4). Deviation from the paper, whose mean of 5 frames has a gain of .86 at 1.5 Hz, .76 at 2 and .52 at 3: it takes
# half of the quicker FMs away. A linear program found the weights: least gain from 7 Hz on, given the rest.
_HALF = (0.0092, 0.0155, -0.0076, -0.0526, -0.0428, 0.0898, 0.2863)
BAND_WEIGHTS = (*_HALF, 0.4044, *reversed(_HALF))
# What bundles are published with.
DEVICE_TRACK = TrackSettings(fps=25.0, smoothing_weights=BAND_WEIGHTS, max_bridge_ms=200.0)
MIN_SOURCE_FPS = 14.5  # of a recording, and of each stretch of it: a camera of 15 frames a second passes

_ROWS_TOGETHER = 25  # that are handed on in one piece
_N_PERIODS = 31  # source periods in the running median and mean
_LOST_FRAME_FACTOR = 1.6  # a pause longer than this many source periods means that frames are missing
_ROUNDING_S = 1e-4  # time bases of containers are rational numbers rounded to 0.1 ms or so


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """One pose as a matrix: columns x, y, score."""

    time_s: float
    values: FloatArray  # (K, 3) float32


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    values: FloatArray  # (K, 3)
    is_observed: bool


class TrackBuilder:
    """Takes poses one by one, gives finished 25 Hz rows. One owner, made anew for every recording."""

    def __init__(
        self, settings: TrackSettings, skeleton: str, n_keypoints: int, min_source_fps: float = MIN_SOURCE_FPS
    ) -> None:
        self._settings = settings
        self._slowest_s = 1.0 / min_source_fps + _ROUNDING_S
        self._weights = np.array(settings.smoothing_weights, np.float32)
        self._skeleton = skeleton
        self._nothing = np.full((n_keypoints, 3), np.nan, np.float32)
        self._samples: deque[_Sample] = deque(maxlen=4)  # observed poses only
        self._periods: deque[float] = deque(maxlen=_N_PERIODS)
        self._last_pose_s: float | None = None
        self._next_tick = 0
        self._n_smoothed = 0
        self._rows: deque[_Row] = deque()  # raw rows that the moving average still needs
        self._n_dropped = 0  # raw rows already forgotten

    def push(self, pose: Pose) -> PoseTrack | None:
        """Take the next pose; give the rows that it completes, if any."""
        if self._last_pose_s is not None:
            self._periods.append(pose.time_s - self._last_pose_s)
        self._last_pose_s = pose.time_s
        if not pose.is_missing:
            values = np.column_stack([pose.keypoints_xy, pose.keypoint_scores])
            self._samples.append(_Sample(pose.time_s, values.astype(np.float32)))
            # The cubic through samples -4..-1 serves the ticks between -3 and -2, so rows lag by one pose.
            self._resample_up_to(self._samples[-2].time_s if len(self._samples) >= 2 else -1.0)
        return self._smooth(is_last=False)

    def finish(self) -> PoseTrack | None:
        """The rows that only the end of the recording completes."""
        if self._last_pose_s is not None:
            if self._samples:
                self._resample_up_to(self._samples[-1].time_s)
            end_tick = int(np.floor((self._last_pose_s + _ROUNDING_S) * self._settings.fps))
            while self._next_tick <= end_tick:
                self._rows.append(_Row(self._nothing, False))
                self._next_tick += 1
        return self._smooth(is_last=True)

    def _resample_up_to(self, time_s: float) -> None:
        fps = self._settings.fps
        while (tick_s := self._next_tick / fps) <= time_s + _ROUNDING_S:
            self._rows.append(self._row_at(tick_s))
            self._next_tick += 1

    def _row_at(self, tick_s: float) -> _Row:
        samples = self._samples
        after = next((i for i, sample in enumerate(samples) if sample.time_s >= tick_s - _ROUNDING_S), None)
        if after is None:
            return _Row(self._nothing, False)
        if abs(samples[after].time_s - tick_s) <= _ROUNDING_S:
            return _Row(samples[after].values, True)
        if after == 0:  # before the first pose
            return _Row(self._nothing, False)
        left, right = samples[after - 1], samples[after]
        pause_s = right.time_s - left.time_s
        if pause_s > self._settings.max_bridge_ms / 1e3 + 1.0 / self._settings.fps + _ROUNDING_S:
            return _Row(self._nothing, False)
        is_observed = pause_s <= self._longest_pause_s()
        has_neighbours = is_observed and after >= 2 and after + 1 < len(samples)
        if has_neighbours:
            outer = samples[after + 1].time_s - samples[after - 2].time_s
            has_neighbours = outer <= 3 * self._longest_pause_s()
        if has_neighbours:
            return _Row(_cubic([samples[after + k] for k in (-2, -1, 0, 1)], tick_s), True)
        share = np.float32((tick_s - left.time_s) / pause_s)
        return _Row(left.values + share * (right.values - left.values), is_observed)

    def _longest_pause_s(self) -> float:
        """The longest pause between two poses in which no frame was lost.

        The median alone takes what a camera loses for long for its rate. Uneven times may lift it above the slowest
        period, and so may lost frames the mean: only where both lie above it, the camera is too slow.
        """
        n, median_s = len(self._periods), float(np.median(self._periods))
        if n == _N_PERIODS and min(median_s, sum(self._periods) / n) > self._slowest_s:
            return self._slowest_s
        return _LOST_FRAME_FACTOR * min(max(median_s, 1.0 / self._settings.fps), self._slowest_s)

    def _smooth(self, is_last: bool) -> PoseTrack | None:
        """Smooth the raw rows whose whole neighbourhood is there."""
        reach = len(self._weights) // 2
        n_raw = self._n_dropped + len(self._rows)
        end = n_raw if is_last else n_raw - reach
        if end - self._n_smoothed < (1 if is_last else _ROWS_TOGETHER):
            return None
        first = self._n_smoothed
        low = first - self._n_dropped
        values = np.stack([row.values for row in self._rows])
        smoothed = _smooth_between(values, low, low + end - first, self._weights)
        observed = np.array([self._rows[low + i].is_observed for i in range(end - first)])
        self._n_smoothed = end
        while self._n_dropped < end - reach and self._rows:
            self._rows.popleft()
            self._n_dropped += 1
        return PoseTrack(self._skeleton, self._settings.fps, first, smoothed[..., :2], smoothed[..., 2], observed)


def track_poses(
    poses: Iterable[Pose],
    settings: TrackSettings,
    skeleton: str,
    n_keypoints: int,
    min_source_fps: float = MIN_SOURCE_FPS,
) -> Iterator[PoseTrack]:
    """Poses in order of time -> consecutive pieces of one PoseTrack.

    `min_source_fps`: the least frame rate that a recording may have; what is slower for long counts as not observed.
    """
    builder = TrackBuilder(settings, skeleton, n_keypoints, min_source_fps)
    for pose in poses:
        piece = builder.push(pose)
        if piece is not None:
            yield piece
    piece = builder.finish()
    if piece is not None:
        yield piece


def _cubic(samples: list[_Sample], time_s: float) -> FloatArray:
    """Lagrange's cubic through four samples at uneven times."""
    times = [sample.time_s for sample in samples]
    result = np.zeros_like(samples[0].values)
    for i, sample in enumerate(samples):
        weight = 1.0
        for j, other in enumerate(times):
            if j != i:
                weight *= (time_s - other) / (times[i] - other)
        result += np.float32(weight) * sample.values
    return result


def smooth_rows(values: FloatArray, weights: Sequence[float]) -> FloatArray:
    """All rows (T, K, C) at once, as the track smooths them."""
    return _smooth_between(values, 0, len(values), np.array(weights, np.float32))


def _smooth_between(values: FloatArray, first: int, end: int, weights: FloatArray) -> FloatArray:
    """Smoothed rows first to end of (T, K, C); each is summed in the same order whichever rows are asked for."""
    reach = len(weights) // 2
    smooth = np.full((end - first, *values.shape[1:]), np.nan, np.float32)
    inner, inner_end = max(first, reach), min(end, len(values) - reach)
    if inner < inner_end:
        total = np.zeros((inner_end - inner, *values.shape[1:]), np.float32)
        for k, weight in enumerate(weights / weights.sum()):
            total += weight * values[inner - reach + k : inner_end - reach + k]
        smooth[inner - first : inner_end - first] = total
    for i in np.flatnonzero(np.isnan(smooth[..., :2]).any(axis=(1, 2))):  # at an end, or near a NaN
        smooth[i] = _average(values, first + int(i), weights)
    return smooth


def _average(values: FloatArray, i: int, weights: FloatArray) -> FloatArray:
    """Weighted mean of the rows around i, shortened evenly at an end or a NaN keypoint so that it stays centred."""
    reach = len(weights) // 2
    width = min(reach, i, len(values) - 1 - i)
    mean = _mean(values, i, width, weights)
    while width > 0 and np.isnan(mean[:, :2]).any():
        width -= 1
        mean = np.where(np.isnan(mean), _mean(values, i, width, weights), mean)
    return mean


def _mean(values: FloatArray, i: int, width: int, weights: FloatArray) -> FloatArray:
    reach = len(weights) // 2
    used = weights[reach - width : reach + width + 1]
    rows = values[i - width : i + width + 1]
    return np.asarray((used @ rows.reshape(len(rows), -1)).reshape(values.shape[1:]) / used.sum(), np.float32)
