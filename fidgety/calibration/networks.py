"""The networks of a bundle, one name each, and the sizes that an accelerator's graph of them has.

Static shapes only: an engine is built for them, and a CUDA graph replays nothing else. The pose networks read each
frame in a crop that follows from the frames before, one at a time, and are published with a batch of one. Windows and
bags can go together, and a lifter's rows are its batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fidgety.bundle import Manifest

__all__ = ["BAG_INSTANCES", "Network", "NetworkName", "networks_of"]

NetworkName = Literal["detector", "landmarks", "lifter", "mam_window", "mam_bag", "mam_info"]
BAG_INSTANCES = 64  # room for 6.5 minutes; the mask leaves out what is not filled


@dataclass(frozen=True, slots=True)
class Network:
    """One network of a bundle."""

    name: NetworkName
    file: str  # its float32 graph
    sizes: tuple[Mapping[str, int], ...]  # of its named sizes: as the loop runs it, then a larger batch if it has one


def networks_of(manifest: Manifest) -> tuple[Network, ...]:
    """The networks in the order of the data."""
    pose, mam, n = manifest.pose, manifest.mam, BAG_INSTANCES
    return (
        Network("detector", pose.detector, ({},)),
        Network("landmarks", pose.landmarks, ({},)),
        Network("lifter", manifest.lifter.graph, ({"T": 25}, {"T": 100})),
        Network("mam_window", mam.window_graph, ({"B": 1}, {"B": 8})),
        Network("mam_bag", mam.bag_graph, ({"B": 1, "N": n}, {"B": 100, "N": n})),
        Network("mam_info", mam.info_graph, ({"B": 1}, {"B": 8})),
    )
