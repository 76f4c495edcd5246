"""Fixtures of the export tests: cached packages, pictures of infants, and a writer of one-operator TFLite files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import flatbuffers
import numpy as np
import pytest
import tflite

from fidgety.export.fetch import NPM_PACKAGE, WHEEL, Package, default_cache_dir

PROJECT = Path(__file__).parents[2]
CODES = {np.float32: 0, np.float16: 1, np.int32: 2}
OneOperatorFile = Callable[..., bytes]


def _cached(package: Package) -> Path:
    folder = Path(os.environ.get("FIDGETY_FETCH_CACHE") or default_cache_dir())
    path = folder / package.file_name
    if not path.is_file():
        pytest.skip(f"{package.name} is not in {folder}: the bundle commands fetch it")
    return path


@pytest.fixture(scope="session")
def pose_wheel() -> Path:
    """The pinned wheel with detector and full landmark network."""
    return _cached(WHEEL)


@pytest.fixture(scope="session")
def npm_package() -> Path:
    """The pinned npm package with the lite and heavy landmark networks."""
    return _cached(NPM_PACKAGE)


def _spread_frames(path: Path, n_frames: int) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        total = container.streams.video[0].frames
        wanted = set(np.linspace(0, total - 1, n_frames).astype(int).tolist())
        decoded = enumerate(container.decode(video=0))
        return [frame.to_ndarray(format="rgb24") for index, frame in decoded if index in wanted]


@pytest.fixture(scope="session")
def infant_pictures() -> list[np.ndarray]:
    """Four frames of a real lying infant."""
    path = PROJECT.parent / "shared" / "data" / "video" / "infant_topdown_faceblur.mp4"
    if not path.is_file():
        pytest.skip("the real test recording does not lie beside the project")
    return _spread_frames(path, 4)


@pytest.fixture(scope="session")
def phantom_pictures() -> list[np.ndarray]:
    """Two frames of the sample recording that comes with the package."""
    paths = sorted((PROJECT / "fidgety" / "demo").glob("*.mp4"))
    if not paths:
        pytest.skip("no sample recording in fidgety/demo")
    return _spread_frames(paths[0], 2)


@pytest.fixture(scope="session")
def one_operator_file() -> OneOperatorFile:
    """Writes a TFLite file of one operator.

    Called as (kind, input shape, output shape, constants, options, options_class, builtin): the graph's one input
    comes first, the constants follow as further inputs.
    """
    return _write_one_operator


def _write_one_operator(
    kind: str,
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    constants: Sequence[np.ndarray] = (),
    options: dict[str, int] | None = None,
    options_class: str | None = None,
) -> bytes:
    builder = flatbuffers.Builder(1024)
    empty = _table(builder, "Buffer", {})
    filled = [
        _table(builder, "Buffer", {"Data": builder.CreateNumpyVector(np.frombuffer(c.tobytes(), np.uint8))})
        for c in constants
    ]
    tensors = [_tensor(builder, "given", input_shape, 0, 0)]
    for place, constant in enumerate(constants):
        code = CODES[constant.dtype.type]
        tensors.append(_tensor(builder, f"constant_{place}", constant.shape, code, place + 1))
    tensors.append(_tensor(builder, "result", output_shape, 0, 0))

    fields: dict[str, Any] = {
        "Inputs": _ints(builder, range(len(constants) + 1)),
        "Outputs": _ints(builder, [len(constants) + 1]),
    }
    if options_class is not None:
        fields["BuiltinOptions"] = _table(builder, options_class, options or {})
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, options_class)
    operators = _tables(builder, [_table(builder, "Operator", fields)])
    number = getattr(tflite.BuiltinOperator, kind)
    code_fields = {"DeprecatedBuiltinCode": min(number, 127), "BuiltinCode": number, "Version": 1}
    codes = _tables(builder, [_table(builder, "OperatorCode", code_fields)])
    subgraph_fields = {
        "Tensors": _tables(builder, tensors),
        "Inputs": _ints(builder, [0]),
        "Outputs": _ints(builder, [len(constants) + 1]),
        "Operators": operators,
    }
    subgraphs = _tables(builder, [_table(builder, "SubGraph", subgraph_fields)])
    model_fields = {
        "Version": 3,
        "OperatorCodes": codes,
        "Subgraphs": subgraphs,
        "Buffers": _tables(builder, [empty, *filled]),
    }
    builder.Finish(_table(builder, "Model", model_fields), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, name: str, fields: dict[str, Any]) -> int:
    getattr(tflite, f"{name}Start")(builder)
    for field, value in fields.items():
        getattr(tflite, f"{name}Add{field}")(builder, value)
    end: int = getattr(tflite, f"{name}End")(builder)
    return end


def _tensor(builder: flatbuffers.Builder, name: str, shape: Sequence[int], code: int, buffer: int) -> int:
    fields = {"Shape": _ints(builder, shape), "Type": code, "Buffer": buffer, "Name": builder.CreateString(name)}
    return _table(builder, "Tensor", fields)


def _ints(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    vector: int = builder.CreateNumpyVector(np.array(values, np.int32))
    return vector


def _tables(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector
