"""The published networks, exported: names, shapes, bytes, and what happens when a gate says no."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from fidgety.errors import BundleError, DeviceError, FetchError
from fidgety.export import pose
from fidgety.export.fetch import FetchedNetworks, fetch_networks
from fidgety.export.onnx_graph import IR_VERSION, OPSET
from fidgety.export.parity import Difference, ParityReport
from fidgety.export.pose import convert_detector, convert_landmarks, export_pose_networks
from fidgety.export.tflite_graph import read_tflite


@pytest.fixture(scope="module")
def full(pose_wheel: Path) -> FetchedNetworks:
    return fetch_networks("full", pose_wheel.parent, offline=pose_wheel)


@pytest.fixture(scope="module")
def detector(full: FetchedNetworks) -> onnx.ModelProto:
    return convert_detector(full.detector)


@pytest.fixture(scope="module")
def landmarks(full: FetchedNetworks) -> onnx.ModelProto:
    return convert_landmarks(full.landmarks)


def _count(model: onnx.ModelProto, kind: str) -> int:
    return sum(node.op_type == kind for node in model.graph.node)


def test_convert_detector_loads_with_its_shapes(detector: onnx.ModelProto) -> None:
    session = onnxruntime.InferenceSession(detector.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("image", [1, 3, 224, 224])]
    assert {o.name: o.shape for o in session.get_outputs()} == {"boxes": [1, 2254, 12], "scores": [1, 2254, 1]}
    assert (detector.opset_import[0].version, detector.ir_version) == (OPSET, IR_VERSION)


def test_convert_detector_transposes_only_at_its_six_heads(detector: onnx.ModelProto) -> None:
    assert _count(detector, "Transpose") == 6
    assert _count(detector, "Pad") == 0


def test_convert_landmarks_has_neither_transposes_nor_segmentation(landmarks: onnx.ModelProto) -> None:
    assert _count(landmarks, "Transpose") == 0
    assert _count(landmarks, "Pad") == 0
    names = {output.name for output in landmarks.graph.output}
    assert names == {"landmarks", "presence", "heatmaps", "world"}
    assert _count(landmarks, "Resize") == 3  # the source has 5: two belong to the segmentation head


def test_convert_landmarks_same_bytes_twice(full: FetchedNetworks, landmarks: onnx.ModelProto) -> None:
    assert convert_landmarks(full.landmarks).SerializeToString() == landmarks.SerializeToString()


def test_convert_landmarks_constants_have_readable_names(landmarks: onnx.ModelProto) -> None:
    names = [constant.name for constant in landmarks.graph.initializer]
    assert all(name.replace("_", "").isalnum() and len(name) < 30 for name in names)
    assert "conv_003_weight" in names


def test_read_tflite_sparse_weights_of_the_detector(full: FetchedNetworks) -> None:
    graph = read_tflite(full.detector)
    sparse = [t for t in graph.tensors if t.values is not None and t.name.endswith("_dequantize2")]
    assert "DENSIFY" not in {operator.kind for operator in graph.operators}
    assert sparse
    for tensor in sparse:
        assert tensor.values is not None
        assert tensor.values.shape == tensor.shape
        share_of_zeros = float(np.mean(tensor.values == 0))
        assert 0.3 < share_of_zeros < 0.95


def test_convert_detector_given_the_landmark_network(full: FetchedNetworks) -> None:
    with pytest.raises(BundleError, match="inputs and outputs"):
        convert_detector(full.landmarks)


@pytest.mark.shared
@pytest.mark.parametrize("variant", ["full", "lite"])
def test_export_pose_networks_writes_proved_files(
    variant: pose.Variant,
    pose_wheel: Path,
    request: pytest.FixtureRequest,
    infant_pictures: list[np.ndarray],
    tmp_path: Path,
) -> None:
    if variant != "full":
        request.getfixturevalue("npm_package")
    networks = export_pose_networks(
        variant, tmp_path, tmp_path / "unused", offline=pose_wheel.parent, pictures=infant_pictures[:2]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pose_detector.onnx", f"pose_landmarks_{variant}.onnx"]
    assert networks.landmarks == tmp_path / f"pose_landmarks_{variant}.onnx"
    assert networks.detector.is_file()
    assert networks.licence == "Apache-2.0"
    assert networks.source_package.startswith("mediapipe==0.10.21")
    assert len(networks.tflite_sha256["landmarks"]) == 64
    assert all(difference.is_within for difference in networks.parity.differences)


def test_export_pose_networks_without_pictures_writes_nothing(pose_wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="needs pictures"):
        export_pose_networks("full", tmp_path, tmp_path, offline=pose_wheel, pictures=[])
    assert list(tmp_path.iterdir()) == []


def test_export_pose_networks_keeps_the_old_files_when_parity_fails(
    pose_wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = ParityReport(1, 4, 4, 50.0, (Difference("landmarks", "px", 0.1, 3.0, 0.01),))
    monkeypatch.setattr(pose, "measure_parity", lambda *_args, **_options: apart)
    old = tmp_path / "pose_landmarks_full.onnx"
    old.write_bytes(b"the file of yesterday")
    with pytest.raises(BundleError, match="landmarks by up to 3 px"):
        export_pose_networks("full", tmp_path, tmp_path, offline=pose_wheel, pictures=[])
    assert old.read_bytes() == b"the file of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == [old.name]


def test_export_pose_networks_folder_is_a_file(pose_wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(DeviceError, match="cannot write the pose networks"):
        export_pose_networks("full", tmp_path / "out", tmp_path, offline=pose_wheel, pictures=[])


def test_export_pose_networks_offline_missing(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="--offline"):
        export_pose_networks("full", tmp_path / "out", tmp_path, offline=tmp_path / "gone.whl", pictures=[])
    assert not (tmp_path / "out").exists()
