"""Traps of the hardware: room, memory, heat, power and cameras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fidgety.device.cameras import Camera
from fidgety.device.checks.finding import Finding, fault, warning
from fidgety.device.heat import Heat
from fidgety.device.jetson import PowerMode
from fidgety.device.processor import Disk, Memory, Swap

__all__ = ["check_cameras", "check_disk", "check_heat", "check_memory", "check_power", "check_swap"]

# Five minutes of 1080p25 at 8 Mbit/s take 300 MB, poses and report of them 4 MB.
_FEWEST_FREE_MB, _FEW_FREE_MB = 1_000, 5_000
# The whole chain peaks at 280 MB on the CPU, with an engine and its driver at about 1 GB.
_FEWEST_AVAILABLE_MB, _FEW_AVAILABLE_MB = 500, 1_000
_NEAR_CRITICAL_C = 5.0


def check_disk(disk: Disk | None, folder: Path) -> Iterator[Finding]:
    """Room for recordings."""
    if disk is None or disk.free_mb >= _FEW_FREE_MB:
        return
    kind, code = (fault, "disk-full") if disk.free_mb < _FEWEST_FREE_MB else (warning, "disk-nearly-full")
    yield kind(
        code,
        f"{disk.free_mb} MB are free for {folder}; one recording of five minutes takes about 300 MB",
        "move recordings to another disk and delete what is no longer needed",
    )


def check_memory(memory: Memory | None) -> Iterator[Finding]:
    """Memory that is free now."""
    if memory is None or memory.available_mb >= _FEW_AVAILABLE_MB:
        return
    kind = fault if memory.available_mb < _FEWEST_AVAILABLE_MB else warning
    yield kind(
        "memory-low",
        f"{memory.available_mb} of {memory.total_mb} MB of memory are free",
        "end other programs; on an appliance switch the desktop off: sudo systemctl set-default multi-user.target, "
        "then restart",
    )


def check_swap(swaps: Iterable[Swap]) -> Iterator[Finding]:
    """Memory that is moved to a card wears it out and stops the box for seconds; zram takes processor time."""
    for swap in swaps:
        if swap.kind == "sd-card":
            yield warning(
                "swap-on-card",
                f"memory is swapped to {swap.place} on an SD card ({swap.used_mb} of {swap.size_mb} MB in use): it "
                "wears the card out and stops the box for seconds",
                f"sudo swapoff {swap.place}, and take its line out of /etc/fstab",
            )
    zram = [swap for swap in swaps if swap.kind == "zram" and swap.used_mb > swap.size_mb // 4]
    if zram:
        used, size = sum(swap.used_mb for swap in zram), sum(swap.size_mb for swap in zram)
        yield warning(
            "swap-zram",
            f"{used} of {size} MB of compressed memory (zram) are in use: cores compress memory instead of scoring",
            "end other programs; to do without: sudo systemctl disable --now nvzramconfig",
        )


def check_heat(heat: Heat) -> Iterator[Finding]:
    """A box that slows itself down, or is about to switch itself off."""
    for one in heat.temperatures:
        if one.stops_from_c is not None and one.now_c >= one.stops_from_c - _NEAR_CRITICAL_C:
            yield fault(
                "too-hot",
                f"{one.name} is at {one.now_c:.0f} C and the box switches itself off at {one.stops_from_c:.0f} C",
                "switch it off, let it cool, free its vents and fan",
            )
            return
    if heat.throttled_by:
        hottest = heat.hottest
        at = f" at {hottest.now_c:.0f} C" if hottest else ""
        yield warning(
            "throttled",
            f"the box slows itself down{at} ({', '.join(heat.throttled_by)})",
            "free its vents and fan, take it out of the sun; check that the fan turns",
        )
    if heat.n_over_current_events:
        yield warning(
            "over-current",
            f"the board was held back {heat.n_over_current_events} times since its start for want of power",
            "use the power supply that came with it",
        )


def check_power(mode: PowerMode | None) -> Iterator[Finding]:
    """A Jetson that is told to save power."""
    if mode is not None and not mode.is_strongest:
        yield warning(
            "power-mode",
            f"the power mode is {mode.name}, the strongest is {mode.strongest}",
            f"sudo nvpmodel -m {mode.strongest_id}",
        )


def check_cameras(cameras: Iterable[Camera]) -> Iterator[Finding]:
    """Cameras that are plugged in but cannot be used by this user."""
    for camera in cameras:
        if camera.is_usable:
            continue
        if camera.problem == "no right to open it":
            yield fault(
                "camera-rights",
                f"{camera.device} ({camera.name}) may not be opened by this user",
                "sudo usermod -aG video $USER, then log in anew",
            )
        else:
            yield warning(
                "camera-silent",
                f"{camera.device} ({camera.name}): {camera.problem}",
                "plug it in anew, and end other programs that hold it",
            )
