"""The three cohorts of the paper, as phantoms: internal, external, and the clip-annotated one for pre-training.

What the sites differ in: cameras, errors of the pose network, mix of categories, restlessness, frame rate. All figures
are assumptions of ours but for the external share at risk (48 of 221, published). Infants of two kinds are never the
same, not even with one seed.

The clips come from many sites, wider apart than the internal and the external one: what the clip network takes for FMs
has to hold wherever the device is used, and only here is it told where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from fidgety.phantom.camera import Camera
from fidgety.phantom.cohort import TRAINING_MIX
from fidgety.phantom.kinematics import h36m17
from fidgety.phantom.motion import Category, Motion
from fidgety.phantom.observe import Observer, draw_observer
from fidgety.phantom.pose_noise import PoseNoise
from fidgety.phantom.scene import frame_camera

__all__ = ["CLIPS", "EXTERNAL", "INTERNAL", "KINDS", "CohortKind", "draw_site_camera", "draw_site_observer"]


@dataclass(frozen=True, slots=True)
class CohortKind:
    """One site and what it records. Ranges are drawn from evenly, for each recording."""

    name: str
    site: str
    stream: int  # keeps the kinds' random numbers apart
    n_infants: int  # unless asked for otherwise
    mix: Mapping[Category, float]
    heavy_share: float  # of restless infants
    fps: float | None  # None: 25 or 30
    picture_px: tuple[int, int]  # width, height
    fill: tuple[float, float]  # share of the picture that the infant takes: the camera's distance follows
    tilt_deg: tuple[float, float]  # from straight above, towards any side
    noise_factor: tuple[float, float]  # on the level of the pose noise
    fault_factor: tuple[float, float]  # on the rates of outliers and dropouts
    control_share: float = 0.0  # of the infants with absent FMs: they do one thing only, or nothing
    has_clips: bool = False  # two raters annotate clips
    appearance: Mapping[str, float] = field(default_factory=dict)  # of rendered pictures; what is not fixed is drawn


INTERNAL = CohortKind(
    name="internal",
    site="site-a",
    stream=1,
    n_infants=20,
    mix=TRAINING_MIX,
    heavy_share=0.1,
    fps=25.0,
    picture_px=(1280, 720),
    fill=(0.65, 0.9),
    tilt_deg=(0.0, 20.0),
    noise_factor=(1.0, 1.0),
    fault_factor=(1.0, 1.0),
)
# Farther and more slanting cameras, four times as many restless infants, 22 % at risk.
EXTERNAL = CohortKind(
    name="external",
    site="site-b",
    stream=2,
    n_infants=20,
    mix={"continual": 0.36, "intermittent": 0.42, "sporadic": 0.12, "absent": 0.10},
    heavy_share=0.4,
    fps=30.0,
    picture_px=(1920, 1080),
    fill=(0.4, 0.6),
    tilt_deg=(20.0, 45.0),
    noise_factor=(1.5, 1.5),
    fault_factor=(2.0, 2.0),
    appearance={"noise_sd": 6.0, "exposure": 0.8},
)
# Any camera, any frame rate, the best and the worst noise; as many restless infants as in the external cohort.
CLIPS = replace(
    INTERNAL,
    name="clips",
    site="many-sites",
    stream=3,
    n_infants=8,
    heavy_share=0.4,
    fps=None,
    fill=(0.4, 0.9),
    tilt_deg=(0.0, 50.0),
    noise_factor=(0.7, 2.0),
    fault_factor=(0.5, 3.0),
    control_share=0.4,
    has_clips=True,
)
KINDS: Mapping[str, CohortKind] = {kind.name: kind for kind in (INTERNAL, EXTERNAL, CLIPS)}


def draw_site_camera(rng: np.random.Generator, motion: Motion, kind: CohortKind) -> Camera:
    """A camera as this site sets it up: the whole infant in view, any way round."""
    width_px, height_px = kind.picture_px
    return frame_camera(
        motion,
        fill=float(rng.uniform(*kind.fill)),
        tilt_deg=float(rng.uniform(*kind.tilt_deg)),
        azimuth_deg=float(rng.uniform(0.0, 360.0)),
        roll_deg=float(rng.uniform(0.0, 360.0)),
        width_px=width_px,
        height_px=height_px,
    )


def draw_site_observer(rng: np.random.Generator, motion: Motion, kind: CohortKind, noise: PoseNoise) -> Observer:
    """A camera of this site and the pose network's errors there."""
    drawn = draw_observer(rng, h36m17(motion), noise)
    camera = draw_site_camera(rng, motion, kind)
    faults = float(rng.uniform(*kind.fault_factor))
    return replace(
        drawn,
        camera=camera,
        level=drawn.level * float(rng.uniform(*kind.noise_factor)),
        outlier_rate_hz=drawn.outlier_rate_hz * faults,
        dropout_rate_hz=drawn.dropout_rate_hz * faults,
    )
