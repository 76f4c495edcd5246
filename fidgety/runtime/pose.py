"""Frame -> Pose: find the infant, keep hold of it, read its landmarks.

    begin (a worker reads the frame in the crop held now) -> settle (follow with the crop; a worker tells how the
    picture around the limbs moved) -> join both sides -> move the limbs along

The detector looks at the whole picture only to start, after the track is lost, and now and then for other people. In
between the crop follows the landmarks (crop.py). Two workers read while _LAG_FRAMES frames are in the works, so that
none of them ever waits for the other; the crop of a frame comes from the frames that far before it and earlier ones, on
every machine, so that the result does not depend on it. Infants lie any way round, and a body found upside down is read
wrongly, so a start looks at the picture in four rotations, and reads in four where the first reading is doubtful.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from fidgety.bundle import Bundle
from fidgety.records import FloatArray, Frame, Pose
from fidgety.runtime import blazepose
from fidgety.runtime.blazepose import Detection, Landmarks, Region
from fidgety.runtime.both_sides import Reading, mean_of_both_sides
from fidgety.runtime.crop import CropTracker
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.limb_flow import LimbPatches, limb_flow
from fidgety.runtime.limb_follower import LimbFollower
from fidgety.runtime.networks import detector_network, graph_of
from fidgety.runtime.open_session import open_graph
from fidgety.runtime.readers import open_reader
from fidgety.skeleton import TRUNK, Skeleton, trunk_px

__all__ = ["PoseEstimator"]

_N_WORKERS = 2
_LAG_FRAMES = 3  # in the works: one more than there are workers
_SEARCH_EVERY_S = 0.4  # while nobody is there
_LOOK_AROUND_EVERY_S = 2.0  # while the infant is tracked: for other people, and whether it still lies the same way
# An infant held upside down was read with a sureness of .60 to .75, turned the right way with .97; one held rightly
# with .66 (legs before the face) or more, and then turned wrongly with at most .89.
_DOUBTFUL, _PLAIN = 0.85, 0.93
# Measured every 2 s: second infants .75 to .99 sure and .3 to .5 of the crop's side away; what the detector suspects
# on a lone infant (limbs, patterns, drawn crosses) at most .70 sure, or at most .23 away.
_SUSPECT_SCORE, _MOST_SUSPECTS = 0.3, 3
_OTHER_SURENESS = 0.8
_APART_SHARE = 0.28
# Of the crop: between the sides limbs differ by .01 (median), where one is misread by .2; kicks reach .08 a frame.
_MOST_APART = 0.1
_LIMBS = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle"))


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """A frame whose landmarks are in the works; None = nobody was held when it came."""

    frame: Frame
    is_mirrored: bool  # which side of the crop it is read from
    n_holds: int  # of the crop it is read in
    landmarks: Future[Landmarks] | None


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look around has found."""

    n_others: int
    is_wrong_way_round: bool  # the infant was laid down another way, and is misread since


@dataclass(frozen=True, slots=True, eq=False)
class _Settled:
    """A frame whose infant is found or not; None = no look around was due."""

    frame: Frame
    found: Landmarks | None
    is_mirrored: bool
    look: Future[_Look] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """The frame before, in which the infant was found."""

    frame: Frame
    read_xy: FloatArray  # (J, 2) px: patches of FOLLOWED joints by this reading
    around_xy: FloatArray  # (J, 2) px: where they are looked at, the mean of the last two readings
    one_trunk_px: float


class PoseEstimator:
    """Holds the two networks and, between frames, the crop. One owner, made anew for every recording."""

    def __init__(self, bundle: Bundle, n_threads: int = 2, device: Device = CPU) -> None:
        self._settings = settings = bundle.manifest.pose
        self._anchors = blazepose.detector_anchors(settings.detector_size_px)
        n_each = max(1, n_threads // _N_WORKERS)
        detector = graph_of(bundle, settings.detector, detector_network(settings), device.name)
        self._detector = open_graph(detector, device, n_each)
        self._reader = open_reader(bundle, n_each, device)
        self._limbs = self.skeleton.indices(*_LIMBS)
        self._patches = LimbPatches(self.skeleton)
        self._body = self.skeleton.indices(*_LIMBS, *TRUNK)
        self._workers = ThreadPoolExecutor(min(n_threads, _N_WORKERS), "landmarks")
        self._crop = CropTracker(settings.crop_margin, settings.reads_both_sides)
        self._next_search_s = 0.0
        self._next_look_s = 0.0
        self._n_looks = -1
        self._n_begun = 0
        self._last_limbs_xy: FloatArray = np.full((len(_LIMBS), 2), np.nan, np.float32)  # of the last frame found
        self._held: _Held | None = None

    @property
    def skeleton(self) -> Skeleton:
        """Of the poses."""
        return self._reader.skeleton

    def poses(self, frames: Iterable[Frame]) -> Iterator[Pose]:
        """One Pose a frame, in order; NaN where no infant was found. Runs 2 x _LAG_FRAMES + 2 behind the frames."""
        flows: deque[Future[FloatArray] | None] = deque()
        readings = self._readings(frames, flows)
        both = mean_of_both_sides(readings) if self._settings.reads_both_sides else (one.pose for one in readings)
        if not self._settings.follows_picture:
            yield from both
            return
        follower = LimbFollower(self.skeleton)
        for pose in both:
            flow = flows.popleft()
            yield follower.follow(pose, None if flow is None else flow.result())

    def look(self, frame: Frame) -> Pose:
        """The infant in one frame at once: for guidance, which sees a frame a second and cannot wait for later ones."""
        return self._pose(self._settle(self._begin(frame))).pose

    def _readings(self, frames: Iterable[Frame], flows: deque[Future[FloatArray] | None]) -> Iterator[Reading]:
        """One reading a frame; how its limbs have moved since the frame before is put into `flows` ahead of it."""
        readings: deque[_Reading] = deque()
        settled: deque[_Settled] = deque()

        def settle_next() -> None:
            settled.append(self._settle(readings.popleft()))
            flows.append(self._flow_to(settled[-1]))

        with self._workers:
            for frame in frames:
                if len(readings) == _LAG_FRAMES:
                    settle_next()
                readings.append(self._begin(frame))
                if len(settled) > _LAG_FRAMES:
                    yield self._pose(settled.popleft())
            while readings:
                settle_next()
            yield from (self._pose(one) for one in settled)

    def _begin(self, frame: Frame) -> _Reading:
        self._n_begun += 1
        is_mirrored = self._settings.reads_both_sides and self._n_begun % 2 == 0
        region = self._crop.region
        landmarks = None if region is None else self._workers.submit(self.read, frame, _side(region, is_mirrored))
        return _Reading(frame, is_mirrored, self._crop.n_holds, landmarks)

    def _settle(self, reading: _Reading) -> _Settled:
        """The frame's landmarks, and from them the crop of the frames to come."""
        frame, found, is_mirrored = reading.frame, None, reading.is_mirrored
        region = self._crop.region
        if region is not None:
            if reading.landmarks is not None and reading.n_holds == self._crop.n_holds:
                found = reading.landmarks.result()
            else:  # found by a frame before, after this one was begun
                found = self.read(frame, _side(region, is_mirrored))
            if is_mirrored and not self._agrees(found, region):
                found, is_mirrored = self.read(frame, region), False
        if found is None or found.presence < self._settings.presence_threshold:
            self._crop.let_go()
            is_mirrored = False
            found = self._search_when_due(frame)
        if found is None:
            return _Settled(frame, None, is_mirrored, None)
        self._crop.follow(found.alignment_xy, frame.time_s)
        self._last_limbs_xy = found.keypoints_xy[self._limbs]
        return _Settled(frame, found, is_mirrored, self._look_when_due(frame, found))

    def _flow_to(self, settled: _Settled) -> Future[FloatArray] | None:
        """How the limbs moved since the frame before, in the works; None = nobody was found in one of the two."""
        held, found, self._held = self._held, settled.found, None
        if found is None or not self._settings.follows_picture:
            return None
        read_xy = self._patches.places(found.keypoints_xy)
        around_xy = read_xy if held is None else np.float32(0.5) * (held.read_xy + read_xy)
        self._held = _Held(settled.frame, read_xy, around_xy, trunk_px(found.keypoints_xy, self.skeleton))
        if held is None:
            return None
        return self._workers.submit(limb_flow, held.frame.luma, settled.frame.luma, held.around_xy, held.one_trunk_px)

    def _agrees(self, mirrored: Landmarks, region: Region) -> bool:
        """False when the mirror image is read quite otherwise than the frame before: then it is not used."""
        apart_px = np.linalg.norm(mirrored.keypoints_xy[self._limbs] - self._last_limbs_xy, axis=1)
        is_near = bool(apart_px.max() < _MOST_APART * region.side_px)
        return is_near and mirrored.presence >= self._settings.presence_threshold

    def _search_when_due(self, frame: Frame) -> Landmarks | None:
        if frame.time_s < self._next_search_s:
            return None
        found = self._search(frame)
        if found is None:
            self._next_search_s = frame.time_s + _SEARCH_EVERY_S
        return found

    def _look_when_due(self, frame: Frame, found: Landmarks) -> Future[_Look] | None:
        if frame.time_s < self._next_look_s:
            return None
        self._next_look_s = frame.time_s + _LOOK_AROUND_EVERY_S
        self._n_looks += 1
        view = self._whole_picture(frame).turned(self._n_looks % 4)
        return self._workers.submit(self._look_around, frame, found, view)

    def _pose(self, settled: _Settled) -> Reading:
        found, n_others = settled.found, None
        if found is None:
            return Reading(_missing_pose(settled.frame, len(self.skeleton)), settled.is_mirrored)
        if settled.look is not None:
            look = settled.look.result()
            n_others = look.n_others
            if look.is_wrong_way_round:
                self._crop.let_go()
        pose = Pose(
            settled.frame.frame_index,
            settled.frame.time_s,
            found.keypoints_xy,
            found.scores,
            found.world_m,
            found.presence,
            n_others,
        )
        return Reading(pose, settled.is_mirrored)

    def _search(self, frame: Frame) -> Landmarks | None:
        """Detect in four rotations of the picture; read the surest body as found, and turned where that is doubtful.

        Turned by 90 degrees a body is at times read shrunken, and surer than rightly: turns count only where it is not.
        """
        whole = self._whole_picture(frame)
        views = [whole.turned(turns) for turns in range(4)]
        threshold = self._settings.detector_threshold
        bodies = self._workers.map(lambda view: self._detect(frame, view, threshold)[:1], views)
        detections = [(body, view) for found, view in zip(bodies, views, strict=True) for body in found]
        if not detections:
            return None
        detection, view = max(detections, key=lambda pair: pair[0].score)
        region = self._region_of(detection, view)
        found = self._read_twice(frame, region)
        if found is not None and self._sureness(found) >= _DOUBTFUL:
            return found
        turned = self._workers.map(lambda turns: self._read_twice(frame, region.turned(turns)), (1, 2, 3))
        return max((one for one in (found, *turned) if one is not None), key=self._sureness, default=None)

    def _read_twice(self, frame: Frame, region: Region) -> Landmarks | None:
        """The first crop is rough; the reading's own alignment points give the crop that it is judged on."""
        threshold = self._settings.presence_threshold
        rough = self.read(frame, region)
        if rough.presence < threshold:
            return None
        found = self.read(frame, self._crop.around(rough.alignment_xy))
        return found if found.presence >= threshold else None

    def _look_around(self, frame: Frame, found: Landmarks, view: Region) -> _Look:
        """Look at the whole picture of a frame in which the infant is held, turned as in `view`."""
        crop = self._crop.around(found.alignment_xy)
        return _Look(self._count_others(frame, found, crop, view), self._is_wrong_way_round(frame, found, crop))

    def _is_wrong_way_round(self, frame: Frame, found: Landmarks, crop: Region) -> bool:
        """True when the infant reads far better with the crop turned: it was picked up and laid down another way."""
        sureness = self._sureness(found)
        if sureness >= _DOUBTFUL:
            return False
        return any(
            self._sureness(self.read(frame, crop.turned(turns))) > max(sureness + 0.15, _PLAIN) for turns in (1, 2, 3)
        )

    def _count_others(self, frame: Frame, found: Landmarks, crop: Region, view: Region) -> int:
        """How many bodies lie apart from the infant in `crop`.

        The picture is turned by 90 degrees from one look to the next. What the detector faintly suspects counts when
        the landmark network reads a whole body there, and not the infant again.
        """
        hips = found.alignment_xy[0]
        others: list[FloatArray] = []
        for body in self._detect(frame, view, _SUSPECT_SCORE)[:_MOST_SUSPECTS]:
            rough = self.read(frame, self._region_of(body, view))
            other = self.read(frame, self._crop.around(rough.alignment_xy))
            place = other.alignment_xy[0]
            is_apart = all(np.hypot(*(place - known)) > _APART_SHARE * crop.side_px for known in (hips, *others))
            if is_apart and self._sureness(other) >= _OTHER_SURENESS:
                others.append(place)
        return len(others)

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

    def read(self, frame: Frame, region: Region) -> Landmarks:
        """The pose network's word on one crop of a frame; touches nothing that is tracked."""
        return self._reader.read(frame, region)

    def _sureness(self, found: Landmarks) -> float:
        """Presence x mean visibility of limbs and trunk: high only when the body was read the right way round."""
        return found.presence * float(found.scores[self._body].mean())


def _side(region: Region, is_mirrored: bool) -> Region:
    return replace(region, is_mirrored=is_mirrored)


def _missing_pose(frame: Frame, n: int) -> Pose:
    nothing = np.full((n, 3), np.nan, np.float32)
    return Pose(frame.frame_index, frame.time_s, nothing[:, :2], np.zeros(n, np.float32), nothing, 0.0, None)
