from __future__ import annotations

from itertools import islice

import pytest

from fidgety.device.camera import CameraError, Capture
from fidgety.device.simulated_camera import SimulatedPort, read_number
from fidgety.errors import UsageError


def take(address: str, n: int) -> list[Capture]:
    camera = SimulatedPort(address).open()
    return list(islice(camera.captures(), n))


def test_captures_carry_their_number_in_picture_and_time() -> None:
    captures = take("test:160x120@25,speed=50", 30)
    numbers = [read_number(one.picture.to_ndarray(format="gray")) for one in captures if one.picture is not None]
    assert numbers == [one.sequence for one in captures]
    assert [one.camera_us for one in captures] == [40_000 * number for number in numbers]


def test_captures_leave_out_what_is_to_be_dropped() -> None:
    numbers = [one.sequence for one in take("test:160x120@25,speed=2,drop=3-5+7", 6)]
    assert not {3, 4, 5, 7} & set(numbers)


def test_captures_a_reader_that_is_late_loses_frames() -> None:
    port = SimulatedPort("test:160x120@25,speed=100")
    captures = port.open().captures()
    first = next(captures)
    port.clock.sleep(1.0)
    second = next(captures)
    assert first.sequence is not None and second.sequence is not None
    assert second.sequence - first.sequence >= 20


def test_open_an_unplugged_camera_fails_until_it_is_back() -> None:
    port = SimulatedPort("test:160x120@25,speed=50,unplug-at=0.5,back-after=2")
    with pytest.raises(CameraError, match="unplugged"):
        list(port.open().captures())
    with pytest.raises(CameraError, match="no camera"):
        port.open()
    port.clock.sleep(2.5)
    assert next(port.open().captures()).sequence is not None


@pytest.mark.parametrize(
    ("fault", "words"), [("busy", "in use"), ("missing", "no camera"), ("forbidden", "group video")]
)
def test_open_with_a_fault_says_so(fault: str, words: str) -> None:
    with pytest.raises(CameraError, match=words):
        SimulatedPort(f"test:160x120@25,{fault}").open()


@pytest.mark.parametrize("address", ["test:nowhere.mp4", "test:160x121@25", "test:160x120@25,colour=red", "test:9p@x"])
def test_port_of_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="--camera"):
        SimulatedPort(address)
