"""Ranges: measured over all inputs, kept with what they were measured on, refused where they would say nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.calibration.activation_ranges import (
    ActivationRanges,
    GraphRanges,
    measure_ranges,
    ranges_of,
    read_ranges,
    write_ranges,
)
from fidgety.calibration.recorded_inputs import RecordedInputs, RecordingUsed, listen, sha256_of_inputs
from fidgety.errors import BundleError, DeviceError, SourceError, UsageError
from fidgety.export.graph_writer import GraphWriter
from fidgety.phantom.video import write_video

RANGES = ActivationRanges(
    "demo 1.0 (abc)",
    (RecordingUsed("one.mp4", "12" * 32, 24, 9),),
    "34" * 32,
    {"mam_window": GraphRanges("56" * 32, {"x": (-1.5, 2.0)})},
)


def squares() -> onnx.ModelProto:
    graph = GraphWriter()
    graph.node("Neg", graph.node("Mul", "x", "x", output="square"), output="y")
    return graph.model("squares", {"x": ("B", 2)}, {"y": ("B", 2)})


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


@pytest.fixture(scope="session")
def empty_floor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("floor") / "floor.mp4"
    write_video(path, (np.full((180, 320, 3), 120, np.uint8) for _ in range(20)), 10.0)
    return path


def test_measure_ranges_are_those_of_all_inputs_together() -> None:
    inputs = [{"x": np.array([[1.0, -2.0]], np.float32)}, {"x": np.array([[3.0, 0.5]], np.float32)}]
    assert measure_ranges(squares(), inputs) == {"x": (-2.0, 3.0), "square": (0.25, 9.0), "y": (-9.0, -0.25)}


def test_measure_ranges_of_what_is_not_finite() -> None:
    with pytest.raises(BundleError, match="is not finite on these recordings"):
        measure_ranges(squares(), [{"x": np.array([[1e30, 0.0]], np.float32)}])


def test_write_ranges_then_read_gives_the_same(tmp_path: Path) -> None:
    write_ranges(tmp_path / "r.json", RANGES)
    assert read_ranges(tmp_path / "r.json") == RANGES
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_write_ranges_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be written"):
        write_ranges(tmp_path / "missing" / "r.json", RANGES)


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.pop("format"),
        lambda data: data.update(format="another"),
        lambda data: data.pop("recordings"),
        lambda data: data["recordings"][0].pop("sha256"),
        lambda data: data["graphs"]["mam_window"]["ranges"].update(x=[1.0]),
        lambda data: data.update(graphs=[]),
    ],
)
def test_read_ranges_of_a_damaged_file(edit: Callable[[dict], object], tmp_path: Path) -> None:
    write_ranges(tmp_path / "r.json", RANGES)
    data = json.loads((tmp_path / "r.json").read_text())
    edit(data)
    (tmp_path / "r.json").write_text(json.dumps(data))
    with pytest.raises(UsageError, match="holds no ranges"):
        read_ranges(tmp_path / "r.json")


def test_read_ranges_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make it with `fidgety calibrate ranges`"):
        read_ranges(tmp_path / "r.json")


@pytest.mark.bundle
def test_ranges_of_too_few_recordings(bundle: Bundle, empty_floor: Path) -> None:
    with pytest.raises(UsageError, match="recordings of 3 infants or more, got 2"):
        ranges_of([empty_floor] * 2, bundle, 120)


@pytest.mark.bundle
def test_ranges_of_one_recording_named_twice(bundle: Bundle, empty_floor: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    again.write_bytes(empty_floor.read_bytes())
    with pytest.raises(UsageError, match="named twice"):
        ranges_of([empty_floor, again, tmp_path / "none.mp4"], bundle, 120)


@pytest.mark.bundle
def test_ranges_of_too_few_frames(bundle: Bundle, empty_floor: Path) -> None:
    with pytest.raises(UsageError, match="60 frames or more, asked for 20"):
        ranges_of([empty_floor] * 3, bundle, 20)


@pytest.mark.bundle
def test_listen_without_an_infant(bundle: Bundle, empty_floor: Path) -> None:
    with pytest.raises(UsageError, match="an infant is in 0 of the frames looked at"):
        listen(empty_floor, bundle, 20)


@pytest.mark.bundle
def test_listen_to_a_recording_that_is_not_there(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        listen(tmp_path / "none.mp4", bundle, 20)


@pytest.mark.bundle
def test_sha256_of_inputs_tells_any_change(recorded_clip: RecordedInputs) -> None:
    one = sha256_of_inputs([recorded_clip])
    assert one == sha256_of_inputs([recorded_clip])
    changed = recorded_clip.inputs["landmarks"][0]["crop"]
    changed[0, 0, 0, 0] += 1.0
    try:
        assert sha256_of_inputs([recorded_clip]) != one
    finally:
        changed[0, 0, 0, 0] -= 1.0


@pytest.mark.bundle
def test_listen_keeps_what_each_network_was_given(recorded_clip: RecordedInputs) -> None:
    shapes = {name: {key: v.shape for key, v in given[0].items()} for name, given in recorded_clip.inputs.items()}
    assert shapes["detector"] == {"image": (1, 3, 224, 224)}
    assert shapes["landmarks"] == {"crop": (1, 3, 256, 256)}
    assert shapes["lifter"]["features"] == (25, 51) and "cache_plane" in shapes["lifter"]
    assert shapes["mam_window"] == {"windows": (1, 240, 17, 3)}
    assert shapes["mam_bag"] == {"class_probabilities": (1, 64, 2), "mask": (1, 64)}
    assert shapes["mam_info"] == {"characteristics": (1, 4)}
    crops = [given["crop"] for given in recorded_clip.inputs["landmarks"]]
    assert len(crops) == recorded_clip.used.n_frames >= 10
    assert all(crop.min() >= 0 and crop.max() <= 1 for crop in crops)
    assert len({crop.tobytes() for crop in crops}) == len(crops)
