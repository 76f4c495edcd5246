"""Annotated frames: pictures with the places of COCO-17's keypoints, from what annotators' tools write.

A file of annotations becomes AnnotatedFrames; `recording` says what may not lie on both sides of a split. A keypoint
that was not annotated is NaN. Pictures are read when they are wanted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fidgety.errors import UsageError
from fidgety.records import FloatArray, UInt8Array
from fidgety.skeleton import COCO_17, TRUNK

__all__ = ["AnnotatedFrame", "place_keypoints", "read_annotations", "read_coco", "recording_of", "split_recordings"]

_MIN_KEYPOINTS = 6


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedFrame:
    """One picture and the keypoints of the infant in it."""

    path: Path  # of the picture
    recording: str  # frames of one recording stay together
    keypoints_xy: FloatArray  # (17, 2) float32 px, order of COCO_17; NaN = not annotated

    def picture(self) -> UInt8Array:
        """(H, W, 3) uint8 RGB. Raises UsageError where the picture cannot be read."""
        picture = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if picture is None:
            raise UsageError(f"the picture {self.path} cannot be read: name its folder with --pictures")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def read_annotations(path: Path, pictures: Path) -> list[AnnotatedFrame]:
    """The annotated frames of a COCO-keypoint JSON, a DeepLabCut CSV or a CVAT XML, told apart by the file's ending.

    `pictures`: the folder that the file's picture names start from. Raises UsageError naming file, row and remedy.
    """
    from fidgety.training.pose.cvat import read_cvat
    from fidgety.training.pose.deeplabcut import read_deeplabcut

    readers: dict[str, Callable[[Path, Path], list[AnnotatedFrame]]] = {
        ".json": read_coco,
        ".csv": read_deeplabcut,
        ".xml": read_cvat,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(
            f"{path} is no COCO-keypoint JSON, DeepLabCut CSV or CVAT XML: export the frames as one of them"
        )
    if not path.is_file():
        raise UsageError(f"there is no file {path} with annotations: check the name")
    frames = reader(path, pictures)
    if not frames:
        raise UsageError(f"{path} holds no annotated frame")
    return frames


def read_coco(path: Path, pictures: Path) -> list[AnnotatedFrame]:
    """COCO-keypoint JSON (CVAT and Label Studio export it too): images, categories with keypoint names, annotations."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        images = {image["id"]: str(image["file_name"]) for image in data["images"]}
        names = {kind["id"]: list(kind["keypoints"]) for kind in data["categories"] if kind.get("keypoints")}
        rows = list(data["annotations"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no COCO-keypoint JSON ({error}): export it with images and categories") from error
    frames: dict[object, AnnotatedFrame] = {}
    for i, row in enumerate(rows):
        where = f"{path}, annotation {i + 1}"
        image, keypoints = _coco_row(row, images, names, where)
        if row["image_id"] in frames:
            raise UsageError(f"{where}: {image} has two annotated infants; keep the one who is assessed")
        place = pictures / image
        frames[row["image_id"]] = AnnotatedFrame(place, recording_of(image), place_keypoints(keypoints, where))
    return list(frames.values())


def _coco_row(
    row: Any, images: Mapping[Any, str], names: Mapping[Any, Sequence[str]], where: str
) -> tuple[str, dict[str, tuple[float, float]]]:
    try:
        image, known = images[row["image_id"]], names[row["category_id"]]
        values = np.array(row["keypoints"], np.float64).reshape(len(known), 3)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{where} does not fit images and categories ({error}): export the frames again") from error
    return image, {n: (float(x), float(y)) for n, (x, y, seen) in zip(known, values, strict=True) if seen > 0}


def place_keypoints(found: Mapping[str, tuple[float, float]], where: str) -> FloatArray:
    """(17, 2) float32 by the names of COCO-17 (`Left Wrist`, `left-wrist` and `left_wrist` are one name).

    Raises UsageError where shoulders or hips, or too many of the others, are missing.
    """
    named = {name.strip().lower().replace(" ", "_").replace("-", "_"): xy for name, xy in found.items()}
    if missing := [name for name in TRUNK if name not in named]:  # without them no crop can be laid
        raise UsageError(f"{where}: {missing[0]} is not annotated; the crop is laid from both shoulders and hips")
    known = [name for name in COCO_17.keypoints if name in named]
    if len(known) < _MIN_KEYPOINTS:
        raise UsageError(f"{where}: only {', '.join(known)} are annotated; name keypoints as COCO does, left_wrist")
    points = np.full((len(COCO_17), 2), np.nan, np.float32)
    for name in known:
        points[COCO_17.index[name]] = named[name]
    if np.isinf(points).any():
        raise UsageError(f"{where}: a keypoint lies at infinity")
    return points


def recording_of(picture: str) -> str:
    """The recording a picture came from: its folder, or else its name without the number at its end."""
    place = Path(picture.replace("\\", "/"))
    return place.parent.name or place.stem.rstrip("0123456789_-. ") or place.stem


def split_recordings(
    frames: Sequence[AnnotatedFrame], held_out_share: float, seed: int
) -> tuple[list[AnnotatedFrame], list[AnnotatedFrame]]:
    """Frames to train on and frames of other recordings. Raises UsageError where there is one recording only."""
    recordings = sorted({frame.recording for frame in frames})
    if len(recordings) < 2:
        raise UsageError(f"all frames are of the recording {recordings[0]!r}: an error needs another one's frames")
    order = np.random.default_rng([seed, 0x5B1]).permutation(len(recordings))
    n = min(max(1, round(held_out_share * len(recordings))), len(recordings) - 1)
    held_out = {recordings[i] for i in order[:n]}
    return [f for f in frames if f.recording not in held_out], [f for f in frames if f.recording in held_out]
