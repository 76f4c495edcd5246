"""An infant that lies on its back and moves as it is told: small recordings for networks and features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fidgety.records import FloatArray
from fidgety.skeleton import H36M_17

RecordingMaker = Callable[..., FloatArray]

# Trunk lengths from the hip, picture axes: x right, y down, z away from the camera. The infant's left is on the right.
_LYING = {
    "hip": (0, 0, 0), "right_hip": (-0.23, 0, 0), "right_knee": (-0.42, 0.47, -0.26), "right_ankle": (-0.26, 1, -0.1),
    "left_hip": (0.23, 0, 0), "left_knee": (0.45, 0.42, -0.3), "left_ankle": (0.24, 0.95, -0.05), "spine": (0, -0.5, 0),
    "thorax": (0, -1, -0.03), "nose": (0.05, -1.37, -0.37), "head": (0.01, -1.47, -0.05),
    "left_shoulder": (0.4, -1, 0), "left_elbow": (0.8, -0.8, -0.1), "left_wrist": (0.95, -1.16, -0.26),
    "right_shoulder": (-0.4, -1, 0), "right_elbow": (-0.74, -0.74, -0.05), "right_wrist": (-0.84, -0.32, -0.37),
}  # fmt: skip


@pytest.fixture(scope="session")
def moving() -> RecordingMaker:
    """moving(n_frames, rate_hz=1.5, size=.03, seed=0, tremble=.001): joints (T, 17, 3) float32, trunk lengths at 25 Hz;
    every joint swings by `size` in every axis, each with a phase of its own, and trembles by white noise.
    """

    def make(
        n_frames: int, rate_hz: float = 1.5, size: float = 0.03, seed: int = 0, tremble: float = 0.001
    ) -> FloatArray:
        rng = np.random.default_rng(seed)
        rest = np.array([_LYING[name] for name in H36M_17.keypoints])
        phase = rng.uniform(0.0, 2.0 * np.pi, rest.shape)
        swing = np.sin(2.0 * np.pi * rate_hz * np.arange(n_frames)[:, None, None] / 25.0 + phase)
        return np.asarray(rest + size * swing + rng.normal(0.0, tremble, swing.shape), dtype=np.float32)

    return make
