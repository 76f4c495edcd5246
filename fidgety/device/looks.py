"""Poses while the camera runs: every frame where the box keeps up, one a second where it does not.

    ring -> dense (the whole chain, as `score` runs it) -> until it falls half a second behind -> sparse -> end
    afterwards, for what only neighbouring frames tell: a stretch from the middle of the video, as time allows

Each gives a `Part`: the figures of the quality gate, of how many frames, over how many seconds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av

from fidgety.bundle import Bundle
from fidgety.device.frame_ring import FrameRing
from fidgety.records import Frame, Pose
from fidgety.runtime.noise_floor import NoiseFloor
from fidgety.runtime.picture import PictureMonitor
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.posture import PostureMonitor
from fidgety.runtime.readers import bundle_skeleton
from fidgety.runtime.source import frame_from_picture
from fidgety.runtime.windows import AssessableTime, cut_windows
from fidgety.skeleton import Skeleton

__all__ = ["Part", "Seen", "read_stretch", "watch_ring"]

LOOK_EVERY_S = 1.0
_POLL_S = 0.02
_FAST_SHARE = 0.5  # of the time between two frames that a pose may take for all frames to be read
_N_TRIED = 5  # looks after which the box's speed is known
_LONGEST_BETWEEN_S = 6.0  # two looks farther apart say nothing of the time between them

Seen = Callable[[Frame, Pose, bool, float], None]  # frame, pose, whether it is recorded, assessable seconds so far


@dataclass(frozen=True, slots=True)
class Part:
    """Figures of one pass."""

    kind: str  # "dense": every frame; "sparse": one now and then; "stretch": every frame of a part, read afterwards
    n_poses: int
    seconds: float
    assessable_s: float
    measures: dict[str, float | None]


def watch_ring(ring: FrameRing, bundle: Bundle, fps: float, n_threads: int, seen: Seen) -> list[Part]:
    """Look until the ring ends."""
    estimator = PoseEstimator(bundle, n_threads)
    took_s: deque[float] = deque(maxlen=_N_TRIED)
    parts: list[Part] = []
    sparse = _Sparse(estimator.skeleton)
    next_number, next_look_s = 0, 0.0
    while True:
        number = ring.n_put - 1
        is_due = number >= next_number and time.monotonic() >= next_look_s
        got = ring.get(number) if is_due else None
        if got is None:
            if ring.is_ended:
                break
            time.sleep(_POLL_S)
            continue
        frame, is_recorded = got
        next_number = number + 1
        if is_recorded and not parts and not sparse.n_poses and _is_fast(took_s, fps):
            parts.append(_watch_all(ring, number, bundle, n_threads, seen))
            estimator, next_number = PoseEstimator(bundle, n_threads), ring.n_put - (not ring.is_ended)
            continue
        begun_s = time.monotonic()
        pose = estimator.look(frame)
        took_s.append(time.monotonic() - begun_s)
        if is_recorded:
            sparse.observe(frame, pose)
        seen(frame, pose, is_recorded, sparse.assessable_s + sum(part.assessable_s for part in parts))
        next_look_s = begun_s + max(LOOK_EVERY_S if is_recorded or len(took_s) == _N_TRIED else 0.0, 2 * took_s[-1])
    return [*parts, *([sparse.part()] if sparse.n_poses else [])]


def read_stretch(video: Path, bundle: Bundle, n_threads: int, budget_s: float) -> Part | None:
    """Every frame from the middle of the video on, for at most `budget_s`; None where there are too few."""
    until_s = time.monotonic() + budget_s
    chain = _Chain(bundle)
    poses = chain.run(_frames_from_middle(video, until_s), PoseEstimator(bundle, n_threads))
    for _ in poses:
        pass
    return chain.part("stretch") if chain.n_poses >= 50 else None


class _Chain:
    """The chain of `score` up to the windows, with its monitors."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._posture, self._picture = PostureMonitor(bundle_skeleton(bundle.manifest.pose)), PictureMonitor()
        self._noise_floor = NoiseFloor()
        self.n_poses, self.seconds = 0, 0.0
        self._assessable = AssessableTime(bundle.manifest.mam, bundle.manifest.track.fps)

    @property
    def assessable_s(self) -> float:
        return self._assessable.seconds

    def run(self, frames: Iterable[Frame], estimator: PoseEstimator, seen: Seen | None = None) -> Iterator[None]:
        """One step a window."""
        pieces = self._noise_floor.listen(
            lift_poses(self._observed(frames, estimator, seen), estimator.skeleton, self._bundle)
        )
        manifest = self._bundle.manifest
        for window in cut_windows(pieces, manifest.mam, manifest.track.fps):
            self._assessable.add(window)
            yield

    def part(self, kind: str) -> Part:
        measures = {**self._posture.measures(), **self._picture.measures(), **self._noise_floor.measures()}
        return Part(kind, self.n_poses, self.seconds, self.assessable_s, measures)

    def _observed(self, frames: Iterable[Frame], estimator: PoseEstimator, seen: Seen | None) -> Iterator[Pose]:
        waiting: deque[Frame] = deque()
        next_seen_s = 0.0
        for pose in estimator.poses(_kept(frames, waiting)):
            frame = waiting.popleft()
            self._posture.observe(pose, (frame.width_px, frame.height_px))
            self._picture.observe(frame, pose)
            self.n_poses, self.seconds = self.n_poses + 1, frame.time_s
            if seen is not None and frame.time_s >= next_seen_s:
                next_seen_s = frame.time_s + LOOK_EVERY_S
                seen(frame, pose, True, self.assessable_s)
            yield pose


class _Sparse:
    """Monitors of looks that are a second apart. They see no stall between two of them: the frame log does."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._posture, self._picture = PostureMonitor(skeleton), PictureMonitor()
        self.n_poses, self.assessable_s, self._seconds = 0, 0.0, 0.0
        self._last_s: float | None = None
        self._was_found = False

    def observe(self, frame: Frame, pose: Pose) -> None:
        self._posture.observe(pose, (frame.width_px, frame.height_px))
        self._picture.observe(frame, pose)
        self.n_poses += 1
        between_s = 0.0 if self._last_s is None else frame.time_s - self._last_s
        self._seconds += between_s
        if self._was_found and not pose.is_missing and between_s <= _LONGEST_BETWEEN_S:
            self.assessable_s += between_s
        self._was_found, self._last_s = not pose.is_missing, frame.time_s

    def part(self) -> Part:
        measures = {**self._posture.measures(), **self._picture.measures()}
        measures.update(jitter_mm=None, source_fps=None, lost_frame_share=None)  # of neighbouring frames only
        return Part("sparse", self.n_poses, self._seconds, self.assessable_s, measures)


def _watch_all(ring: FrameRing, number: int, bundle: Bundle, n_threads: int, seen: Seen) -> Part:
    """Every frame from `number` on until the ring ends or has overtaken us."""
    chain = _Chain(bundle)
    first = ring.get(number)
    start_s = 0.0 if first is None else first[0].time_s

    def see(frame: Frame, pose: Pose, is_recorded: bool, assessable_s: float) -> None:
        seen(replace(frame, time_s=frame.time_s + start_s), pose, is_recorded, assessable_s)

    ring.wants_all = True
    try:
        for _ in chain.run(_frames_of_ring(ring, number), PoseEstimator(bundle, n_threads), see):
            pass
    finally:
        ring.wants_all = False
    return chain.part("dense")


def _frames_of_ring(ring: FrameRing, number: int) -> Iterator[Frame]:
    """Consecutive frames, timed from the first."""
    start_s: float | None = None
    while True:
        if number >= ring.n_put:
            if ring.is_ended:
                return
            time.sleep(_POLL_S / 4)
            continue
        got = ring.get(number)
        if got is None:
            return
        frame = got[0]
        start_s = frame.time_s if start_s is None else start_s
        yield Frame(number, frame.time_s - start_s, frame.luma, frame.chroma_u, frame.chroma_v, frame.rgb_from_yuv)
        number += 1


def _frames_from_middle(video: Path, until_s: float) -> Iterator[Frame]:
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        duration = container.duration or 0
        if duration > 30 * av.time_base:
            container.seek(duration // 2)
        start_s: float | None = None
        for number, picture in enumerate(container.decode(stream)):
            if time.monotonic() > until_s:
                return
            picture_s = float(picture.time or 0.0)
            start_s = picture_s if start_s is None else start_s
            yield frame_from_picture(picture, number, picture_s - start_s, (picture.width, picture.height))


def _kept(frames: Iterable[Frame], waiting: deque[Frame]) -> Iterator[Frame]:
    for frame in frames:
        waiting.append(frame)
        yield frame


def _is_fast(took_s: deque[float], fps: float) -> bool:
    return len(took_s) == took_s.maxlen and sorted(took_s)[len(took_s) // 2] < _FAST_SHARE / max(fps, 1.0)
