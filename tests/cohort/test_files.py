from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.cohort.files import inspect_file
from fidgety.errors import SourceError
from fidgety.phantom.video import write_video
from fidgety.records import FloatArray, Pose
from fidgety.runtime.posefile import PoseWriter
from fidgety.skeleton import BLAZEPOSE_33


def test_inspect_file_of_a_video_reads_its_header(tmp_path: Path) -> None:
    picture = np.full((32, 32, 3), 90, np.uint8)
    write_video(tmp_path / "a.mp4", (picture for _ in range(30)), 10.0, threads=1)
    facts = inspect_file(tmp_path, "a.mp4")
    assert facts.duration_s == pytest.approx(3.0, abs=0.11)
    assert facts.sha256 == hashlib.sha256((tmp_path / "a.mp4").read_bytes()).hexdigest()
    assert facts.path == tmp_path.resolve() / "a.mp4"
    assert facts.hashes == {facts.sha256}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("none.mp4", "there is no file none.mp4"),
        ("folder", "there is no file folder"),
        ("text.mp4", r"^text\.mp4 is no readable video"),
        ("/etc/hostname", "lies outside"),
        ("folder/../../x.mp4", "lies outside"),
        ("x" * 300, "cannot be read|there is no file"),
    ],
)
def test_inspect_file_that_is_no_recording(tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / "cohort" / "folder").mkdir(parents=True)
    (tmp_path / "cohort" / "text.mp4").write_text("no video")
    with pytest.raises(SourceError, match=message):
        inspect_file(tmp_path / "cohort", file)


def test_inspect_file_of_a_foreign_track_without_its_rate(tmp_path: Path) -> None:
    xyc = np.ones((50, 17, 3), np.float32)
    np.savez(tmp_path / "with.npz", xyc=xyc, fps=np.float64(25.0))
    np.savez(tmp_path / "without.npz", xyc=xyc)
    assert inspect_file(tmp_path, "with.npz").duration_s == pytest.approx(2.0)
    with pytest.raises(
        SourceError, match=r"^without\.npz does not state its frame rate: store it in the file as 'fps'$"
    ):
        inspect_file(tmp_path, "without.npz")


@pytest.mark.parametrize(
    ("told", "is_known"),
    [("ab" * 32, True), (None, False), ("", False), ("AB" * 31, False), (7, False), ("no hash " * 8, False)],
)
def test_inspect_file_of_a_track_tells_of_its_video(
    tmp_path: Path, lying_xy: FloatArray, make_pose: Callable[..., Pose], told: Any, is_known: bool
) -> None:
    for name in ("one", "other"):
        with PoseWriter(tmp_path / f"{name}.poses", BLAZEPOSE_33, {"recording": name, "recording_sha256": told}) as to:
            for i in range(3):
                to.write(make_pose(i / 25, lying_xy))
    one, other = (inspect_file(tmp_path, f"{name}.poses") for name in ("one", "other"))
    assert one.sha256 != other.sha256
    assert one.other_hashes == other.other_hashes and one.sha256 in one.hashes
    assert len(one.other_hashes) == 1 + is_known and (told in one.other_hashes) == is_known
