from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import cv2
import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.device import looks
from fidgety.device.looks import Part, read_stretch, watch_ring
from fidgety.device.viewer import Viewer
from fidgety.records import Frame, Pose
from fidgety.runtime.source import open_source

SAMPLE = Path(looks.__file__).parents[1] / "demo" / "sample.mp4"
pytestmark = pytest.mark.bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    with open_source(str(SAMPLE)) as source:
        return list(islice(source.frames(), 60))


class SteppedRing:
    """A ring into which a frame comes when the one before was taken; some are overtaken."""

    def __init__(self, frames: list[Frame], n_waiting: int, overtaken_at: int | None = None) -> None:
        self.wants_all = False
        self._frames, self._n_waiting, self._overtaken_at = frames, n_waiting, overtaken_at
        self.n_put = 1

    @property
    def is_ended(self) -> bool:
        return self.n_put == len(self._frames)

    def get(self, number: int) -> tuple[Frame, bool] | None:
        if number == self._overtaken_at and self.wants_all:
            return None
        self.n_put = min(number + 2, len(self._frames))
        return self._frames[number], number >= self._n_waiting


def watch(ring: SteppedRing, bundle: Bundle) -> tuple[list[Part], list[bool]]:
    seen: list[bool] = []

    def see(_frame: Frame, pose: Pose, is_recorded: bool, _assessable_s: float) -> None:
        assert not pose.is_missing
        seen.append(is_recorded)

    return watch_ring(ring, bundle, 25.0, 2, see), seen  # type: ignore[arg-type]


def test_watch_ring_a_slow_box_looks_now_and_then(
    bundle: Bundle, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(looks, "_is_fast", lambda *_: False)
    (part,), seen = watch(SteppedRing(frames[:20], 5), bundle)
    assert part.kind == "sparse" and 1 < part.n_poses == sum(seen) <= 15
    assert part.measures["infant_share"] == 1.0
    assert part.measures["jitter_mm"] is None and part.measures["source_fps"] is None
    assert 0 < part.assessable_s <= part.seconds


def test_watch_ring_a_fast_box_reads_every_frame(
    bundle: Bundle, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "_is_fast", lambda *_: True)
    (part,), seen = watch(SteppedRing(frames[:40], 1), bundle)
    assert part.kind == "dense" and part.n_poses >= 38
    assert part.measures["jitter_mm"] is not None
    assert any(seen)


def test_watch_ring_that_falls_behind_goes_on_now_and_then(
    bundle: Bundle, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(looks, "_is_fast", lambda *_: True)
    ring = SteppedRing(frames[:50], 1, overtaken_at=20)
    parts, _ = watch(ring, bundle)
    assert [part.kind for part in parts] == ["dense", "sparse"]
    assert parts[0].n_poses <= 20 and parts[1].n_poses >= 1 and not ring.wants_all


def test_read_stretch_reads_neighbours_until_its_time_is_up(bundle: Bundle, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    with av.open(str(SAMPLE)) as sample, av.open(str(video), "w") as target:
        stream = target.add_stream_from_template(sample.streams.video[0])
        for packet in islice(sample.demux(video=0), 80):
            packet.stream = stream
            target.mux(packet)
    part = read_stretch(video, bundle, 2, 100.0)
    assert part is not None and part.n_poses > 70 and part.measures["jitter_mm"] is not None
    assert read_stretch(video, bundle, 2, 0.0) is None


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Viewer]:
    with Viewer(default_bundle_path(), 1280, 720, 25.0, tmp_path / "guidance.png", 1) as opened:
        yield opened


def feed(viewer: Viewer, frames: list[Frame], is_enough: object) -> None:
    until_s = time.monotonic() + 60
    number = 0
    while not is_enough() and viewer.is_alive and time.monotonic() < until_s:  # type: ignore[operator]
        frame = frames[number % len(frames)]
        viewer.put(
            Frame(number, number * 0.04, frame.luma, frame.chroma_u, frame.chroma_v, frame.rgb_from_yuv),
            is_recorded=True,
        )
        number += 1
        time.sleep(0.04)


def test_viewer_hears_looks_draws_a_picture_and_gives_figures(
    viewer: Viewer, frames: list[Frame], tmp_path: Path
) -> None:
    feed(viewer, frames[:1] * 2, lambda: viewer.n_good_in_a_row >= 2)
    assert viewer.code == "good"
    picture = cv2.imread(str(tmp_path / "guidance.png"))
    assert picture is not None and picture.shape[1] == 960 + 48
    parts = viewer.finish(tmp_path / "none.mp4", 1.0, 30.0)  # a video that is not there: the looks count all the same
    assert [part.kind for part in parts] == ["sparse"] and parts[0].measures["infant_share"] == 1.0


def test_viewer_whose_process_dies_costs_the_recorder_nothing(viewer: Viewer, frames: list[Frame]) -> None:
    os.kill(viewer._process.pid, signal.SIGKILL)
    viewer._process.wait()
    assert not viewer.is_alive
    for i in range(40):
        viewer.put(frames[0], is_recorded=True)
        assert viewer.is_due(i + 1.0)
    begun_s = time.monotonic()
    assert viewer.finish(SAMPLE, 10.0, 30.0) == []
    assert time.monotonic() - begun_s < 10.0
