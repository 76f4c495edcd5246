"""Frame -> Pose: find the infant, keep hold of it, read its landmarks.

The detector looks at the whole picture only to start, after the track is lost, and now and then for other people. In
between the crop follows the landmarks. Frames are read in pairs, side by side in one crop that comes from the pair
before: that keeps two cores busy (docs/ARCHITECTURE.md has the figures) and yet is one track. Pairs are pairs on every
machine, so that the result does not depend on it. Infants lie any way round, and a body found upside down is read
wrongly, so a start tries four rotations and keeps the one that the landmark network is surest of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np

from fidgety.bundle import Bundle
from fidgety.records import FloatArray, Frame, Pose
from fidgety.runtime import blazepose
from fidgety.runtime.blazepose import Detection, Landmarks, Region
from fidgety.runtime.session import OnnxSession
from fidgety.skeleton import BLAZEPOSE_33

__all__ = ["PoseEstimator"]

_SIDE_BY_SIDE = 2  # frames that are read in one crop at the same time
# Between neighbouring frames of a real infant the crop moves by .008 of its side and turns by .014 rad (median; 99 %:
# .04 and .08), on the phantom by a tenth of that.
_LEAP_SHARE, _LEAP_RAD = 0.15, 0.5
_MOST_LEAPS = 8
_SEARCH_EVERY_S = 0.4  # while nobody is there
_LOOK_AROUND_EVERY_S = 2.0  # for other people, while the infant is tracked
# Measured every 2 s: second infants .75 to .99 sure and .3 to .5 of the crop's side away; what the detector suspects
# on a lone infant (limbs, patterns, drawn crosses) at most .70 sure, or at most .23 away.
_SUSPECT_SCORE, _MOST_SUSPECTS = 0.3, 3
_OTHER_SURENESS = 0.8
_APART_SHARE = 0.28
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
        per_frame = max(1, n_threads // _SIDE_BY_SIDE)
        crop = settings.crop_size_px
        self._landmarks = OnnxSession(
            bundle.file(settings.landmarks),
            {"crop": (1, 3, crop, crop)},
            {"landmarks": (1, 195), "presence": (1, 1), "heatmaps": (1, 39, 64, 64), "world": (1, 117)},
            per_frame,
        )
        self._region: Region | None = None
        self._n_leaps = 0  # readings in a row that lay too far from `_region` to be followed
        self._next_search_s = 0.0
        self._next_look_s = 0.0
        self._n_looks = -1

    def poses(self, frames: Iterable[Frame]) -> Iterator[Pose]:
        """One Pose a frame, in order; NaN where no infant was found."""
        together: list[Frame] = []
        with ThreadPoolExecutor(_SIDE_BY_SIDE, "landmarks") as workers:
            for frame in frames:
                together.append(frame)
                if len(together) == _SIDE_BY_SIDE or self._region is None:
                    yield from self._read_together(together, workers)
                    together = []
            yield from self._read_together(together, workers)

    def _read_together(self, frames: list[Frame], workers: Executor) -> Iterator[Pose]:
        """Poses of frames that share the crop held now; with no crop, or where it fails, the infant is searched."""
        region = self._region
        readings = [None if region is None else workers.submit(self._read, frame, region) for frame in frames]
        for frame, reading in zip(frames, readings, strict=True):
            found = None if reading is None else reading.result()
            is_held = found is not None and found.presence >= self._settings.presence_threshold
            yield self._pose(frame, found if is_held else self._search_when_due(frame))

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
        crop = self._crop_around(found)
        self._steer(crop)
        n = blazepose.N_LANDMARKS
        return Pose(
            frame.frame_index,
            frame.time_s,
            found.keypoints_xy[:n],
            found.scores[:n],
            found.depth_px,
            found.world_m,
            found.presence,
            self._count_others(frame, found, crop),
        )

    def _steer(self, crop: Region) -> None:
        """Take the reading's own crop for the frames to come, unless it leaps as no infant does.

        Legs drawn up to the face can turn a reading by 90 degrees from one frame to the next, and a crop that followed
        it would keep it turned. When the leaps go on, the infant is searched anew.
        """
        if self._region is None or not _is_leap(self._region, crop):
            self._region, self._n_leaps = crop, 0
            return
        self._n_leaps += 1
        if self._n_leaps == _MOST_LEAPS:
            self._region, self._n_leaps = None, 0

    def _crop_around(self, found: Landmarks) -> Region:
        hips, end = found.keypoints_xy[blazepose.HIP_CENTRE], found.keypoints_xy[blazepose.BODY_END]
        return blazepose.region_from_alignment(hips, end, self._settings.crop_margin)

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
        second = [
            self._read(frame, self._crop_around(reading))
            for reading in readings
            if reading.presence >= self._settings.presence_threshold
        ]
        best = max(second, key=_sureness, default=None)
        if best is None or best.presence < self._settings.presence_threshold:
            return None
        return best

    def _count_others(self, frame: Frame, found: Landmarks, crop: Region) -> int | None:
        """How many bodies lie apart from the infant in `crop`; None when it is not yet time to look.

        The picture is turned by 90 degrees from one look to the next. What the detector faintly suspects counts when
        the landmark network reads a whole body there, and not the infant again.
        """
        if frame.time_s < self._next_look_s:
            return None
        self._next_look_s = frame.time_s + _LOOK_AROUND_EVERY_S
        self._n_looks += 1
        view = self._whole_picture(frame).turned(self._n_looks % 4)
        hips = found.keypoints_xy[blazepose.HIP_CENTRE]
        others: list[FloatArray] = []
        for body in self._detect(frame, view, _SUSPECT_SCORE)[:_MOST_SUSPECTS]:
            rough = self._read(frame, self._region_of(body, view))
            other = self._read(frame, self._crop_around(rough))
            place = other.keypoints_xy[blazepose.HIP_CENTRE]
            is_apart = all(np.hypot(*(place - known)) > _APART_SHARE * crop.side_px for known in (hips, *others))
            if is_apart and _sureness(other) >= _OTHER_SURENESS:
                others.append(place)
        return len(others)

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


def _is_leap(before: Region, after: Region) -> bool:
    """True when two crops of neighbouring frames lie further apart than a body moves in that time."""
    apart_px = float(np.hypot(after.centre_x - before.centre_x, after.centre_y - before.centre_y))
    turn_rad = abs((after.angle_rad - before.angle_rad + np.pi) % (2 * np.pi) - np.pi)
    return apart_px > _LEAP_SHARE * before.side_px or turn_rad > _LEAP_RAD


def _missing_pose(frame: Frame) -> Pose:
    n = blazepose.N_LANDMARKS
    nothing = np.full((n, 3), np.nan, np.float32)
    return Pose(
        frame.frame_index, frame.time_s, nothing[:, :2], np.zeros(n, np.float32), nothing[:, 0], nothing, 0.0, None
    )
