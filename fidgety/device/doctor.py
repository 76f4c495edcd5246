"""Is this box fit? Every check over what was probed; the worst comes first."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fidgety.bundle import open_bundle
from fidgety.demo_files import demo_file
from fidgety.device.accelerators import probe_import, probing
from fidgety.device.checks.engines import check_engines
from fidgety.device.checks.finding import Finding
from fidgety.device.checks.hardware import (
    check_cameras,
    check_disk,
    check_heat,
    check_memory,
    check_power,
    check_swap,
)
from fidgety.device.checks.software import (
    PythonPlace,
    check_decoders,
    check_onnxruntime,
    check_opencv,
    check_python,
    check_tensorrt,
)
from fidgety.device.checks.standing import (
    check_bundle,
    check_clock,
    check_data_folder,
    check_watchdog,
)
from fidgety.device.packages import Installed, read_installed
from fidgety.device.probe import Box
from fidgety.device.tree import SystemTree
from fidgety.errors import BundleError

__all__ = ["Software", "examine", "read_software"]

# What cameras write: H.264 and H.265 everywhere, Motion JPEG by webcams.
_DECODERS = ("h264", "hevc", "mjpeg")
# A PyAV may load, have every decoder and open nothing (19): so the sample is opened as source.py opens recordings.
_ASK_DECODERS = """
import json, sys
import av
def has(name):
    try:
        av.codec.Codec(name, "r")
    except Exception:
        return False
    return True
print(json.dumps({"missing": [name for name in %r if not has(name)]}), flush=True)
with av.open(sys.argv[1], metadata_errors="ignore") as container:
    frame = next(container.decode(video=0))
print(json.dumps({"size_px": [frame.width, frame.height]}))
"""


@dataclass(frozen=True, slots=True)
class Software:
    """What is installed, and what does not load."""

    installed: Installed
    opencv_problem: str | None
    av_problem: str | None
    missing_decoders: tuple[str, ...]
    python: PythonPlace
    recording_problem: str | None = None  # PyAV loads, but gives no picture of the sample recording


def read_software(python_path: Sequence[Path] = (), *, python: PythonPlace | None = None) -> Software:
    """The packages of this Python, each tried in a process of its own.

    `python_path`: folders that stand in for the installed packages, ahead of them.
    """
    installed = read_installed(path=[str(place) for place in python_path] or None)
    tried = probing(_ASK_DECODERS % (_DECODERS,), str(demo_file("sample.mp4")), python_path=python_path)
    missing = tried.answers[0]["missing"] if tried.answers else []
    assert isinstance(missing, list)
    return Software(
        installed,
        probe_import("cv2", python_path),
        None if tried.answers else tried.problem,
        tuple(map(str, missing)),
        python or this_python(),
        tried.problem if tried.answers else None,
    )


def this_python() -> PythonPlace:
    """The Python that runs this."""
    prefix = Path(sys.prefix)
    is_virtual = sys.prefix != sys.base_prefix
    settings = SystemTree(prefix).fields("pyvenv.cfg", "=")
    sees_all = settings.get("include-system-site-packages", "false").lower() == "true"
    return PythonPlace((sys.version_info[0], sys.version_info[1]), prefix, is_virtual, not is_virtual or sees_all)


def examine(box: Box, software: Software, tree: SystemTree, bundle: Path, engines: Path) -> tuple[Finding, ...]:
    """Every finding, faults before warnings; none where the box is fit.

    bundle, engines: the places of the model bundle and of the engines built of it.
    """
    found = _findings(box, software, tree, bundle, engines)
    return tuple(sorted(found, key=lambda finding: not finding.is_fault))


def _findings(box: Box, software: Software, tree: SystemTree, bundle: Path, engines: Path) -> Iterator[Finding]:
    yield from check_onnxruntime(software.installed, box.engines, box.jetson)
    yield from check_tensorrt(box.engines, box.jetson, software.python)
    yield from check_python(box.jetson, software.python)
    yield from check_opencv(software.installed, software.opencv_problem)
    yield from check_decoders(
        software.installed, software.av_problem, software.missing_decoders, software.recording_problem
    )
    yield from check_bundle(bundle)
    yield from check_engines(engines, _graphs(bundle), _tensorrt(box))
    yield from check_data_folder(box.data_folder)
    yield from check_disk(box.disk, box.data_folder)
    yield from check_memory(box.memory)
    yield from check_swap(box.swaps)
    yield from check_clock(box.clock)
    yield from check_cameras(box.cameras)
    yield from check_heat(box.heat)
    yield from check_power(box.power_mode)
    yield from check_watchdog(tree)


def _graphs(bundle: Path) -> frozenset[str]:
    """Hashes of the bundle's files; none where it cannot be opened, which is a finding of its own."""
    try:
        return frozenset(open_bundle(bundle).manifest.files.values())
    except BundleError:
        return frozenset()


def _tensorrt(box: Box) -> str | None:
    found = next((engine for engine in box.engines if engine.name == "TensorRT"), None)
    return found.version if found is not None and found.is_working else None
