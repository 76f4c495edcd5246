"""A float32 graph of fixed sizes -> int8 with quantise/dequantise pairs (Q/DQ), in two flavours; and what they need.

    x86        U8S8: activations 0 to 255 with a zero point, weights signed per channel, of 7 bits (see below)
    tensorrt   S8S8 symmetric: what NVIDIA's parser takes whole (no int32 bias behind a DequantizeLinear)

ONNX Runtime's quantiser writes the graph; the ranges of the activations come from `calibrate ranges`. Float32 stays
what the caller leaves out.

x86 without VNNI multiplies u8 by s8 in pairs into 16 bits and saturates (`vpmaddubsw`): 255 x 127 x 2 does not fit,
255 x 64 x 2 just does. So weights have 7 bits there ("reduced range"). Measured with AVX2 on the landmark network, 46
crops: 22.2 px off in the median with 8 bits, 2.7 px with 7.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import onnx

from fidgety.errors import BundleError

__all__ = ["FLAVOURS", "Flavour", "Ranges", "quantise"]

Flavour = Literal["x86", "tensorrt"]
FLAVOURS: tuple[Flavour, ...] = ("x86", "tensorrt")
Ranges = Mapping[str, tuple[float, float]]  # value of the graph -> lowest, highest

_TENSORRT_OPTIONS = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,  # "DequantizeLinear: input has type Int32" is refused
    "AddQDQPairToWeight": True,
    "DedicatedQDQPair": True,
}
# Only where a layer multiplies, and what its neighbours hand on without leaving int8.
_KINDS = ("Conv", "Gemm", "MatMul", "Add", "Clip", "Relu", "MaxPool", "Resize", "Concat", "Transpose", "Reshape")


def quantise(
    model: onnx.ModelProto,
    ranges: Ranges,
    flavour: Flavour,
    leave_out: Collection[str] = (),
    *,
    is_reduced: bool = True,
) -> onnx.ModelProto:
    """The graph in int8; nodes named in `leave_out` stay float32. `is_reduced`: 7-bit weights (x86 only).

    Raises BundleError where ranges are missing or were measured on another graph.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    values = {name for node in model.graph.node for name in (*node.input, *node.output)}
    if unknown := sorted(set(ranges) - values):
        raise BundleError(f"{model.graph.name} has no value {unknown[0]!r}: these ranges are another graph's")
    is_x86 = flavour == "x86"
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with _quiet():
        quantizer = QDQQuantizer(
            copy,
            per_channel=True,
            reduce_range=is_x86 and is_reduced,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8 if is_x86 else QuantType.QInt8,
            tensors_range=_tensors(ranges),
            nodes_to_quantize=[],
            nodes_to_exclude=sorted(leave_out),
            op_types_to_quantize=list(_KINDS),
            extra_options={} if is_x86 else dict(_TENSORRT_OPTIONS),
        )
        try:
            quantizer.quantize_model()
        except (ValueError, KeyError) as error:
            raise BundleError(f"{model.graph.name} cannot be quantised ({error}): measure its ranges anew") from error
    quantizer.model.topological_sort()  # its pairs are written behind the nodes that read them
    made: onnx.ModelProto = quantizer.model.model
    if not any(node.op_type == "QuantizeLinear" for node in made.graph.node):
        raise BundleError(f"{model.graph.name} holds no layer that int8 would do for")
    onnx.checker.check_model(made, full_check=True)
    return made


def _tensors(ranges: Ranges) -> Any:
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import TensorData, TensorsData

    method = CalibrationMethod.MinMax
    data = {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    return TensorsData(method, data)


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser tells the root logger of every value that it leaves alone."""
    former = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(former)
