"""One network in one precision, staged in a folder: what may be kept, and what the parity gate runs in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from fidgety.bundle.manifest import Device, Precision
from fidgety.calibration.activation_ranges import ActivationRanges
from fidgety.calibration.networks import Network
from fidgety.errors import UsageError
from fidgety.export.network_parity import open_cpu
from fidgety.export.precision import fixed, half, kept_float32
from fidgety.export.quantise import Flavour, quantise
from fidgety.export.stand_in import stand_in

__all__ = ["DEVICES", "PRECISIONS", "Candidate", "convert", "stage", "variant_file", "write_judged"]

PRECISIONS: tuple[Precision, ...] = ("fp16", "int8-x86", "int8-tensorrt")
DEVICES: Mapping[Precision, tuple[Device, ...]] = {
    "fp16": ("tensorrt", "cuda"),  # the CPU computes it in float32 and gains nothing
    "int8-x86": ("cpu",),
    "int8-tensorrt": ("tensorrt",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One network in one precision, staged."""

    network: Network
    precision: Precision
    path: Path  # as the loop runs it
    judged: Path  # what the gate runs on the CPU in its place


def stage(
    network: Network, graph: Path, precision: Precision, ranges: ActivationRanges | None, folder: Path
) -> Candidate:
    """Write a candidate into `folder`, its larger batch (if it has one) and what the gate runs in its place.

    `graph`: the float32 one. Raises BundleError where it does not convert, UsageError where int8 has no ranges.
    """
    model = onnx.load(graph)
    path = folder / variant_file(network, precision)
    made = convert(model, network, precision, ranges)
    if precision == "int8-x86":  # the CPU takes any size, as the loop does
        onnx.save(made, path)
        return Candidate(network, precision, path, path)
    for number, sizes in enumerate(network.sizes):
        sized = path if number == 0 else path.with_suffix(f".{number}.onnx")
        onnx.save(fixed(made, sizes), sized)
        open_cpu(sized)
    return Candidate(network, precision, path, write_judged(path, model))


def write_judged(path: Path, model: onnx.ModelProto) -> Path:
    """Write the stand-in of the accelerator's graph at `path` beside it, with the sizes of its float32 `model`."""
    judged = path.with_suffix(".judged.onnx")
    onnx.save(stand_in(_loosened(onnx.load(path), model)), judged)
    return judged


def variant_file(network: Network, precision: Precision) -> str:
    """Name of a variant's file in the bundle, such as `mam_window.fp16.onnx`."""
    return f"{Path(network.file).stem}.{precision}.onnx"


def convert(
    model: onnx.ModelProto, network: Network, precision: Precision, ranges: ActivationRanges | None
) -> onnx.ModelProto:
    """The float32 graph in another precision, its named sizes as they were."""
    inferred = onnx.shape_inference.infer_shapes(model)
    if precision == "fp16":
        return half(inferred)
    if ranges is None:
        raise UsageError("int8 needs activation ranges")
    flavour: Flavour = "x86" if precision == "int8-x86" else "tensorrt"
    return quantise(inferred, ranges.graphs[network.name].ranges, flavour, kept_float32(inferred))


def _loosened(model: onnx.ModelProto, base: onnx.ModelProto) -> onnx.ModelProto:
    """A graph of fixed sizes with the named sizes of its float32 graph: the recordings' last chunks are shorter."""
    for mine, theirs in ((model.graph.input, base.graph.input), (model.graph.output, base.graph.output)):
        for value, named in zip(mine, theirs, strict=True):
            value.CopyFrom(named)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    del model.graph.value_info[:]
    for name, kind in types.items():
        model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, kind, None))
    return model
