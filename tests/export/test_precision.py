"""float16: what is inside, what stays float32, and that every graph of a bundle takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from fidgety.demo_files import demo_file
from fidgety.errors import BundleError
from fidgety.export.graph_writer import GraphWriter
from fidgety.export.precision import FORBIDDEN_OPERATORS, fixed, half, kept_float32, weighted_nodes

GRAPHS = [
    ("mam_window.onnx", {"B": 1}),
    ("mam_window.onnx", {"B": 8}),
    ("lifter.onnx", {"T": 25}),
    ("mam_bag.onnx", {"B": 1, "N": 64}),
    ("mam_info.onnx", {"B": 1}),
]


def load(name: str) -> onnx.ModelProto:
    return onnx.load(demo_file(name))


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


def two_layers(weight: float = 0.5, kind: str = "Relu") -> onnx.ModelProto:
    """x (B, 4) -> three Gemm with something between them -> y (B, 4)."""
    graph = GraphWriter()
    value = "x"
    for i in range(3):
        matrix = np.eye(4, dtype=np.float32) * np.float32(weight)
        value = graph.linear(value, f"layer_{i}", matrix, np.zeros(4, np.float32), output="y" if i == 2 else None)
        if i < 2:
            value = graph.node(kind, value)
    return graph.model("small", {"x": ("B", 4)}, {"y": ("B", 4)})


@pytest.mark.parametrize(("name", "sizes"), GRAPHS)
def test_half_of_every_graph_is_float16_inside_and_float32_at_the_ends(name: str, sizes: Mapping[str, int]) -> None:
    model = half(fixed(load(name), sizes))
    types = types_of(model)
    ends = [*model.graph.input, *model.graph.output]
    assert all(types[value.name] == TensorProto.FLOAT for value in ends)
    assert all(axis.dim_value > 0 for value in ends for axis in value.type.tensor_type.shape.dim)
    weights = {c.name: c for c in model.graph.initializer}
    layers = weighted_nodes(fixed(load(name), sizes))
    halves = [n for n in model.graph.node if n.name in layers and types[n.output[0]] == TensorProto.FLOAT16]
    assert halves
    for node in halves:
        assert any(name in weights and weights[name].data_type == TensorProto.FLOAT16 for name in node.input)
    last = [n for n in model.graph.node if n.name in layers][-1]
    assert types[last.output[0]] == TensorProto.FLOAT


def test_half_answers_as_the_float32_graph_does() -> None:
    base = fixed(load("mam_window.onnx"), {"B": 1})
    windows = np.random.default_rng(1).normal(size=(1, 240, 17, 3)).cumsum(axis=1).astype(np.float32)
    answers = [
        onnxruntime.InferenceSession(m.SerializeToString()).run(["logits"], {"windows": windows})[0]
        for m in (base, half(base))
    ]
    assert 0 < np.abs(answers[0] - answers[1]).max() < 0.02


def test_half_keeps_the_normalising_of_windows_in_float32() -> None:
    model = fixed(load("mam_window.onnx"), {"B": 1})
    keeps = kept_float32(model)
    kinds = Counter(node.op_type for node in model.graph.node if node.name in keeps)
    assert kinds["TopK"] == 2 and kinds["Sqrt"] == 3 and kinds["Softmax"] == 0
    types = types_of(half(model))
    assert all(types[node.output[0]] == TensorProto.FLOAT for node in model.graph.node if node.name in keeps)


def test_half_leaves_the_way_of_the_joints_in_the_plane_alone() -> None:
    model = fixed(load("lifter.onnx"), {"T": 25})
    answers = {}
    for name, graph in (("float", model), ("half", half(model))):
        session = onnxruntime.InferenceSession(graph.SerializeToString())
        rng = np.random.default_rng(3)
        given = {v.name: rng.normal(size=v.shape).astype(np.float32) for v in session.get_inputs()}
        answers[name] = session.run(["new_cache_plane"], given)[0]
    assert np.array_equal(answers["float"], answers["half"])


def test_half_of_a_graph_without_inner_layers_is_refused() -> None:
    graph = GraphWriter()
    graph.linear("x", "only", np.eye(4, dtype=np.float32), np.zeros(4, np.float32), output="y")
    model = graph.model("one_layer", {"x": ("B", 4)}, {"y": ("B", 4)})
    with pytest.raises(BundleError, match="holds no layer"):
        half(onnx.shape_inference.infer_shapes(model))


def test_half_weight_beyond_float16_is_refused() -> None:
    with pytest.raises(BundleError, match="reaches 70000, beyond float16"):
        half(fixed(two_layers(weight=70000.0), {"B": 1}))


def test_fixed_size_without_a_number() -> None:
    with pytest.raises(BundleError, match="has the size 'N': say how large"):
        fixed(load("mam_bag.onnx"), {"B": 1})


def test_fixed_changes_no_node() -> None:
    one, eight = (fixed(load("mam_window.onnx"), {"B": n}) for n in (1, 8))
    assert list(one.graph.node) == list(eight.graph.node)
    assert list(one.graph.initializer) == list(eight.graph.initializer)


@pytest.mark.parametrize("kind", sorted(FORBIDDEN_OPERATORS & {"RandomNormal", "NonZero", "Loop"}))
def test_fixed_refuses_a_forbidden_operator(kind: str) -> None:
    model = two_layers()
    model.graph.node[1].op_type = kind
    with pytest.raises(BundleError, match=f"holds {kind}, which accelerators do not take"):
        fixed(model, {"B": 1})


def test_half_writes_valid_graphs_twice_alike() -> None:
    model = fixed(two_layers(), {"B": 2})
    one, other = half(model), half(model)
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
    kinds = [numpy_helper.to_array(c).dtype for c in one.graph.initializer if c.name.endswith("_half")]
    assert kinds and set(kinds) == {np.dtype(np.float16)}
