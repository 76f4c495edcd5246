"""Shows that an exported pose network says what its TFLite source says, on pictures of a lying infant.

Takes the TFLite bytes, the ONNX files and RGB pictures; gives the differences, quantity by quantity, with the limit
that each must keep. Noise is no evidence: the reference itself must see a person in the pictures, and different
crops must give different answers, else the gate counts as not run and fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from fidgety.errors import BundleError

__all__ = [
    "CROP_SIZE_PX",
    "DETECTOR_SIZE_PX",
    "Difference",
    "ParityReport",
    "detector_inputs",
    "landmark_inputs",
    "measure_parity",
    "require_parity",
]

DETECTOR_SIZE_PX = 224
CROP_SIZE_PX = 256
DETECTOR_OUTPUTS = {"Identity": "boxes", "Identity_1": "scores"}  # TFLite name -> ONNX name
LANDMARK_OUTPUTS = {
    "Identity": "landmarks",
    "Identity_1": "presence",
    "Identity_3": "heatmaps",
    "Identity_4": "world",
}
N_LANDMARKS = 39  # 33 of the skeleton and 6 auxiliary ones; x, y, z, visibility, presence each
MIN_PRESENCE = 0.5  # what the tracking treats as "somebody is there"
MIN_CHANGE_PX = 1.0  # a crop turned by 25 degrees moves its landmarks by tens of px

# Crops of one picture: side as a share of the picture's longer side, and turn in degrees. The first is the whole
# picture; the others are closer and turned, as the crops of the tracking are.
CROPS = ((1.0, 0.0), (0.8, 0.0), (0.9, 25.0), (0.9, -90.0))

# (quantity, unit, limit). Both sides compute in float32 and add in different orders, so equality is not to be had:
# one float32 step is 1.5e-5 px at 255 px and 3e-5 at a logit of 300, and a hundred layers widen it a hundredfold
# (measured on a real infant, worst of lite, full, heavy: landmarks 3.4e-3 px, world 1.4e-5 m, logits 6e-4, boxes
# 1.2e-3 px). A wrong border or half-pixel rule in the conversion costs several px.
LIMITS = (
    ("landmarks", "px", 0.01),  # x, y: .01 px of a 256 px crop is under .05 mm on an infant; FMs move 3 mm and more
    # Nothing here reads it. TFLite's own two sets of kernels part by .011 px on *heavy* (x, y: .005), so that no limit
    # near that would tell a wrong conversion.
    ("landmark depth", "px", 0.03),
    ("world", "m", 1e-4),
    ("visibility", "logit", 0.01),  # .01 logit moves a probability by .0025 at most
    ("presence", "probability", 1e-4),
    ("heatmaps", "logit", 0.01),
    ("boxes", "px", 0.01),  # of the 224 px picture
    ("scores", "logit", 0.01),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far ONNX Runtime is from TFLite in one quantity, over all pictures."""

    quantity: str
    unit: str
    median: float
    maximum: float
    limit: float

    @property
    def is_within(self) -> bool:
        """False for NaN as well."""
        return self.maximum <= self.limit


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What the gate saw. `n_seen` crops held a person by the reference's own word."""

    n_pictures: int
    n_crops: int
    n_seen: int
    change_px: float  # largest landmark difference between the first crop and any other, in ONNX
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        parts = [f"{d.quantity} {d.maximum:.1e} {d.unit}" for d in self.differences]
        return f"{self.n_pictures} pictures, {self.n_crops} crops, at most: {', '.join(parts)}"


def detector_inputs(pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """RGB (H, W, 3) uint8 -> (1, 3, 224, 224) float32 in [-1, 1], letterboxed with black."""
    for picture in pictures:
        yield _cut(picture, DETECTOR_SIZE_PX, 1.0, 0.0, cv2.BORDER_CONSTANT) * 2.0 - 1.0


def landmark_inputs(pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """RGB (H, W, 3) uint8 -> for each of CROPS (1, 3, 256, 256) float32 in [0, 1], border replicated."""
    for picture in pictures:
        for share, turn_deg in CROPS:
            yield _cut(picture, CROP_SIZE_PX, share, turn_deg, cv2.BORDER_REPLICATE)


def measure_parity(
    detector_tflite: bytes,
    landmarks_tflite: bytes,
    detector_onnx: Path,
    landmarks_onnx: Path,
    *,
    pictures: Sequence[np.ndarray],
) -> ParityReport:
    """Run both networks in both engines on the same pictures, (H, W, 3) uint8 RGB of a lying infant.

    Raises BundleError when the gate cannot run: no pictures, a picture of another shape, no TFLite interpreter.
    """
    if not pictures:
        raise BundleError("the parity gate needs pictures of an infant and got none: nothing is exported unproved")
    for picture in pictures:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise BundleError(f"parity picture: (H, W, 3) uint8 expected, got {picture.shape} {picture.dtype}")
    errors: dict[str, list[np.ndarray]] = {quantity: [] for quantity, _, _ in LIMITS}
    detector = _Pair(detector_tflite, detector_onnx, DETECTOR_OUTPUTS)
    for given in detector_inputs(pictures):
        expected, got = detector.run(given)
        for name in ("boxes", "scores"):
            errors[name].append(np.abs(got[name] - expected[name]).ravel())
    landmarks = _Pair(landmarks_tflite, landmarks_onnx, LANDMARK_OUTPUTS)
    points, presences = [], []
    for given in landmark_inputs(pictures):
        expected, got = landmarks.run(given)
        apart = {name: np.abs(got[name] - expected[name]) for name in expected}
        rows = apart["landmarks"].reshape(N_LANDMARKS, 5)
        errors["landmarks"].append(rows[:, :2].ravel())
        errors["landmark depth"].append(rows[:, 2].ravel())
        errors["visibility"].append(rows[:, 3:].ravel())
        for name in ("world", "presence", "heatmaps"):
            errors[name].append(apart[name].ravel())
        points.append(got["landmarks"].reshape(N_LANDMARKS, 5)[:, :2])
        presences.append(float(expected["presence"].item()))
    return ParityReport(
        n_pictures=len(pictures),
        n_crops=len(points),
        n_seen=sum(presence >= MIN_PRESENCE for presence in presences),
        change_px=max(float(np.abs(other - points[0]).max()) for other in points),
        differences=tuple(_difference(*limit, np.concatenate(errors[limit[0]])) for limit in LIMITS),
    )


def require_parity(report: ParityReport) -> None:
    """Raise BundleError unless the report proves that the exported networks equal their source."""
    if report.n_seen == 0:
        raise BundleError(
            f"the parity gate proves nothing: the source network sees nobody in any of {report.n_crops} crops. "
            "Give it pictures of a lying infant"
        )
    if report.change_px < MIN_CHANGE_PX:
        raise BundleError(
            f"the exported landmark network ignores its input: landmarks move by {report.change_px:.2g} px between "
            "different crops"
        )
    for difference in report.differences:
        if not difference.is_within:
            raise BundleError(
                f"the exported pose network differs from its source: {difference.quantity} by up to "
                f"{difference.maximum:.3g} {difference.unit}, at most {difference.limit:g} is allowed"
            )


class _Pair:
    """The same network in the TFLite interpreter and in ONNX Runtime."""

    def __init__(self, tflite: bytes, onnx_path: Path, outputs: Mapping[str, str]) -> None:
        self._interpreter = _open_interpreter(tflite)
        self._outputs = outputs
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])

    def run(self, given: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Outputs of TFLite (turned to NCHW) and of ONNX for one (1, 3, S, S) input, under their ONNX names."""
        [slot] = self._interpreter.get_input_details()
        self._interpreter.set_tensor(slot["index"], np.ascontiguousarray(given.transpose(0, 2, 3, 1)))
        self._interpreter.invoke()
        expected = {}
        for detail in self._interpreter.get_output_details():
            if detail["name"] in self._outputs:
                value = self._interpreter.get_tensor(detail["index"])
                expected[self._outputs[detail["name"]]] = value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
        names = list(expected)
        input_name = self._session.get_inputs()[0].name
        got = dict(zip(names, self._session.run(names, {input_name: given}), strict=True))
        for name in names:
            if got[name].shape != expected[name].shape:
                raise BundleError(f"exported output {name}: {expected[name].shape} expected, got {got[name].shape}")
        return expected, got


def _open_interpreter(content: bytes) -> Any:
    """TFLite's own kernels without the accelerated delegate: an independent reference, and silent."""
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise BundleError(
            f"the parity gate cannot run: the TFLite interpreter is missing ({error}). "
            'Install the export extra: pip install "fidgety[export]"'
        ) from error
    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _cut(picture: np.ndarray, size_px: int, share: float, turn_deg: float, border: int) -> np.ndarray:
    """A square about the picture's centre, `share` of its longer side wide, turned, as (1, 3, S, S) in [0, 1]."""
    height, width = picture.shape[:2]
    scale = size_px / (share * max(height, width))
    crop_from_image = cv2.getRotationMatrix2D((width / 2, height / 2), turn_deg, scale)
    crop_from_image[:, 2] += (size_px / 2 - width / 2, size_px / 2 - height / 2)
    crop = cv2.warpAffine(picture, crop_from_image, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=border)
    scaled: np.ndarray = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)
    return scaled


def _difference(quantity: str, unit: str, limit: float, errors: np.ndarray) -> Difference:
    return Difference(quantity, unit, float(np.median(errors)), float(errors.max()), limit)
