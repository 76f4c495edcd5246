"""A pose network of the user's own and its description (TOML or JSON), read strictly: every key is known, none missing.

The size of its heat maps is not told but measured: the network is run once, and what it really gives is held against
the description.

family = "heatmap"                  # or "simcc"
width_px = 192                      # of the network's input
height_px = 256
colours = "rgb"                     # or "bgr"
mean = [123.675, 116.28, 103.53]    # input = (colour from 0 to 255 - mean) / sd
sd = [58.395, 57.12, 57.375]
input = "input"                     # names in the graph
outputs = ["output"]                # SimCC: its x, its y
keypoints = "coco17"                # or a list of names in the network's order, all of COCO-17 among them
values = "likelihood"               # heat maps or vectors hold a joint's Gaussian ("logit": its logarithm, RTMPose)
grid = "corner"                     # heat maps: cell i lies at px i x stride; "ends": UDP; "centre": at its middle
split_ratio = 2.0                   # SimCC: bins per px
may_be_mirrored = true              # every other frame may be read from its mirror image
crop_margin = 1.25                  # crop over the body's size
hidden_peak = 0.25                  # usual score of joints that are hidden or misread
plain_peak = 0.75                   # and of joints plainly seen
trained_on = "recordings"           # or "phantom"
licence = "Apache-2.0"
source = "where it comes from"
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx.external_data_helper import uses_external_data

from fidgety.bundle import KeypointNetwork
from fidgety.bundle.manifest import read_record
from fidgety.errors import BundleError, UsageError
from fidgety.runtime.networks import keypoint_network
from fidgety.runtime.onnx_session import OnnxSession
from fidgety.skeleton import COCO_17

__all__ = ["OwnPose", "read_own_pose", "whole_network"]


@dataclass(frozen=True, slots=True)
class OwnPose:
    """A network that takes the place of BlazePose's landmarks."""

    path: Path
    network: KeypointNetwork
    crop_margin: float
    may_be_mirrored: bool
    trained_on: Literal["phantom", "recordings"]
    licence: str
    source: str


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a description says beside the network's ends."""

    crop_margin: float
    may_be_mirrored: bool
    trained_on: Literal["phantom", "recordings"]
    licence: str
    source: str


_REST = tuple(field.name for field in dataclasses.fields(_Rest))
# The key that says nothing of a family, and what stands in the manifest for it.
_NOT_FOR: dict[str, tuple[str, Any]] = {"heatmap": ("split_ratio", 1.0), "simcc": ("grid", "corner")}
_MIN_CELLS = 4  # along each side: a place between cells takes three
_MOST_BYTES = 2**31 - 1  # of one ONNX file


def read_own_pose(path: Path, description: Path | None = None) -> OwnPose:
    """A network and its description (None: the .toml beside it, else the .json).

    Raises UsageError where a file is missing, BundleError where they do not fit.
    """
    description = description or _beside(path)
    for file, what in ((path, "ONNX network"), (description, "description of the network")):
        if not file.is_file():
            raise UsageError(f"there is no {what} {file}: name it with --pose and --pose-description")
    data = _read(description)
    where = str(description)
    family = data.get("family")
    if not isinstance(family, str) or family not in _NOT_FOR:
        raise BundleError(f"{where}: family is {family!r}: expected one of {', '.join(map(repr, _NOT_FOR))}")
    key, value = _NOT_FOR[family]
    if key in data:
        raise BundleError(f"{where}: key {key!r} says nothing of the family {family!r}: leave it out")
    data[key] = value
    if "cells" in data:
        raise BundleError(f"{where}: key 'cells' is measured from the network: leave it out")
    data["cells"] = []
    if data.get("keypoints") == COCO_17.name:
        data["keypoints"] = list(COCO_17.keypoints)
    rest: _Rest = read_record(_Rest, {key: data.pop(key) for key in _REST if key in data}, where)
    network: KeypointNetwork = read_record(KeypointNetwork, data, where)
    _check(network, rest, where)
    _weight_files(path)
    measured = dataclasses.replace(network, cells=_measure_cells(path, network))
    return OwnPose(path, measured, **{name: getattr(rest, name) for name in _REST})


def _beside(path: Path) -> Path:
    toml, json_file = path.with_suffix(".toml"), path.with_suffix(".json")
    return json_file if json_file.is_file() and not toml.is_file() else toml


def whole_network(path: Path, copy: Path) -> Path:
    """`path` where the weights are in it; else `copy`, written with the weights that lie beside it.

    torch's exporter writes NETWORK.onnx.data beside NETWORK.onnx; a bundle's graph is one file. Raises BundleError
    where both together are more than an ONNX file may hold.
    """
    if not _weight_files(path):
        return path
    model = onnx.load(path)
    if model.ByteSize() > _MOST_BYTES:
        raise BundleError(f"{path.name} is over 2 GB with its weights, more than an ONNX file holds: export it smaller")
    onnx.save_model(model, str(copy))
    return copy


def _weight_files(path: Path) -> set[str]:
    """Names of the files beside `path` that hold its weights. Raises BundleError where it is no ONNX file, or one of
    them is not there."""
    try:
        initializers = onnx.load(path, load_external_data=False).graph.initializer
    except Exception as error:  # protobuf's errors have no common base
        raise BundleError(f"{path.name} is no ONNX file: export the network anew") from error
    entries = [entry for tensor in initializers if uses_external_data(tensor) for entry in tensor.external_data]
    names = {entry.value for entry in entries if entry.key == "location"}
    for name in sorted(names):
        if not (path.parent / name).is_file():
            raise BundleError(f"the weights of {path.name} are missing: {name} belongs beside it")
    return names


def _measure_cells(path: Path, network: KeypointNetwork) -> tuple[int, ...]:
    """Run the network once, on zeros: height and width of its heat maps, none for SimCC.

    Raises BundleError where its ends, or what it really gives, are not what `network` says.
    """
    is_heatmap = network.family == "heatmap"
    told = keypoint_network(dataclasses.replace(network, cells=(_MIN_CELLS, _MIN_CELLS) if is_heatmap else ()))
    expected = {name: (*shape[:2], None, None) if is_heatmap else shape for name, shape in told.outputs.items()}
    session = OnnxSession(path, told.inputs, expected)
    try:
        found = session.run(**{name: np.zeros(shape, np.float32) for name, shape in told.fixed_inputs.items()})
    except Exception as error:  # ONNX Runtime raises bare C++ exceptions of no common base
        words = (str(error).splitlines() or ["without a word"])[0]
        raise BundleError(f"{path.name} does not run ({words}): export it anew") from error
    for name, wanted in expected.items():
        given = found[name].shape  # a graph may leave its sizes open until it runs
        if len(given) != len(wanted) or any(w not in (None, g) for w, g in zip(wanted, given, strict=True)):
            raise BundleError(f"{path.name}: output {name!r} has the shape {list(given)}, expected {list(wanted)}")
        if min(given[2:]) < _MIN_CELLS:
            raise BundleError(f"{path.name}: output {name!r} has the shape {list(given)}: no place can be read from it")
    return tuple(found[network.outputs[0]].shape[2:]) if is_heatmap else ()


def _read(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    try:
        if path.suffix.lower() == ".json":
            data = json.loads(raw)
        else:
            data = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli").loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is neither TOML nor JSON ({error})") from error
    if not isinstance(data, dict):
        raise BundleError(f"{path} holds no keys")
    return data


def _check(network: KeypointNetwork, rest: _Rest, where: str) -> None:
    names = network.keypoints
    if missing := [name for name in COCO_17.keypoints if name not in names]:
        raise BundleError(
            f"{where}: the keypoint {missing[0]!r} is missing; limbs, hips, shoulders and face of COCO-17 are needed"
        )
    if twice := [name for name in COCO_17.keypoints if names.count(name) > 1]:
        raise BundleError(f"{where}: the keypoint {twice[0]!r} stands there twice")
    wanted = 1 if network.family == "heatmap" else 2
    if len(network.outputs) != wanted:
        raise BundleError(f"{where}: outputs are {len(network.outputs)}; the family {network.family!r} has {wanted}")
    checks = {
        "width_px and height_px lie from 32 to 1024": all(
            32 <= px <= 1024 for px in (network.width_px, network.height_px)
        ),
        "mean and sd have three numbers": len(network.mean) == len(network.sd) == 3,
        "sd is above 0": min(network.sd, default=0.0) > 0,
        "split_ratio is above 0": network.split_ratio > 0,
        "0 < hidden_peak < plain_peak < 1": 0 < network.hidden_peak < network.plain_peak < 1,
        "crop_margin lies from 0.8 to 2.5": 0.8 <= rest.crop_margin <= 2.5,
        "licence and source are told": bool(rest.licence.strip() and rest.source.strip()),
    }
    for rule, holds in checks.items():
        if not holds:
            raise BundleError(f"{where}: it must hold that {rule}")
