"""Frame -> Pose: find the infant, keep hold of it, read its landmarks.

The detector looks at the whole picture only to start, after the track is lost, and now and then for other people. In
between the crop follows the landmarks of two frames before: so two frames are always in the works side by side, each on
a core of its own, which is what keeps both cores busy (docs/ARCHITECTURE.md has the figures). The lag is fixed, so that
the result does not depend on the machine. Infants lie any way round, and a body found upside down is read wrongly, so a
start tries four rotations and keeps the one that the landmark network is surest of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from fidgety.bundle import Bundle
from fidgety.records import FloatArray, Frame, Pose
from fidgety.runtime import blazepose
from fidgety.runtime.blazepose import Detection, Landmarks, Region
from fidgety.runtime.session import OnnxSession
from fidgety.skeleton import BLAZEPOSE_33

__all__ = ["PoseEstimator"]

_IN_FLIGHT = 2  # frames: the crop of frame n comes from the landmarks of frame n - 2
_SEARCH_EVERY_S = 0.4  # while nobody is there
_LOOK_AROUND_EVERY_S = 2.0  # for other people, while the infant is tracked
_OTHER_SCORE = 0.7  # a second body must be plainer than the first: a toy or a fold of the blanket is no person
_LIMBS = BLAZEPOSE_33.indices(
    *(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle"))
)
_TRUNK = BLAZEPOSE_33.indices("left_shoulder", "right_shoulder", "left_hip", "right_hip")


class PoseEstimator:
    """Holds the two networks and, between frames, the crop. One owner, made anew for every recording."""

    def __init__(self, bundle: Bundle, n_threads: int = 2) -> None:
        self._settings = settings = bundle.manifest.pose
        size = settings.detector_size_px
        self._anchors = blazepose.detector_anchors(size)
        n_anchors = len(self._anchors)
        self._detector = OnnxSession(
            bundle.file(settings.detector),
            {"image": (1, 3, size, size)},
            {"boxes": (1, n_anchors, 12), "scores": (1, n_anchors, 1)},
            n_threads,
        )
        per_frame = max(1, n_threads // _IN_FLIGHT)
        crop = settings.crop_size_px
        self._landmarks = OnnxSession(
            bundle.file(settings.landmarks),
            {"crop": (1, 3, crop, crop)},
            {"landmarks": (1, 195), "presence": (1, 1), "heatmaps": (1, 39, 64, 64), "world": (1, 117)},
            per_frame,
        )
        self._region: Region | None = None
        self._next_search_s = 0.0
        self._next_look_s = 0.0

    def poses(self, frames: Iterable[Frame]) -> Iterator[Pose]:
        """One Pose a frame, in order; NaN where no infant was found."""
        in_flight: deque[tuple[Frame, Future[Landmarks]]] = deque()
        with ThreadPoolExecutor(_IN_FLIGHT, "landmarks") as workers:
            for frame in frames:
                if len(in_flight) == _IN_FLIGHT:
                    yield self._settle(*in_flight.popleft())
                if self._region is None:  # lost: what is under way ends first, then this frame is searched
                    while in_flight:
                        yield self._settle(*in_flight.popleft())
                if self._region is None:
                    yield self._pose(frame, self._search_when_due(frame))
                else:
                    in_flight.append((frame, workers.submit(self._read, frame, self._region)))
            while in_flight:
                yield self._settle(*in_flight.popleft())

    def _settle(self, frame: Frame, reading: Future[Landmarks]) -> Pose:
        """The pose of a frame whose landmarks were read in the crop of an earlier one."""
        found = reading.result()
        is_held = found.presence >= self._settings.presence_threshold
        return self._pose(frame, found if is_held else self._search_when_due(frame))

    def _search_when_due(self, frame: Frame) -> Landmarks | None:
        if frame.time_s < self._next_search_s:
            return None
        found = self._search(frame)
        if found is None:
            self._next_search_s = frame.time_s + _SEARCH_EVERY_S
        return found

    def _pose(self, frame: Frame, found: Landmarks | None) -> Pose:
        """The frame's pose, and from it the crop of the frames to come."""
        if found is None:
            self._region = None
            return _missing_pose(frame)
        margin = self._settings.crop_margin
        self._region = blazepose.region_from_alignment(
            found.keypoints_xy[blazepose.HIP_CENTRE], found.keypoints_xy[blazepose.BODY_END], margin
        )
        n = blazepose.N_LANDMARKS
        return Pose(
            frame.frame_index,
            frame.time_s,
            found.keypoints_xy[:n],
            found.scores[:n],
            found.depth_px,
            found.world_m,
            found.presence,
            self._count_others(frame, found),
        )

    def _search(self, frame: Frame) -> Landmarks | None:
        """Detect in four rotations of the picture, read in four rotations of the crop, keep the surest reading."""
        detections = [
            (detection, view)
            for view in self._views(frame)
            for detection in self._detect(frame, view, self._settings.detector_threshold)[:1]
        ]
        if not detections:
            return None
        detection, view = max(detections, key=lambda pair: pair[0].score)
        region = self._region_of(detection, view)
        readings = [self._read(frame, region.turned(turns)) for turns in range(4)]
        # The first crop is rough; the reading's own alignment points give the crop that it will be judged on.
        margin = self._settings.crop_margin
        second = [
            self._read(
                frame,
                blazepose.region_from_alignment(
                    reading.keypoints_xy[blazepose.HIP_CENTRE], reading.keypoints_xy[blazepose.BODY_END], margin
                ),
            )
            for reading in readings
            if reading.presence >= self._settings.presence_threshold
        ]
        best = max(second, key=_sureness, default=None)
        if best is None or best.presence < self._settings.presence_threshold:
            return None
        return best

    def _count_others(self, frame: Frame, found: Landmarks) -> int | None:
        """How many bodies the detector sees apart from the infant; None when it is not yet time to look."""
        if frame.time_s < self._next_look_s:
            return None
        self._next_look_s = frame.time_s + _LOOK_AROUND_EVERY_S
        assert self._region is not None
        turns = round(self._region.angle_rad / (np.pi / 2)) % 4
        others = 0
        for view in {0, turns}:
            region = self._whole_picture(frame).turned(view)
            bodies = self._detect(frame, region, _OTHER_SCORE)
            others = max(others, sum(not self._is_same(body, region, found) for body in bodies))
        return others

    def _is_same(self, body: Detection, view: Region, found: Landmarks) -> bool:
        """True when the detected body's hips lie within the tracked infant's own crop."""
        assert self._region is not None
        matrix = view.image_from_crop(self._settings.detector_size_px)
        hips = matrix[:, :2] @ np.array(body.hip_centre, np.float32) + matrix[:, 2]
        distance = float(np.linalg.norm(hips - found.keypoints_xy[blazepose.HIP_CENTRE]))
        return distance < 0.35 * self._region.side_px

    def _views(self, frame: Frame) -> list[Region]:
        return [self._whole_picture(frame).turned(turns) for turns in range(4)]

    def _whole_picture(self, frame: Frame) -> Region:
        side = float(max(frame.width_px, frame.height_px))
        return Region(frame.width_px / 2, frame.height_px / 2, side, 0.0)

    def _detect(self, frame: Frame, view: Region, threshold: float) -> list[Detection]:
        size = self._settings.detector_size_px
        picture = blazepose.crop_picture(frame, view.image_from_crop(size), size, low=-1.0, is_replicated=False)
        raw = self._detector.run(image=picture)
        return blazepose.decode_detections(raw["boxes"][0], raw["scores"][0, :, 0], self._anchors, size, threshold)

    def _region_of(self, detection: Detection, view: Region) -> Region:
        matrix = view.image_from_crop(self._settings.detector_size_px)
        points: FloatArray = (
            np.array([detection.hip_centre, detection.body_end], np.float32) @ matrix[:, :2].T + matrix[:, 2]
        )
        return blazepose.region_from_alignment(points[0], points[1], self._settings.crop_margin)

    def _read(self, frame: Frame, region: Region) -> Landmarks:
        size = self._settings.crop_size_px
        crop = blazepose.crop_picture(frame, region.image_from_crop(size), size, low=0.0, is_replicated=True)
        raw = self._landmarks.run(crop=crop)
        return blazepose.decode_landmarks(
            raw["landmarks"][0], raw["heatmaps"][0], raw["world"][0], float(raw["presence"][0, 0]), region, size
        )


def _sureness(found: Landmarks) -> float:
    """Presence x mean visibility of limbs and trunk: high only when the body was read the right way round."""
    return found.presence * float(found.scores[_LIMBS + _TRUNK].mean())


def _missing_pose(frame: Frame) -> Pose:
    n = blazepose.N_LANDMARKS
    nothing = np.full((n, 3), np.nan, np.float32)
    return Pose(
        frame.frame_index, frame.time_s, nothing[:, :2], np.zeros(n, np.float32), nothing[:, 0], nothing, 0.0, None
    )
