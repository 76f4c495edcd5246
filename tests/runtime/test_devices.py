"""Which device is chosen: every branch, and that an asked-for one is that one or an error."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fidgety.device.engines import provision
from fidgety.errors import DeviceError
from fidgety.runtime import probe
from fidgety.runtime.devices import choose_device
from fidgety.runtime.networks import Graph
from fidgety.runtime.open_session import open_session
from fidgety.runtime.tensorrt_session import Nvidia

LoadStandIn = Callable[..., Nvidia]
MakeGraph = Callable[..., Graph]
X, B = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([[1, 2, 3]], np.float32)
GOLDEN = {"small": ({"x": X, "b": B}, {"x": X[::-1] + 5, "b": B})}


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object, **__: object) -> None:
        raise AssertionError("a process was started though there is no driver")

    monkeypatch.setattr("fidgety.runtime.devices.has_driver", lambda: False)
    monkeypatch.setattr(subprocess, "run", start)


@pytest.mark.usefixtures("no_driver")
def test_choose_device_without_a_driver_starts_nothing(make_graph: MakeGraph, tmp_path: Path) -> None:
    device = choose_device("auto", [make_graph()], tmp_path)
    assert str(device) == "device: cpu (no NVIDIA driver)"
    assert device.settings() == {"device": "cpu", "engine": "ONNX Runtime CPU"}
    assert str(choose_device("cpu", [make_graph()], tmp_path)) == "device: cpu (asked for)"


@pytest.mark.usefixtures("no_driver")
@pytest.mark.parametrize("asked", ["cuda", "tensorrt"])
def test_choose_device_asked_for_without_a_driver(make_graph: MakeGraph, tmp_path: Path, asked: str) -> None:
    with pytest.raises(DeviceError, match=f"no NVIDIA driver .* --device {asked} cannot be; use --device cpu"):
        choose_device(asked, [make_graph()], tmp_path)


def test_choose_device_takes_provisioned_engines(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path
) -> None:
    graph, nvidia = make_graph(), load_stand_in()
    (made,) = provision([graph], tmp_path / "engines", nvidia, lambda: GOLDEN)
    for asked in ("auto", "tensorrt"):
        device = choose_device(asked, [graph], tmp_path / "engines")
        assert str(device) == "device: tensorrt (engines proved on Orin, TensorRT 10.3.0)"
        assert device.settings() == {
            "device": "tensorrt",
            "engine": "TensorRT 10.3.0",
            "gpu": "Orin, compute 8.7",
            "engines": {"small": made.record.engine_sha256},
        }
        found = open_session(graph.path, graph.network, device).run(x=X, b=B)
        assert found["y"].tolist() == open_session(graph.path, graph.network).run(x=X, b=B)["y"].tolist()


def test_open_session_of_an_engine_that_was_exchanged_meanwhile(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path
) -> None:
    graph, nvidia = make_graph(), load_stand_in()
    list(provision([graph], tmp_path, nvidia, lambda: GOLDEN))
    device = choose_device("tensorrt", [graph], tmp_path)
    for one in tmp_path.glob("small-*.json"):
        one.unlink()
    list(provision([graph], tmp_path, nvidia, lambda: GOLDEN))
    with pytest.raises(DeviceError, match="was exchanged meanwhile"):
        open_session(graph.path, graph.network, device)


def test_choose_device_where_nothing_is_provisioned(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path
) -> None:
    load_stand_in()
    device = choose_device("auto", [make_graph()], tmp_path)
    assert device.name == "cpu" and "no engine of small" in device.reason and "device provision" in device.reason
    with pytest.raises(DeviceError, match="no engine of small"):
        choose_device("tensorrt", [make_graph()], tmp_path)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("crash", r"crashed when it was tried \(signal 11\)"),
        ("no-gpu", "there is no NVIDIA GPU"),
        ("no-driver", "CUDA driver version is insufficient"),
    ],
)
def test_choose_device_where_tensorrt_fails(
    load_stand_in: LoadStandIn,
    make_graph: MakeGraph,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    message: str,
) -> None:
    load_stand_in()
    monkeypatch.setenv("STAND_IN_FAULT", fault)
    with pytest.raises(DeviceError, match=message) as told:
        choose_device("tensorrt", [make_graph()], tmp_path)
    if fault == "crash":  # the others go the same way
        assert choose_device("auto", [make_graph()], tmp_path).reason == str(told.value)


@pytest.mark.parametrize("is_there", [False, True])
def test_has_driver_by_its_files_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_there: bool) -> None:
    monkeypatch.setattr(probe, "_DRIVER_FILES", (str(tmp_path / "nvidiactl"), str(tmp_path / "nvmap")))
    if is_there:
        (tmp_path / "nvmap").touch()
    assert probe.has_driver() is is_there


def test_probe_of_a_driver_that_hangs(load_stand_in: LoadStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    load_stand_in()
    monkeypatch.setenv("STAND_IN_FAULT", "hang")
    monkeypatch.setattr(probe, "_LIMIT_S", 1.0)
    with pytest.raises(DeviceError, match=r"did not answer in 1.0 s"):
        probe.probe_tensorrt()


@pytest.mark.usefixtures("load_stand_in")
def test_choose_device_cuda_that_this_onnx_runtime_lacks(make_graph: MakeGraph, tmp_path: Path) -> None:
    """The real provider is asked, in a process of its own."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(DeviceError, match="has no CUDAExecutionProvider"):
        choose_device("cuda", [make_graph()], tmp_path)
