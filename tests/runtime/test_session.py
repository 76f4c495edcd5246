from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fidgety.errors import BundleError
from fidgety.runtime.onnx_session import OnnxSession

onnx = pytest.importorskip("onnx", reason="graphs are made with the onnx package (extra 'export')")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """y = 2 x + b for x (N, 3), b (1, 3), float32."""
    return write_graph(tmp_path / "graph.onnx", onnx.TensorProto.FLOAT)


def write_graph(path: Path, kind: int) -> Path:
    helper = onnx.helper
    x = helper.make_tensor_value_info("x", kind, ["N", 3])
    b = helper.make_tensor_value_info("b", kind, [1, 3])
    y = helper.make_tensor_value_info("y", kind, ["N", 3])
    nodes = [helper.make_node("Add", ["x", "x"], ["twice"]), helper.make_node("Add", ["twice", "b"], ["y"])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x, b], [y]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.save(model, str(path))
    return path


INPUTS = {"x": (None, 3), "b": (1, 3)}
OUTPUTS = {"y": (None, 3)}


def test_run_gives_outputs_by_name(graph: Path) -> None:
    x, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((1, 3), np.float32)
    found = OnnxSession(graph, INPUTS, OUTPUTS).run(x=x, b=b)
    assert list(found) == ["y"]
    assert found["y"] == pytest.approx(2 * x + 1)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"picture": (None, 3), "b": (1, 3)}, OUTPUTS, "wants an input 'x'"),
        ({**INPUTS, "mask": (None, 3)}, OUTPUTS, "has no input 'mask' \\(it has x, b\\)"),
        ({"x": (None, 3)}, OUTPUTS, "wants an input 'b'"),
        ({"x": (None, 4), "b": (1, 3)}, OUTPUTS, "input 'x' has the shape .*expected \\[None, 4\\]"),
        ({"x": (None, 3, 1), "b": (1, 3)}, OUTPUTS, "input 'x' has the shape"),
        (INPUTS, {"z": (None, 3)}, "has no output 'z'"),
        (INPUTS, {"y": (None, 2)}, "output 'y' has the shape"),
    ],
)
def test_open_other_ends_than_expected_are_refused(
    graph: Path,
    inputs: dict[str, tuple[int | None, ...]],
    outputs: dict[str, tuple[int | None, ...]],
    message: str,
) -> None:
    with pytest.raises(BundleError, match=message):
        OnnxSession(graph, inputs, outputs)


def test_open_graph_in_half_precision_is_refused(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "half.onnx", onnx.TensorProto.FLOAT16)
    with pytest.raises(BundleError, match=r"input 'x' is a tensor\(float16\), expected float32"):
        OnnxSession(path, INPUTS, OUTPUTS)


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_open_damaged_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"bad\.onnx does not load"):
        OnnxSession(tmp_path / "bad.onnx", {}, {})


def test_open_missing_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.onnx does not load"):
        OnnxSession(tmp_path / "none.onnx", {}, {})
