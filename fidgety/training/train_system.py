"""One name for the training of every system, and how a trained one is read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fidgety.errors import UsageError
from fidgety.training.fit_eml import fit_eml, make_eml
from fidgety.training.fit_mam import fit_mam
from fidgety.training.fit_stam import fit_stam
from fidgety.training.fit_wo_gma import fit_wo_gma
from fidgety.training.models import MamModel, Model, NetworkModel
from fidgety.training.networks.mam import Mam
from fidgety.training.networks.stam import Stam
from fidgety.training.networks.wo_gma import WoGma
from fidgety.training.protocol import Protocol
from fidgety.training.systems import StamSystem, WoGmaSystem
from fidgety.training.task import Fitted, Options, SystemName, Task

__all__ = ["load_model", "train_system"]

Network = TypeVar("Network", bound=nn.Module)

_FITS: Mapping[SystemName, Callable[[Task], Fitted]] = {
    "mam": fit_mam,
    "stam": fit_stam,
    "wo-gma": fit_wo_gma,
    "eml": fit_eml,
}


def train_system(task: Task) -> Fitted:
    """Train the system that the task's options name. Raises UsageError where its recordings do not allow it."""
    return _FITS[task.options.system](task)


def load_model(options: Options, protocol: Protocol, weights: Mapping[str, NDArray[np.generic]]) -> Model:
    """What `Model.weights` gave -> the model. Raises UsageError where the weights are another system's."""
    try:
        if options.system == "eml":
            features, is_risk = weights["features"].astype(np.float64), weights["is_risk"].astype(bool)
            return make_eml(features, is_risk, int(weights["seed"]))
        if options.system == "mam":
            return MamModel(_filled(Mam(options.inputs, options.pose), weights), "info" not in options.without)
        if options.system == "stam":
            return NetworkModel(StamSystem(_filled(Stam(protocol.stam.width), weights)))
        return NetworkModel(WoGmaSystem(_filled(WoGma(protocol.wo_gma.width, options.pose), weights)))
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"these weights are not those of {options.system} as it was trained here: {error}") from error


def _filled(network: Network, weights: Mapping[str, NDArray[np.generic]]) -> Network:
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    network.eval()
    return network
