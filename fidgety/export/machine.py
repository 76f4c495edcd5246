"""What a measured figure must say about where it was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

__all__ = ["describe_cpu"]

_PRODUCTS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")  # decide how fast int8 is


def describe_cpu() -> str:
    """Processor, cores, the instructions that int8 lives on, and ONNX Runtime's version, in one line."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in rows.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    known = [name for name in _PRODUCTS if name in flags] or ["no known int8 instructions"]
    name = fields.get("model name", platform.machine())
    return f"{name}, {os.cpu_count()} cores, {' '.join(known)}, onnxruntime {version('onnxruntime')}"
