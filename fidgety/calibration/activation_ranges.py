"""How far each value inside a network swings on real frames: what int8 needs, measured once and kept.

    recordings --recorded_inputs--> inputs of every network --measure_ranges--> lowest and highest of every value

The file names the recordings with their hashes, the frames used, one hash of all inputs, and the graphs that were
measured, so that an export is reproducible from it and can refuse recordings that its parity gate is to judge by. The
lowest and highest value are taken: means of extremes and percentiles (99.9, 99.99) were tried on the landmark network
and gave no better keypoints (2.6 to 2.8 px in the median, all of them).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from fidgety.bundle import Bundle, sha256_of_file
from fidgety.calibration.networks import NetworkName, networks_of
from fidgety.calibration.recorded_inputs import Given, RecordedInputs, RecordingUsed, listen, sha256_of_inputs
from fidgety.errors import BundleError, DeviceError, UsageError

__all__ = [
    "RANGES_FILE",
    "ActivationRanges",
    "GraphRanges",
    "measure_ranges",
    "ranges_of",
    "read_ranges",
    "write_ranges",
]

RANGES_FILE = "activation_ranges.json"
_FORMAT = "fidgety-ranges-1"
_MIN_RECORDINGS = 3  # infants: a look and a posture each
_MIN_FRAMES = 60  # in all; of 47 crops any 24 gave .91 or more of the ranges of all of them, in 19 values of 20


@dataclass(frozen=True, slots=True)
class GraphRanges:
    """One network's values."""

    graph_sha256: str  # of the float32 graph; another one has other values
    ranges: Mapping[str, tuple[float, float]]  # value -> lowest, highest


@dataclass(frozen=True, slots=True)
class ActivationRanges:
    """What `calibrate ranges` measured, and on what."""

    bundle: str  # label
    recordings: tuple[RecordingUsed, ...]
    inputs_sha256: str  # of everything that the networks were given
    graphs: Mapping[NetworkName, GraphRanges]


def ranges_of(recordings: Sequence[Path], bundle: Bundle, n_frames: int) -> ActivationRanges:
    """Measure every network of `bundle` on `n_frames` frames spread over the recordings.

    Raises UsageError for too few recordings or frames, one recording twice, or one without an infant; SourceError where
    one cannot be read.
    """
    if len(recordings) < _MIN_RECORDINGS:
        raise UsageError(
            f"ranges need recordings of {_MIN_RECORDINGS} infants or more, got {len(recordings)}: one infant's look is "
            "not every infant's"
        )
    if n_frames < _MIN_FRAMES:
        raise UsageError(f"ranges need {_MIN_FRAMES} frames or more, asked for {n_frames}")
    hashes = [sha256_of_file(path) for path in recordings if path.is_file()]
    if len(set(hashes)) < len(hashes):
        raise UsageError("the same recording is named twice: name each once")
    each = -(-n_frames // len(recordings))
    recorded = [listen(path, bundle, each) for path in recordings]
    n_found = sum(one.used.n_frames for one in recorded)
    if n_found < _MIN_FRAMES:
        raise UsageError(f"an infant is in {n_found} frames of these recordings, {_MIN_FRAMES} are needed: name more")
    return ActivationRanges(
        bundle.label, tuple(one.used for one in recorded), sha256_of_inputs(recorded), _of_graphs(recorded, bundle)
    )


def _of_graphs(recorded: Sequence[RecordedInputs], bundle: Bundle) -> dict[NetworkName, GraphRanges]:
    found: dict[NetworkName, GraphRanges] = {}
    for network in networks_of(bundle.manifest):
        inputs = [given for one in recorded for given in one.inputs[network.name]]
        if not inputs:
            raise UsageError(
                f"these recordings give {network.name} nothing to read: name some of 10 s and longer, in which the "
                "infant is seen throughout"
            )
        path = bundle.file(network.file)
        found[network.name] = GraphRanges(sha256_of_file(path), measure_ranges(onnx.load(path), inputs))
    return found


def measure_ranges(model: onnx.ModelProto, inputs: Sequence[Given]) -> dict[str, tuple[float, float]]:
    """Lowest and highest of every float value of the graph, over all inputs. Raises BundleError for NaN or infinity."""
    every = onnx.shape_inference.infer_shapes(model)
    ends = {value.name for value in every.graph.output}
    inner = [v for v in every.graph.value_info if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    every.graph.output.extend([value for value in inner if value.name not in ends])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # keeps every value
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(every.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs() if value.type == "tensor(float)"]
    ranges: dict[str, tuple[float, float]] = {}
    for given in inputs:
        for name, values in (*zip(names, session.run(names, dict(given)), strict=True), *given.items()):
            low, high = float(values.min()), float(values.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                raise BundleError(f"{model.graph.name}: {name} is not finite on these recordings")
            before = ranges.get(name, (low, high))
            ranges[name] = min(low, before[0]), max(high, before[1])
    return ranges


def write_ranges(path: Path, ranges: ActivationRanges) -> None:
    """Write the file whole or not at all. Raises DeviceError."""
    text = json.dumps({"format": _FORMAT, **dataclasses.asdict(ranges)}, indent=1) + "\n"
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from error


def read_ranges(path: Path) -> ActivationRanges:
    """Raises UsageError where the file is missing, damaged or something else."""
    try:
        data: Any = json.loads(path.read_bytes())
        if data.pop("format") != _FORMAT:
            raise ValueError("another format")
        graphs = {
            name: GraphRanges(
                str(one["graph_sha256"]), {k: (float(v[0]), float(v[1])) for k, v in one["ranges"].items()}
            )
            for name, one in data["graphs"].items()
        }
        recordings = tuple(RecordingUsed(**row) for row in data["recordings"])
        return ActivationRanges(str(data["bundle"]), recordings, str(data["inputs_sha256"]), graphs)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}): make it with `fidgety calibrate ranges`"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UsageError(f"{path} holds no ranges ({error}): make it with `fidgety calibrate ranges`") from error
