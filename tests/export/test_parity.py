"""The gate: it passes on equal networks, and fails on unequal ones and whenever it could not really run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fidgety.errors import BundleError
from fidgety.export.fetch import FetchedNetworks, fetch_networks
from fidgety.export.parity import (
    CROPS,
    LIMITS,
    Difference,
    ParityReport,
    detector_inputs,
    landmark_inputs,
    measure_parity,
    require_parity,
)
from fidgety.export.pose import convert_detector, convert_landmarks

GOOD = ParityReport(2, 8, 6, 40.0, tuple(Difference(q, unit, 0.0, limit / 2, limit) for q, unit, limit in LIMITS))


@pytest.fixture(scope="module")
def full(pose_wheel: Path) -> FetchedNetworks:
    return fetch_networks("full", pose_wheel.parent, offline=pose_wheel)


@pytest.fixture(scope="module")
def graphs(full: FetchedNetworks, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("graphs")
    paths = folder / "detector.onnx", folder / "landmarks.onnx"
    onnx.save(convert_detector(full.detector), paths[0])
    onnx.save(convert_landmarks(full.landmarks), paths[1])
    return paths


def _measure(full: FetchedNetworks, graphs: tuple[Path, Path], pictures: list[np.ndarray]) -> ParityReport:
    return measure_parity(full.detector, full.landmarks, *graphs, pictures=pictures)


def _maxima(report: ParityReport) -> dict[str, float]:
    return {difference.quantity: difference.maximum for difference in report.differences}


@pytest.mark.shared
def test_measure_parity_real_infant(
    full: FetchedNetworks, graphs: tuple[Path, Path], infant_pictures: list[np.ndarray]
) -> None:
    report = _measure(full, graphs, infant_pictures)
    require_parity(report)
    assert report.n_crops == len(infant_pictures) * len(CROPS)
    assert report.n_seen > report.n_crops / 2
    assert _maxima(report)["landmarks"] <= 0.01
    assert _maxima(report)["world"] <= 1e-4


def test_measure_parity_phantom(
    full: FetchedNetworks, graphs: tuple[Path, Path], phantom_pictures: list[np.ndarray]
) -> None:
    report = _measure(full, graphs, phantom_pictures)
    require_parity(report)
    assert _maxima(report)["landmarks"] <= 0.01
    assert _maxima(report)["world"] <= 1e-4


@pytest.mark.shared
def test_measure_parity_one_bias_shifted(
    full: FetchedNetworks, graphs: tuple[Path, Path], infant_pictures: list[np.ndarray], tmp_path: Path
) -> None:
    model = onnx.load(graphs[1])
    constant = next(c for c in model.graph.initializer if c.name == "conv_003_bias")
    constant.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant) + np.float32(0.01), constant.name))
    onnx.save(model, tmp_path / "shifted.onnx")
    report = _measure(full, (graphs[0], tmp_path / "shifted.onnx"), infant_pictures[:1])
    with pytest.raises(BundleError, match="differs from its source"):
        require_parity(report)


def test_measure_parity_empty_mat_proves_nothing(full: FetchedNetworks, graphs: tuple[Path, Path]) -> None:
    report = _measure(full, graphs, [np.full((240, 320, 3), 128, np.uint8)])
    assert report.n_seen == 0
    with pytest.raises(BundleError, match="sees nobody in any of 4 crops"):
        require_parity(report)


def test_measure_parity_no_pictures(full: FetchedNetworks, graphs: tuple[Path, Path]) -> None:
    with pytest.raises(BundleError, match="needs pictures"):
        _measure(full, graphs, [])


@pytest.mark.parametrize("picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_measure_parity_wrong_picture(picture: np.ndarray, full: FetchedNetworks, graphs: tuple[Path, Path]) -> None:
    with pytest.raises(BundleError, match=r"\(H, W, 3\) uint8 expected"):
        _measure(full, graphs, [picture])


def test_measure_parity_interpreter_missing(
    full: FetchedNetworks, graphs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(BundleError, match="cannot run"):
        _measure(full, graphs, [np.zeros((8, 8, 3), np.uint8)])


def test_require_parity_within_limits() -> None:
    require_parity(GOOD)


@pytest.mark.parametrize("place", range(len(LIMITS)))
@pytest.mark.parametrize("factor", [1.01, float("nan")])
def test_require_parity_one_quantity_beyond(place: int, factor: float) -> None:
    differences = list(GOOD.differences)
    differences[place] = replace(differences[place], maximum=differences[place].limit * factor)
    with pytest.raises(BundleError, match=LIMITS[place][0]):
        require_parity(replace(GOOD, differences=tuple(differences)))


def test_require_parity_network_that_ignores_its_input() -> None:
    with pytest.raises(BundleError, match="ignores its input"):
        require_parity(replace(GOOD, change_px=0.0))


def test_detector_inputs_letterbox_in_range() -> None:
    [given] = detector_inputs([np.full((100, 200, 3), 255, np.uint8)])
    assert given.shape == (1, 3, 224, 224)
    assert given.dtype == np.float32
    assert (given[:, :, :50] == -1).all()
    assert (given[:, :, 100:124, :-1] == 1).all()  # the last column mixes with the border


def test_landmark_inputs_cover_and_turn() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    cv2.circle(picture, (150, 50), 10, (255, 255, 255), -1)
    whole, closer, _, turned = landmark_inputs([picture])
    assert whole.shape == (1, 3, 256, 256)
    assert 0 <= whole.min() < whole.max() <= 1
    assert closer.sum() > whole.sum() * 1.3
    where = np.argwhere(turned[0, 0] > 0.5).mean(axis=0)  # y, x: the spot on the right turns to the bottom
    assert where[0] > 180
    assert abs(where[1] - 128) < 4
