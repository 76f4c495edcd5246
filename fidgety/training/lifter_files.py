"""The lifter that MAM is trained behind travels with it: its graph beside MAM's, its shape in `mam.json`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fidgety.bundle import LifterSettings
from fidgety.export.lifter import lifter_shape
from fidgety.export.publish import trained_file
from fidgety.training.views import LifterGraph

__all__ = ["TakenLifter", "take_lifter"]

_GRAPH, _WEIGHTS, _LOG = "lifter.onnx", "lifter.npz", "lifter_log.json"


@dataclass(frozen=True, slots=True)
class TakenLifter:
    """graph: where the lifter lies now. about: what `mam.json` says of it."""

    graph: LifterGraph
    about: Mapping[str, object]


def take_lifter(lifter_dir: Path | None, out_dir: Path) -> TakenLifter:
    """Copy the lifter of `lifter_dir` (default: the demo's) to `out_dir`. Raises BundleError where one is missing."""
    graph, weights, log = (trained_file(name, lifter_dir) for name in (_GRAPH, _WEIGHTS, _LOG))
    settings = LifterSettings(_GRAPH, *lifter_shape(weights))
    command = json.loads(log.read_text(encoding="utf-8"))["command"]
    if graph.resolve() != (out_dir / _GRAPH).resolve():
        shutil.copyfile(graph, out_dir / _GRAPH)
    return TakenLifter(LifterGraph(out_dir / _GRAPH, settings), {**asdict(settings), "command": command})
