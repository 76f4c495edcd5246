"""The same recorded inputs through a network and its other precision: how far apart their answers are.

Answers are compared where they are read: keypoints after the heat maps have refined them, probabilities after the
softmax. The inputs are crops, chunks and windows of recordings, never noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from fidgety.bundle import Manifest
from fidgety.calibration.networks import NetworkName
from fidgety.calibration.recorded_inputs import Given
from fidgety.errors import BundleError
from fidgety.records import FloatArray
from fidgety.runtime.blazepose import (
    N_LANDMARKS,
    Landmarks,
    Region,
    decode_detections,
    decode_landmarks,
    detector_anchors,
)
from fidgety.runtime.keypoint_network import read_keypoints

__all__ = ["TRUNK_MM", "NetworkDifference", "measure_network", "open_cpu"]

TRUNK_MM = 190.0  # of an infant: what the quality figures count in
_MIN_LIVELINESS = 0.5  # of the reference's spread of answers: a network that ignores its input has none

# (quantity, unit, limit of the median, limit of the 95th percentile).
# Keypoints: 3 mm, a small FMs, is about 1 px of the 256 px crop. The chain's own noise is 1.1 mm in still seconds and
# 3.9 in lively ones (.35 to 1.3 px); an error of .1 px beside .35 adds 4 % to it, .3 px in one reading of twenty 30 %.
# Probabilities: .02 is what an FMs frequency may change by; a window within .02 of the threshold is a toss-up anyway.
_LIMITS: dict[str, tuple[str, float, float]] = {
    "keypoints": ("crop px", 0.1, 0.3),
    "keypoint scores": ("probability", 0.005, 0.05),  # .3 and .6 are where a keypoint is doubted (doubt.py)
    "presence": ("probability", 0.005, 0.02),
    "body": ("px of 224", 0.5, 2.0),  # it starts a crop, which the next reading lays anew: 2 px turn it by 1 degree
    "body score": ("probability", 0.01, 0.05),
    "joints": ("mm", 0.1, 0.5),  # on a trunk of 19 cm; a sixth of a small FMs
    # Not P(FMs), which hides near 0 and 1 what a graph does wrong: .02 and .08 change a toss-up by .005 and .02.
    "FMs": ("logit", 0.02, 0.08),
    "bag": ("probability", 0.002, 0.01),
    "info": ("probability", 0.002, 0.01),
}


@dataclass(frozen=True, slots=True)
class NetworkDifference:
    """How far one quantity is from the reference, over all recorded inputs."""

    quantity: str
    unit: str
    median: float
    p95: float
    maximum: float
    limit_median: float
    limit_p95: float

    @property
    def is_within(self) -> bool:
        """False for NaN as well."""
        return self.median <= self.limit_median and self.p95 <= self.limit_p95


def measure_network(
    name: NetworkName, reference: Path, judged: Path, inputs: Sequence[Given], manifest: Manifest
) -> tuple[NetworkDifference, ...]:
    """Run both graphs on the inputs.

    Raises BundleError where there are none, where none can be compared, or where `judged` ignores its input.
    """
    if len(inputs) < 2:
        raise BundleError(f"the parity gate has {len(inputs)} recorded inputs for {name}: name longer recordings")
    one, other = open_cpu(reference), open_cpu(judged)
    answers = [(_run(one, given), _run(other, given)) for given in inputs]
    _require_liveliness(name, answers)
    errors: dict[str, list[FloatArray]] = {}
    for expected, got in answers:
        for quantity, apart in _apart(name, expected, got, manifest):
            errors.setdefault(quantity, []).append(np.ravel(apart))
    if not errors:
        raise BundleError(f"the parity gate compared nothing of {name}: nobody is seen in its {len(inputs)} inputs")
    return tuple(_difference(quantity, np.concatenate(values)) for quantity, values in errors.items())


def open_cpu(path: Path, n_threads: int = 1) -> Any:
    """A session as the runtime opens it, without its checks. Raises BundleError where the graph does not load."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises bare C++ exceptions of no common base
        raise BundleError(f"{path.name} does not load ({str(error).splitlines()[0]}): export it anew") from error


def _run(session: Any, given: Given) -> dict[str, FloatArray]:
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(given)), strict=True))


def _require_liveliness(name: str, answers: Sequence[tuple[dict[str, FloatArray], dict[str, FloatArray]]]) -> None:
    """Different inputs must give different answers."""
    key = next(iter(answers[0][0]))
    spreads = [float(np.stack([pair[side][key] for pair in answers]).std(axis=0).mean()) for side in (0, 1)]
    if not spreads[1] >= _MIN_LIVELINESS * spreads[0]:
        raise BundleError(
            f"{name} ignores its input: its answers spread by {spreads[1]:.3g}, {spreads[0]:.3g} expected"
        )


def _apart(
    name: NetworkName, expected: dict[str, FloatArray], got: dict[str, FloatArray], manifest: Manifest
) -> Iterator[tuple[str, FloatArray]]:
    if name == "landmarks":
        one, other = (_landmarks(answer, manifest) for answer in (expected, got))
        if one.presence < manifest.pose.presence_threshold:
            return  # nobody is read there
        n = N_LANDMARKS
        yield "keypoints", np.linalg.norm(other.keypoints_xy[:n] - one.keypoints_xy[:n], axis=1)
        yield "keypoint scores", np.abs(other.scores[:n] - one.scores[:n])
        yield "presence", np.abs(np.array([other.presence - one.presence], np.float32))
    elif name == "detector":
        yield from _bodies_apart(expected, got, manifest)
    elif name == "lifter":
        apart = np.linalg.norm(got["joints"] - expected["joints"], axis=-1)
        yield "joints", np.asarray(apart * TRUNK_MM, np.float32)
    elif name == "mam_window":
        one_logit, other_logit = (answer["logits"] @ np.array([1.0, -1.0], np.float32) for answer in (expected, got))
        yield "FMs", np.abs(other_logit - one_logit)
    else:
        key = "bag" if name == "mam_bag" else "info"
        yield key, np.abs(got[key] - expected[key])


def _landmarks(answer: dict[str, FloatArray], manifest: Manifest) -> Landmarks:
    """In px of the 256 px crop, whatever the size of the network's input: limits mean the same lengths."""
    whole = Region(0.0, 0.0, float(manifest.pose.crop_size_px), 0.0)
    if manifest.pose.network is not None:
        return read_keypoints(answer, whole, manifest.pose.network)
    presence = float(answer["presence"][0, 0])
    points, heatmaps, world = (answer[key][0] for key in ("landmarks", "heatmaps", "world"))
    return decode_landmarks(points, heatmaps, world, presence, whole, round(whole.side_px))


def _bodies_apart(
    expected: dict[str, FloatArray], got: dict[str, FloatArray], manifest: Manifest
) -> Iterator[tuple[str, FloatArray]]:
    """The surest body of the reference and the surest of the other; infinitely far where the other sees none."""
    size, threshold = manifest.pose.detector_size_px, manifest.pose.detector_threshold
    anchors = detector_anchors(size)
    one, other = (
        decode_detections(a["boxes"][0], a["scores"][0, :, 0], anchors, size, threshold) for a in (expected, got)
    )
    surest = [1.0 / (1.0 + np.exp(-np.clip(a["scores"].max(), -60, 60))) for a in (expected, got)]
    yield "body score", np.abs(np.array([surest[1] - surest[0]], np.float32))
    if one and not other and one[0].score > threshold + 0.1:
        yield "body", np.array([np.inf], np.float32)
    elif one and other:
        points = [np.array([b[0].hip_centre, b[0].body_end], np.float32) for b in (one, other)]
        yield "body", np.asarray(np.linalg.norm(points[1] - points[0], axis=1), np.float32)


def _difference(quantity: str, errors: FloatArray) -> NetworkDifference:
    unit, limit_median, limit_p95 = _LIMITS[quantity]
    median, p95 = (float(np.quantile(errors, share, method="higher")) for share in (0.5, 0.95))
    return NetworkDifference(quantity, unit, median, p95, float(errors.max()), limit_median, limit_p95)
