"""Recordings as MAM reads them: lifted tracks, windows by the device's own rule, labels and rated clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fidgety.bundle import MamSettings
from fidgety.cohort.records import FmsCategory
from fidgety.records import BoolArray, FloatArray, LiftedTrack, Window
from fidgety.runtime.windows import assessable_s, cut_windows
from fidgety.skeleton import H36M_17

__all__ = ["TrackedInfant", "TrackedRecording", "WindowRule"]

Starts = NDArray[np.int64]

_MIRROR = list(H36M_17.mirror)
_OTHER_SIDE = np.array([-1.0, 1.0, 1.0], np.float32)


@dataclass(frozen=True, slots=True)
class WindowRule:
    """Which windows may be scored: the bundle's settings."""

    settings: MamSettings
    fps: float
    min_assessable_s: float


@dataclass(frozen=True, slots=True, eq=False)
class TrackedRecording:
    """One recording as MAM reads it. What is drawn of it, is drawn from windows that the device would score."""

    infant_id: str
    file: str  # its name in the cohort's tables
    sha256: str
    is_risk: bool  # the infant's label
    characteristics: FloatArray | None  # (4,) float32, as the Info Branch reads them; None = incomplete
    joints: FloatArray  # (T, 17, 3) float32, trunk lengths; NaN = not observed
    is_observed: BoolArray  # (T,) bool, as in LiftedTrack
    clip_starts: Starts  # (C,) first frames of the clips that were rated
    clip_shares: FloatArray  # (C,) FMs share that the raters give them; above .5 = FMs
    rule: WindowRule
    is_simulated: bool
    has_mirror: bool = False  # half of what is drawn is the mirror-image infant
    instance_starts: Starts = field(init=False)  # every 150 frames, void ones left out
    localisation_starts: Starts = field(init=False)  # every 20 frames, void ones left out
    seconds_assessable: float = field(init=False)  # by the device's own rule

    def __post_init__(self) -> None:
        cut = [window for window in self._cut(0, len(self.joints)) if window.void is None]
        instances = [window.start_frame for window in cut if window.is_instance]
        localisation = [window.start_frame for window in cut if window.is_localisation]
        rated = [i for i, start in enumerate(self.clip_starts) if self._stands(int(start))]
        object.__setattr__(self, "instance_starts", np.array(instances, np.int64))
        object.__setattr__(self, "localisation_starts", np.array(localisation, np.int64))
        object.__setattr__(self, "seconds_assessable", assessable_s(cut, self.rule.settings, self.rule.fps))
        object.__setattr__(self, "clip_starts", self.clip_starts[rated])
        object.__setattr__(self, "clip_shares", self.clip_shares[rated])

    @property
    def is_assessable(self) -> bool:
        """It holds an instance, and as many seconds as the rule asks for."""
        return len(self.instance_starts) > 0 and self.seconds_assessable >= self.rule.min_assessable_s - 1e-6

    def windows(self, starts: Sequence[int] | Starts) -> FloatArray:
        """(W, 240, 17, 3) float32: the windows at these frames, none of which may be void, gaps bridged."""
        return np.stack([self._window(int(start)).joints_xyz for start in starts])

    def clip(self, rng: np.random.Generator, start: int) -> FloatArray:
        """The window (240, 17, 3) at frame `start`."""
        return self._either_side(rng, self._window(start).joints_xyz)

    def instances(self, rng: np.random.Generator, n_instances: int, shift: int = 0) -> FloatArray:
        """(N, 240, 17, 3): random instances of the grid that begins at frame `shift`, with replacement where there are
        fewer; of the grid from 0 where none of that one may be scored.
        """
        stride, length = self.rule.settings.instance_stride_frames, self.rule.settings.window_frames
        starts = [s for s in range(shift, len(self.joints) - length + 1, stride) if self._stands(s)]
        offered = np.array(starts or self.instance_starts)
        drawn = rng.choice(offered, n_instances, replace=len(offered) < n_instances)
        return self._either_side(rng, self.windows(drawn))

    def filled(self) -> FloatArray:
        """(T, 17, 3): every row of a window that may be scored, gaps bridged; all others NaN. For whole recordings."""
        rows = np.full_like(self.joints, np.nan)
        for start in np.union1d(self.instance_starts, self.localisation_starts):
            rows[start : start + self.rule.settings.window_frames] = self._window(int(start)).joints_xyz
        return rows

    def mirroring(self) -> TrackedRecording:
        """The same, of which half of what is drawn is the mirror-image infant."""
        return replace(self, has_mirror=True)

    def _either_side(self, rng: np.random.Generator, joints: FloatArray) -> FloatArray:
        if not self.has_mirror or rng.integers(2) == 0:
            return joints
        return np.asarray(joints[..., _MIRROR, :] * _OTHER_SIDE)

    def _stands(self, start: int) -> bool:
        fits = 0 <= start <= len(self.joints) - self.rule.settings.window_frames
        return fits and self._window(start).void is None

    def _window(self, start: int) -> Window:
        return next(self._cut(start, start + self.rule.settings.window_frames))

    def _cut(self, first: int, end: int) -> Iterator[Window]:
        """Windows of some rows, cut as the device cuts a recording of these."""
        joints = self.joints[first:end]
        rows = LiftedTrack(joints, np.empty((len(joints), 0, 2), np.float32), self.is_observed[first:end])
        return cut_windows([rows], self.rule.settings, self.rule.fps)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedInfant:
    """One participant and its recordings."""

    infant_id: str
    site: str
    is_risk: bool
    category: FmsCategory | None  # None: the label alone was told
    fold: int | None
    recordings: tuple[TrackedRecording, ...]
