"""ONNX -> TensorRT engine, on the device that will run it.

    graph --NVIDIA's parser--> network, strongly typed --fixed sizes--> builder (minutes) --> engine bytes

The precision is the graph's own: TensorRT 11 knows no other way, and 10.3 takes the same network with a flag, so one
code path serves both. The same functions run NVIDIA's parser and builder without a GPU, through `tensorrt_rtx`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from fidgety.errors import BundleError, DeviceError
from fidgety.runtime.networks import Graph

__all__ = ["Step", "build_engine"]

Step = Callable[[str, int, int], None]  # phase, steps done, steps in all
_WORKSPACE = 1 << 30  # bytes that a layer may borrow while it runs: a Jetson's memory is the system's too


def build_engine(trt: ModuleType, logger: Any, graph: Graph, on_step: Step | None = None) -> bytes:
    """Build `graph` for the GPU of this device at the network's fixed sizes.

    trt: NVIDIA's module. on_step: sees the builder's own steps. Raises BundleError, with the parser's words, where
    NVIDIA does not take the graph, DeviceError where the builder fails.
    """
    builder = trt.Builder(logger)
    network = builder.create_network(_strongly_typed(trt))
    _parse(trt, logger, network, graph)
    _fix_sizes(network, graph)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE)
    if graph.precision == "fp32":
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default: it rounds float32 to 10 bits
    if on_step is not None:
        config.progress_monitor = _monitor(trt, on_step)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise DeviceError(
            f"TensorRT could not build {graph.path.name}: see its log above; close other programs if memory ran out"
        )
    return bytes(engine)


def _strongly_typed(trt: ModuleType) -> int:
    """The flags of a network that keeps the graph's types; from 11 on every network does, and the flag may be gone."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: ModuleType, logger: Any, network: Any, graph: Graph) -> None:
    parser = trt.OnnxParser(network, logger)
    try:
        content = graph.path.read_bytes()
    except OSError as error:
        raise BundleError(f"{graph.path} cannot be read: {error.strerror}") from error
    if not parser.parse(content):
        words = "; ".join(_words(parser.get_error(i)) for i in range(parser.num_errors))
        raise BundleError(f"NVIDIA's parser refuses {graph.path.name}: {words or 'without a word'}")


def _words(error: Any) -> str:
    """The parser's words, which may be no more than `false`, with its code and the operator they are about."""
    code = str(error.code()).rsplit(".", 1)[-1]
    return f"{error.node_operator()} {error.node_name()!r}: {code} ({error.desc()})"


def _fix_sizes(network: Any, graph: Graph) -> None:
    """Give every input its fixed size. Raises BundleError where the graph's inputs are not the network's."""
    wanted = graph.network.fixed_inputs
    found = {tensor.name: tensor for tensor in (network.get_input(i) for i in range(network.num_inputs))}
    if set(found) != set(wanted):
        raise BundleError(
            f"{graph.path.name} has the inputs {', '.join(found)}, expected {', '.join(wanted)}: build the bundle anew"
        )
    for name, shape in wanted.items():
        given = tuple(found[name].shape)
        if len(given) != len(shape) or any(size not in (-1, one) for size, one in zip(given, shape, strict=False)):
            raise BundleError(f"{graph.path.name}: input {name!r} has the shape {list(given)}, expected {list(shape)}")
        if -1 in given:
            found[name].shape = shape


def _monitor(trt: ModuleType, on_step: Step) -> Any:
    """NVIDIA's progress monitor, whose class only exists once the module is loaded."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._n_steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, _parent_phase: str | None, num_steps: int) -> None:
            self._n_steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            on_step(phase_name, step + 1, self._n_steps.get(phase_name, 0))
            return True  # go on

        def phase_finish(self, phase_name: str) -> None:
            self._n_steps.pop(phase_name, None)

    return Monitor()
