"""Frames of phantom infants with the true places of their joints, rendered once and kept on disk as JPEG.

A site is a way to take pictures: `draw_appearance` with some of it fixed, and a camera of some kind. `annotations.json`
is a COCO-keypoint file, so that what is kept here is read as a site's own frames are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np

from fidgety.errors import DeviceError
from fidgety.phantom.appearance import draw_appearance
from fidgety.phantom.kinematics import coco17, simulate_motion
from fidgety.phantom.motion import Category
from fidgety.phantom.render import render_frame
from fidgety.phantom.scene import frame_camera
from fidgety.skeleton import COCO_17
from fidgety.training.pose.annotations import AnnotatedFrame, read_coco

__all__ = ["OTHER_SITE", "FrameStudy", "phantom_frames"]

_MOTION_S, _FPS = 20.0, 5.0


@dataclass(frozen=True, slots=True)
class FrameStudy:
    """Which infants are rendered, how often, and how the pictures are taken."""

    n_infants: int
    first_seed: int
    frames_each: int = 5
    height_px: int = 360
    fill: tuple[float, float] = (0.55, 0.95)
    most_tilt_deg: float = 35.0
    appearance: Mapping[str, Any] = field(default_factory=dict)


# Dim and reddish light from low, coarse noise, soft focus, sleepsuits, a dark checked mat, the camera far and leaning.
OTHER_SITE = FrameStudy(
    n_infants=24,
    first_seed=990_000,
    fill=(0.45, 0.6),
    most_tilt_deg=45.0,
    appearance={
        "clothing": "sleepsuit",
        "cloth_rgb": (92.0, 70.0, 64.0),
        "cloth_second_rgb": (150.0, 120.0, 96.0),
        "mat_rgb": (84.0, 66.0, 60.0),
        "mat_second_rgb": (132.0, 104.0, 88.0),
        "mat_pattern": "checks",
        "light_from": (0.62, -0.42, 0.66),
        "ambient": 0.38,
        "exposure": 0.6,
        "noise_sd": 9.0,
        "blur_px": 1.4,
    },
)


def phantom_frames(folder: Path, study: FrameStudy) -> list[AnnotatedFrame]:
    """Render what is not in `folder` yet, and read all of it. Raises DeviceError where the disk does not take it."""
    table = folder / "annotations.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not table.is_file():
            seeds = range(study.first_seed, study.first_seed + study.n_infants)
            places = [place for seed in seeds for place in _render(folder, seed, study)]
            part = table.with_name(table.name + ".part")
            part.write_text(json.dumps(_coco(places)), encoding="utf-8")
            part.replace(table)
    except OSError as error:
        raise DeviceError(f"frames cannot be written to {folder}: {error.strerror}; make room") from error
    return read_coco(table, folder)


def _render(folder: Path, seed: int, study: FrameStudy) -> list[tuple[str, list[float]]]:
    """Picture names and COCO rows of one infant before one camera. Pictures that are there are not rendered again."""
    rng = np.random.default_rng([seed, 0x905E])
    categories: tuple[Category, ...] = get_args(Category)
    motion = simulate_motion(seed, categories[seed % len(categories)], _MOTION_S, _FPS)
    camera = frame_camera(
        motion,
        fill=float(rng.uniform(*study.fill)),
        tilt_deg=float(rng.uniform(0, study.most_tilt_deg)),
        azimuth_deg=float(rng.uniform(0, 360)),
        roll_deg=float(rng.uniform(0, 360)),
        width_px=study.height_px * 4 // 3,
        height_px=study.height_px,
    )
    look = draw_appearance(seed, **{"has_carer_hand": bool(rng.random() < 0.1), **study.appearance})
    xy = camera.project(coco17(motion))[0]
    rows = []
    for i in np.linspace(0, len(motion) - 1, study.frames_each).round().astype(int).tolist():
        name = f"{seed}/{i:03d}.jpg"
        path = folder / name
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            picture = cv2.cvtColor(render_frame(motion, i, camera, look), cv2.COLOR_RGB2BGR)
            part = path.with_suffix(".part.jpg")
            if not cv2.imwrite(str(part), picture, [cv2.IMWRITE_JPEG_QUALITY, 92]):
                raise OSError(None, "cannot write the picture")
            part.replace(path)
        rows.append((name, [value for x, y in xy[i].round(2).tolist() for value in (x, y, 2)]))
    return rows


def _coco(places: list[tuple[str, list[float]]]) -> dict[str, Any]:
    return {
        "images": [{"id": i, "file_name": name} for i, (name, _) in enumerate(places)],
        "categories": [{"id": 1, "name": "infant", "keypoints": list(COCO_17.keypoints)}],
        "annotations": [{"id": i, "image_id": i, "category_id": 1, "keypoints": k} for i, (_, k) in enumerate(places)],
    }
