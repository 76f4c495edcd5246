"""A loaded graph: arrays in, arrays out, on an engine that was really asked for.

ONNX Runtime lists accelerators that are not there and falls back to the CPU without a word, so a session is believed
only by what `get_providers()` says after loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from fidgety.errors import BundleError, DeviceError

__all__ = ["OnnxSession", "Session", "Shape"]

Shape = tuple[int | None, ...]  # None: any size


class Session(Protocol):
    """What the stages need of an engine."""

    def run(self, **inputs: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Arrays by the graph's input names to arrays by its output names."""
        ...


class OnnxSession:
    """ONNX Runtime on the CPU."""

    def __init__(
        self, path: Path, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], n_threads: int = 1
    ) -> None:
        """Load `path` and check names, shapes and float32 of its inputs and outputs.

        Raises BundleError when they are not the expected ones, DeviceError when another engine than the CPU was taken.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A spinning pool burns the core that the decoder needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises bare C++ exceptions of no common base
            raise BundleError(
                f"{path.name} does not load ({str(error).splitlines()[0]}): build the bundle anew"
            ) from error
        if self._session.get_providers() != ["CPUExecutionProvider"]:
            raise DeviceError(f"asked for the CPU, ONNX Runtime took {self._session.get_providers()}")
        _check_ends(path.name, "input", self._session.get_inputs(), inputs)
        _check_ends(path.name, "output", self._session.get_outputs(), outputs)
        self._output_names = list(outputs)

    def run(self, **inputs: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Arrays by the graph's input names to arrays by its output names."""
        values = self._session.run(self._output_names, inputs)
        return dict(zip(self._output_names, values, strict=True))


def _check_ends(name: str, end: str, found: list[Any], expected: Mapping[str, Shape]) -> None:
    shapes = {node.name: node.shape for node in found}
    kinds = {node.name: node.type for node in found}
    if end == "input" and (unknown := sorted(set(shapes) - set(expected))):
        raise BundleError(f"{name} wants an input {unknown[0]!r}: it is not the graph that was expected")
    for key, shape in expected.items():
        if key not in shapes:
            raise BundleError(
                f"{name} has no {end} {key!r} (it has {', '.join(shapes)}): it is not the graph that was expected"
            )
        is_right = len(shape) == len(shapes[key]) and all(
            wanted is None or not isinstance(size, int) or size == wanted
            for wanted, size in zip(shape, shapes[key], strict=False)
        )
        if not is_right:
            raise BundleError(f"{name}: {end} {key!r} has the shape {shapes[key]}, expected {list(shape)}")
        if kinds[key] != "tensor(float)":
            raise BundleError(f"{name}: {end} {key!r} is a {kinds[key]}, expected float32")
