"""What box is this? Everything that `device show` prints and `device doctor` judges, read in one go."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from fidgety.device.accelerators import Engine, probe_onnxruntime, probe_tensorrt
from fidgety.device.cameras import Camera, Ioctl, list_cameras
from fidgety.device.clock import BoxClock, read_box_clock
from fidgety.device.heat import Heat, read_heat
from fidgety.device.jetson import Jetson, PowerMode, read_jetson, read_power_mode
from fidgety.device.processor import (
    Disk,
    Memory,
    Processor,
    Swap,
    read_disk,
    read_memory,
    read_processor,
    read_swaps,
)
from fidgety.device.tree import SystemTree

__all__ = ["Box", "probe_box"]


@dataclass(frozen=True, slots=True)
class Box:
    """One box at one moment."""

    jetson: Jetson | None  # None: a PC or another board
    model: str
    system: str  # Ubuntu 22.04.5 LTS
    kernel: str | None
    python: str
    processor: Processor
    memory: Memory | None
    swaps: tuple[Swap, ...]
    data_folder: Path
    disk: Disk | None
    power_mode: PowerMode | None
    heat: Heat
    clock: BoxClock
    cameras: tuple[Camera, ...]
    engines: tuple[Engine, ...]  # ONNX Runtime's providers, TensorRT


def probe_box(
    tree: SystemTree,
    data: Path,
    state: Path,
    *,
    engines: tuple[Engine, ...] | None = None,
    ioctl: Ioctl | None = None,
    now_s: float | None = None,
) -> Box:
    """Read everything below `tree`. `engines`: what was found before, else they are tried now (some seconds)."""
    jetson = read_jetson(tree)
    return Box(
        jetson,
        jetson.model if jetson else _pc_model(tree),
        tree.fields("/etc/os-release", "=").get("PRETTY_NAME", "unknown system").strip('"'),
        tree.text("/proc/sys/kernel/osrelease"),
        platform.python_version(),
        read_processor(tree),
        read_memory(tree),
        read_swaps(tree),
        data,
        read_disk(data),
        read_power_mode(tree),
        read_heat(tree),
        read_box_clock(tree, state, now_s),
        list_cameras(tree, ioctl),
        (*probe_onnxruntime(), probe_tensorrt()) if engines is None else engines,
    )


def _pc_model(tree: SystemTree) -> str:
    """Maker and product, as the firmware has them; another board's device tree model."""
    words = [tree.text(f"/sys/class/dmi/id/{key}") for key in ("sys_vendor", "product_name")]
    known = " ".join(word for word in words if word)
    return tree.text("/proc/device-tree/model") or known or "PC"
