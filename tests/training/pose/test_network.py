"""The network, its crops and its training, on very few frames."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fidgety.errors import UsageError
from fidgety.export.heatmap_network import export_heatmap_network
from fidgety.export.own_pose import read_own_pose
from fidgety.runtime.keypoint_network import input_picture
from fidgety.runtime.networks import keypoint_network
from fidgety.runtime.open_session import open_session
from fidgety.runtime.source import frame_from_rgb
from fidgety.skeleton import COCO_17
from fidgety.training.pose.annotations import AnnotatedFrame
from fidgety.training.pose.crops import crop_of, draw_sample, heatmaps_of
from fidgety.training.pose.fit import PoseFit, train_pose_network
from fidgety.training.pose.measure import measure_network
from fidgety.training.pose.network import CELL_PX, HeatmapNetwork
from fidgety.training.pose.phantom_frames import FrameStudy, phantom_frames

from ...conftest import Run

FIT = PoseFit(steps=4, batch=2, save_every=2)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[AnnotatedFrame]:
    """Four frames of two infants."""
    study = FrameStudy(2, 77_000, frames_each=2, height_px=180)
    return phantom_frames(tmp_path_factory.mktemp("frames"), study)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "pose_weights.pt", weights_only=True)


def test_phantom_frames_are_rendered_once_and_annotated_where_joints_are(frames: list[AnnotatedFrame]) -> None:
    folder = frames[0].path.parent.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = phantom_frames(folder, FrameStudy(2, 77_000, frames_each=2, height_px=180))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert [a.recording for a in again] == ["77000", "77000", "77001", "77001"]
    for frame in again:
        height, width = frame.picture().shape[:2]
        assert ((frame.keypoints_xy > 0) & (frame.keypoints_xy < (width, height))).all()


def test_heatmaps_of_peak_at_the_joint_and_are_flat_without() -> None:
    points = np.tile(np.float32([[60.0, 100.0]]), (17, 1))
    points[3], points[4] = (-30.0, 50.0), np.nan
    maps, weights = heatmaps_of(points)
    assert maps.sum(axis=(1, 2)) == pytest.approx(np.ones(17), abs=1e-4)
    assert np.unravel_index(maps[0].argmax(), (48, 48)) == (100 // CELL_PX, 60 // CELL_PX)
    assert np.ptp(maps[3]) == 0 and 0 < weights[3] < 1 and weights[4] == 0


def test_draw_sample_puts_heatmaps_on_the_joints_of_the_crop() -> None:
    """White spots on black: where the heat maps are, the crop must be bright."""
    xy = np.float32([[150 + 9 * (i % 5), 60 + 22 * (i // 2)] for i in range(17)])
    for side in ("left", "right"):
        x = 190 if side == "left" else 130
        xy[COCO_17.index[f"{side}_shoulder"]], xy[COCO_17.index[f"{side}_hip"]] = (x, 100), (x, 180)
    picture = np.zeros((320, 320, 3), np.uint8)
    for x, y in xy.astype(int):
        picture[y - 4 : y + 5, x - 4 : x + 5] = 255
    bright, n = [], 0
    for seed in range(12):
        sample = draw_sample(np.random.default_rng(seed), picture, xy)
        shown = (sample.weights == 1) & (np.ptp(sample.heatmaps, axis=(1, 2)) > 0)
        n += int(shown.sum())
        grey = sample.crop.mean(axis=0)
        for heatmap in sample.heatmaps[shown]:
            row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
            bright.append(grey[max(0, 4 * row - 3) : 4 * row + 4, max(0, 4 * column - 3) : 4 * column + 4].max())
            bright[-1] -= np.median(grey)
    assert n > 100 and np.mean(np.array(bright) > 0.1) > 0.9


@pytest.mark.parametrize("is_simcc", [False, True])
def test_exported_graph_says_what_torch_says(tmp_path: Path, is_simcc: bool, frames: list[AnnotatedFrame]) -> None:
    torch.manual_seed(5)
    network = HeatmapNetwork()
    for norm in network.norms.values():  # as after a training: nothing is folded away unseen
        torch.nn.init.uniform_(norm.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
        torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)  # type: ignore[arg-type]
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)  # type: ignore[arg-type]
    network.eval()
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    path = export_heatmap_network(weights, tmp_path, source="a test", trained_on="phantom", is_simcc=is_simcc)
    own = read_own_pose(path, tmp_path / "pose.toml")
    assert own.network.cells == (() if is_simcc else (48, 48))
    frame, region = frame_from_rgb(frames[0].picture()), crop_of(frames[0].keypoints_xy)
    crop = input_picture(frame, region, own.network)
    raw = open_session(path, keypoint_network(own.network)).run(crop=crop)
    with torch.inference_mode():
        heatmaps = network.heatmaps(torch.from_numpy(crop)).numpy()
    if is_simcc:
        x = heatmaps.sum(axis=2)
        assert raw["simcc_x"] / raw["simcc_x"].sum(axis=2, keepdims=True) == pytest.approx(
            x / x.sum(axis=2, keepdims=True), abs=1e-5
        )
    else:
        assert raw["heatmaps"] == pytest.approx(heatmaps, rel=1e-3, abs=1e-5)


def test_training_learns_writes_and_goes_on_where_it_stopped(
    tmp_path: Path, frames: list[AnnotatedFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    result = train_pose_network(whole, frames[:2], frames[2:], 1, FIT, "a command")
    assert result.before is None and result.after.n_frames == 2 and result.after.n_recordings == 1
    assert {"pose.onnx", "pose.toml", "pose_log.csv", "pose_log.json", "pose_weights.pt"} == {
        path.name for path in whole.iterdir()
    }
    import fidgety.training.pose.fit as module

    draw, n_drawn = module.draw_sample, 0

    def stopped(*arguments: object) -> object:
        nonlocal n_drawn
        n_drawn += 1
        if n_drawn == 6:  # in the third step
            raise KeyboardInterrupt
        return draw(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "draw_sample", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_pose_network(halves, frames[:2], frames[2:], 1, FIT, "a command")
    monkeypatch.undo()
    with pytest.raises(UsageError, match="other frames or settings"):
        train_pose_network(halves, frames[:2], frames[2:], 1, replace(FIT, rate=1e-4), "a command")
    train_pose_network(halves, frames[:2], frames[2:], 1, FIT, "a command")
    one, other = weights_of(whole), weights_of(halves)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (whole / "pose.onnx").read_bytes() == (halves / "pose.onnx").read_bytes()


def test_fine_tuning_starts_from_the_weights_it_is_given(tmp_path: Path, frames: list[AnnotatedFrame]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    base = train_pose_network(first, frames[:2], frames[2:], 1, FIT, "a command")
    tuned = train_pose_network(second, frames[:2], frames[2:], 1, FIT, "another", start=first)
    assert tuned.before == base.after
    network = HeatmapNetwork()
    network.load_state_dict(weights_of(second))
    assert measure_network(network, frames[2:]) == tuned.after
    with pytest.raises(UsageError, match=r"holds no pose_weights\.pt"):
        train_pose_network(second, frames[:2], frames[2:], 1, FIT, "another", start=tmp_path / "none")


def test_train_pose_goes_on_with_simulated_infants(typed: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert typed("train-pose", first, "--infants", 2, "--steps", 1).code == 0
    shutil.copytree(first / "frames", second / "frames")  # of the same seed: not rendered twice
    told = typed("train-pose", second, "--infants", 2, "--steps", 1, "--start", first)
    assert told.code == 0, told.err
    assert told.out.startswith("before  mean") and "after   mean" in told.out
    assert 'trained_on = "phantom"' in (second / "pose.toml").read_text()
    assert json.loads((second / "pose_log.json").read_text())["command"].endswith("--steps 1 --start first")
