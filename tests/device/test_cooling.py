from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.device.cooling import Cooling, Limits, hottest_c
from fidgety.device.tree import SystemTree
from fidgety.errors import UsageError


class Sysfs:
    """A system below a folder whose one interesting zone is as hot as a test says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in (("thermal_zone0", "31000"), ("thermal_zone1", "-256000"), ("thermal_zone2", "")):
            self._write(name, text)

    def heat(self, degrees_c: float) -> None:
        self._write("thermal_zone0", str(round(degrees_c * 1000)))

    def _write(self, zone: str, text: str) -> None:
        folder = self.root / "sys/class/thermal" / zone
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "temp").write_text(f"{text}\n")


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def test_hottest_zone_leaves_out_what_is_no_temperature(sysfs: Sysfs) -> None:
    assert hottest_c(SystemTree(sysfs.root)) == 31.0
    assert hottest_c(SystemTree(sysfs.root / "nothing")) is None


def test_cooling_changes_its_mind_only_beyond_the_other_limit(sysfs: Sysfs) -> None:
    now_s = iter(range(0, 1000, 10))
    cooling = Cooling(lambda: hottest_c(SystemTree(sysfs.root)), Limits(85.0, 93.0, 78.0), lambda: float(next(now_s)))
    course = [
        (84.0, "full"),
        (85.0, "half"),
        (84.0, "half"),
        (79.0, "half"),
        (77.0, "full"),
        (84.9, "full"),
        (93.0, "wait"),
        (88.0, "wait"),
        (78.0, "wait"),
        (77.9, "full"),
    ]
    for degrees_c, pace in course:
        sysfs.heat(degrees_c)
        assert cooling.pace() == pace, degrees_c


def test_cooling_looks_every_five_seconds(sysfs: Sysfs) -> None:
    now = [0.0]
    cooling = Cooling(lambda: hottest_c(SystemTree(sysfs.root)), clock_s=lambda: now[0])
    assert cooling.pace() == "full"
    sysfs.heat(99.0)
    now[0] = 4.0
    assert cooling.pace() == "full"
    now[0] = 5.0
    assert cooling.pace() == "wait"


def test_cooling_at_half_pace_rests_as_long_as_it_works() -> None:
    now = [0.0]
    cooling = Cooling(lambda: 86.0, clock_s=lambda: now[0])
    rested_s = 0.0
    cooling.pause_s()
    for _ in range(100):
        now[0] += 0.04  # a frame's work
        pause_s = cooling.pause_s()
        now[0] += pause_s
        rested_s += pause_s
    assert rested_s == pytest.approx(4.0)


def test_cooling_without_sensors_goes_on() -> None:
    assert Cooling(lambda: None).pace() == "full"


def test_limits_out_of_order() -> None:
    with pytest.raises(UsageError, match="must rise"):
        Limits(90.0, 85.0, 70.0)
