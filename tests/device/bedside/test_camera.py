from __future__ import annotations

import errno
from pathlib import Path

import av
import pytest

from fidgety.device.camera import CameraError, Clock, ContainerCamera, Wanted, camera_port, explain_camera
from fidgety.errors import DeviceError, UsageError
from fidgety.phantom.video import write_video
from fidgety.runtime.source import open_source


@pytest.mark.parametrize("address", ["", "camera", "csi:", "csi:x", "gst:webcam", "http://camera", "test:"])
def test_camera_port_of_no_camera_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="--camera"):
        camera_port(address, Wanted())


def test_open_a_device_that_is_not_there_says_which_are() -> None:
    with pytest.raises(CameraError, match=r"no camera /dev/video63.*plug it in"):
        camera_port("63", Wanted()).open()


def test_open_a_device_that_is_no_camera() -> None:
    with pytest.raises(DeviceError, match="/dev/null is no camera"):
        camera_port("/dev/null", Wanted()).open()


def test_open_a_network_camera_that_does_not_answer() -> None:
    with pytest.raises(CameraError, match="does not answer"):
        camera_port("rtsp://127.0.0.1:9/stream", Wanted()).open()


def test_network_camera_is_called_without_its_password() -> None:
    """Its name goes into what is said and into the log of the recording."""
    port = camera_port("rtsp://nurse:s3cret@127.0.0.1:9/stream", Wanted())
    assert port.name == "rtsp://127.0.0.1:9/stream"
    with pytest.raises(CameraError, match=r"rtsp://127\.0\.0\.1:9/stream does not answer"):
        port.open()


@pytest.mark.parametrize("address", ["http://nurse:s3cret@camera", "gst:rtsp://nurse:s3cret@camera/1"])
def test_camera_port_refuses_without_naming_a_password(address: str) -> None:
    with pytest.raises(UsageError, match="--camera") as error:
        camera_port(address, Wanted())
    assert "s3cret" not in str(error.value)


def test_explain_camera_unknown_fault_names_no_password() -> None:
    words = explain_camera("rtsp://camera", ValueError("cannot read rtsp://nurse:s3cret@camera/1"))
    assert "rtsp://camera/1" in words and "s3cret" not in words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EBUSY, "in use by another program"),
        (errno.EACCES, "group video"),
        (errno.ENODEV, "unplugged"),
        (errno.EINVAL, "does not work"),
    ],
)
def test_explain_camera_says_what_to_do(code: int, words: str) -> None:
    assert words in explain_camera("/dev/video0", OSError(code, "reason"))


def test_container_camera_gives_packets_as_they_are_and_then_says_that_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "camera.mp4"
    from numpy import full, uint8

    write_video(path, (full((96, 128, 3), 20 * i, uint8) for i in range(8)), 25.0)
    camera = ContainerCamera(av.open(str(path)), "rtsp://camera", Clock())
    assert camera.format.codec == "h264"
    captures = []
    with pytest.raises(CameraError, match="no more pictures"):
        for capture in camera.captures():
            captures.append((capture.packet is not None, capture.picture, capture.camera_us))
    camera.close()
    assert [us for _, _, us in captures] == sorted(us for _, _, us in captures)
    assert len(captures) == 8 and all(has_packet and picture is None for has_packet, picture, _ in captures)


def test_container_camera_decodes_what_is_not_recorded_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "camera.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        for i in range(5):
            picture = av.VideoFrame(128, 96, "yuvj420p")
            picture.pts = i
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    camera = ContainerCamera(av.open(str(path)), "/dev/video0", Clock())
    with pytest.raises(CameraError):
        pictures = []
        for capture in camera.captures():
            pictures.append(capture.picture)
    camera.close()
    assert camera.format.codec == "raw" and [p.width for p in pictures] == [128] * 5


def test_open_source_still_reads_what_it_read(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    from numpy import full, uint8

    write_video(path, (full((96, 128, 3), 20 * i, uint8) for i in range(3)), 25.0)
    with open_source(str(path)) as source:
        assert len(list(source.frames())) == 3
