from __future__ import annotations

import numpy as np

from fidgety.device.frame_ring import FrameRing
from fidgety.records import Frame
from fidgety.runtime.source import frame_from_rgb


def frame(grey: int, size: tuple[int, int] = (120, 160)) -> Frame:
    return frame_from_rgb(np.full((*size, 3), grey, np.uint8), time_s=grey / 10)


def test_get_gives_what_was_put() -> None:
    ring = FrameRing.make(160, 120)
    put = frame(77)
    ring.put(put, is_recorded=True)
    got = FrameRing(ring.descriptor, 160, 120).get(0)  # the other process maps the same memory
    assert got is not None
    found, is_recorded = got
    assert is_recorded and found.time_s == put.time_s
    for name in ("luma", "chroma_u", "chroma_v", "rgb_from_yuv"):
        assert np.array_equal(getattr(found, name), getattr(put, name)), name


def test_get_what_was_overtaken_or_is_yet_to_come_is_not_there() -> None:
    ring = FrameRing.make(160, 120)
    for grey in range(30):
        ring.put(frame(grey), is_recorded=False)
    assert ring.get(0) is None and ring.get(17) is None and ring.get(30) is None and ring.get(-1) is None
    got = ring.get(18)
    assert got is not None and got[0].frame_index == 18 and got[0].time_s == 1.8


def test_put_frames_of_another_size_are_left_out() -> None:
    ring = FrameRing.make(160, 120)
    ring.put(frame(1, (60, 80)), is_recorded=False)
    assert ring.n_put == 0


def test_signs_are_seen_on_both_sides() -> None:
    ring = FrameRing.make(160, 120)
    other = FrameRing(ring.descriptor, 160, 120)
    other.wants_all = True
    ring.end()
    assert ring.wants_all and other.is_ended
