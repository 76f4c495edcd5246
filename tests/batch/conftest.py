"""Short pose tracks of an infant that lies nearly still: small, all different, scored by the real bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fidgety.batch.one import Request, limited
from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.records import Characteristics, FloatArray, Pose
from fidgety.runtime.posefile import PoseWriter
from fidgety.skeleton import BLAZEPOSE_33

TrackMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The bundle that `make test` builds. A missing one fails, it does not skip."""
    return open_bundle(default_bundle_path())


@pytest.fixture(scope="session")
def make_track(lying_xy: FloatArray, make_pose: Callable[..., Pose]) -> TrackMaker:
    """`make_track(path, seed, seconds)`: a track whose bytes follow from the seed."""

    def make(path: Path, seed: int = 0, seconds: float = 12.0) -> Path:
        rng = np.random.default_rng(seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        with PoseWriter(path, BLAZEPOSE_33, {"recording": "phantom"}) as writer:
            for i in range(round(seconds * 25)):
                trembling = lying_xy + rng.normal(0.0, 0.5, lying_xy.shape).astype(np.float32)
                writer.write(make_pose(i / 25.0, trembling, frame_index=i))
        return path

    return make


@pytest.fixture
def request_for(bundle: Bundle) -> Callable[[Path], Request]:
    """`request_for(folder)`: what the command asks, with a short duration rule."""

    def make(folder: Path) -> Request:
        folder.mkdir(exist_ok=True)
        return Request(limited(bundle, 5.0), Characteristics(13.0), folder, min_assessable_s=5.0)

    return make
