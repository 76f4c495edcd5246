"""A trained system as the cross-validation uses it: a recording in, raw risk and raw P(FMs) out, and its weights.

    TrackedRecording --Model.read--> Reading --Calibration--> risk, FMs frequency (scoring.py)

MAM reads the windows that the device reads, with the Info Branch where the infant's characteristics are complete. The
other systems read whole recordings (systems.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fidgety.records import FloatArray
from fidgety.training.branches import info_of
from fidgety.training.eml import Eml
from fidgety.training.motion_features import motion_features
from fidgety.training.networks.mam import READ_STRIDE, ClipNetwork, Mam
from fidgety.training.systems import StamSystem, WoGmaSystem
from fidgety.training.tracked import TrackedRecording

__all__ = ["EmlModel", "MamModel", "Model", "NetworkModel", "Reading", "window_logits"]

Weights = Mapping[str, NDArray[np.generic]]

_TINY = 1e-9
_BATCH_CPU = 4  # windows: what they become stays in the cache. 26 ms a window with all its frames, of 32 together 45
_BATCH_GPU = 64


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a system says of one recording, before any calibration."""

    margin: float  # logit of the risk
    plain_margin: float  # the same without characteristics
    instances: FloatArray | None  # (N,) P(FMs) of the instances; None: the system scores no windows
    localisation: FloatArray | None  # (W,) P(FMs) every 20 frames; None: not asked for, or not scored


class Model(Protocol):
    """A trained system."""

    def read(self, recording: TrackedRecording, *, with_localisation: bool) -> Reading:
        """Score a recording that is assessable."""

    def weights(self) -> Weights:
        """All that was learned, as arrays by name."""


@dataclass(frozen=True, slots=True, eq=False)
class MamModel:
    """MAM. has_info: the Info Branch is used where it can be."""

    network: Mam
    has_info: bool

    def read(self, recording: TrackedRecording, *, with_localisation: bool) -> Reading:
        """Every window is read once, whatever grid it is on."""
        grid = recording.localisation_starts if with_localisation else recording.instance_starts[:0]
        starts, place = np.unique(np.concatenate([recording.instance_starts, grid]), return_inverse=True)
        logits = window_logits(self.network.clip, recording.windows(starts))[place]
        n_instances = len(recording.instance_starts)
        fms = _fms(logits)
        plain, fused = self._margins(logits[:n_instances], recording)
        return Reading(fused, plain, fms[:n_instances], fms[n_instances:] if with_localisation else None)

    def weights(self) -> Weights:
        """By torch's names, as `export_mam` takes them."""
        return {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}

    @torch.inference_mode()
    def _margins(self, logits: FloatArray, recording: TrackedRecording) -> tuple[float, float]:
        """Risk minus normal of the bag, without and with the Info Branch."""
        self.network.eval()
        instances = torch.from_numpy(logits).to(self.network.clip.head.weight.device).softmax(-1)[None]
        bag = self.network.bag(instances, torch.ones(instances.shape[:2], device=instances.device))
        plain = float(bag[0, 1] - bag[0, 0])
        known = recording.characteristics
        info = info_of(self.network.info, known[None]) if self.has_info and known is not None else None
        return plain, plain if info is None else plain + float(info[0, 1] - info[0, 0])


@dataclass(frozen=True, slots=True, eq=False)
class NetworkModel:
    """STAM or WO-GMA, on the CPU."""

    system: StamSystem | WoGmaSystem

    def read(self, recording: TrackedRecording, *, with_localisation: bool) -> Reading:
        """As systems.py scores it."""
        joints, grid = recording.filled(), recording.instance_starts
        starts = np.concatenate([grid, recording.localisation_starts]) if with_localisation else grid
        margin = _logit(self.system.risk(joints))
        fms = self.system.window_probabilities(joints, starts)
        return Reading(margin, margin, fms[: len(grid)], fms[len(grid) :] if with_localisation else None)

    def weights(self) -> Weights:
        """By torch's names."""
        return {name: value.cpu().numpy() for name, value in self.system.network.state_dict().items()}


@dataclass(frozen=True, slots=True, eq=False)
class EmlModel:
    """EML. It is kept as what it learned from, and fitted anew when it is read: a pickle may hold anything."""

    system: Eml
    features: NDArray[np.float64]  # (R, 108)
    is_risk: NDArray[np.bool_]  # (R,)
    seed: int

    def read(self, recording: TrackedRecording, *, with_localisation: bool) -> Reading:  # noqa: ARG002
        """Its risk alone."""
        margin = _logit(float(self.system.risks(motion_features(recording.filled())[None])[0]))
        return Reading(margin, margin, None, None)

    def weights(self) -> Weights:
        """Features, classes and seed."""
        return {"features": self.features, "is_risk": self.is_risk, "seed": np.array(self.seed)}


@torch.inference_mode()
def window_logits(network: ClipNetwork, windows: FloatArray, frame_stride: int = READ_STRIDE) -> FloatArray:
    """Raw logits (N, 2) of windows (N, 240, 17, 3), in evaluation mode and single precision."""
    was_training, device = network.training, network.head.weight.device
    batch = _BATCH_CPU if device.type == "cpu" else _BATCH_GPU
    network.eval()
    pieces = [
        network(torch.from_numpy(windows[i : i + batch]).to(device), frame_stride)[0].cpu().numpy()
        for i in range(0, len(windows), batch)
    ]
    network.train(was_training)
    return np.concatenate(pieces) if pieces else np.empty((0, 2), np.float32)


def _fms(logits: FloatArray) -> FloatArray:
    """(N, 2) -> (N,) P(FMs)."""
    return np.asarray(1.0 / (1.0 + np.exp(logits[:, 1].astype(np.float64) - logits[:, 0])), np.float32)


def _logit(probability: float) -> float:
    kept = min(max(probability, _TINY), 1.0 - _TINY)
    return float(np.log(kept / (1.0 - kept)))
