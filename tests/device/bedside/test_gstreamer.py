"""A stand-in `gst-launch-1.0` that writes H.264 in Matroska into its pipe, as the Jetson's pipeline does."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.device import gstreamer
from fidgety.device.camera import CameraError, Wanted, camera_port
from fidgety.device.gstreamer import pipeline
from fidgety.errors import UsageError

WANTED = Wanted(160, 120, 25.0)
STAND_IN = """#!{python}
import sys, time
words = " ".join(sys.argv)
if "sensor-id=1" in words:
    print("ERROR: from element nvarguscamerasrc0: Failed to create CaptureSession", file=sys.stderr)
    sys.exit(1)
if "sensor-id=2" in words:
    print("WARNING: erroneous pipeline: no element \\"nvarguscamerasrc\\"", file=sys.stderr)
    sys.exit(1)
if "sensor-id=4" in words:
    time.sleep(1000)
import av, numpy as np
container = av.open(sys.stdout.buffer, "w", format="matroska", options={{"live": "1", "flush_packets": "1"}})
stream = container.add_stream("libx264", rate=25, options={{"tune": "zerolatency", "preset": "ultrafast"}})
stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
stream.codec_context.gop_size = 10
begun = time.monotonic()
n_frames = 20 if "sensor-id=3" in words else 100000
for number in range(n_frames):
    planes = np.full((180, 160), 60 + number % 100, np.uint8)
    picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    picture.pts = number
    container.mux(stream.encode(picture))
    time.sleep(max(0.0, begun + number / 25 - time.monotonic()))
container.close()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "gst-launch-1.0"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_pipeline_of_a_ribbon_cable_camera_encodes_in_hardware() -> None:
    words = " ".join(pipeline("csi:1", Wanted()))
    assert words.startswith("nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1920,height=1080")
    assert "framerate=25/1" in words and "nvv4l2h264enc" in words
    assert words.endswith("matroskamux streamable=true timecodescale=100000 ! fdsink fd=1")


@pytest.mark.parametrize("address", ["csi:", "csi:a", "gst:0", "gst:"])
def test_pipeline_of_no_camera_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="--camera"):
        pipeline(address, WANTED)


@pytest.mark.usefixtures("stand_in")
def test_captures_are_packets_with_the_pipelines_times() -> None:
    camera = camera_port("csi:0", WANTED).open()
    assert (camera.format.codec, camera.format.width_px, camera.format.height_px) == ("h264", 160, 120)
    captures = list(islice(camera.captures(), 30))
    camera.close()
    assert captures[0].packet is not None and captures[0].packet.is_keyframe
    assert np.diff([one.camera_us or 0 for one in captures]).tolist() == [40_000] * 29


@pytest.mark.usefixtures("stand_in")
def test_run_records_the_pipelines_frames(record_once: Callable[..., Any]) -> None:
    done = record_once("csi:0", seconds=1.5)
    assert done.ending.code == "long-enough"
    assert done.finished.n_frames >= 35 and done.finished.drops.by_time == 0
    assert done.log.about["encoder"] is None


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("address", "words"), [("csi:1", "in use"), ("csi:2", "nvidia-l4t-gstreamer")])
def test_open_says_what_gstreamer_said(address: str, words: str) -> None:
    with pytest.raises(CameraError, match=words):
        camera_port(address, WANTED).open()


@pytest.mark.usefixtures("stand_in")
def test_captures_of_a_process_that_ends_end_with_the_camera_gone() -> None:
    camera = camera_port("csi:3", WANTED).open()
    with pytest.raises(CameraError, match="gives no pictures"):
        list(camera.captures())
    camera.close()


@pytest.mark.usefixtures("stand_in")
def test_open_a_pipeline_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gstreamer, "_OPENING_S", 1.0)
    with pytest.raises(CameraError, match="gives no pictures"):
        camera_port("csi:4", WANTED).open()


@pytest.mark.usefixtures("stand_in")
def test_abort_ends_a_pipeline_from_another_thread() -> None:
    camera = camera_port("csi:0", WANTED).open()
    timer = threading.Timer(0.3, camera.abort)
    timer.start()
    with pytest.raises(CameraError):
        for _ in camera.captures():
            pass
    camera.close()
    timer.join()


def test_open_without_gstreamer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CameraError, match=r"apt-get install gstreamer1\.0-tools"):
        camera_port("csi:0", WANTED).open()


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="GStreamer is not installed")
def test_captures_of_the_real_program() -> None:
    try:
        camera = camera_port("gst:test", WANTED).open()
    except CameraError as error:
        pytest.skip(f"GStreamer lacks a part: {error}")
    captures = list(islice(camera.captures(), 20))
    camera.close()
    assert captures[0].packet is not None and captures[0].packet.is_keyframe
    assert np.diff([one.camera_us or 0 for one in captures]).tolist() == [40_000] * 19
