"""The frozen records that travel from camera to result.

    Frame --pose--> Pose --track--> PoseTrack (25 Hz) --lift--> LiftedTrack --windows--> Window --assess-->
    WindowScore --assess--> Assessment

Image coordinates: origin at the centre of the top left pixel, x right, y down. Times are presentation times in
seconds from the first frame. NaN means not observed, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Assessment",
    "BoolArray",
    "Characteristics",
    "FloatArray",
    "FmsFrequency",
    "Frame",
    "LiftedTrack",
    "Moment",
    "PictureFacts",
    "Pose",
    "PoseTrack",
    "Quality",
    "QualityReason",
    "Risk",
    "Stretch",
    "UInt8Array",
    "Window",
    "WindowScore",
]

FloatArray = NDArray[np.float32]
UInt8Array = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture as the decoder gives it: a luma plane and two chroma planes of half size (4:2:0), upright."""

    frame_index: int  # position among the decoded frames
    time_s: float  # presentation time, seconds from the first frame: it alone tells of lost frames
    luma: UInt8Array  # (H, W) uint8
    chroma_u: UInt8Array  # ((H+1)//2, (W+1)//2) uint8
    chroma_v: UInt8Array  # ((H+1)//2, (W+1)//2) uint8
    rgb_from_yuv: FloatArray  # (3, 4) float32: linear RGB in [0, 1] from (y, u, v) in [0, 255]

    @property
    def height_px(self) -> int:
        return int(self.luma.shape[0])

    @property
    def width_px(self) -> int:
        return int(self.luma.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Keypoints of the one infant in one frame. K keypoints of `skeleton`."""

    frame_index: int  # of the frame it was found in
    time_s: float  # presentation time, seconds from the first frame
    keypoints_xy: FloatArray  # (K, 2) float32, source-image pixels; NaN = no infant found in this frame
    keypoint_scores: FloatArray  # (K,) float32 in [0, 1]: probability that the keypoint is in view
    world_m: FloatArray  # (K, 3) float32, metres of an adult body, origin mid-hip; NaN = the network gives none
    presence: float  # in [0, 1]: confidence that an infant was tracked in this frame; 0 = none
    n_others: int | None  # other people in the picture; None = not looked for in this frame

    @property
    def is_missing(self) -> bool:
        return bool(np.isnan(self.keypoints_xy).all())


@dataclass(frozen=True, slots=True, eq=False)
class PoseTrack:
    """T consecutive poses at a fixed rate. Frames that were not observed are NaN throughout."""

    skeleton: str  # name of a skeleton of `fidgety.skeleton`
    fps: float
    first_frame: int  # position of row 0 on the fixed-rate time axis
    keypoints_xy: FloatArray  # (T, K, 2) float32, source-image pixels
    keypoint_scores: FloatArray  # (T, K) float32 in [0, 1]
    is_observed: BoolArray  # (T,) bool: False = no pose near this time; the row is bridged (finite) or NaN

    def __len__(self) -> int:
        return int(self.keypoints_xy.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class LiftedTrack:
    """T consecutive rows of H36M-17 joints, in 3D and as they were seen. NaN where a keypoint of the joint is NaN."""

    joints: FloatArray  # (T, 17, 3) float32, trunk lengths, origin at the hip; picture's axes: x right, y down, z away;
    # NaN also where the row's trunk is not known
    joints_xy: FloatArray  # (T, 17, 2) float32, source-image pixels
    is_observed: BoolArray  # (T,) bool, as in PoseTrack


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What the pictures of a recording told, which its poses cannot tell again."""

    size_px: tuple[int, int]  # width, height, upright
    measures: Mapping[str, float | None]  # figures of PictureMonitor; None = not measurable
    ended_early: str | None  # why the recording broke off; None = it did not


VoidReason = Literal["frames missing", "gap too long"]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """240 frames of 3D joints (the paper's *instance*), raw: normalising is the graph's work."""

    start_frame: int  # on the 25 Hz axis
    start_s: float
    end_s: float
    is_instance: bool  # on the instance grid (stride 150): counts towards the FMs frequency
    is_localisation: bool  # on the localisation grid (stride 20): counts towards the timeline
    joints_xyz: FloatArray  # (240, 17, 3) float32, any unit; short gaps bridged; NaN only when void
    void: VoidReason | None  # why the window may not be scored


@dataclass(frozen=True, slots=True)
class WindowScore:
    """What MAM says of one window."""

    start_s: float
    end_s: float
    is_instance: bool
    is_localisation: bool
    fms_probability: float | None  # calibrated P(FMs); None = void, not scored
    class_probabilities: tuple[float, float] | None  # raw softmax (FMs, non-FMs): what the bag graph reads
    void: VoidReason | None


@dataclass(frozen=True, slots=True)
class QualityReason:
    """One thing that is wrong with a recording, what it means and what to do."""

    code: str  # stable, kebab-case: "too-short"
    is_blocking: bool  # True: no score may be given; False: a warning beside the score
    sentence: str
    action: str


@dataclass(frozen=True, slots=True)
class Quality:
    """What the quality gate found. `measures` are the figures behind it, unit in the name."""

    reasons: tuple[QualityReason, ...]
    measures: Mapping[str, float | None]

    @property
    def is_assessable(self) -> bool:
        return not any(reason.is_blocking for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Characteristics:
    """What is known of the infant. None = not known; nothing is guessed."""

    corrected_age_weeks: float | None = None
    gestation_weeks: float | None = None
    sex: Literal["female", "male"] | None = None
    birth_weight_g: float | None = None

    @property
    def are_complete(self) -> bool:
        """All four known, as the Info Branch needs them."""
        return None not in (self.corrected_age_weeks, self.gestation_weeks, self.sex, self.birth_weight_g)


@dataclass(frozen=True, slots=True)
class FmsFrequency:
    """Share of assessable instances that hold FMs, with its 95 % interval (block bootstrap)."""

    n_fms: int
    n_instances: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Risk:
    """Calibrated probability of sporadic or absent FMs, with its 95 % interval."""

    probability: float
    low: float
    high: float
    threshold: float
    is_risk: bool
    used_characteristics: bool  # False: the Info Branch was left out
    prevalence: float | None = None  # of risk at the site whose threshold it is; None: no site told its own
    predictive_value: float | None = None  # share of findings of this class that are right, at that prevalence


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the recording, seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One certain window with its skeleton, for a human to look at."""

    start_s: float
    end_s: float
    fms_probability: float
    keypoints_xy: FloatArray  # (240, 17, 2) float32, H36M-17 in the image plane, pixels; NaN = not observed


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """The result of one recording. Without `frequency` and `risk` it is not assessable, and `quality` says why."""

    recording: str  # file name
    recording_sha256: str | None  # None: a camera
    duration_s: float
    source_fps: float  # median rate of the source
    quality: Quality
    characteristics: Characteristics
    frequency: FmsFrequency | None
    risk: Risk | None
    timeline: tuple[WindowScore, ...]  # localisation windows in order
    bouts: tuple[Stretch, ...]  # stretches with FMs
    voids: tuple[Stretch, ...]  # stretches that could not be scored
    most_certain_fms: tuple[Moment, ...]
    most_certain_non_fms: tuple[Moment, ...]
    bundle: str  # name, version and short hash
    banner: str | None  # provenance that must be shown
    settings: Mapping[str, Any] = field(default_factory=dict)  # what was set for this run, versions

    @property
    def is_assessable(self) -> bool:
        return self.frequency is not None and self.risk is not None
