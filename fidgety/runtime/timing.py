"""How long each stage of the loop takes for each thing that it hands on, measured from outside the stages.

A stage is a generator over another one's, so the time of its `next` holds the time of those before it. What it waits
for its input is taken off; what is left is its own. Where nobody measures (None), the stage's own generator is handed
on and nothing is added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from fidgety.records import Frame, Pose

__all__ = ["StageTimes", "timed", "timed_frames"]

T = TypeVar("T")
U = TypeVar("U")


class StageTimes:
    """Own seconds of every stage, item by item. Each stage writes its own list, in its own thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.under_way_s: list[float] = []  # from a frame's decoding to its pose's arrival at the scoring stage
        self.picture_px = (0, 0)  # width, height
        self._left_s: dict[int, float] = {}  # frame index -> when it left the decoder

    def stage(self, name: str, stage: Callable[[Iterable[T]], Iterable[U]], items: Iterable[T]) -> Iterator[U]:
        """Run a stage and note its own time for each item that it gives."""
        noted = self.seconds.setdefault(name, [])
        waited_s = 0.0

        def input_items() -> Iterator[T]:
            nonlocal waited_s
            source = iter(items)
            while True:
                start_s = time.perf_counter()
                try:
                    item = next(source)
                except StopIteration:
                    return
                finally:
                    waited_s += time.perf_counter() - start_s
                yield item

        results = iter(stage(input_items()))
        while True:
            start_s, before_s = time.perf_counter(), waited_s
            try:
                result = next(results)
            except StopIteration:
                return
            noted.append(time.perf_counter() - start_s - (waited_s - before_s))
            yield result

    def frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Note how long each frame takes to decode and when it leaves the decoder."""
        for frame in self.stage("decode", lambda _: frames, ()):
            self.picture_px = (frame.width_px, frame.height_px)
            self._left_s[frame.frame_index] = time.perf_counter()
            yield frame

    def arrived(self, pose: Pose) -> None:
        """A frame's pose is where windows are made of it: note how long the frame was under way."""
        left_s = self._left_s.pop(pose.frame_index, None)
        if left_s is not None:
            self.under_way_s.append(time.perf_counter() - left_s)


def timed(
    times: StageTimes | None, name: str, stage: Callable[[Iterable[T]], Iterable[U]], items: Iterable[T]
) -> Iterable[U]:
    """The stage over its items, measured where somebody measures."""
    return stage(items) if times is None else times.stage(name, stage, items)


def timed_frames(times: StageTimes | None, frames: Iterable[Frame]) -> Iterable[Frame]:
    """The frames of a source, measured where somebody measures."""
    return frames if times is None else times.frames(frames)
