"""The pose network that a bundle holds, behind one small face: frame + region -> Landmarks.

    BlazePoseReader    BlazePose's landmarks (blazepose.py)
    KeypointReader     heat maps or SimCC of the user's own network (keypoint_network.py)

Everything else (tracking, mirrored reading, looks around) is the same for all of them (pose.py).
"""

from __future__ import annotations

from typing import Protocol

from fidgety.bundle import Bundle, PoseSettings
from fidgety.errors import BundleError
from fidgety.records import Frame
from fidgety.runtime import blazepose
from fidgety.runtime.blazepose import Landmarks, Region
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.keypoint_network import KeypointReader
from fidgety.runtime.networks import pose_graph
from fidgety.runtime.open_session import open_graph
from fidgety.runtime.session import Session
from fidgety.skeleton import BLAZEPOSE_33, SKELETONS, Skeleton

__all__ = ["BlazePoseReader", "Reader", "bundle_skeleton", "open_reader"]


class Reader(Protocol):
    """A pose network on one crop at a time. Calls may come from several threads."""

    @property
    def skeleton(self) -> Skeleton:
        """Of the keypoints in its Landmarks."""
        ...

    def read(self, frame: Frame, region: Region) -> Landmarks:
        """The network's word on one crop of a frame."""
        ...


class BlazePoseReader:
    """BlazePose's landmark network."""

    skeleton = BLAZEPOSE_33

    def __init__(self, session: Session, crop_size_px: int) -> None:
        self._size_px, self._session = crop_size_px, session

    def read(self, frame: Frame, region: Region) -> Landmarks:
        """The network's word on one crop of a frame."""
        size = self._size_px
        crop = blazepose.crop_picture(frame, region.image_from_crop(size), size, low=0.0, is_replicated=True)
        raw = self._session.run(crop=crop)
        return blazepose.decode_landmarks(
            raw["landmarks"][0], raw["heatmaps"][0], raw["world"][0], float(raw["presence"][0, 0]), region, size
        )


def bundle_skeleton(settings: PoseSettings) -> Skeleton:
    """The skeleton of the poses that a bundle's network gives."""
    return SKELETONS[settings.skeleton]


def open_reader(bundle: Bundle, n_threads: int, device: Device = CPU) -> Reader:
    """The bundle's pose network. Raises BundleError where the manifest or the graph does not fit its family."""
    settings = bundle.manifest.pose
    network = settings.network
    wanted = (settings.family, "coco17") if network is not None else ("blazepose", "blazepose33")
    if (settings.family if network is None else network.family, settings.skeleton) != wanted:
        raise BundleError(
            f"manifest.pose: family {settings.family!r}, skeleton {settings.skeleton!r} and network do not fit together"
        )
    session = open_graph(pose_graph(bundle, device.name), device, n_threads)
    return BlazePoseReader(session, settings.crop_size_px) if network is None else KeypointReader(session, network)
