"""An included cohort -> what training reads: lifted tracks, windows by the device's own rule, labels and rated clips.

    recording --(pose network)--> poses --lift_poses--> joints (T, 17, 3), is_observed (T,) --cut_windows--> windows

Poses go through the very chain of the device. What comes out lies in a folder as .npy, named by the content of the
recording and by the chain, so that nothing is lifted twice; a changed recording, lifter or setting has another name.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety import __version__
from fidgety.bundle import Bundle, MamSettings
from fidgety.cohort.annotations import LabelledClip, has_fms, label_clips
from fidgety.cohort.records import Cohort, CohortInfant, CohortRecording, FmsCategory, characteristics_at
from fidgety.errors import DeviceError, UsageError
from fidgety.records import BoolArray, Characteristics, FloatArray, LiftedTrack, Window
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.posefile import open_poses
from fidgety.runtime.repeats import RepeatFilter
from fidgety.runtime.source import open_source
from fidgety.runtime.windows import assessable_s, cut_windows
from fidgety.skeleton import H36M_17

__all__ = ["TrackedInfant", "TrackedRecording", "WindowRule", "chain_digest", "cohort_digest", "track_cohort"]

Starts = NDArray[np.int64]

_MIRROR = list(H36M_17.mirror)
_OTHER_SIDE = np.array([-1.0, 1.0, 1.0], np.float32)
_CHAIN = 2  # raised whenever code from recording to lifted track gives other rows, so that no older track is taken
_PHANTOM = "fidgety phantom cohort"  # what a simulated pose track says of itself


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


def track_cohort(
    cohort: Cohort, bundle: Bundle, cache: Path, min_assessable_s: float, report: Callable[[str], None]
) -> tuple[TrackedInfant, ...]:
    """Lift every recording of an included cohort, or read what was lifted before. `cache`: folder of the .npy files.

    Videos go through the pose network first: minutes each. Raises UsageError for an infant without a label, SourceError
    for a recording that cannot be read, DeviceError where `cache` cannot be written.
    """
    limit_s = min(min_assessable_s, bundle.manifest.quality.min_assessable_s)
    rule = WindowRule(bundle.manifest.mam, bundle.manifest.track.fps, limit_s)
    clips = label_clips(cohort.ratings)
    lifted: dict[str, FloatArray] = {}
    for number, recording in enumerate(cohort.recordings, start=1):
        report(f"track {number} of {len(cohort.recordings)}: {recording.file}")
        lifted[recording.file] = _lifted(recording, bundle, cache)
    return tuple(_infant(infant, cohort, lifted, clips, rule) for infant in cohort.infants)


def _infant(
    infant: CohortInfant,
    cohort: Cohort,
    lifted: dict[str, FloatArray],
    clips: Sequence[LabelledClip],
    rule: WindowRule,
) -> TrackedInfant:
    if infant.label is None:
        raise UsageError(f"infant {infant.infant_id} has no label: only an included cohort can be trained on")
    recordings = tuple(
        _recording(infant, one, lifted[one.file], [clip for clip in clips if clip.file == one.file], rule)
        for one in cohort.recordings_of(infant)
    )
    is_risk = infant.label == "risk"
    return TrackedInfant(infant.infant_id, infant.site, is_risk, infant.fms_category, infant.fold, recordings)


def _recording(
    infant: CohortInfant,
    recording: CohortRecording,
    rows: FloatArray,
    clips: Sequence[LabelledClip],
    rule: WindowRule,
) -> TrackedRecording:
    return TrackedRecording(
        infant_id=infant.infant_id,
        file=recording.file,
        sha256=recording.sha256,
        is_risk=infant.label == "risk",
        characteristics=_characteristics_row(characteristics_at(infant, recording)),
        joints=rows[:, :-1].reshape(-1, len(H36M_17), 3),
        is_observed=rows[:, -1] > 0.5,
        clip_starts=np.array([round(clip.start_s * rule.fps) for clip in clips], np.int64),
        clip_shares=np.array([_share(clip) for clip in clips], np.float32),
        rule=rule,
        is_simulated=_is_simulated(recording),
    )


def _characteristics_row(known: Characteristics) -> FloatArray | None:
    """(4,) float32 in the order and units of the Info Branch; None where one is not known."""
    if not known.are_complete:
        return None
    sex = 1.0 if known.sex == "male" else 0.0
    return np.array((sex, known.gestation_weeks, known.birth_weight_g, known.corrected_age_weeks), np.float32)


def _share(clip: LabelledClip) -> float:
    """The raters' mean share, brought to the side of one half on which most of them see it."""
    if has_fms(clip.fms_share) == clip.has_fms:
        return clip.fms_share
    return 0.51 if clip.has_fms else 0.5


def _is_simulated(recording: CohortRecording) -> bool:
    if recording.path.with_name(f"{recording.path.stem}.truth.json").is_file():
        return True
    return recording.is_track and open_poses(recording.path).about.get("source") == _PHANTOM


def _lifted(recording: CohortRecording, bundle: Bundle, cache: Path) -> FloatArray:
    """(T, 52) float32: joints (17 x 3), then 1 where the row was observed."""
    path = cache / f"{recording.sha256[:16]}-{chain_digest(bundle)[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False))
    pieces = list(_lift(recording, bundle))
    joints = np.concatenate([piece.joints for piece in pieces]).reshape(-1, len(H36M_17) * 3)
    observed = np.concatenate([piece.is_observed for piece in pieces])
    rows = np.column_stack([joints, observed]).astype(np.float32)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            np.save(stream, rows)
        part.replace(path)
    except OSError as error:
        raise DeviceError(f"tracks cannot be written to {cache}: {error.strerror}") from error
    return rows


def _lift(recording: CohortRecording, bundle: Bundle) -> Iterator[LiftedTrack]:
    if recording.is_track:
        stored = open_poses(recording.path)
        yield from lift_poses(RepeatFilter().poses(stored.poses), stored.skeleton, bundle)
        return
    with open_source(str(recording.path)) as source:
        estimator = PoseEstimator(bundle)
        yield from lift_poses(estimator.poses(source.frames()), estimator.skeleton, bundle)


def chain_digest(bundle: Bundle) -> str:
    """Hex SHA-256 of all that makes a lifted track of a recording: networks, settings, this program's version."""
    manifest = bundle.manifest
    graphs = (manifest.lifter.graph, manifest.pose.detector, manifest.pose.landmarks)
    settings = [asdict(manifest.track), asdict(manifest.pose), manifest.quality.min_source_fps]
    parts = [__version__, _CHAIN, [manifest.files.get(name) for name in graphs], settings]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cohort_digest(cohort: Cohort) -> str:
    """Hex SHA-256 of all that is read of a cohort, the Info Branch's characteristics too: the same wherever its folder
    lies.
    """
    parts = [repr(_all_of(one)) for one in cohort.infants]
    parts += [f"{one.infant_id} {one.file} {one.sha256} {one.recorded}" for one in cohort.recordings]
    parts += [repr(rating) for rating in cohort.ratings]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _all_of(infant: CohortInfant) -> tuple[object, ...]:
    """What training reads of an infant; who may use it has been asked before."""
    told = (infant.infant_id, infant.label, infant.fms_category, infant.site, infant.fold)
    return *told, str(infant.born), infant.gestation_days, infant.sex, infant.birth_weight_g
