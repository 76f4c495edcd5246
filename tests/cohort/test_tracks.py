from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import CohortRecording
from fidgety.cohort.tracks import TrackFacts, open_track, read_track, track_facts
from fidgety.errors import SourceError
from fidgety.records import FloatArray, Pose
from fidgety.runtime.posefile import PoseWriter, open_poses
from fidgety.runtime.track import BAND_WEIGHTS, DEVICE_TRACK, smooth_rows
from fidgety.skeleton import BLAZEPOSE_33, COCO_17


@pytest.fixture(scope="module")
def recording(written: Path) -> CohortRecording:
    return read_cohort(written).recordings[0]


def test_open_track_reads_poses_when_they_are_asked_for(recording: CohortRecording) -> None:
    track = open_track(recording)
    assert (track.skeleton.name, track.n_poses) == ("coco17", 300)
    assert track_facts(track).duration_s == pytest.approx(12.0)
    assert next(iter(track.poses)).keypoints_xy.shape == (17, 2)


def test_read_track_is_what_the_device_would_hold(recording: CohortRecording) -> None:
    track = read_track(recording, DEVICE_TRACK)
    assert track.keypoints_xy.shape == (300, 17, 2) and track.is_observed.all()
    raw = np.stack([pose.keypoints_xy for pose in open_track(recording).poses])
    assert not np.allclose(raw, track.keypoints_xy, atol=0.05)
    assert np.allclose(smooth_rows(raw, BAND_WEIGHTS), track.keypoints_xy, atol=0.01)


def test_open_track_of_a_video(recording: CohortRecording) -> None:
    with pytest.raises(SourceError, match=r"is a video: turn it into a pose track with `fidgety pose`"):
        open_track(replace(recording, path=recording.path.with_suffix(".mp4")))


@pytest.fixture
def facts_of(recording: CohortRecording, tmp_path: Path) -> Callable[..., TrackFacts]:
    """facts_of(change, n_poses, **header): facts of the recording's poses, each changed, under another header."""

    def find(
        change: Callable[[Pose], Pose] = lambda pose: pose, n_poses: int | None = None, **header: str
    ) -> TrackFacts:
        with PoseWriter(tmp_path / "copy.poses", COCO_17, header) as writer:
            for pose in list(open_poses(recording.path).poses)[:n_poses]:
                writer.write(change(pose))
        return track_facts(open_poses(tmp_path / "copy.poses"))

    return find


def test_track_facts_of_a_copy_under_another_name(
    recording: CohortRecording, facts_of: Callable[..., TrackFacts], tmp_path: Path
) -> None:
    facts = track_facts(open_poses(recording.path))
    assert facts_of(recording="another", bundle="another 2.0") == facts
    assert facts_of(lambda pose: replace(pose, time_s=pose.time_s + 7.0, frame_index=pose.frame_index + 175)) == facts
    poses = list(open_poses(recording.path).poses)
    xyc = np.stack([np.column_stack([pose.keypoints_xy, pose.keypoint_scores]) for pose in poses])
    np.savez(tmp_path / "copy.npz", xyc=xyc, fps=25.0)
    assert track_facts(open_poses(tmp_path / "copy.npz")) == facts


def test_track_facts_of_other_poses(recording: CohortRecording, facts_of: Callable[..., TrackFacts]) -> None:
    found = [
        track_facts(open_poses(recording.path)),
        facts_of(lambda pose: replace(pose, keypoints_xy=pose.keypoints_xy + np.float32(0.001))),
        facts_of(lambda pose: replace(pose, keypoint_scores=pose.keypoint_scores / 2)),
        facts_of(lambda pose: replace(pose, time_s=pose.time_s * 1.001)),
        facts_of(n_poses=299),
    ]
    assert len({one.content_sha256 for one in found}) == len(found)


def test_track_facts_of_what_was_not_seen(facts_of: Callable[..., TrackFacts]) -> None:
    """Tracks on which nobody was found are alike, whosever they are; a keypoint that was not seen lies nowhere."""
    nothing = np.full((17, 2), np.nan, np.float32)
    assert facts_of(lambda pose: replace(pose, keypoints_xy=nothing)).content_sha256 is None

    def lost(fill: float) -> Callable[[Pose], Pose]:
        xy, scores = np.full((17, 2), fill, np.float32), np.zeros(17, np.float32)
        return lambda pose: replace(pose, keypoints_xy=xy, keypoint_scores=scores) if pose.frame_index == 9 else pose

    one, other, plain = facts_of(lost(np.nan)), facts_of(lost(3.0)), facts_of()
    assert one.content_sha256 == other.content_sha256 != plain.content_sha256


def test_track_facts_stay_what_runs_have_kept(
    tmp_path: Path, lying_xy: FloatArray, make_pose: Callable[..., Pose]
) -> None:
    with PoseWriter(tmp_path / "a.poses", BLAZEPOSE_33, {}) as writer:
        for i in range(600):
            writer.write(make_pose(0.04 * i, None if i == 300 else lying_xy + i % 7))
    facts = track_facts(open_poses(tmp_path / "a.poses"))
    assert facts.duration_s == pytest.approx(24.0)
    assert facts.content_sha256 == "6c62c5c91deb5735522a061b5d883b4fa454e6031e1518bd24f87fa25c685d1c"
