"""PoseTrack -> H36M-17 in 3D, streaming: as many rows out as in, later by the lifter's look-ahead.

    keypoints (T, K, 2) --UprightFrame--> features, joints in the plane --StreamLifter--> upright joints

Deviation from SPEC 2: joint 10 (`head`) is the point between the ears, not the crown, since no crown is observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.bundle import LifterSettings
from fidgety.records import FloatArray, LiftedTrack, PoseTrack
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.networks import CHUNK_ROWS
from fidgety.runtime.stream_lifter import StreamLifter
from fidgety.runtime.upright import UprightFrame, turned_back
from fidgety.skeleton import COCO_17, SKELETONS, joints_matrix

__all__ = ["TrackLifter", "lift_tracks"]


class TrackLifter:
    """Lifts one recording's track, piece by piece. One owner, made anew for every recording."""

    def __init__(
        self,
        graph: Path,
        settings: LifterSettings,
        chunk_rows: int = CHUNK_ROWS,
        device: Device = CPU,
        precision: str = "fp32",
    ) -> None:
        """Raises BundleError when `graph` is not the lifter that the settings describe."""
        self._upright = UprightFrame()
        self._stream = StreamLifter(graph, settings.channels, settings.dilations, chunk_rows, device, precision)
        self._joints_xy = np.empty((0, 17, 2), np.float32)  # rows that wait for their 3D
        self._is_observed = np.empty(0, bool)
        self._trunk: NDArray[np.complex128] = np.empty(0, np.complex128)
        self._is_known = np.empty(0, bool)  # False: of what nothing is known the lifter makes something up

    def push(self, track: PoseTrack) -> LiftedTrack:
        """Take the next piece; give the rows that are ready, none perhaps."""
        skeleton = SKELETONS[track.skeleton]
        matrix = joints_matrix(skeleton)
        xy = track.keypoints_xy
        joints_xy = matrix @ np.nan_to_num(xy)
        is_unknown = np.isnan(xy).any(axis=-1).astype(np.float32)  # (T, K)
        joints_xy[is_unknown @ matrix.T > 0] = np.nan  # its weights are positive
        read = skeleton.indices(*COCO_17.keypoints)
        features, in_plane, trunk = self._upright.apply(xy[:, read], track.keypoint_scores[:, read])
        self._joints_xy = np.concatenate([self._joints_xy, joints_xy])
        self._is_observed = np.concatenate([self._is_observed, track.is_observed])
        self._trunk = np.concatenate([self._trunk, trunk])
        self._is_known = np.concatenate([self._is_known, features.any(axis=1)])
        return self._ready(self._stream.push(features, in_plane))

    def finish(self) -> LiftedTrack:
        """The rows that only the end of the recording completes."""
        return self._ready(self._stream.finish())

    def _ready(self, upright: FloatArray) -> LiftedTrack:
        n = len(upright)
        joints = turned_back(upright, self._trunk[:n])
        joints[np.isnan(self._joints_xy[:n, :, 0]) | ~self._is_known[:n, None]] = np.nan
        # Copies: rows are kept for the report, and a view would keep all that waits behind them.
        track = LiftedTrack(joints, self._joints_xy[:n].copy(), self._is_observed[:n].copy())
        self._joints_xy, self._is_observed = self._joints_xy[n:], self._is_observed[n:]
        self._trunk, self._is_known = self._trunk[n:], self._is_known[n:]
        return track


def lift_tracks(pieces: Iterable[PoseTrack], lifter: TrackLifter) -> Iterator[LiftedTrack]:
    """Consecutive pieces of one track -> consecutive pieces of its lifted one."""
    for piece in pieces:
        if len((lifted := lifter.push(piece)).joints):
            yield lifted
    yield lifter.finish()
