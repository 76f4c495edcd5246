from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fidgety.device.watchdog import Watchdog


class Systemd:
    """The other end: a real datagram socket, and what came out of it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        words = []
        while True:
            try:
                words.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return words

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    one = Systemd(str(tmp_path / "notify"))
    yield one
    one.close()


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def watchdog(tmp_path: Path, now: list[float]) -> Watchdog:
    return Watchdog({"NOTIFY_SOCKET": str(tmp_path / "notify")}, lambda: now[0])


def test_watchdog_says_what_happens(systemd: Systemd, watchdog: Watchdog) -> None:
    watchdog.ready()
    watchdog.status("R000001 at 3 s")
    watchdog.stopping()
    assert systemd.heard() == ["READY=1", "STATUS=R000001 at 3 s", "STOPPING=1"]


def test_watchdog_is_fed_only_while_frames_advance(systemd: Systemd, watchdog: Watchdog, now: list[float]) -> None:
    for time_s, is_fed in ((0.0, True), (0.04, True), (0.04, False), (0.03, False), (0.08, True)):
        now[0] += 10.0
        watchdog.frame(time_s)
        assert systemd.heard() == (["WATCHDOG=1"] if is_fed else [])
    watchdog.begin()  # the next recording starts from 0 again
    now[0] += 10.0
    watchdog.frame(0.0)
    assert systemd.heard() == ["WATCHDOG=1"]


def test_watchdog_speaks_once_a_second(systemd: Systemd, watchdog: Watchdog, now: list[float]) -> None:
    for i in range(100):
        now[0] = i * 0.04
        watchdog.frame(now[0])
    assert systemd.heard() == ["WATCHDOG=1"] * 4


def test_watchdog_of_an_abstract_socket(now: list[float], tmp_path: Path) -> None:
    name = f"fidgety-{tmp_path.name}"
    systemd = Systemd(f"\0{name}")
    Watchdog({"NOTIFY_SOCKET": f"@{name}"}, lambda: now[0]).ready()
    assert systemd.heard() == ["READY=1"]
    systemd.close()


def test_watchdog_without_systemd_is_silent(watchdog: Watchdog) -> None:
    watchdog.ready()  # nobody listens at the address
    Watchdog({}).ready()
