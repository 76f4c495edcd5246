"""A cohort's recording -> its pose track, read when it is asked for. Videos are left to who runs the pose network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from fidgety.bundle import TrackSettings
from fidgety.cohort.records import CohortRecording
from fidgety.errors import SourceError
from fidgety.records import Pose, PoseTrack
from fidgety.runtime.posefile import PoseRecording, open_poses
from fidgety.runtime.repeats import RepeatFilter
from fidgety.runtime.track import track_poses
from fidgety.skeleton import Skeleton

__all__ = ["TrackFacts", "open_track", "read_track", "track_facts", "whole_track"]

_BLOCK_POSES = 512


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What is known of a pose track that was read through.

    duration_s: from the first pose to the end of the last one, which lasts as long as the median pose.
    content_sha256: hex, of skeleton, keypoints, scores and times; None where no keypoint was ever seen: such tracks are
    alike, whosever they are.
    """

    duration_s: float
    content_sha256: str | None


def open_track(recording: CohortRecording) -> PoseRecording:
    """The poses of a recording as they were stored; they are read while they are iterated.

    Raises SourceError where it is a video, or no longer what it was when the cohort was read.
    """
    if not recording.is_track:
        raise SourceError(f"{recording.file} is a video: turn it into a pose track with `fidgety pose` first")
    return open_poses(recording.path)


def read_track(recording: CohortRecording, settings: TrackSettings) -> PoseTrack:
    """The whole track as the device would hold it: resampled by time, gaps bridged, smoothed.

    Raises SourceError as `open_track` does.
    """
    stored = open_track(recording)
    return whole_track(stored.poses, stored.skeleton, settings)


def whole_track(poses: Iterable[Pose], skeleton: Skeleton, settings: TrackSettings) -> PoseTrack:
    """All rows that the device's track makes of these poses, in one piece."""
    pieces = list(track_poses(RepeatFilter().poses(poses), settings, skeleton.name, len(skeleton)))
    return PoseTrack(
        skeleton=skeleton.name,
        fps=settings.fps,
        first_frame=0,
        keypoints_xy=np.concatenate([piece.keypoints_xy for piece in pieces]),
        keypoint_scores=np.concatenate([piece.keypoint_scores for piece in pieces]),
        is_observed=np.concatenate([piece.is_observed for piece in pieces]),
    )


def track_facts(recording: PoseRecording) -> TrackFacts:
    """Read the whole track once. Its content is that of its poses alone, to the millisecond: whatever the header or the
    file's name calls it, and whether it lies in a `.poses` or an `.npz`. Runs keep these hashes: they may not change.
    """
    digest, is_seen_at_all = hashlib.sha256(recording.skeleton.name.encode()), False
    times: list[float] = []
    poses = iter(recording.poses)
    while block := list(islice(poses, _BLOCK_POSES)):
        times += [pose.time_s for pose in block]
        xy = np.stack([pose.keypoints_xy for pose in block])
        scores = np.nan_to_num(np.stack([pose.keypoint_scores for pose in block]))
        is_seen = (scores > 0) & np.isfinite(xy).all(axis=2)
        is_seen_at_all = is_seen_at_all or bool(is_seen.any())
        rows = np.dstack([np.where(is_seen[..., None], xy, np.nan), scores])  # one kind of NaN, (n, K, 3)
        digest.update(rows.astype("<f4").tobytes())
    times_s = np.array(times)
    digest.update(np.round((times_s - times_s[0]) * 1000).astype("<i8").tobytes())
    duration_s = float(times_s[-1] - times_s[0] + np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    return TrackFacts(duration_s, digest.hexdigest() if is_seen_at_all else None)
