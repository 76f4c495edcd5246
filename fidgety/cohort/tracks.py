"""A cohort's recording -> its pose track, read when it is asked for. Videos are left to who runs the pose network."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fidgety.bundle import TrackSettings
from fidgety.cohort.records import CohortRecording
from fidgety.errors import SourceError
from fidgety.records import Pose, PoseTrack
from fidgety.runtime.posefile import PoseRecording, open_poses
from fidgety.runtime.track import track_poses
from fidgety.skeleton import Skeleton

__all__ = ["open_track", "read_track", "track_duration_s", "whole_track"]


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
    pieces = list(track_poses(poses, settings, skeleton.name, len(skeleton)))
    return PoseTrack(
        skeleton=skeleton.name,
        fps=settings.fps,
        first_frame=0,
        keypoints_xy=np.concatenate([piece.keypoints_xy for piece in pieces]),
        keypoint_scores=np.concatenate([piece.keypoint_scores for piece in pieces]),
        is_observed=np.concatenate([piece.is_observed for piece in pieces]),
    )


def track_duration_s(recording: PoseRecording) -> float:
    """From the first pose to the end of the last one, which lasts as long as the median pose. Reads the whole track."""
    times_s = np.array([pose.time_s for pose in recording.poses])
    if len(times_s) < 2:
        return 0.0
    return float(times_s[-1] - times_s[0] + np.median(np.diff(times_s)))
