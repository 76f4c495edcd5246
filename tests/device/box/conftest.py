"""Simulated boxes: the files that a Jetson on JetPack 6.2 and one on 7.2 have, by their publicly known formats."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fidgety.device.clock import RELEASED_S
from fidgety.device.tree import SystemTree

NOW_S = RELEASED_S + 30 * 86400.0
Files = dict[str, str]
MakeTree = Callable[[Mapping[str, str]], SystemTree]
MakeSite = Callable[..., Path]

_ARM = (
    "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n"
)
_POWER = """# knobs come first
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online

< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
CPU_ONLINE CORE_0 1
< PM_CONFIG DEFAULT=1 >
"""


def orin_nano_jetpack_6() -> Files:
    """A healthy Orin Nano developer kit: JetPack 6.2, strongest power mode, cool, clock set by timesyncd."""
    cpus = "".join(f"processor\t: {i}\nBogoMIPS\t: 62.50\n{_ARM}CPU part\t: 0xd42\n\n" for i in range(6))
    files = {
        "/proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
        "/proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0",
        "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
        "DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia\n",
        "/etc/nv_boot_control.conf": "TNSPEC 3767-300-0005-R.1-1-1-jetson-orin-nano-devkit-super-\n"
        "TEGRA_CHIPID 0x23\nTEGRA_BOOT_STORAGE nvme0n1\n",
        "/var/lib/dpkg/status": _package("bash", "5.1-6ubuntu1") + _package("nvidia-jetpack", "6.2+b77"),
        "/etc/nvpmodel.conf": _POWER,
        "/var/lib/nvpmodel/status": "pmode:0002",
        "/etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
        "/proc/sys/kernel/osrelease": "5.15.148-tegra\n",
        "/proc/sys/kernel/random/boot_id": "5d0b7a2e-8f0c-4b5e-9b8f-0e1d2c3b4a59\n",
        "/proc/cpuinfo": cpus,
        "/proc/meminfo": "MemTotal:        7802984 kB\nMemFree:         4012344 kB\nMemAvailable:    5890120 kB\n",
        "/proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        "/dev/zram0                              partition\t650244\t\t0\t\t5\n",
        "/proc/mounts": "/dev/nvme0n1p1 / ext4 rw,relatime 0 0\n",
        "/run/systemd/timesync/synchronized": "",
        "/sys/class/rtc/rtc0/name": "nvvrs-pseq-rtc",
        "/sys/class/video4linux/video0/name": "HD USB Camera: HD USB Camera",
        "/dev/video0": "",
    }
    for number, (name, milli_c) in enumerate((("cpu-thermal", 48_500), ("gpu-thermal", 47_062), ("cv0-thermal", None))):
        zone = f"/sys/class/thermal/thermal_zone{number}"
        files[f"{zone}/type"] = name
        files[f"{zone}/temp"] = "" if milli_c is None else str(milli_c)
        files |= {f"{zone}/trip_point_0_type": "passive", f"{zone}/trip_point_0_temp": "99000"}
        files |= {f"{zone}/trip_point_1_type": "critical", f"{zone}/trip_point_1_temp": "104500"}
    for number, (name, state) in enumerate((("pwm-fan", 2), ("cpu-throttle-alert", 0), ("cpufreq-cpu0", 0))):
        files[f"/sys/class/thermal/cooling_device{number}/type"] = name
        files[f"/sys/class/thermal/cooling_device{number}/cur_state"] = str(state)
    for core in range(6):
        rate = f"/sys/devices/system/cpu/cpu{core}/cpufreq"
        files |= {f"{rate}/scaling_cur_freq": "1344000", f"{rate}/cpuinfo_max_freq": "1728000"}
    return files


def orin_jetpack_7() -> Files:
    """An AGX Orin on JetPack 7.2 whose image holds no `nvidia-jetpack` package: only L4T tells the generation."""
    files = orin_nano_jetpack_6()
    files |= {
        "/proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
        "/proc/device-tree/compatible": "nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0",
        "/etc/nv_tegra_release": "# R39 (release), REVISION: 2.0, GCID: 40000000, BOARD: generic, EABI: aarch64, "
        "DATE: Mon Jun  1 01:00:00 UTC 2026\n",
        "/var/lib/dpkg/status": _package("bash", "5.2.21-2ubuntu4"),
        "/etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\n',
        "/etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=MODE_15W >\n"
        "< POWER_MODEL ID=2 NAME=MODE_30W >\n< POWER_MODEL ID=3 NAME=MODE_50W >\n< PM_CONFIG DEFAULT=2 >\n",
        "/var/lib/nvpmodel/status": "pmode:0003",
    }
    return files


def _package(name: str, version: str) -> str:
    return f"Package: {name}\nStatus: install ok installed\nVersion: {version}\nDescription: one\n of many\n\n"


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """`make_tree(files)`: a system that holds these files."""

    def make(files: Mapping[str, str]) -> SystemTree:
        tree = SystemTree(tmp_path / "system")
        for name, text in files.items():
            path = tree.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tree

    return make


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    """`make_site({"onnxruntime": "1.23.2"}, {...})`: a site folder as pip leaves it, each package with its record.

    Packages are installed one after another; each writes the files of its import name over those that are there.
    """

    def make(*packages: tuple[str, str, dict[str, str]]) -> Path:
        site = tmp_path / "site-packages"
        site.mkdir(exist_ok=True)
        for name, version, files in packages:
            info = site / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            rows = []
            for place, text in files.items():
                (site / place).parent.mkdir(parents=True, exist_ok=True)
                (site / place).write_text(text)
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                rows.append(f"{place},sha256={digest},{len(text.encode())}")
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/METADATA,,", f"{info.name}/RECORD,,"]) + "\n")
        return site

    return make
