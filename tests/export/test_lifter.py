"""The streaming graph against the torch lifter in one run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fidgety.errors import BundleError
from fidgety.export.lifter import export_lifter, lifter_shape
from fidgety.runtime.stream_lifter import StreamLifter
from fidgety.training.networks.lifter import Lifter

CHANNELS, DILATIONS = 16, (1, 3, 9, 27)
REACH = 95  # 1, 3 + 1, 9 + 4, 27 + 13, 25, 12


@pytest.fixture(scope="module")
def lifter() -> Lifter:
    torch.manual_seed(4)
    return Lifter(CHANNELS, DILATIONS).eval()


@pytest.fixture(scope="module")
def graph(lifter: Lifter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lifter")
    weights = {name: value.numpy() for name, value in lifter.state_dict().items()}
    np.savez(folder / "lifter.npz", dilations=np.array(DILATIONS), **weights)
    return export_lifter(folder / "lifter.npz", folder / "lifter.onnx")


def rows_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.normal(0, 1, (n, 51)).astype(np.float32), rng.normal(0, 1, (n, 17, 2)).astype(np.float32)


def in_one_run(lifter: Lifter, features: np.ndarray, in_plane: np.ndarray) -> np.ndarray:
    pick = np.clip(np.arange(-REACH, len(features) + REACH), 0, len(features) - 1)
    with torch.inference_mode():
        return lifter(torch.from_numpy(features[pick][None]), torch.from_numpy(in_plane[pick][None])).joints[0].numpy()


def test_reach_is_one_and_the_same_everywhere(lifter: Lifter, graph: Path) -> None:
    assert StreamLifter(graph, CHANNELS, DILATIONS).reach == lifter.reach == REACH
    assert lifter_shape(graph.with_suffix(".npz")) == (CHANNELS, DILATIONS)


@pytest.mark.parametrize("n_rows", [1, 2, 94, 95, 191, 400])
@pytest.mark.parametrize("chunk_rows", [1, 25, 240])
def test_stream_equals_one_run(lifter: Lifter, graph: Path, n_rows: int, chunk_rows: int) -> None:
    features, in_plane = rows_of(n_rows)
    stream = StreamLifter(graph, CHANNELS, DILATIONS, chunk_rows)
    rng, at, pieces = np.random.default_rng(0), 0, []
    while at < n_rows:  # rows come in pieces of any size
        size = int(rng.integers(1, 70))
        pieces.append(stream.push(features[at : at + size], in_plane[at : at + size]))
        at += size
    pieces.append(stream.finish())
    streamed = np.concatenate(pieces)
    assert streamed.shape == (n_rows, 17, 3)
    assert np.abs(streamed - in_one_run(lifter, features, in_plane)).max() < 1e-5


def test_stream_rows_come_as_soon_as_their_future_is_known(graph: Path) -> None:
    features, in_plane = rows_of(400)
    stream = StreamLifter(graph, CHANNELS, DILATIONS, 25)
    n_ready = sum(len(stream.push(features[i : i + 1], in_plane[i : i + 1])) for i in range(400))
    assert 400 - REACH - 25 < n_ready <= 400 - REACH


def test_stream_of_nothing_is_nothing(graph: Path) -> None:
    stream = StreamLifter(graph, CHANNELS, DILATIONS)
    assert stream.push(np.empty((0, 51), np.float32), np.empty((0, 17, 2), np.float32)).shape == (0, 17, 3)
    assert stream.finish().shape == (0, 17, 3)


def test_stream_refuses_a_graph_of_another_width(graph: Path) -> None:
    with pytest.raises(BundleError, match="cache_1"):
        StreamLifter(graph, CHANNELS + 1, DILATIONS)
    with pytest.raises(BundleError, match="cache_3"):
        StreamLifter(graph, CHANNELS, (*DILATIONS[:-1], 81))


def test_export_lifter_writes_the_same_bytes_again_and_names_what_is_missing(graph: Path, tmp_path: Path) -> None:
    again = export_lifter(graph.with_suffix(".npz"), tmp_path / "again.onnx")
    assert again.read_bytes() == graph.read_bytes()
    with pytest.raises(BundleError, match="train-lifter"):
        export_lifter(tmp_path / "none.npz", tmp_path / "out.onnx")
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(BundleError, match="no lifter"):
        export_lifter(tmp_path / "other.npz", tmp_path / "out.onnx")
    with np.load(graph.with_suffix(".npz")) as saved:
        np.savez(tmp_path / "before.npz", **{**saved, "leave.weight": saved["leave.weight"][:-1]})
    with pytest.raises(BundleError, match="train it anew"):
        export_lifter(tmp_path / "before.npz", tmp_path / "out.onnx")


def test_dilated_layers_leave_no_comb(lifter: Lifter) -> None:
    """White noise on one keypoint: no joint's depth has more at a multiple of 25/9 Hz than beside it."""
    rng = np.random.default_rng(0)
    n_rows = 4500
    features, in_plane = np.zeros((n_rows, 51), np.float32), np.zeros((n_rows, 17, 2), np.float32)
    features[:, 27:29] = rng.normal(0, 0.2, (n_rows, 2))
    depth = in_one_run(lifter, features, in_plane)[..., 2].astype(np.float64)
    power = (
        np.abs(np.fft.rfft((depth - depth.mean(axis=0)).reshape(20, 225, 17) * np.hanning(225)[:, None], axis=1)) ** 2
    ).mean(axis=0)
    comb = np.arange(25, 113, 25)  # 225 rows resolve 1/9 Hz: bin 25 is 25/9 Hz
    beside = np.concatenate([comb - 6, comb + 6])
    assert 10 * np.log10(power[comb].mean() / power[beside[beside < 113]].mean()) < 1.5
