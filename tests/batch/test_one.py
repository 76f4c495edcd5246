"""What is scored already is found again, and what can hardly be assessed has no result."""

from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.batch.one import Request, score_one
from fidgety.bundle import Bundle
from fidgety.records import Characteristics, Pose
from fidgety.runtime.posefile import PoseWriter, open_poses

from .conftest import TrackMaker

pytestmark = pytest.mark.bundle
AT_13_WEEKS = Characteristics(13.0)


def no_watcher(_: object) -> None:
    return None


def without_stalls_every(path: Path, track: Path, period_s: float) -> Path:
    """The track without the .32 s from 5 s on, and so on."""
    stored = open_poses(track)

    def is_there(pose: Pose) -> bool:
        return (pose.time_s - 5.0) % period_s >= 0.32 - 1e-9

    with PoseWriter(path, stored.skeleton, {"recording": "phantom"}) as writer:
        for pose in filter(is_there, stored.poses):
            writer.write(pose)
    return path


def test_score_one_stalls_leave_no_result_of_a_window_or_two(
    tmp_path: Path, bundle: Bundle, make_track: TrackMaker
) -> None:
    """Windows every .8 s cover most of the recording; those that make the result are stalled, all but a few."""
    whole = make_track(tmp_path / "whole.poses", seconds=75.0)
    stalled = without_stalls_every(tmp_path / "stalled.poses", whole, 10.4)
    request = Request(bundle, AT_13_WEEKS, None)
    outputs = score_one(str(stalled), request, no_watcher)
    assert outputs.assessment.frequency is None and outputs.assessment.risk is None
    assert "interrupted" in [reason.code for reason in outputs.assessment.quality.reasons if reason.is_blocking]
    plain = score_one(str(whole), request, no_watcher).assessment
    assert plain.quality.measures["assessable_s"] == 74.4
    assert "interrupted" not in [reason.code for reason in plain.quality.reasons]
