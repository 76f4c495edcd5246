import csv

import numpy as np
import pytest

from fidgety.errors import DeviceError
from fidgety.phantom.cohort_files import COLUMNS, write_cohort
from fidgety.runtime.posefile import open_poses


def test_write_cohort_gives_tracks_that_the_runtime_reads(tmp_path):
    assert write_cohort(tmp_path, 2, seed=5) == 2
    with (tmp_path / "cohort.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert {row["category"] in ("continual", "intermittent") for row in rows} == {True, False}  # one of each class
    for row in rows:
        track = open_poses(tmp_path / row["file"])
        poses = list(track.poses)
        assert len(poses) == round(float(row["duration_s"]) * float(row["fps"]))
        assert np.isfinite(poses[0].keypoints_xy).all()


def test_write_cohort_is_the_same_for_the_same_seed(tmp_path):
    for name in ("a", "b"):
        write_cohort(tmp_path / name, 1, seed=9)
    track = next((tmp_path / "a").glob("*.npz")).name
    with np.load(tmp_path / "a" / track) as one, np.load(tmp_path / "b" / track) as other:
        assert np.array_equal(one["xyc"], other["xyc"])


def test_write_cohort_into_a_file_raises(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(DeviceError, match="cannot be written"):
        write_cohort(tmp_path / "taken", 1, seed=1)
