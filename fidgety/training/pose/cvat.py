"""CVAT for images 1.1 (XML): skeletons, <skeleton><points label="left_wrist" points="x,y" outside="0"/></skeleton>.

CVAT's other export of skeletons, COCO keypoints, is read by `annotations.read_coco`.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from fidgety.errors import UsageError
from fidgety.training.pose.annotations import AnnotatedFrame, place_keypoints, recording_of

__all__ = ["read_cvat"]

_MOST_BYTES = 1 << 28


def read_cvat(path: Path, pictures: Path) -> list[AnnotatedFrame]:
    """The pictures that hold a skeleton. Raises UsageError naming the picture where one does not fit."""
    raw = path.read_bytes()
    if len(raw) > _MOST_BYTES or b"<!ENTITY" in raw:
        raise UsageError(f"{path} is no export of CVAT: it is too large or declares entities")
    try:
        root = ElementTree.fromstring(raw)
    except ElementTree.ParseError as error:
        raise UsageError(f"{path} is damaged ({error}): export it from CVAT again") from error
    frames = []
    for image in root.iter("image"):
        name = image.get("name") or ""
        where = f"{path}, picture {name or image.get('id')!r}"
        skeletons = image.findall("skeleton")
        if len(skeletons) > 1:
            raise UsageError(f"{where} has {len(skeletons)} skeletons; keep the infant who is assessed")
        if skeletons:
            found = dict(_point(point, where) for point in skeletons[0].iter("points") if point.get("outside") != "1")
            frames.append(AnnotatedFrame(pictures / name, recording_of(name), place_keypoints(found, where)))
    if not frames:
        raise UsageError(f"{path} holds no skeleton: export the task as 'CVAT for images 1.1' or 'COCO Keypoints 1.0'")
    return frames


def _point(point: ElementTree.Element, where: str) -> tuple[str, tuple[float, float]]:
    label, place = point.get("label") or "", point.get("points") or ""
    try:
        x, y = (float(value) for value in place.split(","))
    except ValueError:
        raise UsageError(f"{where}: {label or 'a point'} lies at {place!r}, not at x,y") from None
    return label, (x, y)
