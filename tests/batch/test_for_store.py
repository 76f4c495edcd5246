from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.batch.for_store import scorer_for_store
from fidgety.bundle import Bundle
from fidgety.device.service import Order
from fidgety.errors import Stopped
from fidgety.records import Characteristics, Pose
from fidgety.runtime.devices import CPU

from .conftest import TrackMaker

pytestmark = pytest.mark.bundle


def test_scorer_for_store_heeds_between_two_blocks_of_the_hash(
    bundle: Bundle, make_track: TrackMaker, tmp_path: Path
) -> None:
    n_heeded, poses = 0, []

    def heed() -> None:
        nonlocal n_heeded
        n_heeded += 1
        if n_heeded == 2:
            raise Stopped("stopped")

    track, out = make_track(tmp_path / "x.poses"), tmp_path / "out"
    out.mkdir()

    def watch(pose: Pose) -> None:
        poses.append(pose)

    order = Order("R000001", (track,), Characteristics(13.0), out, watch, heed)
    scorer = scorer_for_store(1, 5.0, lambda _: CPU)
    with pytest.raises(Stopped):
        scorer(order, bundle)
    assert poses == [] and list(out.iterdir()) == []
    assert scorer(order, bundle).outcome in ("scored", "not-assessable")
    assert poses and n_heeded > 2
