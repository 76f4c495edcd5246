"""The graphs must say what the torch modules say, always in the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper

from fidgety.errors import BundleError
from fidgety.export.mam import BAG_GRAPH, INFO_GRAPH, WINDOW_GRAPH, export_mam, read_weights
from fidgety.export.precision import fixed, half
from fidgety.phantom.kinematics import coco17, h36m17, simulate_motion
from fidgety.phantom.observe import draw_observer, observe_keypoints
from fidgety.phantom.pose_noise import assumed_pose_noise
from fidgety.training.lifting.graph import lift_keypoints, open_lifter
from fidgety.training.networks.mam import Mam


@pytest.fixture(scope="module")
def mam() -> Mam:
    torch.manual_seed(8)
    network = Mam().eval()
    for parameter in network.parameters():  # so that no bias or scale is 0 or 1 by chance of initialising
        parameter.data += 0.02 * torch.randn_like(parameter)
    network.info.set_scaling(torch.tensor([[0.0, 30.0, 1500.0, 11.0], [1.0, 40.0, 3500.0, 17.0]]))
    return network


@pytest.fixture(scope="module")
def weights_path(mam: Mam, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mam") / "mam.npz"
    np.savez(path, **{name: value.numpy() for name, value in mam.state_dict().items()})
    return path


@pytest.fixture(scope="module")
def sessions(weights_path: Path) -> dict[str, ort.InferenceSession]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    paths = export_mam(weights_path, weights_path.parent)
    return {n: ort.InferenceSession(str(p), options, providers=["CPUExecutionProvider"]) for n, p in paths.items()}


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """Windows of simulated infants: two with depth, two without."""
    lifter, rng, deep = open_lifter(), np.random.default_rng(7), []
    for seed, category in enumerate(("continual", "absent")):
        motion = simulate_motion(seed, category, 9.6)
        joints_m = h36m17(motion)
        observer = draw_observer(rng, joints_m, assumed_pose_noise())
        deep.append(lift_keypoints(observe_keypoints(coco17(motion), joints_m, observer, rng), lifter))
    with_depth = np.stack(deep)
    flat = with_depth.copy()
    flat[..., 2] = 0.0
    return np.concatenate([with_depth, flat])


@torch.inference_mode()
def test_window_graph_says_what_the_network_says(
    mam: Mam, sessions: dict[str, ort.InferenceSession], windows: np.ndarray
) -> None:
    logits, embedding = sessions[WINDOW_GRAPH].run(["logits", "embedding"], {"windows": windows})
    expected = [value.numpy() for value in mam.clip(torch.from_numpy(windows))]
    assert np.abs(logits - expected[0]).max() < 1e-4
    assert np.abs(embedding - expected[1]).max() < 1e-4
    assert np.abs(logits[0] - logits[1]).max() > 1e-4  # another infant, another answer


def test_window_graph_gives_the_same_for_one_window_and_for_many(
    sessions: dict[str, ort.InferenceSession], windows: np.ndarray
) -> None:
    together = sessions[WINDOW_GRAPH].run(["logits"], {"windows": windows})[0]
    alone = [sessions[WINDOW_GRAPH].run(["logits"], {"windows": window[None]})[0][0] for window in windows]
    assert np.abs(together - np.stack(alone)).max() < 1e-5


def test_window_graph_of_a_motionless_point_is_finite(sessions: dict[str, ort.InferenceSession]) -> None:
    logits, embedding = sessions[WINDOW_GRAPH].run(None, {"windows": np.full((1, 240, 17, 3), 3.0, np.float32)})
    assert np.isfinite(logits).all() and np.isfinite(embedding).all()


@pytest.mark.parametrize("n_instances", [1, 2, 17, 40])
@torch.inference_mode()
def test_bag_graph_says_what_the_network_says(
    mam: Mam, sessions: dict[str, ort.InferenceSession], n_instances: int
) -> None:
    rng = np.random.default_rng(n_instances)
    fms = rng.random((3, n_instances, 1)).astype(np.float32)
    probabilities = np.concatenate([fms, 1 - fms], axis=2)
    mask = (rng.random((3, n_instances)) < 0.6).astype(np.float32)
    mask[:, 0] = 1.0
    bag = sessions[BAG_GRAPH].run(["bag"], {"class_probabilities": probabilities, "mask": mask})[0]
    expected = mam.bag(torch.from_numpy(probabilities), torch.from_numpy(mask)).numpy()
    assert np.abs(bag - expected).max() < 1e-5
    assert np.allclose(bag.sum(axis=1), 1.0, atol=1e-5)


@torch.inference_mode()
def test_info_graph_takes_raw_units(mam: Mam, sessions: dict[str, ort.InferenceSession]) -> None:
    rows = np.array([[0, 28.5, 1100, 12.0], [1, 40.1, 3600, 16.5]], dtype=np.float32)
    info = sessions[INFO_GRAPH].run(["info"], {"characteristics": rows})[0]
    assert np.abs(info - mam.info(torch.from_numpy(rows)).numpy()).max() < 1e-6
    assert np.abs(info[0] - info[1]).max() > 1e-4


@torch.inference_mode()
def test_info_graph_hears_nothing_from_what_was_the_same_for_all(tmp_path: Path) -> None:
    """Learned from infants of 40 weeks alone; in half precision too."""
    torch.manual_seed(10)
    network = Mam().eval()
    network.info.set_scaling(torch.tensor([[0.0, 40.0, 2500.0, 11.0], [1.0, 40.0, 3500.0, 17.0]]))
    np.savez(tmp_path / "mam.npz", **{name: value.numpy() for name, value in network.state_dict().items()})
    path = export_mam(tmp_path / "mam.npz", tmp_path)[INFO_GRAPH]
    rows = np.array([[1, 40.0, 3000, 14.0], [1, 28.0, 3000, 14.0]], dtype=np.float32)
    onnx.save(half(fixed(onnx.load(path), {"B": 2})), tmp_path / "half.onnx")
    expected = network.info(torch.from_numpy(rows)).numpy()
    for graph, off in ((path, 1e-6), (tmp_path / "half.onnx", 2e-3)):
        session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        info = session.run(["info"], {"characteristics": rows})[0]
        assert np.abs(info - expected).max() < off
        assert np.abs(info[0] - info[1]).max() < 1e-3
    assert all(np.isfinite(numpy_helper.to_array(one)).all() for one in onnx.load(path).graph.initializer)


def test_export_mam_gives_the_same_bytes_twice(weights_path: Path, tmp_path: Path) -> None:
    first, second = (export_mam(weights_path, tmp_path / name) for name in ("a", "b"))
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)


def test_export_mam_uses_plain_operators_of_opset_17(weights_path: Path, tmp_path: Path) -> None:
    for path in export_mam(weights_path, tmp_path).values():
        model = onnx.load(path)
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
        assert {node.domain for node in model.graph.node} == {""}


def test_export_mam_needs_no_torch(weights_path: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from fidgety.export.mam import export_mam\n"
        f"export_mam(Path({str(weights_path)!r}), Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert (tmp_path / WINDOW_GRAPH).is_file()


def test_read_weights_refuses_what_is_no_mam(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no MAM weights at"):
        read_weights(tmp_path / "mam.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(2))
    with pytest.raises(BundleError, match="holds no MAM"):
        read_weights(tmp_path / "other.npz")
