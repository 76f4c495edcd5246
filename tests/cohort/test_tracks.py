from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import CohortRecording
from fidgety.cohort.tracks import open_track, read_track, track_duration_s
from fidgety.errors import SourceError
from fidgety.runtime.track import BAND_WEIGHTS, DEVICE_TRACK, smooth_rows


@pytest.fixture(scope="module")
def recording(written: Path) -> CohortRecording:
    return read_cohort(written).recordings[0]


def test_open_track_reads_poses_when_they_are_asked_for(recording: CohortRecording) -> None:
    track = open_track(recording)
    assert (track.skeleton.name, track.n_poses) == ("coco17", 300)
    assert track_duration_s(track) == pytest.approx(12.0)
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
