"""What is read of a box, on two simulated Jetsons and on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fidgety.device.box_text import box_to_json, format_box
from fidgety.device.cameras import Camera
from fidgety.device.clock import RELEASED_S, Now, judge, note_time, read_box_clock
from fidgety.device.heat import read_heat
from fidgety.device.jetson import PowerMode, read_jetson, read_power_mode
from fidgety.device.probe import probe_box
from fidgety.device.processor import Memory, Swap, read_disk, read_memory, read_processor, read_swaps
from fidgety.device.tree import SystemTree

from .conftest import NOW_S, MakeTree, orin_jetpack_7, orin_nano_jetpack_6


def test_read_jetson_of_jetpack_6(make_tree: MakeTree) -> None:
    jetson = read_jetson(make_tree(orin_nano_jetpack_6()))
    assert jetson is not None
    assert jetson.model == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert (jetson.chip, jetson.l4t, jetson.jetpack, jetson.jetpack_generation) == ("Orin", "36.4.3", "6.2", 6)
    assert jetson.board == "3767-300-0005-R.1-1-1-jetson-orin-nano-devkit-super-"


def test_read_jetson_of_jetpack_7_without_its_package(make_tree: MakeTree) -> None:
    jetson = read_jetson(make_tree(orin_jetpack_7()))
    assert jetson is not None
    assert (jetson.l4t, jetson.jetpack, jetson.jetpack_generation) == ("39.2.0", "7", 7)


def test_read_jetson_takes_no_package_that_was_removed(make_tree: MakeTree) -> None:
    files = orin_nano_jetpack_6()
    files["/var/lib/dpkg/status"] = files["/var/lib/dpkg/status"].replace(
        "install ok installed", "deinstall ok config-files"
    )
    jetson = read_jetson(make_tree(files))
    assert jetson is not None and jetson.jetpack == "6"


def test_read_jetson_of_a_pc_and_of_another_board(make_tree: MakeTree) -> None:
    assert read_jetson(make_tree({"/etc/os-release": "NAME=Debian\n"})) is None
    other = {"/proc/device-tree/model": "Raspberry Pi 5\0", "/proc/device-tree/compatible": "raspberrypi,5-model-b\0"}
    assert read_jetson(make_tree(other)) is None


def test_read_power_mode_knows_the_strongest(make_tree: MakeTree) -> None:
    assert read_power_mode(make_tree(orin_nano_jetpack_6())) == PowerMode("MAXN_SUPER", "MAXN_SUPER", 2)
    assert read_power_mode(make_tree(orin_jetpack_7())) == PowerMode("MODE_50W", "MAXN", 0)
    assert read_power_mode(make_tree({"/var/lib/nvpmodel/status": "pmode:0007"})) is None


def test_read_processor_of_a_jetson(make_tree: MakeTree) -> None:
    processor = read_processor(make_tree(orin_nano_jetpack_6()))
    assert (processor.architecture, processor.n_cores) == ("aarch64", 6)
    assert processor.features == ("NEON", "NEON fp16", "NEON dot")


def test_read_processor_here_agrees_with_the_system() -> None:
    import os

    assert read_processor(SystemTree()).n_cores == os.cpu_count()


def test_read_memory_and_swaps(make_tree: MakeTree) -> None:
    files = orin_nano_jetpack_6()
    files["/proc/mounts"] = "/dev/nvme0n1p1 / ext4 rw 0 0\n/dev/mmcblk1p1 /card ext4 rw 0 0\n"
    files["/proc/swaps"] += "/card/swapfile file\t4194300\t\t1024\t\t-2\n/swapfile file\t2097148\t\t0\t\t-3\n"
    files["/sys/block/mmcblk1/device/type"] = "SD"
    tree = make_tree(files)
    assert read_memory(tree) == Memory(7620, 5752)
    assert read_swaps(tree) == (
        Swap("/dev/zram0", "zram", 635, 0),
        Swap("/card/swapfile", "sd-card", 4095, 1),
        Swap("/swapfile", "disk", 2047, 0),
    )
    assert read_memory(make_tree({"/proc/meminfo": "MemFree: 1 kB\n"})) is None


def test_read_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    here, below = read_disk(tmp_path), read_disk(tmp_path / "not" / "yet")
    assert here is not None and below is not None
    assert below.total_mb == here.total_mb > 0


def test_read_heat_of_a_cool_jetson_and_a_hot_one(make_tree: MakeTree) -> None:
    files = orin_nano_jetpack_6()
    cool = read_heat(make_tree(files))
    assert [one.name for one in cool.temperatures] == ["cpu-thermal", "gpu-thermal"]  # one sensor is switched off
    assert cool.hottest is not None and cool.hottest.now_c == 48.5 and cool.hottest.slows_from_c == 99.0
    assert (cool.throttled_by, cool.cpu_mhz, cool.cpu_most_mhz) == ((), 1344, 1728)
    files["/sys/class/thermal/thermal_zone1/temp"] = "99500"
    files["/sys/class/thermal/cooling_device1/cur_state"] = "1"
    files["/sys/class/hwmon/hwmon1/oc1_event_cnt"] = "3"
    hot = read_heat(make_tree(files))
    assert hot.throttled_by == ("cpu-throttle-alert", "gpu-thermal")  # the fan, which turns, is no throttling
    assert hot.n_over_current_events == 3


def test_read_heat_of_a_pc(make_tree: MakeTree) -> None:
    chip = "/sys/class/hwmon/hwmon0"
    tree = make_tree({f"{chip}/name": "k10temp", f"{chip}/temp1_input": "51250", f"{chip}/temp1_label": "Tctl"})
    assert [(one.name, one.now_c) for one in read_heat(tree).temperatures] == [("k10temp Tctl", 51.25)]


def test_read_clock_tells_what_can_be_believed(make_tree: MakeTree, tmp_path: Path) -> None:
    files = orin_nano_jetpack_6()
    assert read_box_clock(make_tree(files), tmp_path, NOW_S).is_trustworthy
    unset = read_box_clock(make_tree(files), tmp_path, RELEASED_S - 1)
    assert unset.doubt == judge(Now(RELEASED_S - 1, "", 0.0), None) and not unset.is_trustworthy
    bare = SystemTree(tmp_path / "bare")
    lost = read_box_clock(bare, tmp_path, NOW_S)
    assert (lost.is_synchronised, lost.has_rtc, lost.doubt, lost.is_trustworthy) == (None, False, None, False)


def test_clock_that_goes_back_is_found_out(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(orin_nano_jetpack_6())
    note_time(tmp_path, NOW_S)
    note_time(tmp_path, NOW_S - 86400)  # an earlier time never takes the place of a later one
    assert read_box_clock(tree, tmp_path, NOW_S - 60).doubt is None  # a time server's step
    back = read_box_clock(tree, tmp_path, NOW_S - 86400)
    assert back.doubt is not None and back.doubt.kind == "went-back" and not back.is_trustworthy
    assert "says 2026-11-30T00:00, but it was 2026-12-01T00:00 already" in back.doubt.words
    assert read_box_clock(tree, tmp_path, NOW_S + 90 * 86400).is_trustworthy  # it lay in a cupboard


def test_read_clock_here_asks_the_kernel(tmp_path: Path) -> None:
    clock = read_box_clock(SystemTree(), tmp_path)
    assert clock.is_synchronised in (True, False)  # adjtimex answers on every Linux
    assert clock.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_tree_orders_numbers_by_value(make_tree: MakeTree) -> None:
    tree = make_tree({f"/sys/zone{number}/temp": "1" for number in (10, 2, 1)})
    assert tree.glob("/sys/zone*") == ["/sys/zone1", "/sys/zone2", "/sys/zone10"]


@pytest.mark.parametrize("files", [orin_nano_jetpack_6, orin_jetpack_7, dict])
def test_box_goes_into_words_and_json(files, make_tree: MakeTree, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tree = make_tree(files())
    camera = Camera("/dev/video0", "HD USB Camera", "uvcvideo", True, None, ())
    box = probe_box(tree, tmp_path, tmp_path, engines=(), now_s=NOW_S, ioctl=_no_camera)
    assert (box.jetson is None) == (files is dict)
    text = format_box(box)
    assert text.splitlines()[0].split(maxsplit=1) == ["Model", box.model]
    found = json.loads(json.dumps(box_to_json(box), allow_nan=False))
    assert found["clock"]["is_trustworthy"] is (files is not dict)
    assert not camera.is_csi


def _no_camera(_descriptor: int, _request: int, _structure: bytearray) -> int:
    raise OSError(25, "Inappropriate ioctl for device")
