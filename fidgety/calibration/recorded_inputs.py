"""Recordings -> what each network was given on the way, spread over time: what ranges and parity are measured on.

The real chain runs, and the inputs of some of its frames, chunks and windows are kept. Noise, or pictures without an
infant, would say nothing about either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from fidgety.bundle import Bundle, CharacteristicScale, sha256_of_file
from fidgety.calibration.networks import BAG_INSTANCES, NetworkName
from fidgety.errors import SourceError, UsageError
from fidgety.records import FloatArray, Frame, Pose, Window
from fidgety.runtime.assess import Mam
from fidgety.runtime.blazepose import Landmarks, Region, crop_picture
from fidgety.runtime.doubt import steady_doubtful
from fidgety.runtime.keypoint_network import input_picture
from fidgety.runtime.networks import CHUNK_ROWS
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.readers import bundle_skeleton
from fidgety.runtime.source import open_source
from fidgety.runtime.stream_lifter import StreamLifter
from fidgety.runtime.track import track_poses
from fidgety.runtime.upright import UprightFrame
from fidgety.runtime.windows import cut_windows
from fidgety.skeleton import COCO_17

__all__ = ["Given", "RecordedInputs", "RecordingUsed", "listen", "sha256_of_inputs"]

T = TypeVar("T")
Given = Mapping[str, FloatArray]  # by the graph's input names
_MIN_FRAMES = 10  # of a recording, with an infant in them
_MOST_CHUNKS, _MOST_WINDOWS = 16, 16  # of one recording, evenly spread
_PRESENCE = 0.5


@dataclass(frozen=True, slots=True)
class RecordingUsed:
    """A recording that something was measured on."""

    name: str
    sha256: str
    n_frames: int  # of which the pose networks' inputs were kept
    n_windows: int  # that MAM could read


@dataclass(frozen=True, slots=True, eq=False)
class RecordedInputs:
    """What the networks were given in one recording."""

    used: RecordingUsed
    inputs: Mapping[NetworkName, Sequence[Given]]
    poses: Sequence[Pose]


def listen(recording: Path, bundle: Bundle, n_frames: int, n_threads: int = 2) -> RecordedInputs:
    """Run the chain over a recording and keep what the networks were given in `n_frames` frames, evenly spread.

    Raises SourceError where it cannot be read, UsageError where it shows too little of an infant to measure on.
    """
    try:
        sha256 = sha256_of_file(recording)
    except OSError as error:
        raise SourceError(f"{recording} cannot be read: {error.strerror}") from error
    with open_source(str(recording)) as source:
        duration_s = source.info.duration_s or 60.0
        estimator = _Listener(bundle, duration_s / n_frames, n_threads)
        poses = list(estimator.poses(source.frames()))
    crops = estimator.crops()[:n_frames]
    if len(crops) < min(_MIN_FRAMES, n_frames):
        raise UsageError(
            f"{recording.name}: an infant is in {len(crops)} of the frames looked at, {_MIN_FRAMES} are needed; name "
            "recordings of a lying infant"
        )
    lifted = lift_poses(poses, estimator.skeleton, bundle)
    windows = cut_windows(lifted, bundle.manifest.mam, bundle.manifest.track.fps)
    whole = [window for window in windows if window.void is None]
    inputs: dict[NetworkName, Sequence[Given]] = {
        "detector": estimator.views()[:n_frames],
        "landmarks": crops,
        "lifter": _spread(list(_chunks(poses, bundle)), _MOST_CHUNKS),
        "mam_window": [{"windows": w.joints_xyz[None]} for w in _spread(whole, _MOST_WINDOWS)],
        "mam_bag": _bags(whole, bundle),
        "mam_info": _characteristics(bundle),
    }
    return RecordedInputs(RecordingUsed(recording.name, sha256, len(crops), len(whole)), inputs, poses)


def sha256_of_inputs(recorded: Iterable[RecordedInputs]) -> str:
    """One hash of everything that was kept, in order: the same recordings and bundle give the same."""
    digest = hashlib.sha256()
    for one in recorded:
        for name, inputs in one.inputs.items():
            digest.update(name.encode())
            for given in inputs:
                for key, values in sorted(given.items()):
                    digest.update(f"{key}{values.shape}".encode())
                    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


class _Listener(PoseEstimator):
    """The pose stage, which keeps what its networks are given in a frame every so often."""

    def __init__(self, bundle: Bundle, every_s: float, n_threads: int) -> None:
        super().__init__(bundle, n_threads)
        self._every_s = every_s
        self._crops: dict[tuple[int, Region], tuple[float, FloatArray]] = {}  # workers write, each its own keys
        self._views: dict[int, FloatArray] = {}
        self._next_s = 0.0

    def poses(self, frames: Iterable[Frame]) -> Iterator[Pose]:
        return super().poses(self._chosen(frames))

    def read(self, frame: Frame, region: Region) -> Landmarks:
        """As ever; the crop of a chosen frame is kept where somebody is in it."""
        found = super().read(frame, region)
        if frame.frame_index in self._views and found.presence >= _PRESENCE:
            self._crops[frame.frame_index, region] = found.presence, self._crop_of(frame, region)
        return found

    def _crop_of(self, frame: Frame, region: Region) -> FloatArray:
        """The region as the pose network reads it."""
        size, own = self._settings.crop_size_px, self._settings.network
        if own is not None:
            return input_picture(frame, region, own)
        return crop_picture(frame, region.image_from_crop(size), size, low=0.0, is_replicated=True)

    def crops(self) -> list[Given]:
        """Of each chosen frame the crop in which somebody is seen most surely: starts and looks around read several."""
        best: dict[int, tuple[float, float, FloatArray]] = {}
        for (index, region), (presence, crop) in self._crops.items():
            best[index] = max(best.get(index, (0.0, 0.0, crop)), (presence, region.angle_rad, crop), key=_sureness)
        name = "crop" if self._settings.network is None else self._settings.network.input
        return [{name: best[index][2]} for index in sorted(best)]

    def views(self) -> list[Given]:
        """Whole pictures of the chosen frames, turned by a quarter from one to the next."""
        return [{"image": self._views[key]} for key in sorted(self._views)]

    def _chosen(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if frame.time_s >= self._next_s:
                self._next_s += self._every_s
                self._views[frame.frame_index] = self._view(frame, len(self._views) % 4)
            yield frame

    def _view(self, frame: Frame, turns: int) -> FloatArray:
        """The whole picture as the detector reads it, turned by so many quarters."""
        size, side = self._settings.detector_size_px, float(max(frame.width_px, frame.height_px))
        whole = Region(frame.width_px / 2, frame.height_px / 2, side, 0.0).turned(turns)
        return crop_picture(frame, whole.image_from_crop(size), size, low=-1.0, is_replicated=False)


class _ChunkListener(StreamLifter):
    """The lifter, which keeps what it is given, chunk by chunk."""

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.manifest.lifter
        super().__init__(bundle.graph(settings.graph), settings.channels, settings.dilations)
        self.given: list[Given] = []

    def _run(self) -> FloatArray:
        rows = {"features": self._features[:CHUNK_ROWS], "in_plane": self._in_plane[:CHUNK_ROWS]}
        self.given.append({**rows, **self._caches})
        return super()._run()


def _chunks(poses: Sequence[Pose], bundle: Bundle) -> Iterator[Given]:
    """Whole chunks that the lifter was given, what its layers remember among them."""
    upright, lifter = UprightFrame(), _ChunkListener(bundle)
    skeleton = bundle_skeleton(bundle.manifest.pose)
    read = skeleton.indices(*COCO_17.keypoints)
    min_fps = bundle.manifest.quality.min_source_fps
    tracks = track_poses(poses, bundle.manifest.track, skeleton.name, len(skeleton), min_fps)
    for track in steady_doubtful(tracks, bundle.manifest.pose):
        features, in_plane, _ = upright.apply(track.keypoints_xy[:, read], track.keypoint_scores[:, read])
        lifter.push(features, in_plane)
    lifter.finish()
    return iter(lifter.given)


def _bags(windows: Sequence[Window], bundle: Bundle) -> list[Given]:
    """The recording's bag, and each of its halves, as the bag graph reads them: filled up, with a mask."""
    scores = list(Mam(bundle).score(window for window in windows if window.is_instance))
    rows = np.array([s.class_probabilities for s in scores], np.float32).reshape(-1, 2)[:BAG_INSTANCES]
    bags: list[Given] = []
    for part in (rows, rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        if len(part):
            filled, mask = np.zeros((1, BAG_INSTANCES, 2), np.float32), np.zeros((1, BAG_INSTANCES), np.float32)
            filled[0, : len(part)], mask[0, : len(part)] = part, 1.0
            bags.append({"class_probabilities": filled, "mask": mask})
    return bags


def _characteristics(bundle: Bundle) -> list[Given]:
    """No recording carries them: the corners and the middle of what the bundle calls plausible, either sex."""
    scales = {scale.name: scale for scale in bundle.manifest.characteristics}
    order = ("gestation_weeks", "birth_weight_g", "corrected_age_weeks")
    if not set(order) <= set(scales):
        return []
    shares = [(a, b, c) for a in (0.0, 1.0) for b in (0.0, 1.0) for c in (0.0, 1.0)] + [(0.5, 0.5, 0.5)]
    return [
        {"characteristics": np.array([[sex, *(_at(scales[n], x) for n, x in zip(order, at, strict=True))]], np.float32)}
        for sex in (0.0, 1.0)
        for at in shares
    ]


def _at(scale: CharacteristicScale, share: float) -> float:
    return scale.low + share * (scale.high - scale.low)


def _sureness(crop: tuple[float, float, FloatArray]) -> tuple[float, float]:
    return crop[:2]


def _spread(values: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly spread, first and last among them."""
    if len(values) <= most:
        return list(values)
    return [values[i] for i in np.linspace(0, len(values) - 1, most).round().astype(int)]
