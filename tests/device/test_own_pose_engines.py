"""A pose network of the user's own on provisioned engines, against the stand-in: BlazePose's heat maps, both families.

What it says on an engine is what it says on the CPU, frame by frame; an engine that says something else is never used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fidgety.bundle import Bundle, default_bundle_path, open_bundle, write_bundle
from fidgety.demo_files import demo_file
from fidgety.device import engines
from fidgety.device.engines import Provisioned, provision
from fidgety.errors import DeviceError
from fidgety.export.golden import Golden, record_golden
from fidgety.export.own_pose import read_own_pose
from fidgety.export.tensorrt import build_engine
from fidgety.records import Frame
from fidgety.runtime.blazepose import Region
from fidgety.runtime.devices import choose_device
from fidgety.runtime.networks import Graph, accelerated_graphs, pose_graph
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.readers import open_reader
from fidgety.runtime.source import open_source
from fidgety.runtime.tensorrt_session import Nvidia

from ..conftest import Run

pytestmark = pytest.mark.bundle
HEADS = Path(__file__).resolve().parents[2] / "benchmarks" / "own_pose_heads.py"
NAMES = ["pose_detector", "pose_keypoints", "lifter", "mam_window"]
LoadStandIn = Callable[..., Nvidia]


@pytest.fixture(scope="module")
def own_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """By family: the bundle that `make test` builds, with a network of its own in BlazePose's place."""
    spec = importlib.util.spec_from_file_location("own_pose_heads", HEADS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    blazepose, folder = open_bundle(default_bundle_path()), tmp_path_factory.mktemp("own")
    manifest = blazepose.manifest
    made = {}
    for path in module.write_heads(blazepose, folder):
        own = read_own_pose(path, path.with_suffix(".toml"))
        pose = replace(
            manifest.pose, family=own.network.family, skeleton="coco17", landmarks="own.onnx", network=own.network
        )
        files = {name: blazepose.file(name) for name in manifest.files if name != manifest.pose.landmarks}
        made[path.stem] = write_bundle(folder / path.stem, replace(manifest, pose=pose), {**files, "own.onnx": path})
    return made


@pytest.fixture(scope="module")
def golden(own_bundles: dict[str, Bundle]) -> Golden:
    """Recorded by the heat maps; SimCC reads the very same crops."""
    return record_golden(own_bundles["heatmap"])


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    with open_source(str(demo_file("sample.mp4"))) as source:
        return [frame for frame, _ in zip(source.frames(), range(16), strict=False)]


def test_golden_holds_two_crops_as_the_network_reads_them(golden: Golden) -> None:
    assert list(golden) == NAMES
    one, other = (given["crop"] for given in golden["pose_keypoints"])
    assert one.shape == other.shape == (1, 3, 256, 256) and not np.array_equal(one, other)


@pytest.mark.parametrize("family", ["heatmap", "simcc"])
def test_poses_on_engines_are_what_the_cpu_says(
    own_bundles: dict[str, Bundle],
    golden: Golden,
    frames: list[Frame],
    load_stand_in: LoadStandIn,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    family: str,
) -> None:
    own, nvidia = own_bundles[family], load_stand_in()
    graphs = accelerated_graphs(own)
    made: list[Provisioned] = list(provision(graphs, tmp_path, nvidia, lambda: golden))
    assert [one.record.key.network for one in made] == NAMES
    ends = ["likelihoods"] if family == "heatmap" else ["simcc_x", "simcc_y"]
    assert list(made[1].record.parity) == ["keypoints px", "peaks of 1", *(f"{end} of the largest" for end in ends)]

    device = choose_device("auto", graphs, tmp_path)
    assert device.is_native and list(device.engines) == NAMES
    found, wanted = (list(PoseEstimator(own, **on).poses(frames)) for on in ({"device": device}, {}))  # type: ignore[arg-type]
    assert not any(pose.is_missing for pose in wanted)
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(one.keypoints_xy - other.keypoints_xy).max() < 0.05
        assert np.abs(one.keypoint_scores - other.keypoint_scores).max() < 0.01
    reader = open_reader(own, 1, device)
    monkeypatch.setenv("STAND_IN_FAULT", "execute")
    with pytest.raises(DeviceError, match="TensorRT could not run pose_keypoints"):  # and no CPU in its place
        reader.read(frames[0], Region(300.0, 200.0, 256.0, 0.0))


@pytest.mark.parametrize("family", ["heatmap", "simcc"])
def test_an_engine_that_says_something_else_is_refused(
    own_bundles: dict[str, Bundle],
    golden: Golden,
    load_stand_in: LoadStandIn,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    family: str,
) -> None:
    nvidia, graph = load_stand_in(), pose_graph(own_bundles[family], "tensorrt")
    doctored = tmp_path / "doctored.onnx"
    model = onnx.load(graph.path)
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    weights = next(one for one in model.graph.initializer if one.name == first.input[1])
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(1.02), weights.name))
    onnx.save(model, str(doctored))

    def build(trt: object, logger: object, asked: Graph, *rest: object) -> bytes:
        return build_engine(trt, logger, replace(asked, path=doctored), *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(engines, "build_engine", build)
        with pytest.raises(DeviceError, match=r"of pose_keypoints does not say what the CPU says: keypoints differ"):
            list(provision([graph], tmp_path / "e", nvidia, lambda: golden))
    monkeypatch.setenv("STAND_IN_FAULT", "wrong")
    with pytest.raises(DeviceError, match=r"of pose_keypoints does not say what the CPU says: peaks differ"):
        list(provision([graph], tmp_path / "e", nvidia, lambda: golden))
    monkeypatch.setenv("STAND_IN_FAULT", "stuck")
    with pytest.raises(DeviceError, match=r"of pose_keypoints does not say what the CPU says: keypoints differ"):
        list(provision([graph], tmp_path / "e", nvidia, lambda: golden))
    assert [one.name for one in (tmp_path / "e").iterdir()] == [".lock"]


def test_commands_with_an_own_network_on_engines(
    own_bundles: dict[str, Bundle],
    golden: Golden,
    load_stand_in: LoadStandIn,
    typed: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    load_stand_in()
    monkeypatch.setattr("fidgety.export.golden.record_golden", lambda _: golden)
    monkeypatch.setenv("FIDGETY_ENGINES", str(tmp_path / "engines"))
    monkeypatch.chdir(tmp_path)
    bundle = ("--bundle", own_bundles["simcc"].path)
    assert "device: cpu (no engine of pose_detector" in typed("pose", "nothing.mp4", *bundle).err
    made = typed("device", "provision", *bundle)
    assert made.code == 0, made.err
    assert [line.split()[:2] for line in made.out.splitlines()] == [[name, "built"] for name in NAMES]
    assert "device: tensorrt (engines proved on Orin" in typed("pose", "nothing.mp4", *bundle).err
    engine = next((tmp_path / "engines").glob("pose_keypoints-*.engine"))
    engine.write_bytes(engine.read_bytes()[:-1] + b"x")
    asked = typed("pose", "nothing.mp4", "--device", "tensorrt", *bundle)
    assert asked.code == 4 and "is not the engine that was proved" in asked.err
    assert "device: cpu (" in typed("pose", "nothing.mp4", *bundle).err
