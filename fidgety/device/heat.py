"""How warm the box is, whether it slows itself down for it, and how fast its cores run just now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fidgety.device.tree import SystemTree

__all__ = ["Heat", "Temperature", "read_heat"]

_ZONES = "/sys/class/thermal/thermal_zone*"
_COOLERS = "/sys/class/thermal/cooling_device*"
# Cooling devices that take speed away. Others do not: a fan that turns, a screen that was dimmed.
_BRAKES = ("processor", "cpufreq", "devfreq", "throttle", "alert", "powerclamp")
_PLAUSIBLE_C = (-40.0, 150.0)  # sensors that are switched off say -256 or nothing


@dataclass(frozen=True, slots=True)
class Temperature:
    """One sensor."""

    name: str
    now_c: float
    slows_from_c: float | None  # its passive trip point
    stops_from_c: float | None  # its critical trip point: the box switches itself off


@dataclass(frozen=True, slots=True)
class Heat:
    """Temperatures and what they do to the clock rates."""

    temperatures: tuple[Temperature, ...]
    throttled_by: tuple[str, ...]  # what holds the cores back now
    n_over_current_events: int | None  # since the start; None = the board does not count them
    cpu_mhz: int | None  # mean over the cores, now
    cpu_most_mhz: int | None  # what the cores can do

    @property
    def hottest(self) -> Temperature | None:
        """The warmest sensor."""
        return max(self.temperatures, key=lambda one: one.now_c, default=None)


def read_heat(tree: SystemTree) -> Heat:
    """What thermal zones, cooling devices, hwmon and cpufreq say now."""
    temperatures = (*_zones(tree), *_hwmon(tree))
    counts = [tree.number(name) for name in tree.glob("/sys/class/hwmon/hwmon*/oc*_event_cnt")]
    known = [count for count in counts if count is not None]
    return Heat(
        temperatures,
        tuple(dict.fromkeys(_throttles(tree, temperatures))),
        sum(known) if known else None,
        _mean_mhz(tree, "scaling_cur_freq") or _mean_cpuinfo_mhz(tree),
        _most_mhz(tree),
    )


def _zones(tree: SystemTree) -> Iterator[Temperature]:
    for zone in tree.glob(_ZONES):
        milli_c = tree.number(f"{zone}/temp")
        if milli_c is None or not _PLAUSIBLE_C[0] < milli_c / 1000 < _PLAUSIBLE_C[1]:
            continue
        trips = [
            (tree.text(name), tree.number(name.replace("_type", "_temp")))
            for name in tree.glob(f"{zone}/trip_point_*_type")
        ]
        yield Temperature(
            tree.text(f"{zone}/type") or zone.rsplit("/", 1)[-1],
            milli_c / 1000,
            _lowest_c(trips, "passive"),
            _lowest_c(trips, "critical"),
        )


def _hwmon(tree: SystemTree) -> Iterator[Temperature]:
    """Sensors of the PC kind; those that a thermal zone shows as well come twice under two names."""
    for chip in tree.glob("/sys/class/hwmon/hwmon*"):
        for name in tree.glob(f"{chip}/temp*_input"):
            milli_c = tree.number(name)
            if milli_c is None or not _PLAUSIBLE_C[0] < milli_c / 1000 < _PLAUSIBLE_C[1]:
                continue
            label = tree.text(name.replace("_input", "_label")) or name.rsplit("/", 1)[-1].split("_")[0]
            critical = tree.number(name.replace("_input", "_crit"))
            stops_c = critical / 1000 if critical else None
            yield Temperature(f"{tree.text(f'{chip}/name') or 'hwmon'} {label}", milli_c / 1000, None, stops_c)


def _throttles(tree: SystemTree, temperatures: tuple[Temperature, ...]) -> Iterator[str]:
    for cooler in tree.glob(_COOLERS):
        kind = tree.text(f"{cooler}/type") or ""
        if (tree.number(f"{cooler}/cur_state") or 0) > 0 and any(word in kind.lower() for word in _BRAKES):
            yield kind
    for one in temperatures:
        if one.slows_from_c is not None and one.now_c >= one.slows_from_c:
            yield one.name


def _lowest_c(trips: list[tuple[str | None, int | None]], kind: str) -> float | None:
    found = [milli_c / 1000 for name, milli_c in trips if name == kind and milli_c is not None and milli_c > 0]
    return min(found, default=None)


def _mean_mhz(tree: SystemTree, what: str) -> int | None:
    found = [tree.number(name) for name in tree.glob(f"/sys/devices/system/cpu/cpu[0-9]*/cpufreq/{what}")]
    known = [khz for khz in found if khz]
    return round(sum(known) / len(known) / 1000) if known else None


def _most_mhz(tree: SystemTree) -> int | None:
    return _mean_mhz(tree, "cpuinfo_max_freq")


def _mean_cpuinfo_mhz(tree: SystemTree) -> int | None:
    """Where cpufreq is not to be seen (a virtual machine), what `/proc/cpuinfo` says."""
    lines = (line.split(":") for line in tree.lines("/proc/cpuinfo") if line.startswith("cpu MHz"))
    found = [float(words[1]) for words in lines]
    return round(sum(found) / len(found)) if found else None
