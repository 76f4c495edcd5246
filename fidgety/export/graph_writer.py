"""Writes an ONNX graph node by node: no torch, no tracing, the same bytes every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["IR_VERSION", "OPSET", "GraphWriter"]

OPSET, IR_VERSION = 17, 8  # what ONNX Runtime 1.20 and TensorRT 10.3 both take whole
Array = NDArray[np.float32]


class GraphWriter:
    """Nodes and constants of one graph, named in the order in which they are written."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, values: Any, dtype: type = np.float32) -> str:
        if name not in self.constants:
            array: NDArray[Any] = np.asarray(values, dtype=dtype)
            self.constants[name] = numpy_helper.from_array(array.copy(order="C"), name)
        return name

    def node(self, kind: str, *inputs: str, output: str | None = None, n_outputs: int = 1, **attributes: Any) -> str:
        """Write a node; gives the name of its first output."""
        name = output or f"{kind.lower()}_{len(self.nodes):03d}"
        outputs = [name] + [f"{name}_{i}" for i in range(1, n_outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, name=name, **attributes))
        return name

    def reshape(self, value: str, *shape: int) -> str:
        return self.node(
            "Reshape", value, self.constant("shape_" + "_".join(map(str, shape)).replace("-", "m"), shape, np.int64)
        )

    def linear(self, value: str, name: str, weight: Array, bias: Array, output: str | None = None) -> str:
        """(rows, in) @ weight.T + bias; the weight in torch's layout."""
        constants = [self.constant(f"{name}_weight", weight.T), self.constant(f"{name}_bias", bias)]
        return self.node("Gemm", value, *constants, output=output)

    def model(
        self, name: str, inputs: dict[str, tuple[Any, ...]], outputs: dict[str, tuple[Any, ...]]
    ) -> onnx.ModelProto:
        def infos(shapes: dict[str, tuple[Any, ...]]) -> list[onnx.ValueInfoProto]:
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(shape)) for n, shape in shapes.items()]

        body = helper.make_graph(self.nodes, name, infos(inputs), infos(outputs), list(self.constants.values()))
        model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="fidgety")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model
