"""How fast this box scores: frames a second, each stage's own time, memory, and heat over time.

The real loop runs over a recording; its stages are measured from outside (`runtime/timing.py`). The account names box,
versions and bundle, and nothing of the infant: no result, no name, no path, no host. It may be sent to a colleague.
"""

from __future__ import annotations

import platform
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from fidgety import __version__
from fidgety.bundle import Bundle
from fidgety.device.heat import read_heat
from fidgety.device.jetson import read_jetson, read_power_mode
from fidgety.device.processor import read_memory, read_processor
from fidgety.device.tree import SystemTree
from fidgety.records import Characteristics, Pose
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.pipeline import Job, assess_recording
from fidgety.runtime.source import open_source
from fidgety.runtime.timing import StageTimes

__all__ = ["Benchmark", "Latency", "bench_recording", "benchmark_to_json", "format_benchmark"]

STAGES = {
    "decode": "a frame decoded",
    "pose": "a frame's pose, own time of the stage",
    "under_way": "a frame from decoder to scoring, queues included",
    "lift": "a piece of track, smoothed and lifted",
    "mam": "a window of 240 frames scored",
}
_SAMPLE_EVERY_S = 1.0
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "tensorrt", "av", "numpy", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds for one item of a stage."""

    n_items: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Moment:
    """The box at one moment of the run."""

    time_s: float  # from its begin
    n_frames: int  # scored by then
    hottest_c: float | None
    cpu_mhz: int | None
    is_throttled: bool


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One run."""

    n_frames: int
    recorded_s: float
    source_fps: float
    picture_px: tuple[int, int]  # width, height
    loading_s: float  # opening the recording and its first pose
    scoring_s: float  # from the first pose on
    stages: Mapping[str, Latency]
    peak_memory_mb: float
    moments: tuple[Moment, ...]
    n_threads: int

    @property
    def frames_per_s(self) -> float:
        """Speed of the whole loop once it runs."""
        return (self.n_frames - 1) / self.scoring_s if self.scoring_s else 0.0

    @property
    def real_time_factor(self) -> float:
        """Seconds of recording scored in a second: below 1 the box cannot follow a camera."""
        return self.frames_per_s / self.source_fps if self.source_fps else 0.0


class _Observer:
    """Sees every pose on its way into scoring; looks at the box once a second."""

    def __init__(self, times: StageTimes, tree: SystemTree) -> None:
        self.moments: list[Moment] = []
        self.n_frames = 0
        self.first_s = self.last_pose_time_s = 0.0
        self._times, self._tree = times, tree
        self._begin_s = self._next_s = time.perf_counter()

    def __call__(self, pose: Pose) -> None:
        self._times.arrived(pose)
        now_s = time.perf_counter()
        if self.n_frames == 0:
            self.first_s = now_s
        self.n_frames += 1
        self.last_pose_time_s = pose.time_s
        if now_s >= self._next_s:
            self._next_s = now_s + _SAMPLE_EVERY_S
            heat = read_heat(self._tree)
            hottest = None if heat.hottest is None else heat.hottest.now_c
            self.moments.append(
                Moment(round(now_s - self._begin_s, 3), self.n_frames, hottest, heat.cpu_mhz, bool(heat.throttled_by))
            )


def bench_recording(
    address: str,
    bundle: Bundle,
    n_threads: int = 2,
    max_duration_s: float | None = None,
    tree: SystemTree | None = None,
    device: Device = CPU,
) -> Benchmark:
    """Score a recording and account for the time. Raises SourceError, BundleError, DeviceError."""
    times = StageTimes()
    begin_s = time.perf_counter()
    observer = _Observer(times, tree or SystemTree())
    with open_source(address) as source:
        job = Job(
            "bench", Characteristics(), max_duration_s=max_duration_s, n_threads=n_threads, times=times, device=device
        )
        result = assess_recording(source, bundle, job, observer)
    end_s = time.perf_counter()
    stages = {name: _latency(seconds) for name, seconds in times.seconds.items()} | {
        "under_way": _latency(times.under_way_s)
    }
    return Benchmark(
        observer.n_frames,
        observer.last_pose_time_s,
        result.source_fps,
        times.picture_px,
        observer.first_s - begin_s,
        end_s - observer.first_s,
        {name: stages[name] for name in STAGES if name in stages},
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        tuple(observer.moments),
        n_threads,
    )


def benchmark_to_json(found: Benchmark, bundle: Bundle, tree: SystemTree | None = None) -> dict[str, Any]:
    """The account with box, versions and bundle."""
    system = tree or SystemTree()
    jetson, mode, memory = read_jetson(system), read_power_mode(system), read_memory(system)
    return {
        "format": 1,
        "box": {
            "model": jetson.model if jetson else "PC",
            "jetpack": jetson.jetpack if jetson else None,
            "l4t": jetson.l4t if jetson else None,
            "power_mode": mode.name if mode else None,
            "processor": asdict(read_processor(system)),
            "memory_mb": memory.total_mb if memory else None,
        },
        "versions": {"fidgety": __version__, "python": platform.python_version(), **_versions()},
        "bundle": {"label": bundle.label, "sha256": bundle.sha256, "pose": bundle.manifest.pose.variant},
        "recording": {
            "n_frames": found.n_frames,
            "duration_s": round(found.recorded_s, 3),
            "fps": round(found.source_fps, 3),
            "width_px": found.picture_px[0],
            "height_px": found.picture_px[1],
        },
        "threads": found.n_threads,
        "frames_per_s": round(found.frames_per_s, 2),
        "real_time_factor": round(found.real_time_factor, 3),
        "loading_s": round(found.loading_s, 3),
        "scoring_s": round(found.scoring_s, 3),
        "peak_memory_mb": round(found.peak_memory_mb, 1),
        "stages": {name: {"what": STAGES[name], **asdict(latency)} for name, latency in found.stages.items()},
        "over_time": [asdict(moment) for moment in found.moments],
    }


def format_benchmark(found: Benchmark) -> str:
    """What `device bench` prints."""
    width, height = found.picture_px
    lines = [
        f"{found.n_frames} frames of {width}x{height} at {found.source_fps:.0f} fps, {found.n_threads} threads",
        f"{found.frames_per_s:.1f} frames/s, {found.real_time_factor:.1f} x real time; first pose after "
        f"{found.loading_s:.1f} s; peak memory {found.peak_memory_mb:.0f} MB",
        f"{'ms':<52}{'p50':>8}{'p95':>8}{'p99':>8}",
    ]
    for name, one in found.stages.items():
        lines.append(f"{name:<11}{STAGES[name]:<41.41}{one.p50_ms:>8.2f}{one.p95_ms:>8.2f}{one.p99_ms:>8.2f}")
    warmest = [moment.hottest_c for moment in found.moments if moment.hottest_c is not None]
    rates = [moment.cpu_mhz for moment in found.moments if moment.cpu_mhz is not None]
    if warmest:
        lines.append(f"Temperature {warmest[0]:.0f} C at the begin, {max(warmest):.0f} C at most")
    if rates:
        lines.append(f"Clock rate  {min(rates)} to {max(rates)} MHz")
    if any(moment.is_throttled for moment in found.moments):
        lines.append("The box slowed itself down: free its vents and fan, and measure again")
    return "\n".join(lines)


def _latency(seconds: Sequence[float]) -> Latency:
    if not seconds:
        return Latency(0, 0.0, 0.0, 0.0)
    p50, p95, p99 = np.percentile(np.array(seconds) * 1e3, [50, 95, 99])
    return Latency(len(seconds), round(float(p50), 3), round(float(p95), 3), round(float(p99), 3))


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
