"""The networks of a bundle: what the stages expect of each graph, and the fixed sizes that an accelerator gives them.

The bag and Info graphs stay on the CPU on every device: they are a layer or two on a few hundred numbers (3.9 and 1.5
kB), so that a copy to the accelerator and back is most of the work, and the bag's length is the recording's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fidgety.bundle import Bundle, KeypointNetwork, MamSettings, PoseSettings
from fidgety.bundle.manifest import Device as DeviceKind
from fidgety.errors import BundleError
from fidgety.runtime import blazepose
from fidgety.runtime.lifter_form import cache_shapes
from fidgety.runtime.session import Network, Shape
from fidgety.runtime.upright import N_FEATURES

__all__ = [
    "BAG",
    "CHUNK_ROWS",
    "INFO",
    "Graph",
    "accelerated_graphs",
    "detector_network",
    "graph_of",
    "keypoint_network",
    "landmark_network",
    "lifter_network",
    "pose_graph",
    "window_network",
]

CHUNK_ROWS = 25  # of the lifter, a run; benchmarks/lifter_chunks.py has the table
BAG = Network("mam_bag", {"class_probabilities": (None, None, 2), "mask": (None, None)}, {"bag": (None, 2)})
INFO = Network("mam_info", {"characteristics": (None, 4)}, {"info": (None, 2)})


@dataclass(frozen=True, slots=True)
class Graph:
    """A network's file, in one precision."""

    network: Network
    path: Path
    precision: str = "fp32"
    keypoints: KeypointNetwork | None = None  # how it is fed and read, where it is a pose network of the user's own


def detector_network(settings: PoseSettings) -> Network:
    """Picture -> boxes and their scores, for every anchor."""
    size = settings.detector_size_px
    n_anchors = len(blazepose.detector_anchors(size))
    return Network(
        "pose_detector",
        {"image": (1, 3, size, size)},
        {"boxes": (1, n_anchors, 12), "scores": (1, n_anchors, 1)},
    )


def landmark_network(settings: PoseSettings) -> Network:
    """BlazePose's: crop -> 39 landmarks, presence, heat maps, world points."""
    crop = settings.crop_size_px
    return Network(
        "pose_landmarks",
        {"crop": (1, 3, crop, crop)},
        {"landmarks": (1, 195), "presence": (1, 1), "heatmaps": (1, 39, 64, 64), "world": (1, 117)},
    )


def keypoint_network(network: KeypointNetwork) -> Network:
    """The user's own: crop -> heat maps, or SimCC's x and y. Raises BundleError where `cells` says no size of maps."""
    n, size_px = len(network.keypoints), (network.width_px, network.height_px)
    if network.family == "simcc":
        lengths = (round(px * network.split_ratio) for px in size_px)
        outputs: dict[str, Shape] = {
            name: (1, n, length) for name, length in zip(network.outputs, lengths, strict=True)
        }
    elif len(network.cells) == 2 and len(network.outputs) == 1:
        outputs = {network.outputs[0]: (1, n, *network.cells)}
    else:
        raise BundleError(
            f"manifest.pose.network.cells is {list(network.cells)}: expected the height and width of one output"
        )
    return Network("pose_keypoints", {network.input: (1, 3, network.height_px, network.width_px)}, outputs)


def lifter_network(channels: int, dilations: Sequence[int], chunk_rows: int = CHUNK_ROWS) -> Network:
    """A chunk of rows and what the layers remember -> as many lifted rows, and what they remember next."""
    shapes = cache_shapes(channels, dilations)
    return Network(
        "lifter",
        {"features": (None, N_FEATURES), "in_plane": (None, 17, 2), **shapes},
        {"joints": (None, 17, 3), **{f"new_{name}": shape for name, shape in shapes.items()}},
        chunk_rows,
    )


def window_network(settings: MamSettings) -> Network:
    """Windows -> logits of FMs and non-FMs. One a run: that is how they come."""
    return Network(
        "mam_window",
        {"windows": (None, settings.window_frames, 17, 3)},
        {"logits": (None, 2), "embedding": (None, 64)},
    )


def graph_of(bundle: Bundle, file: str, network: Network, device: DeviceKind = "cpu") -> Graph:
    """The float32 graph `file` of a bundle, or the variant of it that is kept for this device and its rows."""
    path = bundle.graph(file, device, None if device == "cpu" else network.n_rows)
    kept = {variant.file: variant.precision for variant in bundle.manifest.variants}
    return Graph(network, path, kept.get(path.name, "fp32"))


def pose_graph(bundle: Bundle, device: DeviceKind = "cpu") -> Graph:
    """The graph that reads the crop: BlazePose's landmarks, or the user's own network."""
    settings = bundle.manifest.pose
    own = settings.network
    network = landmark_network(settings) if own is None else keypoint_network(own)
    return replace(graph_of(bundle, settings.landmarks, network, device), keypoints=own)


def accelerated_graphs(bundle: Bundle) -> tuple[Graph, ...]:
    """Those of a bundle that become engines, in the order of the data."""
    pose, lifter, mam = bundle.manifest.pose, bundle.manifest.lifter, bundle.manifest.mam
    return (
        graph_of(bundle, pose.detector, detector_network(pose), "tensorrt"),
        pose_graph(bundle, "tensorrt"),
        graph_of(bundle, lifter.graph, lifter_network(lifter.channels, lifter.dilations), "tensorrt"),
        graph_of(bundle, mam.window_graph, window_network(mam), "tensorrt"),
    )
