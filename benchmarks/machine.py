"""What the benchmarks print about where they ran."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe_machine() -> str:
    """Processor, cores and the versions that matter, in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "av", "numpy", "opencv-python-headless"))
    processor = names[0] if names else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"
