"""NVIDIA's own parser and builder, on the CPU, where its wheels are installed (`make test` fetches them if it can).

It proves that NVIDIA takes our strongly typed graphs, and that the names which we call, and which the stand-in has, are
NVIDIA's. It is not the TensorRT of a Jetson: no engine is run here.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fidgety
from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.errors import BundleError
from fidgety.export.tensorrt import build_engine
from fidgety.runtime.networks import BAG, INFO, Graph, accelerated_graphs
from fidgety.runtime.tensorrt_session import Nvidia

trt: Any = pytest.importorskip(
    "tensorrt_rtx_bindings", reason="NVIDIA's wheels are not installed: pip install the two that the Makefile names"
)
LoadStandIn = Callable[..., Nvidia]
MakeGraph = Callable[..., Graph]
NAMES = ("pose_detector", "pose_landmarks", "lifter", "mam_window", "mam_bag", "mam_info")
# Where we call NVIDIA's objects, and of which class they are.
OBJECTS = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "config": "IBuilderConfig",
    "_runtime": "Runtime",
    "_engine": "ICudaEngine",
    "engine": "ICudaEngine",
    "_context": "IExecutionContext",
    "error": "ParserError",
}
FILES = ("export/tensorrt.py", "runtime/tensorrt_session.py")
OWN = {"error": {"strerror"}, "network": {"fixed_inputs", "fixed_outputs", "name", "outputs", "n_rows"}}


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    """Every float32 graph of the bundle that `make test` builds."""
    bundle = open_bundle(default_bundle_path())
    mam = bundle.manifest.mam
    small = (Graph(INFO, bundle.file(mam.info_graph)), Graph(BAG, bundle.file(mam.bag_graph)))
    return {one.network.name: one for one in (*accelerated_graphs(bundle), *small)}


@pytest.mark.bundle
@pytest.mark.parametrize("name", NAMES)
def test_build_engine_of_every_graph_of_the_bundle(graphs: dict[str, Graph], name: str) -> None:
    assert set(graphs) == set(NAMES)
    steps: list[tuple[str, int, int]] = []
    logger = trt.Logger(trt.Logger.ERROR)
    content = build_engine(trt, logger, graphs[name], lambda *step: steps.append(step))
    assert len(content) > 10_000
    assert steps and all(done > 0 for _, done, _ in steps)


@pytest.mark.parametrize("op", ["Det", "Unique", "StringNormalizer"])
def test_build_engine_of_a_forbidden_operator(make_graph: MakeGraph, op: str) -> None:
    import onnx

    graph = make_graph()
    model = onnx.load(str(graph.path))
    model.graph.node[0].op_type, model.graph.node[0].name = op, "the_first"
    model.graph.node[0].input.pop()
    onnx.save(model, str(graph.path))
    told = rf"NVIDIA's parser refuses small-2\.0\.onnx: {op} 'the_first': UNSUPPORTED_NODE"
    with pytest.raises(BundleError, match=told):
        build_engine(trt, trt.Logger(trt.Logger.INTERNAL_ERROR), graph)


def _calls(path: Path) -> set[tuple[str, str]]:
    """(object, attribute) of every access in a file, one step deep: `builder.create_network` and `trt.Logger.ERROR`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).split(".")
            found.add((".".join(owner[-2:]) if "trt" in owner or "tensorrt" in owner else owner[-1], node.attr))
    return found


def test_every_name_that_we_call_is_nvidias() -> None:
    """What the code calls on NVIDIA's objects is there in the real module."""
    seen = set()
    for file in FILES:
        for owner, name in _calls(Path(fidgety.__file__).parent / file):
            if owner in ("trt", "nvidia.tensorrt", "self.tensorrt", "tensorrt"):
                assert hasattr(trt, name), f"{file}: tensorrt.{name}"
                seen.add(name)
            elif owner.startswith(("trt.", "tensorrt.")):
                kind = getattr(trt, owner.split(".")[1])
                assert hasattr(kind, name), f"{file}: {owner}.{name}"
                seen.add(name)
            elif owner in OBJECTS and name not in OWN.get(owner, ()):
                assert hasattr(getattr(trt, OBJECTS[owner]), name), f"{file}: {OBJECTS[owner]}.{name}"
                seen.add(name)
    assert {"Builder", "create_network", "execute_async_v3", "set_tensor_address", "ERROR", "TF32", "parse"} <= seen


def _public(thing: Any) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_stand_in_has_no_name_that_nvidia_lacks(load_stand_in: LoadStandIn) -> None:
    ours: ModuleType = load_stand_in().tensorrt
    kinds = [kind for kind in vars(ours).values() if inspect.isclass(kind) and kind.__module__ == "tensorrt"]
    assert len(kinds) > 15
    for kind in kinds:
        real = getattr(trt, kind.__name__)
        own_fields = {"min_severity"}
        for name in _public(kind) - own_fields:
            assert hasattr(real, name), f"{kind.__name__}.{name}"
    for kind in ("DataType", "TensorIOMode", "MemoryPoolType", "BuilderFlag", "NetworkDefinitionCreationFlag"):
        for member in getattr(ours, kind):
            assert hasattr(getattr(trt, kind), member.name), f"{kind}.{member.name}"


def test_the_stand_ins_calls_take_nvidias_arguments(load_stand_in: LoadStandIn) -> None:
    """The names of the arguments, as NVIDIA's own signatures have them."""
    ours = load_stand_in().tensorrt
    for kind, name in (
        ("Builder", "build_serialized_network"),
        ("Builder", "create_network"),
        ("IBuilderConfig", "set_memory_pool_limit"),
        ("IBuilderConfig", "clear_flag"),
        ("INetworkDefinition", "get_input"),
        ("OnnxParser", "parse"),
        ("OnnxParser", "get_error"),
        ("Runtime", "deserialize_cuda_engine"),
        ("ICudaEngine", "get_tensor_name"),
        ("ICudaEngine", "get_tensor_mode"),
        ("ICudaEngine", "get_tensor_shape"),
        ("ICudaEngine", "get_tensor_dtype"),
        ("IExecutionContext", "set_tensor_address"),
        ("IExecutionContext", "execute_async_v3"),
        ("IProgressMonitor", "__init__"),
    ):
        told = getattr(getattr(trt, kind), name).__doc__
        for argument in list(inspect.signature(getattr(getattr(ours, kind), name)).parameters)[1:]:
            assert f"{argument}:" in told, f"{kind}.{name}({argument}): NVIDIA says {told.splitlines()[0]}"
    assert sys.modules["tensorrt"] is ours
