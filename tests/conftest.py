"""Fixtures that several folders of tests share: a manifest, an infant that lies still, and poses of it."""

from __future__ import annotations

import fcntl
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from fidgety import cli
from fidgety.bundle import (
    CharacteristicScale,
    KeypointNetwork,
    LabelScheme,
    LifterSettings,
    MamSettings,
    Manifest,
    OperatingPoint,
    PoseSettings,
    ProbabilityCalibration,
    Provenance,
    QualityLimits,
    TrackSettings,
)
from fidgety.records import FloatArray, Pose
from fidgety.runtime.networks import Graph
from fidgety.runtime.session import Network
from fidgety.runtime.tensorrt_session import Nvidia, load_nvidia
from fidgety.skeleton import BLAZEPOSE_33, COCO_17

if TYPE_CHECKING:
    from fidgety.calibration.recorded_inputs import RecordedInputs

PoseMaker = Callable[..., Pose]
MadeOnce = Callable[[str, Callable[[Path], object]], Path]
NVIDIA_STAND_IN = Path(__file__).parent / "nvidia" / "stand_in"

# A pose network of the user's own, as its description tells of it.
HEATMAPS = KeypointNetwork(
    family="heatmap",
    width_px=96,
    height_px=128,
    colours="rgb",
    mean=(0.0, 0.0, 0.0),
    sd=(255.0, 255.0, 255.0),
    input="crop",
    outputs=("heatmaps",),
    keypoints=COCO_17.keypoints,
    values="likelihood",
    grid="corner",
    split_ratio=1.0,
    hidden_peak=0.25,
    plain_peak=0.75,
    cells=(32, 24),
)

# Millimetres of the phantom's proportions, origin between the hips, x to the infant's left, y towards its feet.
LYING = {
    "nose": (0, -265),
    "left_eye_inner": (8, -280),
    "left_eye": (18, -282),
    "left_eye_outer": (28, -280),
    "right_eye_inner": (-8, -280),
    "right_eye": (-18, -282),
    "right_eye_outer": (-28, -280),
    "left_ear": (50, -268),
    "right_ear": (-50, -268),
    "left_mouth": (12, -245),
    "right_mouth": (-12, -245),
    "left_shoulder": (75, -190),
    "right_shoulder": (-75, -190),
    "left_elbow": (145, -230),
    "right_elbow": (-150, -150),
    "left_wrist": (130, -300),
    "right_wrist": (-120, -85),
    "left_pinky": (128, -325),
    "right_pinky": (-118, -60),
    "left_index": (120, -328),
    "right_index": (-108, -60),
    "left_thumb": (112, -315),
    "right_thumb": (-100, -72),
    "left_hip": (44, 0),
    "right_hip": (-44, 0),
    "left_knee": (110, 70),
    "right_knee": (-120, 60),
    "left_ankle": (70, 165),
    "right_ankle": (-75, 160),
    "left_heel": (65, 185),
    "right_heel": (-70, 180),
    "left_foot_index": (100, 210),
    "right_foot_index": (-105, 205),
}


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`typed("score", ...)`: the command line in this process."""

    def run_command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["fidgety", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), captured.out, captured.err)

    return run_command


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """A manifest with the figures of the demo bundle and no files yet."""
    return Manifest(
        format=4,
        name="test-bundle",
        version="1.0",
        parent=None,
        provenance=Provenance("phantom", "DEMO", "a wheel", "Apache-2.0", "a command", "another", {"numpy": "2"}),
        pose=PoseSettings(
            "blazepose",
            "full",
            "blazepose33",
            "pose_detector.onnx",
            "pose_landmarks.onnx",
            224,
            256,
            0.5,
            0.5,
            1.25,
            True,
            True,
            0.3,
            0.6,
            None,
        ),
        track=TrackSettings(fps=25.0, smoothing_weights=(0.2,) * 5, max_bridge_ms=200.0),
        lifter=LifterSettings("lifter.onnx", 16, (1, 3, 9)),
        mam=MamSettings("mam_window.onnx", "mam_bag.onnx", "mam_info.onnx", 240, 150, 20, 0.1, 200.0),
        label_scheme=LabelScheme("mam-2023", ("continual", "intermittent"), ("sporadic", "absent")),
        probability=ProbabilityCalibration(1.0, 1.0, 0.0),
        operating_point=OperatingPoint(0.5, 0.5, "by hand", None),
        quality=QualityLimits(
            min_age_weeks=9.0,
            max_age_weeks=20.0,
            age_margin_days=3.0,
            min_assessable_s=60.0,
            min_source_fps=14.5,
            min_infant_share=0.5,
            min_limb_coverage=0.7,
            min_distal_coverage=0.5,
            max_outside_share=0.15,
            min_supine_share=0.8,
            max_leg_to_trunk=1.6,
            max_travel_trunks=1.5,
            max_other_share=0.2,
            max_camera_shift_share=0.3,
            min_bright_luma=60.0,
            min_sharpness=0.05,
            max_jitter_mm=3.0,
            max_noise_floor_mm=2.0,
        ),
        characteristics=(CharacteristicScale("corrected_age_weeks", 9.0, 20.0),),
        variants=(),
        files={},
    )


@pytest.fixture
def load_stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Nvidia]]:
    """load_stand_in(version="10.3.0", gpu="Orin"): NVIDIA's packages as tests/nvidia/stand_in has them, with a driver.

    They are found by child processes, too. What is to go wrong is set with $STAND_IN_FAULT.
    """
    ours = ("tensorrt", "cuda", "cuda.bindings", "cuda.bindings.runtime")

    def forget() -> None:
        for name in ours:
            sys.modules.pop(name, None)

    def load(version: str = "10.3.0", gpu: str = "Orin") -> Nvidia:
        forget()
        monkeypatch.setenv("STAND_IN_TENSORRT", version)
        monkeypatch.setenv("STAND_IN_GPU", gpu)
        return load_nvidia()

    monkeypatch.syspath_prepend(NVIDIA_STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NVIDIA_STAND_IN), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr("fidgety.runtime.devices.has_driver", lambda: True)
    monkeypatch.setattr("fidgety.runtime.probe.has_driver", lambda: True)
    yield load
    forget()


@pytest.fixture
def make_graph(tmp_path: Path) -> Callable[..., Graph]:
    """make_graph(factor=2.0, op="Mul", name="small"): y = factor * x + b, float32, 4 rows of x on an accelerator."""
    onnx = pytest.importorskip("onnx", reason="graphs are made with the onnx package (extra 'export')")
    helper, kind, shapes = onnx.helper, onnx.TensorProto.FLOAT, {"x": ("N", 3), "b": (1, 3), "y": ("N", 3)}

    def make(factor: float = 2.0, op: str = "Mul", name: str = "small") -> Graph:
        x, b, y = (helper.make_tensor_value_info(end, kind, shape) for end, shape in shapes.items())
        factors = helper.make_tensor("factor", kind, [1, 3], [factor] * 3)
        nodes = [helper.make_node(op, ["x", "factor"], ["scaled"]), helper.make_node("Add", ["scaled", "b"], ["y"])]
        graph = helper.make_graph(nodes, "small", [x, b], [y], [factors])
        path = tmp_path / f"{name}-{factor}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
        network = Network(name, {"x": (None, 3), "b": (1, 3)}, {"y": (None, 3)}, n_rows=4)
        return Graph(network, path)

    return make


@pytest.fixture(scope="session")
def lying_xy() -> FloatArray:
    """(33, 2) float32 px: BlazePose keypoints of an infant on its back, seen from above, head up, 1 px = 1 mm."""
    points = np.array([LYING[name] for name in BLAZEPOSE_33.keypoints], np.float32)
    return points + np.array([400, 400], np.float32)


@pytest.fixture(scope="session")
def make_pose() -> PoseMaker:
    """Makes a Pose: make_pose(time_s, keypoints_xy, ...), keypoints None = no infant in this frame."""
    return _make_pose


def _make_pose(
    time_s: float,
    keypoints_xy: FloatArray | None,
    *,
    frame_index: int = 0,
    score: float = 0.9,
    n_others: int | None = None,
    n_keypoints: int = 33,
) -> Pose:
    n = n_keypoints if keypoints_xy is None else len(keypoints_xy)
    nothing = np.full((n, 3), np.nan, np.float32)
    is_missing = keypoints_xy is None
    return Pose(
        frame_index=frame_index,
        time_s=time_s,
        keypoints_xy=nothing[:, :2] if keypoints_xy is None else np.asarray(keypoints_xy, np.float32),
        keypoint_scores=np.full(n, 0.0 if is_missing else score, np.float32),
        world_m=nothing,
        presence=0.0 if is_missing else 0.95,
        n_others=n_others,
    )


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """made_once("name", make): a file that `make(path)` writes when the first of xdist's workers asks for it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"
    folder.mkdir(exist_ok=True)

    def once(name: str, make: Callable[[Path], object]) -> Path:
        path, whole = folder / name, folder / f"{name}.whole"
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.is_file():
                make(path)
                whole.touch()
        return path

    return once


def copy_beginning(recording: Path, path: Path, seconds: float) -> None:
    """The first `seconds` of a recording's pictures, copied without decoding."""
    import av

    with av.open(str(recording)) as given, av.open(str(path), "w") as made:
        video = given.streams.video[0]
        copied = made.add_stream_from_template(video)
        for packet in given.demux(video):
            if packet.dts is None or packet.pts * packet.time_base > seconds:
                break
            packet.stream = copied
            made.mux(packet)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 11 s of the sample recording, copied without decoding."""
    from fidgety.demo_files import demo_file

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    copy_beginning(demo_file("sample.mp4"), path, 11.0)
    return path


@pytest.fixture(scope="session")
def recorded_clip(clip: Path, made_once: MadeOnce) -> RecordedInputs:
    """What the networks were given in that clip. Not to be changed."""
    from fidgety.bundle import default_bundle_path, open_bundle
    from fidgety.calibration.recorded_inputs import listen

    def record(path: Path) -> None:
        path.write_bytes(pickle.dumps(listen(clip, open_bundle(default_bundle_path()), 12)))

    recorded: RecordedInputs = pickle.loads(made_once("recorded-clip.pickle", record).read_bytes())
    return recorded
