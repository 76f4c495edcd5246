"""Upright 2D rows -> 3D rows, streaming: `reach` rows later, in chunks, exactly as in one run.

At both ends of a recording the row at the end stands in for what is not there, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fidgety.records import FloatArray
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.lifter_form import cache_shapes, whole_reach
from fidgety.runtime.networks import CHUNK_ROWS, lifter_network
from fidgety.runtime.open_session import open_session
from fidgety.runtime.upright import N_FEATURES

__all__ = ["StreamLifter"]


class StreamLifter:
    """The lifter's graph and what its layers remember. One owner, made anew for every recording."""

    def __init__(
        self,
        graph: Path,
        channels: int,
        dilations: Sequence[int],
        chunk_rows: int = CHUNK_ROWS,
        device: Device = CPU,
        precision: str = "fp32",
    ) -> None:
        """Raises BundleError when `graph` is not a lifter of this shape."""
        shapes = cache_shapes(channels, dilations)
        self.reach = whole_reach(dilations)
        network = lifter_network(channels, dilations, chunk_rows)
        self._session = open_session(graph, network, device, precision=precision)
        self._caches = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self._chunk_rows = chunk_rows
        self._features = np.empty((0, N_FEATURES), np.float32)  # rows that wait for a whole chunk
        self._in_plane = np.empty((0, 17, 2), np.float32)
        self._n_to_drop = 2 * self.reach  # the first rows come of caches that hold nothing
        self._has_begun = False
        self._last = self._features, self._in_plane  # the last row

    def push(self, features: FloatArray, in_plane: FloatArray) -> FloatArray:
        """Take the next rows, features (T, 51) and joints in the plane (T, 17, 2); give the rows that are ready,
        (N, 17, 3) float32, upright, trunk lengths."""
        if len(features) == 0:
            return np.empty((0, 17, 3), np.float32)
        if not self._has_begun:
            self._has_begun = True
            self.push(features[:1].repeat(self.reach, axis=0), in_plane[:1].repeat(self.reach, axis=0))
        self._features = np.concatenate([self._features, features])
        self._in_plane = np.concatenate([self._in_plane, in_plane])
        ready = []
        while len(self._features) >= self._chunk_rows:
            ready.append(self._run())
        self._last = features[-1:], in_plane[-1:]
        return np.concatenate(ready) if ready else np.empty((0, 17, 3), np.float32)

    def finish(self) -> FloatArray:
        """The rows that only the end of the recording completes."""
        if not self._has_begun:
            return np.empty((0, 17, 3), np.float32)
        features, in_plane = self._last
        ready = self.push(features.repeat(self.reach, axis=0), in_plane.repeat(self.reach, axis=0))
        n_left = len(self._features)
        if n_left == 0:
            return ready
        # Filled up to a whole chunk, as every run is: rows look at none behind their own, and this is the last run.
        n_filled = self._chunk_rows - n_left
        self._features = np.concatenate([self._features, features[:1].repeat(n_filled, axis=0)])
        self._in_plane = np.concatenate([self._in_plane, in_plane[:1].repeat(n_filled, axis=0)])
        last = self._run()
        return np.concatenate([ready, last[: max(0, len(last) - n_filled)]])

    def _run(self) -> FloatArray:
        n_rows = self._chunk_rows
        out = self._session.run(features=self._features[:n_rows], in_plane=self._in_plane[:n_rows], **self._caches)
        self._features, self._in_plane = self._features[n_rows:], self._in_plane[n_rows:]
        self._caches = {name: out[f"new_{name}"] for name in self._caches}
        dropped = min(self._n_to_drop, n_rows)
        self._n_to_drop -= dropped
        joints: FloatArray = out["joints"][dropped:]
        return joints
