"""The manifest: everything a result depends on, read strictly. An unknown or missing key raises and names the key."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fidgety.errors import BundleError

__all__ = [
    "FORMAT",
    "MANIFEST_NAME",
    "PRECISION_REPORT",
    "SELFTEST_REFERENCE",
    "SIGNATURE_NAME",
    "CharacteristicScale",
    "Device",
    "GraphVariant",
    "KeypointNetwork",
    "LabelScheme",
    "LifterSettings",
    "MamSettings",
    "Manifest",
    "OperatingPoint",
    "PoseSettings",
    "Precision",
    "ProbabilityCalibration",
    "Provenance",
    "QualityLimits",
    "Share",
    "SiteFigures",
    "TrackSettings",
    "check_name",
    "read_manifest",
    "read_record",
    "write_manifest",
]

MANIFEST_NAME, SIGNATURE_NAME = "manifest.json", "signature.json"
PRECISION_REPORT = "precision_report.json"  # what `fidgety export` measured, in the bundles that it made
SELFTEST_REFERENCE = "selftest.npz"  # what a fit box measures, in bundles that `fidgety bundle reference` wrote
FORMAT = 4

Device = Literal["cpu", "cuda", "tensorrt"]
Precision = Literal["fp32", "fp16", "int8-x86", "int8-tensorrt"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the networks come from and what must be said about it."""

    trained_on: Literal["phantom", "recordings"]
    banner: str | None  # shown in every output
    pose_source: str  # package, version, sha256
    pose_licence: str
    lifter_source: str  # training command and seed
    mam_source: str
    built_with: Mapping[str, str]  # package -> version


@dataclass(frozen=True, slots=True)
class KeypointNetwork:
    """What a pose network of the user's own reads and gives: heat maps (HRNet, ViTPose) or SimCC (RTMPose)."""

    family: Literal["heatmap", "simcc"]
    width_px: int  # of its input
    height_px: int
    colours: Literal["rgb", "bgr"]
    mean: tuple[float, ...]  # of each colour as it is given, 0 to 255: input = (colour - mean) / sd
    sd: tuple[float, ...]
    input: str  # name of the graph's input
    outputs: tuple[str, ...]  # heat maps, or SimCC's x and y
    keypoints: tuple[str, ...]  # in the network's order; all of COCO-17, others are not used
    values: Literal["likelihood", "logit"]  # of a joint's Gaussian, or its logarithm
    grid: Literal["corner", "ends", "centre"]  # where heat-map cells lie (runtime/keypoint_network.py); not for SimCC
    split_ratio: float  # SimCC's bins per px; not for heat maps
    cells: tuple[int, ...]  # height and width of the heat maps, measured from the graph; none for SimCC
    hidden_peak: float  # of joints that are hidden or misread
    plain_peak: float  # of joints plainly seen


@dataclass(frozen=True, slots=True)
class PoseSettings:
    """How a frame becomes a pose."""

    family: Literal["blazepose", "heatmap", "simcc"]
    variant: Literal["lite", "full", "heavy", "own"]
    skeleton: Literal["blazepose33", "coco17"]
    detector: str  # file
    landmarks: str  # file
    detector_size_px: int
    crop_size_px: int
    detector_threshold: float  # detections below are no infant
    presence_threshold: float  # the track is lost below
    crop_margin: float  # crop side / (2 x distance between the two alignment points)
    reads_both_sides: bool  # every other frame is read from the crop's mirror image
    follows_picture: bool  # limbs move as the picture around them does; the pose network tells where they are
    doubtful_score: float  # keypoints scored below are hardly seen, and moved only slowly
    sure_score: float  # keypoints scored so high or higher are left as they were read
    network: KeypointNetwork | None  # None: BlazePose, whose conventions the program knows


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How poses become a fixed-rate track."""

    fps: float
    smoothing_weights: tuple[float, ...]  # of the rows around each row: odd in number, symmetric, sum 1
    max_bridge_ms: float  # the longest gap that may be interpolated


@dataclass(frozen=True, slots=True)
class LifterSettings:
    """How 2D becomes 3D: a temporal dilated-convolution lifter."""

    graph: str  # file: a chunk of rows and what its layers remember -> as many lifted rows, later
    channels: int
    dilations: tuple[int, ...]  # of its layers


@dataclass(frozen=True, slots=True)
class MamSettings:
    """The MAM graphs and the windows that they read."""

    window_graph: str  # file: windows (B, 240, 17, 3) -> logits (B, 2), embedding (B, 64)
    bag_graph: str  # file: class probabilities (B, N, 2), mask (B, N) -> bag (B, 2)
    info_graph: str  # file: characteristics (B, 4) -> info (B, 2)
    window_frames: int
    instance_stride_frames: int
    localisation_stride_frames: int
    max_missing_share: float  # of a window's frames
    max_gap_ms: float  # in a window


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """Which FMs categories count as risk."""

    name: str
    normal: tuple[str, ...]
    risk: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProbabilityCalibration:
    """From raw outputs to probabilities, fitted on held-out infants of the training cohort."""

    clip_temperature: float  # P(FMs) = softmax(logits / temperature)
    risk_slope: float  # logit(risk) = slope * logit(fused risk) + intercept
    risk_intercept: float


@dataclass(frozen=True, slots=True)
class Share:
    """A share of infants with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """What the risk threshold does at one site, whose labelled infants it was chosen on: one recording of each."""

    site: str
    n_risk: int
    n_normal: int
    sensitivity: Share  # expected of infants to come, recorded once
    specificity: Share
    prevalence: float | None  # of risk among the infants whom the site records; None = not told
    ppv: float | None  # of a finding of risk, at that prevalence
    npv: float | None  # of a finding of normal


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The thresholds that turn probabilities into findings."""

    fms_threshold: float  # a window holds FMs from this P(FMs) on
    risk_threshold: float
    chosen_by: str  # how and on what
    site: SiteFigures | None  # None: not chosen at a site


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Where the quality gate draws its lines (SPEC 7; runtime/quality.py says what each one measures)."""

    min_age_weeks: float  # corrected
    max_age_weeks: float
    age_margin_days: float  # a warning this near to either end
    min_assessable_s: float
    min_source_fps: float
    min_infant_share: float  # of frames in which an infant was found
    min_limb_coverage: float  # share of limb keypoints in view
    min_distal_coverage: float  # of the worst of wrists and ankles
    max_outside_share: float  # of limb keypoints beyond the picture's edge
    min_supine_share: float  # of frames that show the infant's front
    max_leg_to_trunk: float  # body proportions: longer legs are no infant's
    max_travel_trunks: float  # how far the hips wander, in trunk lengths
    max_other_share: float  # of looks that found a second person
    max_camera_shift_share: float  # of looks in which the background moved
    min_bright_luma: float  # 95th percentile of luma, 0 to 255
    min_sharpness: float
    max_jitter_mm: float  # standard deviation of the pose noise, on a 19 cm trunk
    max_noise_floor_mm: float  # of the limbs where they are quietest, rms per axis, .5 to 4 Hz, on a 19 cm trunk


@dataclass(frozen=True, slots=True)
class CharacteristicScale:
    """Units and plausible range of one characteristic the Info Branch reads (its z-scoring rides in the graph)."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class GraphVariant:
    """A network in another precision: the file that these devices load in place of the float32 graph."""

    graph: str  # file of the float32 graph
    file: str
    precision: Precision
    sizes: Mapping[str, int]  # of the graph's named sizes (B windows, T rows, N instances); none: as in the graph
    used_by: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a result depends on."""

    format: int
    name: str
    version: str
    parent: str | None  # SHA-256 of the bundle that this one was derived from, by a calibration
    provenance: Provenance
    pose: PoseSettings
    track: TrackSettings
    lifter: LifterSettings
    mam: MamSettings
    label_scheme: LabelScheme
    probability: ProbabilityCalibration
    operating_point: OperatingPoint
    quality: QualityLimits
    characteristics: tuple[CharacteristicScale, ...]
    variants: tuple[GraphVariant, ...]  # that earned their place (PRECISION_REPORT); the first that fits is taken
    files: Mapping[str, str]  # file -> sha256


def read_manifest(raw: bytes, where: str) -> Manifest:
    """The manifest that these bytes hold; `where` stands in messages.

    Raises BundleError where it is damaged, of another format, or has unknown, missing or ill-typed keys.
    """
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where} is damaged ({error}): build or install the bundle anew") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise BundleError(f"{where} has format {found!r}, this program reads {FORMAT}: build the bundle anew")
    _require_measured(data, where)
    manifest: Manifest = _from_json(Manifest, data, where="manifest")
    for name in manifest.files:
        check_name(name, where)
    for variant in manifest.variants:
        if missing := {variant.graph, variant.file} - set(manifest.files):
            raise BundleError(f"{where}: variants name {min(missing)!r}, which the bundle does not list")
    return manifest


def read_record(kind: Any, data: Mapping[str, Any], where: str) -> Any:
    """A record of this kind from JSON or TOML, as strictly as the manifest. Raises BundleError naming the key."""
    return _from_json(kind, data, where)


def write_manifest(manifest: Manifest) -> bytes:
    """The bytes that `read_manifest` reads; the same for the same manifest."""
    return (json.dumps(dataclasses.asdict(manifest), indent=1) + "\n").encode()


def check_name(name: str, where: str) -> None:
    """Raises BundleError for a file name that leads out of the bundle's folder, or is one of its own two."""
    if name in ("", ".", "..", MANIFEST_NAME, SIGNATURE_NAME) or Path(name).name != name or "\\" in name:
        raise BundleError(f"{where} names {name!r}: a bundle's files lie in its own folder")


def _require_measured(data: Mapping[str, Any], where: str) -> None:
    """Raises BundleError for a pose network of the user's own whose heat maps an earlier program did not measure."""
    pose = data.get("pose")
    network = pose.get("network") if isinstance(pose, dict) else None
    if isinstance(network, dict) and "cells" not in network:
        raise BundleError(
            f"{where} holds a pose network of your own from before the size of its heat maps was measured: build the "
            "bundle anew with `fidgety bundle build --pose`"
        )


def _from_json(kind: Any, value: Any, where: str) -> Any:
    """Build a typed value from JSON; every mismatch raises BundleError with the key's full name."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_from_json(kind, value, where)
    if origin is Literal:
        return _expect(value in arguments, value, where, f"one of {', '.join(map(repr, arguments))}")
    if origin in (typing.Union, types.UnionType):
        inner = next(option for option in arguments if option is not type(None))
        return None if value is None else _from_json(inner, value, where)
    if origin is tuple:
        _expect(isinstance(value, list), value, where, "a list")
        return tuple(_from_json(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping:
        _expect(isinstance(value, dict), value, where, "an object")
        return {key: _from_json(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(_expect(is_number and math.isfinite(value), value, where, "a number"))
    return _expect(
        isinstance(value, kind) and not (kind is int and isinstance(value, bool)), value, where, kind.__name__
    )


def _dataclass_from_json(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), value, where, "an object")
    hints = typing.get_type_hints(kind)
    if unknown := sorted(set(value) - set(hints)):
        raise BundleError(f"{where}: unknown key {unknown[0]!r}; this program does not know what it would change")
    if missing := sorted(set(hints) - set(value)):
        raise BundleError(f"{where}: key {missing[0]!r} is missing")
    return kind(**{key: _from_json(hints[key], item, f"{where}.{key}") for key, item in value.items()})


def _expect(is_right: bool, value: Any, where: str, wanted: str) -> Any:
    if not is_right:
        raise BundleError(f"{where} is {value!r}: expected {wanted}")
    return value
