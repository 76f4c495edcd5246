"""Fidgety movements from a camera recording of an infant: FMs frequency and risk, on the device.

The tree is the data flow; `runtime/pipeline.py` is the loop to read first, `docs/ARCHITECTURE.md` the map.
"""

__version__ = "0.1.0"
