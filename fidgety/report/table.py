"""An Assessment as JSON and many of them as CSV: complete, stable keys, unit in the name, null where there is no score.

The JSON round-trips but for the keypoints of the moments, which live in the page. Probabilities and shares keep 6
decimals, times 3.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.errors import DeviceError
from fidgety.records import (
    Assessment,
    Characteristics,
    FmsFrequency,
    Moment,
    Quality,
    QualityReason,
    Risk,
    Stretch,
    WindowScore,
)
from fidgety.report.files import write_text
from fidgety.report.wording import clean_name, list_reasons, scored_parts, total_s
from fidgety.skeleton import H36M_17

__all__ = ["CSV_COLUMNS", "assessment_from_json", "assessment_to_json", "read_json", "write_csv", "write_json"]

FORMAT = 1
_MOMENT_FRAMES = 240
_RISK_FIELDS = (
    "probability",
    "low",
    "high",
    "threshold",
    "is_risk",
    "used_characteristics",
    "prevalence",
    "predictive_value",
)

CSV_COLUMNS = (
    "recording",
    "recording_sha256",
    "duration_s",
    "source_fps",
    "is_assessable",
    "n_fms",
    "n_instances",
    "fms_frequency",
    "fms_frequency_low",
    "fms_frequency_high",
    "risk_probability",
    "risk_low",
    "risk_high",
    "risk_threshold",
    "is_risk",
    "used_characteristics",
    "prevalence",
    "predictive_value",
    "n_bouts",
    "bouts_s",
    "not_scored_s",
    "corrected_age_weeks",
    "gestation_weeks",
    "sex",
    "birth_weight_g",
    "blocking_reasons",
    "warnings",
    "bundle",
    "banner",
)


def assessment_to_json(assessment: Assessment) -> dict[str, Any]:
    """The result as plain JSON values (str, int, float, bool, None, list, dict); no NaN.

    Where no score may be given `fms_frequency` and `risk` are None, and timeline, bouts and moments are empty: never a
    number.
    """
    scored = scored_parts(assessment)
    frequency, risk = scored if scored is not None else (None, None)
    blocking, warnings = list_reasons(assessment)
    return {
        "format": FORMAT,
        "recording": assessment.recording,
        "recording_sha256": assessment.recording_sha256,
        "duration_s": _rounded(assessment.duration_s, 3),
        "source_fps": _rounded(assessment.source_fps, 3),
        "is_assessable": scored is not None,
        "fms_frequency": frequency and _fields(frequency, "n_fms", "n_instances", "value", "low", "high"),
        "risk": risk and _fields(risk, *_RISK_FIELDS),
        "quality": {
            "reasons": [_fields(one, "code", "is_blocking", "sentence", "action") for one in blocking + warnings],
            "measures": _plain(assessment.quality.measures),
        },
        "characteristics": _fields(
            assessment.characteristics, "corrected_age_weeks", "gestation_weeks", "sex", "birth_weight_g"
        ),
        "bouts": [_times(one) for one in assessment.bouts] if scored else [],
        "not_scored": [_times(one) for one in assessment.voids],
        "most_certain_fms": [_moment(one) for one in assessment.most_certain_fms] if scored else [],
        "most_certain_non_fms": [_moment(one) for one in assessment.most_certain_non_fms] if scored else [],
        "timeline": [_window(one) for one in assessment.timeline] if scored else [],
        "bundle": assessment.bundle,
        "banner": assessment.banner,
        "settings": _plain(assessment.settings),
    }


def assessment_from_json(data: Mapping[str, Any]) -> Assessment:
    """The Assessment that `assessment_to_json` wrote. Keypoints of moments come back as NaN (not stored).

    Raises DeviceError when `data` is not such a result: the stored file is damaged or of another version.
    """
    try:
        if data["format"] != FORMAT:
            raise DeviceError(f"stored result of format {data['format']!r}; this program reads {FORMAT}: score anew")
        return _assessment(data)
    except (KeyError, TypeError, ValueError) as error:
        raise DeviceError(f"stored result is damaged ({type(error).__name__}: {error}); score anew") from error


def write_json(path: Path, assessment: Assessment) -> None:
    """Write one result to `path`, whole or not at all. Raises what `write_text` raises."""
    write_text(path, json.dumps(assessment_to_json(assessment), indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Assessment:
    """Read a result that `write_json` wrote. Raises DeviceError when it cannot be read or is damaged."""
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DeviceError(f"{path} is no stored result ({error}); score the recording anew") from error
    if not isinstance(data, dict):
        raise DeviceError(f"{path} is no stored result; score the recording anew")
    return assessment_from_json(data)


def write_csv(path: Path, assessments: Iterable[Assessment]) -> None:
    """Write one row per recording (CSV_COLUMNS, RFC 4180) to `path`, whole or not at all.

    A cell is empty where there is no value. Raises what `write_text` raises.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_row(assessment) for assessment in assessments)
    write_text(path, stream.getvalue())


def _row(assessment: Assessment) -> dict[str, Any]:
    data = assessment_to_json(assessment)
    frequency, risk = data["fms_frequency"] or {}, data["risk"] or {}
    is_scored = data["is_assessable"]
    reasons = data["quality"]["reasons"]
    row = {key: data[key] for key in CSV_COLUMNS if key in data}
    row |= data["characteristics"]
    row |= {"n_fms": frequency.get("n_fms"), "n_instances": frequency.get("n_instances")}
    row |= {"fms_frequency": frequency.get("value"), "risk_probability": risk.get("probability")}
    row |= {f"fms_frequency_{end}": frequency.get(end) for end in ("low", "high")}
    row |= {f"risk_{key}": risk.get(key) for key in ("low", "high", "threshold")}
    row |= {key: risk.get(key) for key in ("is_risk", "used_characteristics", "prevalence", "predictive_value")}
    row["n_bouts"] = len(assessment.bouts) if is_scored else None
    row["bouts_s"] = round(total_s(assessment.bouts), 3) if is_scored else None
    row["not_scored_s"] = round(total_s(assessment.voids), 3)
    row["blocking_reasons"] = ";".join(one["code"] for one in reasons if one["is_blocking"])
    row["warnings"] = ";".join(one["code"] for one in reasons if not one["is_blocking"])
    return {key: _cell(value) for key, value in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean_name(value) if isinstance(value, str) else value


def _assessment(data: Mapping[str, Any]) -> Assessment:
    quality, frequency, risk = data["quality"], data["fms_frequency"], data["risk"]
    return Assessment(
        recording=str(data["recording"]),
        recording_sha256=data["recording_sha256"],
        duration_s=float(data["duration_s"]),
        source_fps=float(data["source_fps"]),
        quality=Quality(tuple(QualityReason(**one) for one in quality["reasons"]), dict(quality["measures"])),
        characteristics=Characteristics(**data["characteristics"]),
        frequency=None if frequency is None else FmsFrequency(**frequency),
        risk=None if risk is None else Risk(**risk),
        timeline=tuple(_window_from_json(one) for one in data["timeline"]),
        bouts=tuple(Stretch(**one) for one in data["bouts"]),
        voids=tuple(Stretch(**one) for one in data["not_scored"]),
        most_certain_fms=_moments_from_json(data["most_certain_fms"]),
        most_certain_non_fms=_moments_from_json(data["most_certain_non_fms"]),
        bundle=str(data["bundle"]),
        banner=data["banner"],
        settings=dict(data["settings"]),
    )


def _moments_from_json(items: Sequence[Mapping[str, Any]]) -> tuple[Moment, ...]:
    not_stored = np.full((_MOMENT_FRAMES, len(H36M_17), 2), np.nan, np.float32)
    return tuple(Moment(**one, keypoints_xy=not_stored) for one in items)


def _window_from_json(item: Mapping[str, Any]) -> WindowScore:
    pair = item["class_probabilities"]
    return WindowScore(**{**item, "class_probabilities": None if pair is None else (pair[0], pair[1])})


def _window(window: WindowScore) -> dict[str, Any]:
    rest = ("is_instance", "is_localisation", "fms_probability", "class_probabilities", "void")
    return _times(window) | _fields(window, *rest)


def _moment(moment: Moment) -> dict[str, Any]:
    return _times(moment) | _fields(moment, "fms_probability")


def _times(span: Stretch | Moment | WindowScore) -> dict[str, Any]:
    return {"start_s": _rounded(span.start_s, 3), "end_s": _rounded(span.end_s, 3)}


def _fields(record: object, *names: str) -> dict[str, Any]:
    return {name: _plain(getattr(record, name)) for name in names}


def _rounded(value: float, decimals: int) -> float | None:
    return round(float(value), decimals) if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    """Any setting as a JSON value: numpy scalars become Python's, what is not finite None, what is unknown its text."""
    if isinstance(value, np.generic):
        return _plain(value.item())
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return _rounded(value, 6)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return [_plain(item) for item in value]
    return str(value)
