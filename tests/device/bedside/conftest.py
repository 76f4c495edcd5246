"""A recording made by the real recorder from a simulated camera, and what lies on the disk of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av
import pytest

from fidgety.device.camera import Wanted, camera_port
from fidgety.device.encoder import SOFTWARE
from fidgety.device.frame_log import FrameLog, read_frame_log
from fidgety.device.leftovers import Finished, finish, mark
from fidgety.device.recorder import Recorder
from fidgety.device.recording_plan import Ending, Plan
from fidgety.device.simulated_camera import read_number


class Recorded(NamedTuple):
    """One recording, and all that was said."""

    ending: Ending
    finished: Finished
    log: FrameLog
    said: list[str]


RecordOnce = Callable[..., Recorded]
ReadPictures = Callable[[Path], list[tuple[int, int]]]


def _read_pictures(video: Path) -> list[tuple[int, int]]:
    """(number in the picture, presentation time in microseconds) of every frame of a video."""
    with av.open(str(video)) as container:
        return [
            (read_number(picture.to_ndarray(format="gray")), round(picture.pts * picture.time_base * 1_000_000))
            for picture in container.decode(video=0)
        ]


@pytest.fixture
def record_once(tmp_path: Path) -> RecordOnce:
    """`record_once("test:160x120@25,speed=8", seconds=4)`: record, finish, read the log."""

    def record(address: str, seconds: float = 4.0, stop: threading.Event | None = None, **changes: float) -> Recorded:
        folder = tmp_path / "recording"
        folder.mkdir()
        port = camera_port(address, Wanted())
        plan = Plan(
            **{"min_s": seconds, "max_s": seconds, "wait_s": 0.0, "return_s": 5.0, "reserve_mb": 1.0, **changes}
        )
        said: list[str] = []
        with mark(folder):
            recorder = Recorder(port, port.open(), lambda: folder, plan, SOFTWARE, None, {"camera": address})
            ending = recorder.run(stop or threading.Event(), said.append)
            finished = finish(folder)
        return Recorded(ending, finished, read_frame_log(folder / "frame-times.log"), said)

    return record


@pytest.fixture(scope="session")
def read_pictures() -> ReadPictures:
    """`read_pictures(video)`: (number in the picture, presentation time in microseconds) of every frame."""
    return _read_pictures
