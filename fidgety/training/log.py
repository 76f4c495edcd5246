"""What a training leaves behind beside its weights: the curve (CSV), the account (JSON), and `mam.json` for the
bundle.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fidgety.training.calibrate import Calibration

__all__ = ["LogRow", "write_curve", "write_json", "write_settings"]

LogRow = dict[str, float | int | str]

# Units and plausible ranges of what the Info Branch reads, in the order of its columns.
_CHARACTERISTICS = (
    ("sex", 0.0, 1.0),
    ("gestation_weeks", 22.0, 43.0),
    ("birth_weight_g", 300.0, 6000.0),
    ("corrected_age_weeks", 9.0, 20.0),
)


def write_settings(path: Path, about: Mapping[str, object], calibration: Calibration, chosen_by: str) -> None:
    """mam.json: what a bundle needs beside the graphs. about: name, version, trained_on, command, lifter."""
    write_json(
        path,
        {
            **about,
            "probability": {
                name: getattr(calibration, name) for name in ("clip_temperature", "risk_slope", "risk_intercept")
            },
            "operating_point": {
                "fms_threshold": calibration.fms_threshold,
                "risk_threshold": calibration.risk_threshold,
                "chosen_by": chosen_by,
            },
            "characteristics": [{"name": n, "low": low, "high": high} for n, low, high in _CHARACTERISTICS],
        },
    )


def write_curve(path: Path, log: Sequence[LogRow]) -> None:
    """One row per step; columns in the order in which they first appear."""
    columns = list(dict.fromkeys(name for row in log for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(log)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Indented, for a human to read; NaN becomes null, since JSON knows no NaN."""
    path.write_text(json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _without_nan(content: object) -> object:
    if isinstance(content, Mapping):
        return {name: _without_nan(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and math.isnan(content) else content
