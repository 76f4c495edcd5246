"""Published BlazePose networks (TFLite) -> two ONNX files that the runtime loads.

    package --fetch--> TFLite bytes --convert--> ONNX, staged --check, parity--> renamed into place

The graphs, both float32 and of fixed shape, batch 1, RGB:

    detector   image (1, 3, 224, 224) in [-1, 1]   -> boxes (1, 2254, 12), scores (1, 2254, 1), both raw
    landmarks  crop  (1, 3, 256, 256) in [0, 1]    -> landmarks (1, 195), presence (1, 1), heatmaps (1, 39, 64, 64),
                                                      world (1, 117)

boxes: centre offset x, y, width, height, then 4 points x, y, in px of the 224 px picture, relative to the anchor's
centre; scores: logits. landmarks: 39 x (x, y, z in crop px, visibility logit, presence logit), 33 of the skeleton and
6 auxiliary; presence: probability that somebody is in the crop; heatmaps: logits; world: 39 x (x, y, z) m, origin
mid-hip, at adult size. The source's segmentation head is left out: nobody reads it, and it takes .4 of the time.
Input ranges: the networks' published graphs ask for them (ImageToTensorCalculator); on a real infant the detector
gives .93 with [-1, 1] and .90 with [0, 1].
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from fidgety.errors import BundleError, DeviceError
from fidgety.export.fetch import FetchedNetworks, Variant, fetch_networks
from fidgety.export.onnx_graph import convert_graph
from fidgety.export.parity import (
    CROP_SIZE_PX,
    DETECTOR_OUTPUTS,
    DETECTOR_SIZE_PX,
    LANDMARK_OUTPUTS,
    ParityReport,
    measure_parity,
    require_parity,
)
from fidgety.export.tflite_graph import read_tflite

__all__ = ["PoseNetworks", "convert_detector", "convert_landmarks", "export_pose_networks"]

Shapes = Mapping[str, tuple[int, ...]]
DETECTOR_SHAPES: Shapes = {
    "image": (1, 3, DETECTOR_SIZE_PX, DETECTOR_SIZE_PX),
    "boxes": (1, 2254, 12),
    "scores": (1, 2254, 1),
}
LANDMARK_SHAPES: Shapes = {
    "crop": (1, 3, CROP_SIZE_PX, CROP_SIZE_PX),
    "landmarks": (1, 195),
    "presence": (1, 1),
    "heatmaps": (1, 39, 64, 64),
    "world": (1, 117),
}


@dataclass(frozen=True, slots=True)
class PoseNetworks:
    """Two exported networks on disk and where they come from."""

    detector: Path
    landmarks: Path
    variant: Variant
    source_package: str  # "mediapipe==0.10.21"; two packages joined by " + "
    source_sha256: str  # in the same order
    licence: str
    tflite_sha256: Mapping[str, str]  # "detector", "landmarks"
    parity: ParityReport


def export_pose_networks(
    variant: Variant,
    out_dir: Path,
    cache_dir: Path,
    offline: Path | None = None,
    *,
    pictures: Sequence[np.ndarray],
) -> PoseNetworks:
    """Fetch, convert, check and prove the pose networks; then, and only then, put them into `out_dir`.

    `pictures`: (H, W, 3) uint8 RGB frames of a lying infant for the parity gate. Writes `pose_detector.onnx` and
    `pose_landmarks_<variant>.onnx`. Raises FetchError (package), BundleError (conversion, check, parity) and
    DeviceError (folder not writable, disk full). A fault in package, conversion or proof leaves `out_dir` as it was.
    """
    fetched = fetch_networks(variant, cache_dir, offline)
    models = {
        "pose_detector.onnx": convert_detector(fetched.detector),
        f"pose_landmarks_{variant}.onnx": convert_landmarks(fetched.landmarks),
    }
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pose-", dir=out_dir) as staging:
            staged = [Path(staging) / name for name in models]
            for path, model in zip(staged, models.values(), strict=True):
                path.write_bytes(model.SerializeToString(deterministic=True))
            report = measure_parity(fetched.detector, fetched.landmarks, *staged, pictures=pictures)
            require_parity(report)
            detector, landmarks = (out_dir / path.name for path in staged)
            staged[0].replace(detector)
            staged[1].replace(landmarks)
    except OSError as error:
        raise DeviceError(
            f"cannot write the pose networks into {out_dir}: {error.strerror or error}. "
            "Free some space or choose another folder"
        ) from error
    return _describe(detector, landmarks, variant, fetched, report)


def convert_detector(content: bytes) -> onnx.ModelProto:
    """TFLite bytes of the pose detector -> checked ONNX. Raises BundleError."""
    doc = f"BlazePose detector, Apache-2.0. image: RGB in [-1, 1]. Source SHA-256 {_sha256(content)}"
    model = convert_graph(read_tflite(content), "pose_detector", "image", DETECTOR_OUTPUTS, doc)
    _check_model(model, DETECTOR_SHAPES)
    return model


def convert_landmarks(content: bytes) -> onnx.ModelProto:
    """TFLite bytes of a pose landmark network -> checked ONNX without segmentation. Raises BundleError."""
    doc = f"BlazePose landmarks, Apache-2.0. crop: RGB in [0, 1]. Source SHA-256 {_sha256(content)}"
    model = convert_graph(read_tflite(content), "pose_landmarks", "crop", LANDMARK_OUTPUTS, doc)
    _check_model(model, LANDMARK_SHAPES)
    return model


def _check_model(model: onnx.ModelProto, shapes: Shapes) -> None:
    """The checker with shape inference, then names, shapes and type of every input and output."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BundleError(f"the converted network {model.graph.name} is no valid ONNX: {error}") from error
    found = {}
    for value in (*model.graph.input, *model.graph.output):
        tensor = value.type.tensor_type
        if tensor.elem_type != onnx.TensorProto.FLOAT:
            raise BundleError(f"{model.graph.name}: {value.name} is not float32")
        found[value.name] = tuple(axis.dim_value for axis in tensor.shape.dim)
    if found != dict(shapes):
        raise BundleError(f"{model.graph.name}: inputs and outputs {dict(shapes)} expected, got {found}")


def _describe(
    detector: Path, landmarks: Path, variant: Variant, fetched: FetchedNetworks, report: ParityReport
) -> PoseNetworks:
    return PoseNetworks(
        detector=detector,
        landmarks=landmarks,
        variant=variant,
        source_package=" + ".join(package.name for package in fetched.packages),
        source_sha256=" + ".join(package.sha256 for package in fetched.packages),
        licence=" + ".join(dict.fromkeys(package.licence for package in fetched.packages)),
        tflite_sha256={"detector": _sha256(fetched.detector), "landmarks": _sha256(fetched.landmarks)},
        parity=report,
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
