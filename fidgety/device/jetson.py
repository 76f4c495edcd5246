"""Which Jetson this is, by its device tree, L4T's release file and the package list; and its power mode.

NVIDIA's own tools need root or pull in a licence that is not ours; the files that they read are plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fidgety.device.tree import SystemTree

__all__ = ["Jetson", "PowerMode", "read_jetson", "read_power_mode"]

_RELEASE = re.compile(r"#\s*R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)")
_MODEL = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>")
_MODE = re.compile(r"pmode:\s*(\d+)")
# Where the package `nvidia-jetpack` is not installed (minimal images) only the generation is told.
_JETPACK_OF_L4T = {32: "4", 35: "5", 36: "6", 38: "7", 39: "7"}
_CHIPS = {"nvidia,tegra210": "Nano", "nvidia,tegra194": "Xavier", "nvidia,tegra234": "Orin", "nvidia,tegra264": "Thor"}


@dataclass(frozen=True, slots=True)
class Jetson:
    """One of NVIDIA's boards."""

    model: str  # as the device tree has it
    chip: str  # Orin, Thor, ...
    compatible: tuple[str, ...]
    l4t: str | None  # such as 36.4.3
    jetpack: str | None  # such as 6.2; a bare 6 where only L4T told it
    board: str | None  # NVIDIA's specification of module and carrier, of the boot configuration

    @property
    def jetpack_generation(self) -> int | None:
        """6, 7, ...; None = not known."""
        found = re.match(r"\d+", self.jetpack or "")
        return int(found[0]) if found else None


@dataclass(frozen=True, slots=True)
class PowerMode:
    """The power mode in use and the strongest one that the board has."""

    name: str
    strongest: str
    strongest_id: int

    @property
    def is_strongest(self) -> bool:
        """True where nothing is held back."""
        return self.name == self.strongest


def read_jetson(tree: SystemTree) -> Jetson | None:
    """The Jetson that this is; None on any other box."""
    compatible = tuple(filter(None, (tree.text("/proc/device-tree/compatible") or "").split("\0")))
    chip = next((_CHIPS[name] for name in compatible if name in _CHIPS), None)
    release = _RELEASE.search(tree.text("/etc/nv_tegra_release") or "")
    if chip is None and release is None:
        return None
    l4t = f"{release[1]}.{release[2]}" if release else None
    generation = _JETPACK_OF_L4T.get(int(release[1])) if release else None
    board = tree.fields("/etc/nv_boot_control.conf", " ").get("TNSPEC")
    return Jetson(
        tree.text("/proc/device-tree/model") or "NVIDIA Jetson",
        chip or "unknown chip",
        compatible,
        l4t,
        _package_version(tree, "nvidia-jetpack") or generation,
        board,
    )


def read_power_mode(tree: SystemTree) -> PowerMode | None:
    """The mode of `nvpmodel`; None where there is none, or its files are not what we know."""
    modes = {int(one[1]): one[2] for one in _MODEL.finditer(tree.text("/etc/nvpmodel.conf") or "")}
    status = _MODE.search(tree.text("/var/lib/nvpmodel/status") or "")
    if not modes or status is None or int(status[1]) not in modes:
        return None
    strongest_id = max(modes, key=lambda number: _strength(modes[number]))
    return PowerMode(modes[int(status[1])], modes[strongest_id], strongest_id)


def _strength(name: str) -> tuple[bool, bool, float]:
    """MAXN and its kind lift every limit; the others say how many watts they allow."""
    watts = re.search(r"(\d+)\s*W", name)
    return name.startswith("MAXN"), "SUPER" in name, float(watts[1]) if watts else 0.0


def _package_version(tree: SystemTree, package: str) -> str | None:
    """Version of an installed Debian package, without its build number."""
    for entry in _stanzas(tree.lines("/var/lib/dpkg/status")):
        if entry.get("Package") == package and "installed" in entry.get("Status", "").split():
            return entry.get("Version", "").split("+")[0] or None
    return None


def _stanzas(lines: list[str]) -> Iterator[dict[str, str]]:
    entry: dict[str, str] = {}
    for line in [*lines, ""]:
        if not line.strip():
            if entry:
                yield entry
            entry = {}
        elif not line[0].isspace():
            key, _, value = line.partition(":")
            entry[key] = value.strip()
