"""Stand-in for NVIDIA's `tensorrt` Python package: the part of its API that we call, run by ONNX Runtime.

Names, signatures and enum members are NVIDIA's (tests/nvidia/test_real_module.py compares them with the real module
where it is installed), and so is what its calls answer when they fail: None and False, not exceptions. "Device
memory" is the stand-in cudart's; an execution reads and writes only the addresses that were set, while they are there.

$STAND_IN_TENSORRT   version, default 10.3.0; from 11 on STRONGLY_TYPED is gone
$STAND_IN_FAULT      parse, build, slow-build, deserialise, context, execute, wrong, stuck, nan, crash: what goes wrong
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import signal
import struct
import time

import numpy as np
import onnxruntime as ort
from cuda.bindings import runtime as _cudart

__version__ = os.environ.get("STAND_IN_TENSORRT", "10.3.0")
_MAGIC = b"stand-in engine\0"


def _fault(name: str) -> bool:
    return os.environ.get("STAND_IN_FAULT") == name


if _fault("crash"):
    os.kill(os.getpid(), signal.SIGSEGV)
if _fault("hang"):
    time.sleep(600)


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class BuilderFlag(enum.Enum):
    TF32 = 7


class NetworkDefinitionCreationFlag(enum.IntEnum):
    if int(__version__.split(".")[0]) < 11:  # else it has no member
        STRONGLY_TYPED = 1


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    INTERNAL_ERROR, ERROR, WARNING = Severity.INTERNAL_ERROR, Severity.ERROR, Severity.WARNING


class Logger(ILogger):
    def __init__(self, min_severity: ILogger.Severity = ILogger.WARNING) -> None:
        self.min_severity = min_severity


class IProgressMonitor:
    def __init__(self) -> None:
        self._is_made = True


class ITensor:
    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape


class INetworkDefinition:
    def __init__(self, flags: int) -> None:
        self._flags, self._content, self._inputs = flags, b"", []

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    def get_input(self, index: int) -> ITensor:
        return self._inputs[index]


class ErrorCode(enum.Enum):
    UNSUPPORTED_NODE = 8


class ParserError:
    def __init__(self, words: str) -> None:
        self._words = words

    def code(self) -> ErrorCode:
        return ErrorCode.UNSUPPORTED_NODE

    def node_name(self) -> str:
        return "node_0"

    def node_operator(self) -> str:
        return "NonZero"

    def desc(self) -> str:
        return self._words


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        assert isinstance(logger, ILogger)
        self._network, self._errors = network, []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def parse(self, model: bytes) -> bool:
        try:
            if _fault("parse"):
                raise RuntimeError("No importer registered for op: NonZero")
            nodes = _load(model).get_inputs()
        except Exception as error:
            self._errors.append(ParserError(str(error)))
            return False
        self._network._content = model
        self._network._inputs = [
            ITensor(node.name, tuple(size if isinstance(size, int) else -1 for size in node.shape)) for node in nodes
        ]
        return True


class IBuilderConfig:
    def __init__(self) -> None:
        self.progress_monitor = None
        self._flags = {BuilderFlag.TF32}
        self._pools: dict[MemoryPoolType, int] = {}

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self._pools[pool] = pool_size

    def clear_flag(self, flag: BuilderFlag) -> None:
        self._flags.discard(flag)


class IHostMemory:
    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def nbytes(self) -> int:
        return len(self._content)

    def __bytes__(self) -> bytes:  # the real one has the buffer protocol
        return self._content


class Builder:
    def __init__(self, logger: ILogger) -> None:
        assert isinstance(logger, ILogger)

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
        if _fault("build") or any(-1 in tensor.shape for tensor in network._inputs):
            return None  # free sizes without an optimisation profile: the real builder refuses them, too
        if int(__version__.split(".")[0]) < 11 and not network._flags & 1 << NetworkDefinitionCreationFlag(1):
            return None  # weakly typed: another network than the one that was exported
        if (monitor := config.progress_monitor) is not None:
            assert isinstance(monitor, IProgressMonitor) and monitor._is_made
            monitor.phase_start("Building Engine", None, 4)
            for step in range(4):
                if _fault("slow-build"):
                    time.sleep(0.5)
                if not monitor.step_complete("Building Engine", step):
                    return None
            monitor.phase_finish("Building Engine")
        head = {
            "version": __version__,
            "gpu": _cudart.NAME,
            "tf32": BuilderFlag.TF32 in config._flags,
            "shapes": {tensor.name: list(tensor.shape) for tensor in network._inputs},
            # Two builds of one network are two files, as with the real builder.
            "build": hashlib.sha256(os.urandom(8)).hexdigest(),
        }
        text = json.dumps(head).encode()
        return IHostMemory(_MAGIC + struct.pack("<I", len(text)) + text + network._content)


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        assert isinstance(logger, ILogger)

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if _fault("deserialise") or not serialized_engine.startswith(_MAGIC):
            return None
        start = len(_MAGIC) + 4
        length = struct.unpack("<I", serialized_engine[len(_MAGIC) : start])[0]
        head = json.loads(serialized_engine[start : start + length])
        if (head["version"], head["gpu"]) != (__version__, _cudart.NAME):
            return None  # the real one refuses engines of other versions and devices
        return ICudaEngine(head, serialized_engine[start + length :])


class ICudaEngine:
    def __init__(self, head: dict, content: bytes) -> None:
        self._session = _load(content, head["shapes"])
        self._ends = {node.name: (TensorIOMode.INPUT, node) for node in self._session.get_inputs()}
        self._ends |= {node.name: (TensorIOMode.OUTPUT, node) for node in self._session.get_outputs()}
        self._shapes = head["shapes"] | self._output_shapes(head["shapes"])

    def _output_shapes(self, shapes: dict) -> dict:
        zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        names = [name for name, (mode, _) in self._ends.items() if mode is TensorIOMode.OUTPUT]
        return {name: list(value.shape) for name, value in zip(names, self._session.run(names, zeros), strict=True)}

    @property
    def num_io_tensors(self) -> int:
        return len(self._ends)

    def get_tensor_name(self, index: int) -> str:
        return list(self._ends)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return self._ends[name][0]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._shapes[name])

    def get_tensor_dtype(self, name: str) -> DataType:
        return {"tensor(float)": DataType.FLOAT, "tensor(float16)": DataType.HALF}[self._ends[name][1].type]

    def create_execution_context(self) -> IExecutionContext | None:
        return None if _fault("context") else IExecutionContext(self)


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine, self._addresses, self._first = engine, {}, None

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if name not in self._engine._ends:
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        engine = self._engine
        if _fault("execute") or set(self._addresses) != set(engine._ends) or stream_handle not in _cudart.STREAMS:
            return False
        sizes = {name: 4 * int(np.prod(engine.get_tensor_shape(name))) for name in engine._ends}
        given = {
            name: np.frombuffer(_cudart.read(self._addresses[name], sizes[name]), np.float32).reshape(
                engine.get_tensor_shape(name)
            )
            for name, (mode, _) in engine._ends.items()
            if mode is TensorIOMode.INPUT
        }
        names = [name for name, (mode, _) in engine._ends.items() if mode is TensorIOMode.OUTPUT]
        values = [np.array(value) for value in engine._session.run(names, given)]
        if _fault("stuck"):
            self._first = values = self._first or values
        for name, value in zip(names, values, strict=True):
            if _fault("wrong"):
                value = value * np.float32(1.02)
            if _fault("nan"):
                value = value * np.float32("nan")
            _cudart.write(self._addresses[name], value.astype(np.float32).tobytes())
        return True


def _load(content: bytes, shapes: dict | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    if shapes is None:
        return session
    for node in session.get_inputs():
        for name, size in zip(node.shape, shapes[node.name], strict=True):
            if isinstance(name, str):
                options.add_free_dimension_override_by_name(name, size)
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
