from __future__ import annotations

import pytest

from fidgety.runtime.address import camera_name, shown_address, without_passwords


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://nurse:s3cret@10.0.0.11/live", "rtsp://10.0.0.11/live"),
        ("RTSPS://nurse:s3cret@10.0.0.11:322", "RTSPS://10.0.0.11:322"),
        ("rtsp://nurse@10.0.0.11/live", "rtsp://10.0.0.11/live"),
        ("rtsp://nurse:s3@cret@10.0.0.11/live", "rtsp://10.0.0.11/live"),
        ("rtsp://nurse:s3 cret@10.0.0.11/live", "rtsp://10.0.0.11/live"),
        ("rtsp://nurse:s3/cr?et@10.0.0.11/live", "rtsp://10.0.0.11/live"),
        ("rtsp://10.0.0.11/user=admin&password=s3cret&channel=1", "rtsp://10.0.0.11/user=...&password=...&channel=1"),
        ("rtsp://10.0.0.11/live?channel=1&token=s3cret", "rtsp://10.0.0.11/live?channel=1&token=..."),
        ("rtsp://[fe80::1]:554/live@2", "rtsp://2"),  # may be a password with a bracket: rather too little is shown
        ("rtsp://10.0.0.11/live@2", "rtsp://10.0.0.11/live@2"),
        ("http://nurse:s3cret@10.0.0.11/a.mp4", "http://10.0.0.11/a.mp4"),
        ("http:/nurse:s3cret@10.0.0.11/a.mp4", "http:/10.0.0.11/a.mp4"),  # as `Path` writes it
        ("gst:rtsp://nurse:s3cret@10.0.0.11/live", "gst:rtsp://10.0.0.11/live"),
        ("0", "0"),
        ("/data/ward@3/a b:c@d.mp4", "/data/ward@3/a b:c@d.mp4"),
    ],
)
def test_shown_address_has_neither_user_nor_password(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_without_passwords_leaves_the_rest_of_a_text() -> None:
    text = "[Errno 111] Connection refused: 'rtsp://nurse:s3cret@10.0.0.11/live' and http://u:p@b"
    assert without_passwords(text) == "[Errno 111] Connection refused: 'rtsp://10.0.0.11/live' and http://b"
    assert without_passwords("3/500: ward@3/a.mp4, 1 h left") == "3/500: ward@3/a.mp4, 1 h left"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("0", "/dev/video0"),
        ("/dev/null", "/dev/null"),  # a character device, as cameras are
        ("rtsp://nurse:s3cret@10.0.0.11/live", "rtsp://10.0.0.11/live"),
        ("missing.mp4", None),
        ("http://10.0.0.11/a.mp4", None),
    ],
)
def test_camera_name(address: str, name: str | None) -> None:
    assert camera_name(address) == name
