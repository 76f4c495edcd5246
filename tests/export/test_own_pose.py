from __future__ import annotations

import json
from pathlib import Path

import pytest

from fidgety.errors import BundleError, UsageError
from fidgety.export.own_pose import OwnPose, read_own_pose
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


def read(folder: Path, **changes: object) -> OwnPose:
    """The description with changes; None takes a key away."""
    data = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    (folder / "pose.onnx").write_bytes(b"graph")
    (folder / "pose.json").write_text(json.dumps(data), encoding="utf-8")
    return read_own_pose(folder / "pose.onnx", folder / "pose.json")


def test_read_own_pose_names_coco17s_keypoints(tmp_path: Path) -> None:
    own = read(tmp_path)
    assert own.network.keypoints == COCO_17.keypoints and own.licence == "Apache-2.0"


def test_read_own_pose_takes_toml(tmp_path: Path) -> None:
    lines = [f"{key} = {json.dumps(value)}" for key, value in GOOD.items()]
    (tmp_path / "pose.onnx").write_bytes(b"graph")
    (tmp_path / "pose.toml").write_text("\n".join(lines), encoding="utf-8")
    assert read_own_pose(tmp_path / "pose.onnx", tmp_path / "pose.toml") == read(tmp_path)


def test_read_own_pose_takes_simcc_and_more_keypoints(tmp_path: Path) -> None:
    own = read(tmp_path, **SIMCC, keypoints=["tail", *COCO_17.keypoints])
    assert own.network.family == "simcc" and len(own.network.keypoints) == 18


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"colour": "rgb"}, "unknown key 'colour'"),
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
