from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fidgety.errors import BundleError, UsageError
from fidgety.export.own_pose import OwnPose, read_own_pose, whole_network
from fidgety.records import FloatArray
from fidgety.runtime.networks import keypoint_network
from fidgety.runtime.onnx_session import OnnxSession
from fidgety.skeleton import COCO_17

GOOD: dict[str, object] = {
    "family": "heatmap",
    "width_px": 192,
    "height_px": 256,
    "colours": "bgr",
    "mean": [123.675, 116.28, 103.53],
    "sd": [58.395, 57.12, 57.375],
    "input": "input",
    "outputs": ["output"],
    "keypoints": "coco17",
    "values": "likelihood",
    "grid": "ends",
    "may_be_mirrored": True,
    "crop_margin": 1.25,
    "hidden_peak": 0.2,
    "plain_peak": 0.7,
    "trained_on": "recordings",
    "licence": "Apache-2.0",
    "source": "a hospital",
}
SIMCC: dict[str, object] = {"family": "simcc", "outputs": ["x", "y"], "split_ratio": 2.0, "grid": None}


def write_graph(
    path: Path,
    outputs: dict[str, tuple[int, ...]],
    told: dict[str, list[int | str]] | None = None,
    shape: tuple[int | str, ...] = (1, 3, 256, 192),
) -> None:
    """A network that gives zeros of these shapes, and says that they are of the `told` ones."""
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.zeros(given, np.float32)))
        for name, given in outputs.items()
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (told or {}).get(n, s)) for n, s in outputs.items()]
    crop = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "zeros", [crop], ends)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def read(folder: Path, **changes: object) -> OwnPose:
    """The description with changes, beside a network that it describes; None takes a key away."""
    data = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    n = 17 if data.get("keypoints") == "coco17" else len(data.get("keypoints", ()))  # type: ignore[arg-type]
    is_simcc = data.get("family") == "simcc"
    ends = {"x": (1, n, 384), "y": (1, n, 512)} if is_simcc else {"output": (1, n, 64, 48)}
    write_graph(folder / "pose.onnx", ends)
    return described(folder, data)


def described(folder: Path, data: dict[str, object]) -> OwnPose:
    """The network in `folder` by this description."""
    (folder / "pose.json").write_text(json.dumps(data), encoding="utf-8")
    return read_own_pose(folder / "pose.onnx", folder / "pose.json")


def test_read_own_pose_names_coco17s_keypoints(tmp_path: Path) -> None:
    own = read(tmp_path)
    assert own.network.keypoints == COCO_17.keypoints and own.licence == "Apache-2.0"


def test_read_own_pose_takes_toml(tmp_path: Path) -> None:
    lines = [f"{key} = {json.dumps(value)}" for key, value in GOOD.items()]
    (tmp_path / "pose.toml").write_text("\n".join(lines), encoding="utf-8")
    from_json = read(tmp_path)
    assert read_own_pose(tmp_path / "pose.onnx", tmp_path / "pose.toml") == from_json


def test_read_own_pose_finds_the_description_beside_the_network(tmp_path: Path) -> None:
    from_json = read(tmp_path)
    assert read_own_pose(tmp_path / "pose.onnx") == from_json
    (tmp_path / "pose.toml").write_text("family = 1", encoding="utf-8")
    with pytest.raises(BundleError, match=r"pose\.toml: family is 1"):
        read_own_pose(tmp_path / "pose.onnx")


def test_read_own_pose_measures_the_heat_maps(tmp_path: Path) -> None:
    assert read(tmp_path).network.cells == (64, 48)
    assert read(tmp_path, **SIMCC).network.cells == ()


def test_read_own_pose_measures_what_the_graph_leaves_open(tmp_path: Path) -> None:
    """As networks are exported with open sizes: what it says at its ends tells nothing."""
    told: dict[str, list[int | str]] = {"output": ["n", 17, "h", "w"]}
    write_graph(tmp_path / "pose.onnx", {"output": (1, 17, 32, 24)}, told, ("n", 3, "height", "width"))
    assert described(tmp_path, dict(GOOD)).network.cells == (32, 24)


@pytest.mark.parametrize(
    ("outputs", "told", "changes", "words"),
    [
        ({"output": (1, 16, 64, 48)}, {}, {}, r"shape \[1, 16, 64, 48\], expected \[1, 17, None, None\]"),
        ({"output": (1, 16, 64, 48)}, {"output": ["n", "k", "h", "w"]}, {}, r"\[1, 16, 64, 48\], expected \[1, 17,"),
        ({"heatmaps": (1, 17, 64, 48)}, {}, {}, "no output 'output'"),
        ({"output": (1, 17, 64, 1)}, {}, {}, "no place can be read from it"),
        ({"output": (1, 17, 64, 48)}, {}, {"width_px": 256}, r"input 'input' has the shape \[1, 3, 256, 192\]"),
        ({"x": (1, 17, 192), "y": (1, 17, 256)}, {}, SIMCC, r"shape \[1, 17, 192\], expected \[1, 17, 384\]"),
        (
            {"x": (1, 17, 192), "y": (1, 17, 256)},
            {"x": [1, 17, "w"], "y": [1, 17, "h"]},
            SIMCC,
            r"shape \[1, 17, 192\], expected \[1, 17, 384\]",
        ),
    ],
)
def test_read_own_pose_of_a_network_that_is_not_the_described_one(
    tmp_path: Path,
    outputs: dict[str, tuple[int, ...]],
    told: dict[str, list[int | str]],
    changes: dict[str, object],
    words: str,
) -> None:
    write_graph(tmp_path / "pose.onnx", outputs, told)
    data = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(BundleError, match=words):
        described(tmp_path, data)


def test_read_own_pose_of_what_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "pose.onnx").write_bytes(b"graph")
    with pytest.raises(BundleError, match=r"pose\.onnx is no ONNX file"):
        described(tmp_path, dict(GOOD))


def write_with_weights_beside(folder: Path) -> FloatArray:
    """A network whose heat maps are its weights, kept in pose.onnx.data as torch's exporter does; gives the weights."""
    maps = np.random.default_rng(0).random((1, 17, 64, 48), np.float32)
    crop = helper.make_tensor_value_info("input", TensorProto.FLOAT, (1, 3, 256, 192))
    out = helper.make_tensor_value_info("output", TensorProto.FLOAT, maps.shape)
    same = helper.make_node("Identity", ["maps"], ["output"])
    graph = helper.make_graph([same], "maps", [crop], [out], [numpy_helper.from_array(maps, "maps")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, str(folder / "pose.onnx"), save_as_external_data=True, location="pose.onnx.data")
    return maps


def test_whole_network_takes_the_weights_in_that_lie_beside_it(tmp_path: Path) -> None:
    maps = write_with_weights_beside(tmp_path)
    own = described(tmp_path, dict(GOOD))
    whole = whole_network(own.path, tmp_path / "whole.onnx")
    (tmp_path / "pose.onnx.data").unlink()
    told = keypoint_network(own.network)
    found = OnnxSession(whole, told.inputs, told.outputs).run(input=np.zeros((1, 3, 256, 192), np.float32))
    np.testing.assert_array_equal(found["output"], maps)


def test_whole_network_leaves_a_network_of_one_file_as_it_is(tmp_path: Path) -> None:
    own = read(tmp_path)
    assert whole_network(own.path, tmp_path / "whole.onnx") == own.path
    assert not (tmp_path / "whole.onnx").exists()


def test_read_own_pose_names_the_weights_that_are_missing(tmp_path: Path) -> None:
    write_with_weights_beside(tmp_path)
    (tmp_path / "pose.onnx.data").unlink()
    with pytest.raises(BundleError, match=r"weights of pose\.onnx are missing: pose\.onnx\.data belongs beside it"):
        described(tmp_path, dict(GOOD))


def test_whole_network_of_more_than_a_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_with_weights_beside(tmp_path)
    monkeypatch.setattr("fidgety.export.own_pose._MOST_BYTES", 1000)
    with pytest.raises(BundleError, match="over 2 GB"):
        whole_network(tmp_path / "pose.onnx", tmp_path / "whole.onnx")
    assert not (tmp_path / "whole.onnx").exists()


def test_read_own_pose_takes_simcc_and_more_keypoints(tmp_path: Path) -> None:
    own = read(tmp_path, **SIMCC, keypoints=["tail", *COCO_17.keypoints])
    assert own.network.family == "simcc" and len(own.network.keypoints) == 18


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"colour": "rgb"}, "unknown key 'colour'"),
        ({"cells": [64, 48]}, "key 'cells' is measured from the network: leave it out"),
        ({"licence": None}, "'licence' is missing"),
        ({"input": None}, "'input' is missing"),
        ({"family": "yolo"}, "family is 'yolo'"),
        ({"family": ["heatmap"]}, "family"),
        ({"width_px": "192"}, "expected int"),
        ({"width_px": 0}, "width_px"),
        ({"sd": [1.0, 0.0, 1.0]}, "sd is above 0"),
        ({"mean": [1.0]}, "three numbers"),
        ({"keypoints": [k for k in COCO_17.keypoints if k != "left_knee"]}, "'left_knee' is missing"),
        ({"keypoints": [*COCO_17.keypoints, "nose"]}, "'nose' stands there twice"),
        ({"keypoints": "mpii"}, "keypoints is 'mpii'"),
        ({"outputs": ["a", "b"]}, "outputs are 2"),
        ({"split_ratio": 2.0}, "says nothing of the family 'heatmap'"),
        ({**SIMCC, "grid": "corner"}, "says nothing of the family 'simcc'"),
        ({**SIMCC, "outputs": ["x"]}, "outputs are 1"),
        ({**SIMCC, "split_ratio": -1.0}, "split_ratio"),
        ({"hidden_peak": 0.8}, "hidden_peak < plain_peak"),
        ({"licence": " "}, "licence and source"),
    ],
)
def test_read_own_pose_refuses(tmp_path: Path, changes: dict[str, object], word: str) -> None:
    with pytest.raises(BundleError, match=word):
        read(tmp_path, **changes)


def test_read_own_pose_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no ONNX network .*pose\.onnx"):
        read_own_pose(tmp_path / "pose.onnx", tmp_path / "pose.toml")
    (tmp_path / "pose.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"no description of the network .*pose\.toml"):
        read_own_pose(tmp_path / "pose.onnx", tmp_path / "pose.toml")


@pytest.mark.parametrize(("name", "text"), [("a.json", "{"), ("a.toml", "= 3"), ("a.json", "[]")])
def test_read_own_pose_of_a_damaged_description(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "pose.onnx").write_bytes(b"")
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=name):
        read_own_pose(tmp_path / "pose.onnx", tmp_path / name)
