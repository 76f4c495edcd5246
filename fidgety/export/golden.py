"""Recorded input for the parity gate of engines: what the networks see in the sample recording, taken on the CPU.

sample.mp4 --pose--> crops --track, lift--> chunks of rows, windows        two different inputs for each network
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fidgety.bundle import Bundle
from fidgety.demo_files import demo_file
from fidgety.errors import BundleError
from fidgety.records import Frame, PoseTrack
from fidgety.runtime import blazepose
from fidgety.runtime.blazepose import Region
from fidgety.runtime.doubt import steady_doubtful
from fidgety.runtime.keypoint_network import input_picture
from fidgety.runtime.lift import TrackLifter, lift_tracks
from fidgety.runtime.networks import CHUNK_ROWS, detector_network, lifter_network, pose_graph
from fidgety.runtime.open_session import open_session
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.readers import bundle_skeleton
from fidgety.runtime.session import Arrays
from fidgety.runtime.source import open_source
from fidgety.runtime.track import track_poses
from fidgety.runtime.upright import UprightFrame
from fidgety.runtime.windows import cut_windows
from fidgety.skeleton import COCO_17

__all__ = ["Golden", "record_golden"]

Golden = dict[str, tuple[Arrays, Arrays]]  # network -> two inputs
_SAMPLE = "sample.mp4"
_SECONDS = 10.6  # one window of 9.6 s and the next one but one: the shortest that gives two
_EVERY = 2  # frames: the track is 25 Hz all the same, in half the time
_LEAST_FPS = 12.0  # of what is left, none of which is lost
_CHUNKS = (3, 6)  # of the lifter: its layers remember something by then


def record_golden(bundle: Bundle) -> Golden:
    """Two inputs for each accelerated network. Raises SourceError, BundleError where the sample gives none."""
    with open_source(str(demo_file(_SAMPLE))) as source:
        frames = list(_until(source.frames(), _SECONDS))[::_EVERY]
    settings, manifest = bundle.manifest.pose, bundle.manifest
    crops = [_detector_and_crop(bundle, frame) for frame in (frames[0], frames[-1])]
    estimator, skeleton = PoseEstimator(bundle), bundle_skeleton(settings)
    poses = estimator.poses(frames)
    tracks = list(track_poses(poses, manifest.track, skeleton.name, len(skeleton), _LEAST_FPS))
    steady = list(steady_doubtful(tracks, settings))
    lifter = TrackLifter(bundle.file(manifest.lifter.graph), manifest.lifter)
    cut = cut_windows(lift_tracks(steady, lifter), manifest.mam, manifest.track.fps)
    windows = [{"windows": window.joints_xyz[None]} for window in cut if window.void is None]
    if len(windows) < 2:
        raise BundleError(f"the parity gate cannot run: {_SAMPLE} gives {len(windows)} windows, it needs two")
    return {
        "pose_detector": (crops[0][0], crops[1][0]),
        pose_graph(bundle).network.name: (crops[0][1], crops[1][1]),
        "lifter": _chunks(bundle, steady),
        "mam_window": (windows[0], windows[-1]),
    }


def _until(frames: Iterator[Frame], seconds: float) -> Iterator[Frame]:
    for frame in frames:
        if frame.time_s > seconds:
            return
        yield frame


def _detector_and_crop(bundle: Bundle, frame: Frame) -> tuple[Arrays, Arrays]:
    """The whole picture for the detector, and the crop about the body that it finds, as the pose network reads it."""
    settings = bundle.manifest.pose
    size, crop = settings.detector_size_px, settings.crop_size_px
    whole = Region(frame.width_px / 2, frame.height_px / 2, float(max(frame.width_px, frame.height_px)), 0.0)
    matrix = whole.image_from_crop(size)
    picture = blazepose.crop_picture(frame, matrix, size, low=-1.0, is_replicated=False)
    found = open_session(bundle.file(settings.detector), detector_network(settings)).run(image=picture)
    anchors = blazepose.detector_anchors(size)
    bodies = blazepose.decode_detections(
        found["boxes"][0], found["scores"][0, :, 0], anchors, size, settings.detector_threshold
    )
    if not bodies:
        raise BundleError("the parity gate cannot run: the detector finds nobody in the sample recording")
    points = np.array([bodies[0].hip_centre, bodies[0].body_end], np.float32) @ matrix[:, :2].T + matrix[:, 2]
    region = blazepose.region_from_alignment(points[0], points[1], settings.crop_margin)
    if settings.network is not None:
        return {"image": picture}, {settings.network.input: input_picture(frame, region, settings.network)}
    seen = blazepose.crop_picture(frame, region.image_from_crop(crop), crop, low=0.0, is_replicated=True)
    return {"image": picture}, {"crop": seen}


def _chunks(bundle: Bundle, tracks: list[PoseTrack]) -> tuple[Arrays, Arrays]:
    """The lifter's input of two chunks, with what its layers remember by then."""
    settings = bundle.manifest.lifter
    network = lifter_network(settings.channels, settings.dilations)
    session = open_session(bundle.file(settings.graph), network)
    upright, read = UprightFrame(), bundle_skeleton(bundle.manifest.pose).indices(*COCO_17.keypoints)
    rows = [upright.apply(one.keypoints_xy[:, read], one.keypoint_scores[:, read]) for one in tracks]
    features, in_plane = (np.concatenate([row[i] for row in rows]) for i in (0, 1))
    given: Arrays = {name: np.zeros(shape, np.float32) for name, shape in network.fixed_inputs.items()}
    kept = []
    for i in range(_CHUNKS[-1] + 1):
        chunk = slice(i * CHUNK_ROWS, (i + 1) * CHUNK_ROWS)
        given = {**given, "features": features[chunk], "in_plane": in_plane[chunk]}
        kept.append(given)
        found = session.run(**given)
        given = {**given, **{name: found[f"new_{name}"] for name in given if name.startswith("cache")}}
    return kept[_CHUNKS[0]], kept[_CHUNKS[1]]
