"""Fidgety movements from a camera recording of an infant: FMs frequency and risk, on the device.

The tree is the data flow; `runtime/pipeline.py` is the loop to read first, `docs/ARCHITECTURE.md` the map.
"""

import os

__version__ = "0.1.0"

# ONNX Runtime 1.32 looks up a host of its maker and reports to it as soon as a graph runs, unless this is set before
# it is loaded. Nothing leaves this box, and every module here is imported after this line.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
