"""The list of cameras, against a stand-in for the kernel that fills in V4L2's structures as drivers do."""

from __future__ import annotations

import errno
import os
import struct
from typing import NoReturn

import pytest

from fidgety.device import cameras
from fidgety.device.cameras import CameraMode, list_cameras

from .conftest import MakeTree, orin_nano_jetpack_6

Formats = dict[str, dict[tuple[int, int], list[tuple[int, int]]]]
WEBCAM: Formats = {
    "MJPG": {(1920, 1080): [(1, 30), (1, 15)], (1280, 720): [(1, 60)]},
    "YUYV": {(640, 480): [(1, 30), (1001, 30000)]},
}


class Driver:
    """Answers the four questions for one camera."""

    def __init__(
        self, driver: str, name: str, formats: dict, capabilities: int = 0x1, is_stepwise: bool = False
    ) -> None:  # type: ignore[type-arg]
        self.driver, self.name, self.formats = driver, name, formats
        self.capabilities, self.is_stepwise = capabilities, is_stepwise

    def __call__(self, _descriptor: int, request: int, structure: bytearray) -> int:
        n_bytes, number = (request >> 16) & 0x3FFF, request & 0xFF
        assert (request >> 8) & 0xFF == ord("V")
        assert n_bytes == len(structure)  # the size is part of the number: the kernel refuses any other
        index, code = struct.unpack_from("II", structure)
        fourcc = struct.pack("I", code).decode(errors="replace")
        if number == 0:
            struct.pack_into("16s32s", structure, 0, self.driver.encode(), self.name.encode())
            struct.pack_into("II", structure, 84, self.capabilities | 0x80000000, self.capabilities)
        elif number == 2:
            code = int.from_bytes(self._at(list(self.formats), index).encode(), "little")
            struct.pack_into("I", structure, 44, code)
        elif number == 74:
            width, height = self._at(list(self.formats[fourcc]), index)
            if self.is_stepwise:
                struct.pack_into("I6I", structure, 8, 3, 16, width, 16, 16, height, 16)
            else:
                struct.pack_into("III", structure, 8, 1, width, height)
        elif number == 75:
            size = struct.unpack_from("II", structure, 8)
            struct.pack_into("III", structure, 16, 1, *self._at(self.formats[fourcc][size], index))
        return 0

    @staticmethod
    def _at(entries, index):  # type: ignore[no-untyped-def]
        if index >= len(entries):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return entries[index]


def test_list_cameras_reads_formats_sizes_and_rates(make_tree: MakeTree) -> None:
    (camera,) = list_cameras(make_tree(orin_nano_jetpack_6()), Driver("uvcvideo", "HD USB Camera", WEBCAM))
    assert (camera.device, camera.name, camera.driver, camera.is_usable) == (
        "/dev/video0",
        "HD USB Camera",
        "uvcvideo",
        True,
    )
    assert camera.modes == (
        CameraMode("MJPG", 1920, 1080, 30.0),
        CameraMode("MJPG", 1280, 720, 60.0),
        CameraMode("YUYV", 640, 480, 30.0),
    )
    assert not camera.is_csi


def test_list_cameras_knows_a_csi_sensor_and_a_range_of_sizes(make_tree: MakeTree) -> None:
    driver = Driver("tegra-video", "vi-output, imx219 9-0010", {"RG10": {(3280, 2464): []}}, is_stepwise=True)
    (camera,) = list_cameras(make_tree(orin_nano_jetpack_6()), driver)
    assert camera.is_csi
    assert camera.modes == (CameraMode("RG10", 3280, 2464, None),)


def test_list_cameras_leaves_out_what_gives_no_pictures(make_tree: MakeTree) -> None:
    assert (
        list_cameras(make_tree(orin_nano_jetpack_6()), Driver("uvcvideo", "Metadata", {}, capabilities=0x800000)) == ()
    )


def test_list_cameras_says_what_cannot_be_opened(make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = make_tree(orin_nano_jetpack_6())

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(cameras.os, "open", refuse)
    (camera,) = list_cameras(tree)
    assert (camera.is_usable, camera.problem) == (False, "no right to open it")
    assert camera.name == "HD USB Camera: HD USB Camera"  # the kernel's own word


def test_list_cameras_where_the_device_is_gone_or_no_camera(make_tree: MakeTree) -> None:
    files = orin_nano_jetpack_6()
    (silent,) = list_cameras(make_tree(files))  # a plain file stands there: the kernel refuses the question
    assert not silent.is_usable and "does not answer" in (silent.problem or "")
    tree = make_tree(files)
    tree.path("/dev/video0").unlink()
    (gone,) = list_cameras(tree)
    assert not gone.is_usable and "does not open" in (gone.problem or "")
