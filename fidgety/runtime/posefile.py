"""Pose <-> disk. Poses are handed to the system one by one as they come, so a kill costs none of them.

A power cut costs what the system had not yet written, a few seconds. A `.poses` file is one JSON line (format,
skeleton, recording and its hash, origin) and then fixed-size little-endian records. A file that breaks off in the
middle of a record is read up to there. A whole one ends with what the pictures told, so that a track is judged as its
recording was: in place of a record -1, where a frame's index would be, then length and CRC-32 of a JSON object, and
that object. Foreign tracks come as `.npz` with COCO-17 keypoints.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from fidgety.errors import DeviceError, SourceError, UnsettledError
from fidgety.records import PictureFacts, Pose
from fidgety.skeleton import COCO_17, SKELETONS, Skeleton

__all__ = ["POSE_SUFFIXES", "PoseRecording", "PoseWriter", "open_poses"]

POSE_SUFFIXES = (".poses", ".npz")
FORMAT = "fidgety-poses-2"
_END = struct.Struct("<qII")  # -1, bytes of the JSON object that follows, its CRC-32
_LONGEST_END = 1 << 16
_LONGEST_LEAP_S = 600.0
_BLOCK_POSES = 512


@dataclass(frozen=True, slots=True)
class PoseRecording:
    """A pose track on disk. `poses` may be iterated again and again."""

    name: str
    skeleton: Skeleton
    poses: Iterable[Pose]
    n_poses: int
    about: Mapping[str, Any]
    pictures: PictureFacts | None = None  # None: not told; the track was cut short, or never had pictures


class PoseWriter:
    """Appends poses to `path`; the file is complete up to the last `write`, whole with `finish`. Use it with `with`."""

    def __init__(self, path: Path, skeleton: Skeleton, about: Mapping[str, Any]) -> None:
        """Raises DeviceError when the file cannot be made."""
        self._path = path
        self._record = _record_type(len(skeleton))
        header = {"format": FORMAT, "skeleton": skeleton.name, **about}
        try:
            self._stream = path.open("wb", buffering=0)
        except OSError as error:
            raise DeviceError(f"poses cannot be written to {path}: {error.strerror}") from error
        try:
            self._append(json.dumps(header).encode() + b"\n")
        except DeviceError:
            self._stream.close()
            raise

    def __enter__(self) -> PoseWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stream.close()
        except OSError as error:
            if value is None:
                raise DeviceError(f"poses cannot be written to {self._path}: {error.strerror}") from error

    def write(self, pose: Pose) -> None:
        """Append one pose. Raises DeviceError when the disk is full or gone."""
        row = np.zeros((), self._record)
        for name in _FIELDS:
            row[name] = getattr(pose, name)
        row["n_others"] = -1 if pose.n_others is None else pose.n_others
        self._append(row.tobytes())

    def finish(self, pictures: PictureFacts) -> None:
        """Append what the pictures told, after the last pose. Raises DeviceError as `write` does."""
        told = json.dumps(asdict(pictures)).encode()
        self._append(_END.pack(-1, len(told), zlib.crc32(told)) + told)

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:  # a disk that fills up takes a part first
                left = left[self._stream.write(left) :]
        except OSError as error:
            raise DeviceError(f"poses cannot be written to {self._path}: {error.strerror}") from error

    def copy(self, poses: Iterable[Pose]) -> Iterator[Pose]:
        """Hand poses on and write each one on its way."""
        for pose in poses:
            self.write(pose)
            yield pose


def open_poses(path: Path, fps: float | None = None) -> PoseRecording:
    """Open a `.poses` file, or an `.npz` with COCO-17 keypoints.

    The `.npz` holds `xyc` (T, 17, 3) float: x, y in px and confidence; optionally `times_s` (T,) or `fps`. A frame rate
    that the file does not state must be given as `fps`. Raises SourceError for anything else.
    """
    try:
        return _open_npz(path, fps) if path.suffix == ".npz" else _open_pose_file(path)
    except FileNotFoundError:
        raise SourceError(f"there is no pose track {path}: check the name") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


_FIELDS = ("frame_index", "time_s", "keypoints_xy", "keypoint_scores", "world_m", "presence")


def _record_type(n_keypoints: int) -> np.dtype[Any]:
    return np.dtype(
        [
            ("frame_index", "<i8"),
            ("time_s", "<f8"),
            ("keypoints_xy", "<f4", (n_keypoints, 2)),
            ("keypoint_scores", "<f4", (n_keypoints,)),
            ("world_m", "<f4", (n_keypoints, 3)),
            ("presence", "<f4"),
            ("n_others", "<i4"),
        ]
    )


def _open_pose_file(path: Path) -> PoseRecording:
    with path.open("rb") as stream:
        line = stream.readline(1 << 16)
        offset = stream.tell()
    try:
        about = json.loads(line)
        skeleton = SKELETONS[about["skeleton"]]
        is_ours = about["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise SourceError(f"{path} is no pose track of this program: make it with `fidgety pose`")
    record = _record_type(len(skeleton))
    times_s = _stored_times(_StoredPoses(path, record, offset, (path.stat().st_size - offset) // record.itemsize))
    n = len(times_s)
    if n == 0:
        raise SourceError(f"{path} holds no poses: make it anew with `fidgety pose`")
    _check_times(path, "times", times_s)
    pictures = _read_end(path, offset + n * record.itemsize)
    return PoseRecording(path.name, skeleton, _StoredPoses(path, record, offset, n), n, about, pictures)


def _stored_times(stored: _StoredPoses) -> np.ndarray[Any, Any]:
    """(N,) float64 of the poses before the end, which may be longer than a record."""
    times_s = [np.empty(0)]
    for rows in stored.blocks():
        is_pose = np.cumsum(rows["frame_index"] == -1) == 0
        times_s.append(rows["time_s"][is_pose])
        if not is_pose.all():
            break
    return np.concatenate(times_s)


def _read_end(path: Path, offset: int) -> PictureFacts | None:
    """What stands behind the last pose; None where the file breaks off before it or in it. Raises SourceError."""
    with path.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(_END.size + _LONGEST_END)
    if len(data) < _END.size:
        return None
    mark, n_bytes, checksum = _END.unpack_from(data)
    told = data[_END.size :]
    if mark != -1 or len(told) < n_bytes:
        return None
    if len(told) > n_bytes or zlib.crc32(told) != checksum:
        raise SourceError(f"{path}: what it tells of its pictures is damaged: make it anew with `fidgety pose`")
    try:
        return _facts(json.loads(told))
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path} tells of its pictures in another way than this program ({error}): make it anew with `fidgety pose`"
        ) from error


def _facts(told: dict[str, Any]) -> PictureFacts:
    """Raises ValueError, KeyError or TypeError for what is none."""
    width_px, height_px = (int(px) for px in told["size_px"])
    measures = {name: None if value is None else float(value) for name, value in told["measures"].items()}
    if min(width_px, height_px) < 1 or not all(value is None or math.isfinite(value) for value in measures.values()):
        raise ValueError("its numbers make no sense")
    reason = told["ended_early"]
    return PictureFacts((width_px, height_px), measures, None if reason is None else str(reason))


@dataclass(frozen=True, slots=True, eq=False)
class _StoredPoses:
    """Read block by block: a mapped file that is cut short under its reader would end the whole process."""

    path: Path
    record: np.dtype[Any]
    offset: int  # bytes of the header
    n: int

    def blocks(self) -> Iterator[np.ndarray[Any, Any]]:
        """Records in order. Raises UnsettledError where the file is shorter now than it was."""
        n_left = self.n
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            while n_left:
                wanted = min(n_left, _BLOCK_POSES)
                data = stream.read(wanted * self.record.itemsize)
                rows = np.frombuffer(data, self.record, len(data) // self.record.itemsize)
                if len(rows) < wanted:
                    raise UnsettledError(
                        f"{self.path} was cut short while it was read: score it again when it is whole"
                    )
                n_left -= wanted
                yield rows

    def __iter__(self) -> Iterator[Pose]:
        for row in (row for rows in self.blocks() for row in rows):
            yield Pose(
                int(row["frame_index"]),
                float(row["time_s"]),
                np.array(row["keypoints_xy"]),
                np.array(row["keypoint_scores"]),
                np.array(row["world_m"]),
                float(row["presence"]),
                None if row["n_others"] < 0 else int(row["n_others"]),
            )


def _open_npz(path: Path, fps: float | None) -> PoseRecording:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {key: np.asarray(archive[key]) for key in ("xyc", "fps", "times_s") if key in archive}
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise SourceError(f"{path} is no .npz archive of plain arrays: it may be cut off") from error
    xyc = arrays.get("xyc")
    is_right = xyc is not None and xyc.dtype.kind in "fiu" and xyc.shape[1:] == (len(COCO_17), 3) and len(xyc) > 0
    if xyc is None or not is_right:
        found = "none" if xyc is None else f"{xyc.dtype} {xyc.shape}"
        raise SourceError(f"{path}: expected an array 'xyc' of shape (T, 17, 3) with x, y, confidence; found {found}")
    times_s = _times(path, arrays, fps, len(xyc))
    return PoseRecording(path.name, COCO_17, _CocoPoses(xyc.astype(np.float32), times_s), len(xyc), {})


def _times(path: Path, arrays: dict[str, Any], fps: float | None, n: int) -> np.ndarray[Any, Any]:
    if "times_s" in arrays:
        times_s = arrays["times_s"]
        if times_s.shape != (n,) or times_s.dtype.kind not in "fiu":
            raise SourceError(f"{path}: 'times_s' must hold {n} rising times in seconds")
        _check_times(path, "'times_s'", times_s)
        return np.asarray(times_s - times_s[0], np.float64)
    stated = arrays.get("fps")
    if stated is not None and (stated.size != 1 or stated.dtype.kind not in "fiu"):
        raise SourceError(f"{path}: 'fps' must hold one number")
    rate = fps if stated is None else float(stated.reshape(()))
    if rate is None or not 0 < rate < np.inf:
        raise SourceError(f"{path} does not state its frame rate: give it with --fps")
    return np.arange(n) / rate


def _check_times(path: Path, name: str, times_s: np.ndarray[Any, Any]) -> None:
    """Raises SourceError unless the times rise, by at most _LONGEST_LEAP_S (every second becomes 25 rows)."""
    steps = np.diff(times_s)
    if not (np.isfinite(times_s).all() and np.all(steps > 0) and np.all(steps < _LONGEST_LEAP_S)):
        raise SourceError(f"{path}: {name} must rise, without leaps of {_LONGEST_LEAP_S:g} s: the track is damaged")


@dataclass(frozen=True, slots=True, eq=False)
class _CocoPoses:
    xyc: np.ndarray[Any, Any]
    times_s: np.ndarray[Any, Any]

    def __iter__(self) -> Iterator[Pose]:
        nothing = np.full((len(COCO_17), 3), np.nan, np.float32)
        for i, (row, time_s) in enumerate(zip(self.xyc, self.times_s, strict=True)):
            scores = np.clip(np.nan_to_num(row[:, 2]), 0.0, 1.0)
            is_known = (scores > 0) & np.isfinite(row[:, :2]).all(axis=1)
            xy = np.where(is_known[:, None], row[:, :2], np.float32(np.nan))
            presence = float(scores.mean())
            yield Pose(i, float(time_s), xy, scores, nothing, presence, None)
