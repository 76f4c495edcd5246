from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fidgety.bundle import KeypointNetwork
from fidgety.errors import BundleError
from fidgety.records import FloatArray
from fidgety.runtime.blazepose import Region, region_from_alignment
from fidgety.runtime.crop import CropTracker
from fidgety.runtime.keypoint_network import (
    BODY_TO_TRUNK,
    KeypointReader,
    alignment_of,
    image_from_input,
    input_picture,
)
from fidgety.runtime.networks import keypoint_network
from fidgety.runtime.open_session import open_session
from fidgety.runtime.source import frame_from_rgb
from fidgety.skeleton import BLAZEPOSE_33, COCO_17

from ..conftest import HEATMAPS

NETWORK = HEATMAPS
SIMCC = replace(NETWORK, family="simcc", outputs=("x", "y"), split_ratio=2.0, cells=())


def constant_graph(path: Path, outputs: dict[str, np.ndarray], size: tuple[int, int] = (96, 128)) -> Path:
    """A network that gives the same outputs for every crop."""
    nodes = [
        helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value.astype(np.float32)))
        for name, value in outputs.items()
    ]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(v.shape)) for n, v in outputs.items()]
    crop = helper.make_tensor_value_info("crop", TensorProto.FLOAT, [1, 3, size[1], size[0]])
    body = helper.make_graph(nodes, "constant", [crop], infos)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def reader_of(path: Path, network: KeypointNetwork = NETWORK) -> KeypointReader:
    return KeypointReader(open_session(path, keypoint_network(network)), network)


def spots(points: np.ndarray, width: int, height: int, sigma: float = 1.5) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    maps = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points]
    return np.stack(maps)[None]


@pytest.fixture
def cells() -> np.ndarray:
    return np.random.default_rng(3).uniform(2, 21, (17, 2))


GREY = frame_from_rgb(np.full((200, 300, 3), 90, np.uint8))
REGION = Region(140.0, 90.0, 96.0, 0.0)  # one input px is one px of the picture


def test_read_puts_heatmap_cells_into_the_picture(tmp_path: Path, cells: np.ndarray) -> None:
    path = constant_graph(tmp_path / "n.onnx", {"heatmaps": spots(cells, 24, 32)})
    found = reader_of(path).read(GREY, REGION)
    assert found.keypoints_xy == pytest.approx(cells * 4 + [140 - 48, 90 - 64], abs=0.02)
    assert (found.scores > 0.9).all() and found.presence > 0.9


@pytest.mark.parametrize(("grid", "px"), [("corner", 40.0), ("centre", 41.5), ("ends", 10 * 95 / 23)])
def test_read_knows_where_cells_lie(tmp_path: Path, grid: str, px: float) -> None:
    path = constant_graph(tmp_path / "n.onnx", {"heatmaps": spots(np.full((17, 2), 10.0), 24, 32)})
    network = replace(NETWORK, grid=grid)  # type: ignore[arg-type]
    assert reader_of(path, network).read(GREY, REGION).keypoints_xy[:, 0] == pytest.approx(92 + px, abs=0.02)


def test_read_turned_and_mirrored_puts_keypoints_where_the_crop_shows_them(tmp_path: Path, cells: np.ndarray) -> None:
    path = constant_graph(tmp_path / "n.onnx", {"heatmaps": spots(cells, 24, 32)})
    reader = reader_of(path)
    region = replace(REGION, angle_rad=0.7)
    plain, mirrored = reader.read(GREY, region), reader.read(GREY, replace(region, is_mirrored=True))
    along = np.array([np.cos(0.7), np.sin(0.7)])
    offset = plain.keypoints_xy - np.array([140, 90])
    reflected = offset - 2 * (offset @ along)[:, None] * along  # about the crop's upright axis
    assert mirrored.keypoints_xy == pytest.approx(reflected[list(COCO_17.mirror)] + np.array([140, 90]), abs=0.02)


def test_read_simcc(tmp_path: Path) -> None:
    x = np.exp(-((np.arange(192) - 61.4) ** 2) / 32)[None, None].repeat(17, axis=1)
    y = np.exp(-((np.arange(256) - 100.0) ** 2) / 32)[None, None].repeat(17, axis=1)
    path = constant_graph(tmp_path / "n.onnx", {"x": x, "y": y})
    found = reader_of(path, SIMCC).read(GREY, REGION)
    assert found.keypoints_xy == pytest.approx(np.tile([92 + 30.7, 26 + 50.0], (17, 1)), abs=0.02)


def test_read_takes_keypoints_by_name(tmp_path: Path) -> None:
    names = ("tail", *reversed(COCO_17.keypoints))
    cells = np.random.default_rng(4).uniform(2, 21, (18, 2))
    path = constant_graph(tmp_path / "n.onnx", {"heatmaps": spots(cells, 24, 32)})
    found = reader_of(path, replace(NETWORK, keypoints=names)).read(GREY, REGION)
    assert found.keypoints_xy == pytest.approx(cells[:0:-1] * 4 + [92, 26], abs=0.02)


def test_read_of_flat_maps_is_nobody(tmp_path: Path) -> None:
    path = constant_graph(tmp_path / "n.onnx", {"heatmaps": np.zeros((1, 17, 32, 24))})
    found = reader_of(path).read(GREY, REGION)
    assert found.presence == 0 and (found.scores == 0).all() and np.isfinite(found.keypoints_xy).all()


def test_scores_mean_the_same_for_every_network(tmp_path: Path, cells: np.ndarray) -> None:
    maps = spots(np.round(cells), 24, 32)
    for peak, score in ((0.25, 0.3), (0.75, 0.95), (0.5, 0.625), (0.125, 0.15)):
        path = constant_graph(tmp_path / "n.onnx", {"heatmaps": maps * peak})
        assert reader_of(path).read(GREY, REGION).scores == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize(
    ("outputs", "word"),
    [
        ({"heatmaps": np.zeros((1, 16, 32, 24))}, "16"),
        ({"other": np.zeros((1, 17, 32, 24))}, "no output 'heatmaps'"),
        ({"heatmaps": np.zeros((1, 17, 768))}, "shape"),
        ({"heatmaps": np.zeros((1, 17, 24, 32))}, r"\[1, 17, 24, 32\], expected \[1, 17, 32, 24\]"),
    ],
)
def test_a_graph_of_other_ends_is_refused(tmp_path: Path, outputs: dict[str, np.ndarray], word: str) -> None:
    with pytest.raises(BundleError, match=word):
        reader_of(constant_graph(tmp_path / "n.onnx", outputs))


def test_simcc_of_another_split_ratio_is_refused(tmp_path: Path) -> None:
    path = constant_graph(tmp_path / "n.onnx", {"x": np.zeros((1, 17, 96)), "y": np.zeros((1, 17, 128))})
    with pytest.raises(BundleError, match="expected"):
        reader_of(path, SIMCC)


def test_ends_of_both_families_are_fixed() -> None:
    maps, vectors = keypoint_network(NETWORK), keypoint_network(SIMCC)
    assert maps.inputs == vectors.inputs == {"crop": (1, 3, 128, 96)}
    assert maps.fixed_outputs == {"heatmaps": (1, 17, 32, 24)}
    assert vectors.fixed_outputs == {"x": (1, 17, 192), "y": (1, 17, 256)}


@pytest.mark.parametrize("cells", [(), (32,), (1, 32, 24)])
def test_maps_whose_size_is_not_told_are_refused(cells: tuple[int, ...]) -> None:
    with pytest.raises(BundleError, match=r"manifest\.pose\.network\.cells is .*: expected the height and width"):
        keypoint_network(replace(NETWORK, cells=cells))


def test_picture_has_the_colours_that_the_network_wants() -> None:
    rgb = np.zeros((200, 300, 3), np.uint8)
    rgb[..., 0], rgb[..., 2] = 200, 40
    network = replace(NETWORK, colours="bgr", mean=(10.0, 20.0, 30.0), sd=(2.0, 4.0, 5.0))
    picture = input_picture(frame_from_rgb(rgb), REGION, network)
    assert picture.shape == (1, 3, 128, 96)
    assert picture[0, :, 64, 48] == pytest.approx([(40 - 10) / 2, -20 / 4, (200 - 30) / 5], abs=0.6)


def test_input_holds_the_region_and_more_along_its_longer_side() -> None:
    for width, height in ((96, 128), (128, 96), (96, 96)):
        matrix = image_from_input(REGION, width, height)
        assert matrix @ [width / 2, height / 2, 1] == pytest.approx([140, 90], abs=1e-4)
        assert np.linalg.norm(matrix[:, 0]) == pytest.approx(1.0)


def test_crop_of_coco_keypoints_is_blazeposes_crop(lying_xy: FloatArray) -> None:
    coco = lying_xy[BLAZEPOSE_33.indices(*COCO_17.keypoints)]
    hips, end = alignment_of(coco)
    region = region_from_alignment(hips, end, 1.25)
    assert (region.centre_x, region.centre_y) == pytest.approx((400, 400), abs=0.01)
    assert region.angle_rad == pytest.approx(0, abs=1e-3)
    assert region.side_px == pytest.approx(2 * 1.25 * BODY_TO_TRUNK * 190, rel=1e-3)


def test_crop_tracking_follows_coco_keypoints_that_turn_and_grow(lying_xy: FloatArray) -> None:
    coco = lying_xy[BLAZEPOSE_33.indices(*COCO_17.keypoints)] - 400
    tracker = CropTracker(1.25)
    for i in range(50):
        angle, scale = 0.03 * i, 1.0 + 0.01 * i
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        tracker.follow(alignment_of((coco @ turn.T + 500).astype(np.float32)), i / 25)
    assert tracker.region is not None
    assert tracker.region.angle_rad == pytest.approx(0.03 * 49, abs=0.2)
    assert tracker.region.side_px == pytest.approx(2.5 * BODY_TO_TRUNK * 190 * 1.49, rel=0.05)
