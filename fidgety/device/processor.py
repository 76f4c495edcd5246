"""Cores, what they can do, memory, swap and the disk that results go to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fidgety.device.tree import SystemTree

__all__ = ["Disk", "Memory", "Processor", "Swap", "read_disk", "read_memory", "read_processor", "read_swaps"]

# What the networks' kernels ask for: kernel's word -> the word people know.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "amx_int8": "AMX int8",
    "asimd": "NEON",
    "asimdhp": "NEON fp16",
    "asimddp": "NEON dot",
    "i8mm": "NEON i8mm",
}


@dataclass(frozen=True, slots=True)
class Processor:
    """The CPU."""

    name: str
    architecture: str  # x86_64, aarch64
    n_cores: int
    features: tuple[str, ...]  # of those that speed networks up


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory; on a Jetson the GPU shares it."""

    total_mb: int
    available_mb: int


@dataclass(frozen=True, slots=True)
class Swap:
    """One place that memory is moved to when it is short."""

    place: str
    kind: str  # zram, sd-card, disk
    size_mb: int
    used_mb: int


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk below the data folder."""

    total_mb: int
    free_mb: int  # for this user


def read_processor(tree: SystemTree) -> Processor:
    """What `/proc/cpuinfo` says."""
    lines = tree.lines("/proc/cpuinfo")
    n_cores = sum(line.split(":")[0].strip() == "processor" for line in lines)
    fields = tree.fields("/proc/cpuinfo")
    words = (fields.get("flags") or fields.get("Features") or "").split()
    is_arm = "Features" in fields
    architecture = "aarch64" if is_arm else platform.machine() if tree.is_live else "x86_64"
    name = fields.get("model name") or (f"ARM part {fields['CPU part']}" if "CPU part" in fields else architecture)
    return Processor(name, architecture, max(1, n_cores), tuple(_FEATURES[word] for word in _FEATURES if word in words))


def read_memory(tree: SystemTree) -> Memory | None:
    """What `/proc/meminfo` says; None where it says nothing."""
    fields = tree.fields("/proc/meminfo")
    total, available = (_kb(fields.get(key)) for key in ("MemTotal", "MemAvailable"))
    return None if total is None or available is None else Memory(total // 1024, available // 1024)


def read_swaps(tree: SystemTree) -> tuple[Swap, ...]:
    """The swaps in use."""
    return tuple(_swaps(tree))


def read_disk(folder: Path) -> Disk | None:
    """The disk below `folder`, or below the nearest folder above it that exists."""
    for place in (folder, *folder.absolute().parents):
        try:
            state = os.statvfs(place)
        except OSError:
            continue
        block_mb = state.f_frsize / 1e6
        return Disk(round(state.f_blocks * block_mb), round(state.f_bavail * block_mb))
    return None


def _swaps(tree: SystemTree) -> Iterator[Swap]:
    for line in tree.lines("/proc/swaps")[1:]:
        words = line.split()
        if len(words) < 4 or not (words[2].isdigit() and words[3].isdigit()):
            continue
        place = words[0]
        device = place if words[1] == "partition" else _device_below(tree, place)
        yield Swap(place, _kind(tree, device), int(words[2]) // 1024, int(words[3]) // 1024)


def _device_below(tree: SystemTree, path: str) -> str:
    """The block device that a file lies on: that of the longest mount point above it."""
    mounts = [line.split()[:2] for line in tree.lines("/proc/mounts") if len(line.split()) >= 2]
    above = [(point, device) for device, point in mounts if path.startswith(point.rstrip("/") + "/")]
    return max(above, key=lambda pair: len(pair[0]))[1] if above else ""


def _kind(tree: SystemTree, device: str) -> str:
    name = device.rsplit("/", 1)[-1]
    if name.startswith("zram"):
        return "zram"
    if name.startswith("mmcblk"):
        card = name.split("p")[0]
        return "disk" if tree.text(f"/sys/block/{card}/device/type") == "MMC" else "sd-card"  # MMC: soldered eMMC
    return "disk"


def _kb(text: str | None) -> int | None:
    words = (text or "").split()
    return int(words[0]) if words and words[0].isdigit() else None
