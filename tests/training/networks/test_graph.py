"""The graphs against a chain by hand, and against graphs that are written out in full."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.skeleton import COCO_17, H36M_17, Skeleton
from fidgety.training.networks.graph import hop_counts, hop_partitions, window_scales

CHAIN = Skeleton("chain", ("a", "b", "c"), ((0, 1), (1, 2)))


def test_hop_counts_along_the_body() -> None:
    hops = hop_counts(H36M_17)
    ankle, knee, hip, thorax, wrist = H36M_17.indices("left_ankle", "left_knee", "hip", "thorax", "right_wrist")
    assert (hops[ankle, ankle], hops[ankle, knee], hops[ankle, hip], hops[hip, thorax]) == (0, 1, 3, 2)
    assert hops[ankle, wrist] == hops.max() == 8
    assert np.array_equal(hops, hops.T)
    assert (hops == 1).sum() == 2 * len(H36M_17.bones)


def test_hop_counts_where_there_is_no_way() -> None:
    hops = hop_counts(Skeleton("two", ("a", "b", "c"), ((0, 1),)))
    assert hops.tolist() == [[0, 1, 3], [1, 0, 3], [3, 3, 0]]


def test_hop_partitions_of_a_chain() -> None:
    itself, neighbours = hop_partitions(CHAIN, 1)
    assert np.allclose(itself, np.diag([1 / 2, 1 / 3, 1 / 2]))
    assert np.allclose(neighbours, [[0, 1 / 2, 0], [1 / 3, 0, 1 / 3], [0, 1 / 2, 0]])


@pytest.mark.parametrize("skeleton", [H36M_17, COCO_17])
def test_hop_partitions_sum_to_the_mean_over_the_reach(skeleton: Skeleton) -> None:
    parts = hop_partitions(skeleton, 3)
    reach = hop_counts(skeleton) <= 3
    assert parts.shape == (4, 17, 17) and parts.dtype == np.float32
    assert np.allclose(parts.sum(axis=0), reach / reach.sum(axis=1, keepdims=True))
    assert ((parts > 0).sum(axis=0) == reach).all()  # every pair in one part only


def test_hop_partitions_know_no_side() -> None:
    mirror = list(H36M_17.mirror)
    parts = hop_partitions(H36M_17, 3)
    assert np.array_equal(parts[:, mirror][:, :, mirror], parts)


@pytest.mark.parametrize(("skeleton", "n_frames"), [(CHAIN, 4), (H36M_17, 3), (H36M_17, 1)])
def test_window_scales_are_those_of_the_graph_written_out(skeleton: Skeleton, n_frames: int) -> None:
    n_nodes = n_frames * len(skeleton)
    joined = np.tile(hop_counts(skeleton) <= 1, (n_frames, n_frames))
    scales = window_scales(skeleton, 8, n_frames)
    reached = [np.eye(n_nodes, dtype=bool)]
    for scale in range(8):
        if scale:
            reached.append((reached[-1].astype(int) @ joined.astype(int)) > 0)
        new = reached[-1] & ~reached[-2] if scale else reached[0]
        plain = (new | np.eye(n_nodes, dtype=bool)).astype(float)
        root = np.sqrt(plain.sum(axis=1))
        expected = plain / root[:, None] / root[None]
        ours = np.tile(scales.across[scale], (n_frames, n_frames)) + np.diag(np.tile(scales.own[scale], n_frames))
        assert np.allclose(ours, expected, atol=1e-6), scale


def test_graphs_refuse_numbers_that_mean_nothing() -> None:
    with pytest.raises(UsageError, match="max_hop -1"):
        hop_partitions(H36M_17, -1)
    with pytest.raises(UsageError, match="0 scales of 20 frames"):
        window_scales(H36M_17, 0, 20)
