from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.errors import DeviceError, SourceError
from fidgety.records import FloatArray, PictureFacts, Pose
from fidgety.runtime.posefile import PoseWriter, open_poses
from fidgety.skeleton import BLAZEPOSE_33, COCO_17

PoseMaker = Callable[..., Pose]
ABOUT = {"recording": "a b.mp4", "bundle": "x 1 (abc)"}
TOLD = PictureFacts((1280, 720), {"bright_luma": 41.5, "sharpness": 1 / 3, "camera_shift_share": None}, None)


@pytest.fixture
def poses(make_pose: PoseMaker, lying_xy: FloatArray) -> list[Pose]:
    """Ten poses, the fourth without an infant; other people counted in the first."""
    rng = np.random.default_rng(0)
    return [
        make_pose(
            i / 29.97,
            None if i == 3 else lying_xy + rng.normal(size=(33, 2)),
            frame_index=2 * i,
            n_others=1 if i == 0 else None,
        )
        for i in range(10)
    ]


@pytest.fixture
def stored(tmp_path: Path, poses: list[Pose]) -> Path:
    path = tmp_path / "a.poses"
    with PoseWriter(path, BLAZEPOSE_33, ABOUT) as writer:
        for pose in poses:
            writer.write(pose)
    return path


def assert_same(found: Pose, wanted: Pose) -> None:
    for name in (field.name for field in fields(Pose)):
        a, b = getattr(found, name), getattr(wanted, name)
        if isinstance(b, np.ndarray):
            assert a.dtype == np.float32 and np.array_equal(a, b, equal_nan=True), name
        elif name == "presence":
            assert a == np.float32(b)
        else:
            assert a == b, name


# .poses


def test_open_poses_gives_back_every_field(stored: Path, poses: list[Pose]) -> None:
    recording = open_poses(stored)
    assert (recording.name, recording.n_poses) == ("a.poses", 10)
    assert recording.skeleton is BLAZEPOSE_33
    assert recording.about["bundle"] == ABOUT["bundle"]
    for _ in range(2):  # again and again
        found = list(recording.poses)
        assert len(found) == 10
        for a, b in zip(found, poses, strict=True):
            assert_same(a, b)


def test_copy_hands_every_pose_on_and_stores_it(tmp_path: Path, poses: list[Pose]) -> None:
    with PoseWriter(tmp_path / "a.poses", BLAZEPOSE_33, ABOUT) as writer:
        assert list(writer.copy(poses)) == poses
    assert open_poses(tmp_path / "a.poses").n_poses == 10


def test_write_is_in_the_file_at_once(tmp_path: Path, poses: list[Pose]) -> None:
    with PoseWriter(tmp_path / "a.poses", BLAZEPOSE_33, ABOUT) as writer:
        for n, pose in enumerate(poses, start=1):
            writer.write(pose)
            assert open_poses(tmp_path / "a.poses").n_poses == n  # as after a kill at this moment


@pytest.mark.parametrize("n_bytes_lost", [1, 100, 815])
def test_open_poses_broken_off_in_a_record_is_read_up_to_there(
    stored: Path, poses: list[Pose], n_bytes_lost: int
) -> None:
    stored.write_bytes(stored.read_bytes()[:-n_bytes_lost])
    found = list(open_poses(stored).poses)
    assert len(found) == 9
    assert_same(found[-1], poses[8])


def test_open_poses_header_without_a_pose_is_refused(stored: Path) -> None:
    header = stored.read_bytes().split(b"\n")[0] + b"\n"
    for tail in (b"", b"x" * 800):
        stored.write_bytes(header + tail)
        with pytest.raises(SourceError, match="holds no poses"):
            open_poses(stored)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\n",
        b"\x00\xff\xfe\n",
        b"[1]\n",
        b'"text"\n',
        b'{"format": "fidgety-poses-9", "skeleton": "blazepose33"}\n',
        b'{"format": "fidgety-poses-1", "skeleton": "octopus8"}\n',
        b'{"format": "fidgety-poses-1", "skeleton": ["blazepose33"]}\n',
        b'{"skeleton": "blazepose33"}\n',
        b'{"format": "fidgety-poses-1"}\n',
    ],
)
def test_open_poses_wrong_header_is_refused(stored: Path, header: bytes) -> None:
    stored.write_bytes(header + bytes(5000))
    with pytest.raises(SourceError, match="is no pose track of this program"):
        open_poses(stored)


@pytest.mark.parametrize("time_s", [np.nan, np.inf, -1.0, 1e12])
def test_open_poses_damaged_times_are_refused(stored: Path, time_s: float) -> None:
    data = bytearray(stored.read_bytes())
    record = 816
    place = len(data) - 5 * record + 8
    data[place : place + 8] = np.array(time_s, "<f8").tobytes()
    stored.write_bytes(data)
    with pytest.raises(SourceError, match="must rise"):
        open_poses(stored)


@pytest.mark.parametrize("name", ["none.poses", "none.npz"])
def test_open_poses_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="there is no pose track"):
        open_poses(tmp_path / name)


@pytest.mark.parametrize("name", ["a.poses", "a.npz"])
def test_open_poses_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SourceError, match="cannot be read"):
        open_poses(tmp_path / name)


def test_pose_writer_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be written"):
        PoseWriter(tmp_path / "none" / "a.poses", BLAZEPOSE_33, ABOUT)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_pose_writer_full_disk_is_a_device_error() -> None:
    with pytest.raises(DeviceError, match="cannot be written to /dev/full: No space left"):
        PoseWriter(Path("/dev/full"), BLAZEPOSE_33, ABOUT)


class FillingDisk:
    """A stream that takes 700 bytes at a time and `capacity` bytes in all."""

    def __init__(self, stream: Any, capacity: int) -> None:
        self.stream, self.left = stream, capacity

    def write(self, data: memoryview) -> int:
        if self.left == 0:
            raise OSError(28, "No space left on device")
        n = min(len(data), 700, self.left)
        self.left -= n
        return int(self.stream.write(data[:n]))

    def close(self) -> None:
        self.stream.close()


def test_write_disk_that_fills_up_keeps_what_was_written(tmp_path: Path, poses: list[Pose]) -> None:
    path = tmp_path / "a.poses"
    n_written = 0
    with PoseWriter(path, BLAZEPOSE_33, ABOUT) as writer:
        writer._stream = FillingDisk(writer._stream, 4000)  # type: ignore[assignment]
        with pytest.raises(DeviceError, match="No space left"):
            for pose in poses:
                writer.write(pose)
                n_written += 1
    found = list(open_poses(path).poses)
    assert len(found) == n_written == 4
    assert_same(found[3], poses[3])


# .poses: what the pictures told


def write_finished(path: Path, poses: list[Pose], told: PictureFacts = TOLD) -> bytes:
    with PoseWriter(path, BLAZEPOSE_33, ABOUT) as writer:
        assert list(writer.copy(poses)) == poses
        writer.finish(told)
    return path.read_bytes()


@pytest.mark.parametrize("ended_early", [None, "it should last 180.0 s", "a word " * 700])
def test_finish_keeps_what_the_pictures_told(tmp_path: Path, poses: list[Pose], ended_early: str | None) -> None:
    """Also where it is longer than several poses."""
    told = replace(TOLD, ended_early=ended_early)
    write_finished(tmp_path / "a.poses", poses, told)
    recording = open_poses(tmp_path / "a.poses")
    assert recording.pictures == told
    assert recording.n_poses == 10
    for a, b in zip(recording.poses, poses, strict=True):
        assert_same(a, b)


def test_open_poses_unfinished_file_tells_nothing_of_its_pictures(stored: Path) -> None:
    assert open_poses(stored).pictures is None


@pytest.mark.parametrize("ended_early", [None, "a word " * 200])
def test_open_poses_broken_off_while_it_was_finished_keeps_its_poses(
    tmp_path: Path, poses: list[Pose], ended_early: str | None
) -> None:
    path = tmp_path / "a.poses"
    whole = write_finished(path, poses, replace(TOLD, ended_early=ended_early))
    end = whole.index(b"\n") + 1 + 10 * 816
    for n_bytes in (*range(end, end + 40), len(whole) - 20, len(whole) - 1):
        path.write_bytes(whole[:n_bytes])  # as after a power cut at this moment
        recording = open_poses(path)
        assert (recording.n_poses, recording.pictures) == (10, None)
        assert len(list(recording.poses)) == 10


def test_open_poses_damaged_word_of_the_pictures_is_refused(tmp_path: Path, poses: list[Pose]) -> None:
    path = tmp_path / "a.poses"
    whole = write_finished(path, poses)
    for damaged in (whole.replace(b"41.5", b"91.5"), whole + b"x", whole + whole[-816:]):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match=r"pictures is damaged: make it anew"):
            open_poses(path)


@pytest.mark.parametrize(
    "told",
    [
        replace(TOLD, size_px=(0, 720)),
        replace(TOLD, size_px=(1280,)),  # type: ignore[arg-type]
        replace(TOLD, measures={"bright_luma": float("nan")}),
        replace(TOLD, measures={"bright_luma": "light"}),  # type: ignore[dict-item]
    ],
)
def test_open_poses_word_of_the_pictures_that_makes_no_sense_is_refused(
    tmp_path: Path, poses: list[Pose], told: PictureFacts
) -> None:
    write_finished(tmp_path / "a.poses", poses, told)
    with pytest.raises(SourceError, match="tells of its pictures in another way"):
        open_poses(tmp_path / "a.poses")


# .npz


@pytest.fixture
def xyc() -> FloatArray:
    rng = np.random.default_rng(1)
    return np.concatenate([rng.uniform(0, 500, (12, 17, 2)), rng.uniform(0.1, 1, (12, 17, 1))], axis=-1).astype("f4")


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_open_poses_npz_with_its_rate(tmp_path: Path, xyc: FloatArray) -> None:
    recording = open_poses(save(tmp_path / "t.npz", xyc=xyc, fps=30.0))
    assert recording.skeleton is COCO_17 and recording.n_poses == 12
    poses = list(recording.poses)
    assert [pose.time_s for pose in poses] == pytest.approx(np.arange(12) / 30)
    assert [pose.frame_index for pose in poses] == list(range(12))
    assert np.array_equal(poses[5].keypoints_xy, xyc[5, :, :2])
    assert np.array_equal(poses[5].keypoint_scores, xyc[5, :, 2])
    assert np.isnan(poses[5].world_m).all()
    assert poses[5].n_others is None


def test_open_poses_npz_one_element_rate(tmp_path: Path, xyc: FloatArray) -> None:
    poses = list(open_poses(save(tmp_path / "t.npz", xyc=xyc, fps=[50])).poses)
    assert poses[1].time_s == pytest.approx(0.02)


def test_open_poses_npz_with_its_times(tmp_path: Path, xyc: FloatArray) -> None:
    times_s = 3.0 + np.cumsum(np.linspace(0.02, 0.05, 12))
    poses = list(open_poses(save(tmp_path / "t.npz", xyc=xyc, times_s=times_s)).poses)
    assert [pose.time_s for pose in poses] == pytest.approx(times_s - times_s[0])


def test_open_poses_npz_rate_from_the_caller(tmp_path: Path, xyc: FloatArray) -> None:
    path = save(tmp_path / "t.npz", xyc=xyc)
    assert list(open_poses(path, fps=10.0).poses)[1].time_s == pytest.approx(0.1)
    with pytest.raises(SourceError, match="does not state its frame rate: give it with --fps"):
        open_poses(path)


def test_open_poses_npz_unseen_keypoints_are_nan(tmp_path: Path, xyc: FloatArray) -> None:
    xyc[2, 4, 2] = 0.0
    xyc[3, 5, 2] = np.nan
    xyc[4, 6, 0] = np.inf
    xyc[6, :, 2] = 0.0
    poses = list(open_poses(save(tmp_path / "t.npz", xyc=xyc, fps=25)).poses)
    is_nan = np.array([np.isnan(pose.keypoints_xy).all(axis=1) for pose in poses])
    assert {tuple(cell) for cell in np.argwhere(is_nan[:6])} == {(2, 4), (3, 5), (4, 6)}
    assert poses[6].is_missing and poses[6].presence == 0.0
    assert not poses[2].is_missing
    assert all(np.isfinite(pose.keypoints_xy[~np.isnan(pose.keypoints_xy)]).all() for pose in poses)


def test_open_poses_npz_scores_are_kept_within_0_and_1(tmp_path: Path, xyc: FloatArray) -> None:
    xyc[0, 0, 2], xyc[0, 1, 2] = 1.7, -0.4
    pose = next(iter(open_poses(save(tmp_path / "t.npz", xyc=xyc, fps=25)).poses))
    assert (pose.keypoint_scores[0], pose.keypoint_scores[1]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"other": np.zeros(3)}, "found none"),
        ({"xyc": np.zeros((5, 18, 3))}, r"expected an array 'xyc' of shape \(T, 17, 3\)"),
        ({"xyc": np.zeros((5, 17, 2))}, r"found float64 \(5, 17, 2\)"),
        ({"xyc": np.zeros((17, 3))}, "expected an array 'xyc'"),
        ({"xyc": np.zeros((0, 17, 3))}, "expected an array 'xyc'"),
        ({"xyc": np.full((5, 17, 3), "x")}, "expected an array 'xyc'"),
        ({"xyc": np.zeros((5, 17, 3)), "fps": 0.0}, "does not state its frame rate"),
        ({"xyc": np.zeros((5, 17, 3)), "fps": np.nan}, "does not state its frame rate"),
        ({"xyc": np.zeros((5, 17, 3)), "fps": np.inf}, "does not state its frame rate"),
        ({"xyc": np.zeros((5, 17, 3)), "fps": "fast"}, "'fps' must hold one number"),
        ({"xyc": np.zeros((5, 17, 3)), "fps": [25, 25]}, "'fps' must hold one number"),
        ({"xyc": np.zeros((5, 17, 3)), "times_s": np.arange(4)}, "'times_s' must hold 5 rising times"),
        ({"xyc": np.zeros((5, 17, 3)), "times_s": list("abcde")}, "'times_s' must hold 5 rising times"),
        ({"xyc": np.zeros((5, 17, 3)), "times_s": [0, 1, 1, 2, 3]}, "'times_s' must rise"),
        ({"xyc": np.zeros((5, 17, 3)), "times_s": [0, 1, np.nan, 2, 3]}, "'times_s' must rise"),
        ({"xyc": np.zeros((5, 17, 3)), "times_s": [0, 1, 2, 3, 1e9]}, "'times_s' must rise"),
    ],
)
def test_open_poses_npz_of_another_kind_is_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_poses(save(tmp_path / "t.npz", **arrays))


def test_open_poses_npz_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (json.loads, ("[]",))

    np.savez(tmp_path / "t.npz", xyc=np.array([Trap()], object), fps=25)
    with pytest.raises(SourceError, match=r"is no \.npz archive of plain arrays"):
        open_poses(tmp_path / "t.npz")


@pytest.mark.parametrize("kind", ["text", "empty", "npy", "cut", "flipped"])
def test_open_poses_npz_that_is_none(tmp_path: Path, xyc: FloatArray, kind: str) -> None:
    path = tmp_path / "t.npz"
    np.savez_compressed(path, xyc=xyc, fps=25)
    data = path.read_bytes()
    if kind == "text":
        path.write_text("x y c\n1 2 3\n")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "npy":
        with path.open("wb") as stream:
            np.save(stream, xyc)
    elif kind == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(data[:300] + bytes(200) + data[500:])
    with pytest.raises(SourceError, match=r"is no \.npz archive of plain arrays"):
        open_poses(path)
