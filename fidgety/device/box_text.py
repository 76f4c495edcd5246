"""A box and its findings in words for a small screen, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from fidgety.device.accelerators import Engine
from fidgety.device.cameras import Camera
from fidgety.device.checks.finding import Finding
from fidgety.device.clock import BoxClock
from fidgety.device.heat import Heat
from fidgety.device.probe import Box

__all__ = ["box_to_json", "format_box", "format_findings"]

_MOST_MODES = 3


def format_box(box: Box) -> str:
    """What `device show` prints."""
    return "\n".join(f"{name:<12} {value}" for name, value in _lines(box))


def box_to_json(box: Box) -> dict[str, Any]:
    """The same for programs, every figure with its unit in its name."""
    found = asdict(box)
    found["data_folder"] = str(box.data_folder)
    found["clock"]["is_trustworthy"] = box.clock.is_trustworthy
    for entry, camera in zip(found["cameras"], box.cameras, strict=True):
        entry["is_csi"] = camera.is_csi
    return found


def format_findings(findings: Sequence[Finding]) -> str:
    """What `device doctor` prints: each finding with its remedy, and the verdict at the end."""
    lines = []
    for finding in findings:
        lines.append(f"{'FIX ' if finding.is_fault else 'warn'}  {finding.code}: {finding.sentence}")
        lines.append(f"      -> {finding.remedy}")
    n_faults = sum(finding.is_fault for finding in findings)
    n_warnings = len(findings) - n_faults
    told = f"{n_warnings} warning{'s' * (n_warnings != 1)}" if n_warnings else "nothing to be said"
    lines.append(f"not fit: {n_faults} to fix, {told}" if n_faults else f"fit: {told}")
    return "\n".join(lines)


def _lines(box: Box) -> Iterator[tuple[str, str]]:
    yield "Model", box.model
    if box.jetson is not None:
        yield "JetPack", f"{box.jetson.jetpack or 'unknown'} (L4T {box.jetson.l4t or 'unknown'}, {box.jetson.chip})"
    yield "System", f"{box.system}, kernel {box.kernel or 'unknown'}, Python {box.python}"
    features = ", ".join(box.processor.features) or "no wide instructions"
    yield "Processor", f"{box.processor.name}, {box.processor.n_cores} cores, {features}"
    if box.memory is not None:
        yield "Memory", f"{box.memory.available_mb} of {box.memory.total_mb} MB free"
    for swap in box.swaps:
        yield "Swap", f"{swap.place} ({swap.kind}), {swap.used_mb} of {swap.size_mb} MB used"
    if box.disk is not None:
        yield "Disk", f"{box.disk.free_mb / 1e3:.1f} of {box.disk.total_mb / 1e3:.1f} GB free for {box.data_folder}"
    if box.power_mode is not None:
        note = "" if box.power_mode.is_strongest else f" (the strongest is {box.power_mode.strongest})"
        yield "Power mode", f"{box.power_mode.name}{note}"
    yield from _heat_lines(box.heat)
    yield "Clock", _clock(box.clock)
    for engine in box.engines:
        yield "Engine", _engine(engine)
    for camera in box.cameras:
        yield "Camera", _camera(camera)
    if not box.cameras:
        yield "Camera", "none"


def _heat_lines(heat: Heat) -> Iterator[tuple[str, str]]:
    if heat.temperatures:
        yield "Temperature", ", ".join(f"{one.name} {one.now_c:.0f} C" for one in heat.temperatures)
    else:
        yield "Temperature", "not measured here"
    yield "Throttling", ", ".join(heat.throttled_by) or "none seen"
    if heat.cpu_mhz is not None:
        most = f" of {heat.cpu_most_mhz}" if heat.cpu_most_mhz else ""
        yield "Clock rate", f"{heat.cpu_mhz}{most} MHz now"


def _clock(clock: BoxClock) -> str:
    shown = datetime.fromtimestamp(clock.now_s, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    kept = {True: "follows a time server", False: "follows no time server", None: "not known what it follows"}
    words = [kept[clock.is_synchronised], "goes on without power" if clock.has_rtc else "no clock without power"]
    if clock.doubt is not None:
        words.append(clock.doubt.words)
    return f"{shown}, {'trustworthy' if clock.is_trustworthy else 'NOT trustworthy'} ({', '.join(words)})"


def _engine(engine: Engine) -> str:
    name = f"{engine.name} {engine.version or ''}".strip()
    if not engine.is_installed:
        return f"{name}: not installed"
    return f"{name}: {'works' if engine.is_working else f'does not work ({engine.problem})'}"


def _camera(camera: Camera) -> str:
    if not camera.is_usable:
        return f"{camera.device} {camera.name}: {camera.problem}"
    best = sorted(camera.modes, key=lambda mode: -mode.width_px * mode.height_px)[:_MOST_MODES]
    shown = [f"{m.fourcc} {m.width_px}x{m.height_px}" + (f" {m.most_fps:g} fps" if m.most_fps else "") for m in best]
    kind = " (CSI)" if camera.is_csi else ""
    return f"{camera.device} {camera.name}{kind}, driver {camera.driver}: {', '.join(shown) or 'no formats told'}"
