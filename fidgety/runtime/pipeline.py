"""The loop: a recording goes in, an assessment comes out.

    source.frames() -> PoseEstimator -> track -> doubt -> lift -> windows -> Mam.score -> Assessment
    [---thread 1---]   [--thread 2--]   [--------------------this thread--------------------]

Decoding, pose and scoring overlap on bounded queues; the pose network is the slowest stage and never waits for the
others. File, camera and stored pose track run through the same loop. What grows with the recording is small: the window
scores and the 25 Hz skeleton (3.4 kB a second), from which the report takes its moments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fidgety.bundle import Bundle
from fidgety.records import (
    Assessment,
    Characteristics,
    FloatArray,
    Frame,
    LiftedTrack,
    Moment,
    PictureFacts,
    Pose,
    PoseTrack,
    Quality,
    QualityReason,
    Window,
    WindowScore,
)
from fidgety.runtime.assess import Mam, find_bouts, find_voids, fms_frequency
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.doubt import steady_doubtful
from fidgety.runtime.lift import TrackLifter, lift_tracks
from fidgety.runtime.networks import graph_of, lifter_network
from fidgety.runtime.noise_floor import NoiseFloor
from fidgety.runtime.origin import describe_origin, origin_banner, origin_reasons
from fidgety.runtime.picture import PictureMonitor
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.posefile import PoseRecording, PoseWriter
from fidgety.runtime.posture import PostureMonitor
from fidgety.runtime.prefetch import Prefetch
from fidgety.runtime.quality import before_scoring, judge_quality
from fidgety.runtime.repeats import RepeatFilter
from fidgety.runtime.source import Source
from fidgety.runtime.timing import StageTimes, timed, timed_frames
from fidgety.runtime.track import track_poses
from fidgety.runtime.windows import assessable_s, cut_windows
from fidgety.skeleton import Skeleton

__all__ = [
    "Job",
    "Watcher",
    "assess_poses",
    "assess_recording",
    "check_recording",
    "estimate_poses",
    "lift_poses",
    "steady_tracks",
    "window_recording",
]

Watcher = Callable[[Pose], None]  # sees every pose on its way: the progress bar
_FRAMES_AHEAD = 2  # 6 MB at 1080p; more gains nothing
_POSES_AHEAD = 64
_N_MOMENTS = 3


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be scored, and how."""

    name: str  # shown in the result
    characteristics: Characteristics
    sha256: str | None = None
    poses_path: Path | None = None  # where poses are written as they come; None = nowhere
    max_duration_s: float | None = None  # stop a camera after so long
    n_threads: int = 2
    settings: Mapping[str, Any] = field(default_factory=dict)  # what was set for this run; goes into the result
    device: Device = CPU  # where the networks run
    times: StageTimes | None = None  # where the stages' own times are noted; None = they are not measured


@dataclass(slots=True)
class _Monitors:
    """The figures behind the quality gate, owned by the pose stage while it runs."""

    posture: PostureMonitor
    picture: PictureMonitor
    noise_floor: NoiseFloor
    repeats: RepeatFilter
    size_px: tuple[int, int] | None = None  # width, height of the pictures; None = not known
    last_time_s: float = 0.0

    def measures(self) -> dict[str, float | None]:
        return {**self.posture.measures(), **self._of_pictures(), **self.noise_floor.measures()}

    def pictures(self, source: Source) -> PictureFacts | None:
        """What the pictures told, once all have been seen; None where there was none."""
        return None if self.size_px is None else PictureFacts(self.size_px, self._of_pictures(), source.ended_early)

    def _of_pictures(self) -> dict[str, float | None]:
        return {**self.picture.measures(), "still_share": self.repeats.still_share}


# The stages are the threads. OpenCV's own pool, on pictures as small as ours, only spins on the cores that they need:
# .5 of 11.2 ms of processor time a frame.
cv2.setNumThreads(1)


def assess_recording(source: Source, bundle: Bundle, job: Job, watch: Watcher | None = None) -> Assessment:
    """Score one recording or camera. Raises SourceError, BundleError, DeviceError; never NotAssessable: that is a
    result."""
    estimator, mam = PoseEstimator(bundle, job.n_threads, job.device), Mam(bundle, device=job.device)
    skeleton = estimator.skeleton
    monitors = _Monitors(PostureMonitor(skeleton), PictureMonitor(), NoiseFloor(), source.repeats)
    decoded = timed_frames(job.times, _until(source.frames(), job.max_duration_s))
    with (
        Prefetch(decoded, _FRAMES_AHEAD, "decode") as frames,
        Prefetch(
            timed(job.times, "pose", lambda read: _observed(estimator, read, monitors), frames), _POSES_AHEAD, "pose"
        ) as poses,
    ):
        pictures = partial(monitors.pictures, source)
        recorded = _recorded(poses, skeleton, job, bundle, watch, pictures)
        return _assess(recorded, skeleton, monitors, mam, bundle, job, pictures)


def assess_poses(recording: PoseRecording, bundle: Bundle, job: Job, watch: Watcher | None = None) -> Assessment:
    """Score a stored pose track. It is judged by what its pictures told; what it does not tell is a warning."""
    repeats = RepeatFilter()
    monitors = _Monitors(PostureMonitor(recording.skeleton), PictureMonitor(), NoiseFloor(), repeats)
    told = recording.pictures
    monitors.size_px = None if told is None else told.size_px
    poses = _watched(_postured(repeats.poses(recording.poses), monitors), watch)
    mam = Mam(bundle, device=job.device)
    result = _assess(poses, recording.skeleton, monitors, mam, bundle, job, lambda: told)
    origin = origin_reasons(recording, bundle, monitors.picture.measures())
    quality = replace(result.quality, reasons=(*result.quality.reasons, *origin))
    return replace(result, quality=quality, banner=origin_banner(recording, bundle))


def check_recording(source: Source, bundle: Bundle, job: Job, watch: Watcher | None = None) -> Quality:
    """The quality gate alone: everything but MAM. An age that is not known is asked for, and blocks nothing."""
    estimator = PoseEstimator(bundle, job.n_threads, job.device)
    monitors = _Monitors(PostureMonitor(estimator.skeleton), PictureMonitor(), NoiseFloor(), source.repeats)
    with (
        Prefetch(_until(source.frames(), job.max_duration_s), _FRAMES_AHEAD, "decode") as frames,
        Prefetch(_observed(estimator, frames, monitors), _POSES_AHEAD, "pose") as poses,
    ):
        lifted = monitors.noise_floor.listen(lift_poses(_watched(poses, watch), estimator.skeleton, bundle, job.device))
        windows = cut_windows(lifted, bundle.manifest.mam, bundle.manifest.track.fps)
        seconds = assessable_s(windows, bundle.manifest.mam, bundle.manifest.track.fps)
    return before_scoring(_judge(monitors, seconds, bundle, job, monitors.pictures(source)))


def estimate_poses(source: Source, bundle: Bundle, job: Job, watch: Watcher | None = None) -> int:
    """Write the recording's poses, and what its pictures told, to `job.poses_path`; give the number of poses."""
    if job.poses_path is None:
        raise ValueError("no path for the poses")
    estimator = PoseEstimator(bundle, job.n_threads, job.device)
    monitors = _Monitors(PostureMonitor(estimator.skeleton), PictureMonitor(), NoiseFloor(), source.repeats)
    with (
        Prefetch(_until(source.frames(), job.max_duration_s), _FRAMES_AHEAD, "decode") as frames,
        Prefetch(_observed(estimator, frames, monitors), _POSES_AHEAD, "pose") as poses,
    ):
        pictures = partial(monitors.pictures, source)
        return sum(1 for _ in _recorded(poses, estimator.skeleton, job, bundle, watch, pictures))


def window_recording(source: Source, bundle: Bundle) -> Iterator[Window]:
    """The recording's windows, void ones too, as MAM reads them: for studies of the chain."""
    estimator = PoseEstimator(bundle)
    lifted = lift_poses(estimator.poses(source.frames()), estimator.skeleton, bundle)
    yield from cut_windows(lifted, bundle.manifest.mam, bundle.manifest.track.fps)


def lift_poses(
    poses: Iterable[Pose], skeleton: Skeleton, bundle: Bundle, device: Device = CPU
) -> Iterator[LiftedTrack]:
    """Poses in order of time -> consecutive pieces of their lifted track at 25 Hz."""
    settings = bundle.manifest.lifter
    graph = graph_of(bundle, settings.graph, lifter_network(settings.channels, settings.dilations), device.name)
    lifter = TrackLifter(graph.path, settings, device=device, precision=graph.precision)
    return lift_tracks(steady_tracks(poses, skeleton, bundle), lifter)


def steady_tracks(poses: Iterable[Pose], skeleton: Skeleton, bundle: Bundle) -> Iterator[PoseTrack]:
    """Poses in order of time -> consecutive pieces of the track that the lifter reads, at 25 Hz."""
    min_fps = bundle.manifest.quality.min_source_fps
    tracks = track_poses(poses, bundle.manifest.track, skeleton.name, len(skeleton), min_fps)
    return steady_doubtful(tracks, bundle.manifest.pose)


def _assess(
    poses: Iterable[Pose],
    skeleton: Skeleton,
    monitors: _Monitors,
    mam: Mam,
    bundle: Bundle,
    job: Job,
    pictures: Callable[[], PictureFacts | None],
) -> Assessment:
    """pictures: asked when the last pose has been read."""
    manifest = bundle.manifest
    kept: list[FloatArray] = []
    lifted = timed(job.times, "lift", lambda read: lift_poses(read, skeleton, bundle, job.device), poses)
    pieces = _remembered(monitors.noise_floor.listen(lifted), kept)
    windows = cut_windows(pieces, manifest.mam, manifest.track.fps)
    scores = list(timed(job.times, "mam", mam.score, windows))
    quality = _judge(monitors, assessable_s(scores, manifest.mam, manifest.track.fps), bundle, job, pictures())
    timeline = tuple(s for s in scores if s.is_localisation)
    threshold = manifest.operating_point.fms_threshold
    frequency = fms_frequency(scores, threshold) if quality.is_assessable else None
    result = Assessment(
        recording=job.name,
        recording_sha256=job.sha256,
        duration_s=monitors.last_time_s,
        source_fps=quality.measures.get("source_fps") or 0.0,
        quality=quality,
        characteristics=job.characteristics,
        frequency=frequency,
        risk=mam.risk(scores, job.characteristics) if frequency is not None else None,
        timeline=timeline if frequency is not None else (),
        bouts=find_bouts(timeline, threshold) if frequency is not None else (),
        voids=find_voids(timeline),
        most_certain_fms=(),
        most_certain_non_fms=(),
        bundle=bundle.label,
        banner=manifest.provenance.banner,
        settings={**job.settings, "fms_threshold": threshold},
    )
    if frequency is None:
        return result
    skeleton_xy = np.concatenate(kept)
    return replace(
        result,
        most_certain_fms=_moments(timeline, skeleton_xy, bundle, is_fms=True),
        most_certain_non_fms=_moments(timeline, skeleton_xy, bundle, is_fms=False),
    )


def _observed(estimator: PoseEstimator, frames: Iterable[Frame], monitors: _Monitors) -> Iterator[Pose]:
    """Poses on their way, with the monitors looking at each one beside its frame."""
    seen: deque[Frame] = deque()
    for pose in estimator.poses(_kept(frames, seen)):
        frame = seen.popleft()
        monitors.size_px = (frame.width_px, frame.height_px)
        monitors.posture.observe(pose, monitors.size_px)
        monitors.picture.observe(frame, pose)
        monitors.last_time_s = frame.time_s
        yield pose


def _kept(frames: Iterable[Frame], seen: deque[Frame]) -> Iterator[Frame]:
    """Hand frames on and keep those whose pose is still in the works."""
    for frame in frames:
        seen.append(frame)
        yield frame


def _postured(poses: Iterable[Pose], monitors: _Monitors) -> Iterator[Pose]:
    for pose in poses:
        monitors.posture.observe(pose, monitors.size_px)
        monitors.last_time_s = pose.time_s
        yield pose


def _recorded(
    poses: Iterable[Pose],
    skeleton: Skeleton,
    job: Job,
    bundle: Bundle,
    watch: Watcher | None,
    pictures: Callable[[], PictureFacts | None],
) -> Iterator[Pose]:
    """Poses on their way, each written; what the pictures told only after the last: a track cut short has none."""
    if job.poses_path is None:
        yield from _watched(poses, watch)
        return
    about = {"recording": job.name, "recording_sha256": job.sha256, **describe_origin(bundle)}
    with PoseWriter(job.poses_path, skeleton, about) as writer:
        yield from _watched(writer.copy(poses), watch)
        if (told := pictures()) is not None:
            writer.finish(told)


def _watched(poses: Iterable[Pose], watch: Watcher | None) -> Iterator[Pose]:
    for pose in poses:
        if watch is not None:
            watch(pose)
        yield pose


def _until(frames: Iterable[Frame], max_duration_s: float | None) -> Iterator[Frame]:
    for frame in frames:
        if max_duration_s is not None and frame.time_s > max_duration_s:
            return
        yield frame


def _remembered(pieces: Iterable[LiftedTrack], kept: list[FloatArray]) -> Iterator[LiftedTrack]:
    for piece in pieces:
        kept.append(piece.joints_xy)
        yield piece


def _judge(monitors: _Monitors, seconds: float, bundle: Bundle, job: Job, pictures: PictureFacts | None) -> Quality:
    """seconds: that can be assessed."""
    told = {} if pictures is None else {name: pictures.measures.get(name) for name in monitors.picture.measures()}
    measures = {**monitors.measures(), **told, "assessable_s": seconds}
    if pictures is not None and (still := pictures.measures.get("still_share")) is not None:
        measures["still_share"] = max(still, measures["still_share"] or 0.0)  # of a track: what was left out of it, too
    quality = judge_quality(measures, job.characteristics, bundle.manifest.quality, monitors.last_time_s)
    if pictures is not None and pictures.ended_early is not None:
        cut = QualityReason(
            "ended-early",
            False,
            f"The recording breaks off after {monitors.last_time_s:.0f} s ({pictures.ended_early}).",
            "copy it from the camera again",
        )
        quality = replace(quality, reasons=(*quality.reasons, cut))
    return quality


def _moments(
    timeline: Iterable[WindowScore], skeleton_xy: FloatArray, bundle: Bundle, *, is_fms: bool
) -> tuple[Moment, ...]:
    """The most certain windows of one kind that do not overlap, most certain first."""
    threshold = bundle.manifest.operating_point.fms_threshold
    scored = [(s.fms_probability, s) for s in timeline if s.fms_probability is not None]
    of_kind = [(p, s) for p, s in scored if (p >= threshold) == is_fms]
    of_kind.sort(key=lambda pair: -pair[0] if is_fms else pair[0])
    chosen: list[tuple[float, WindowScore]] = []
    for probability, score in of_kind:
        if all(score.end_s <= other.start_s or score.start_s >= other.end_s for _, other in chosen):
            chosen.append((probability, score))
        if len(chosen) == _N_MOMENTS:
            break
    fps, length = bundle.manifest.track.fps, bundle.manifest.mam.window_frames
    return tuple(
        Moment(s.start_s, s.end_s, p, skeleton_xy[round(s.start_s * fps) : round(s.start_s * fps) + length])
        for p, s in chosen
    )
