"""A small high-resolution network (after Sun et al., CVPR 2019): parallel branches at 1/4, 1/8 and 1/16 that exchange
what they know, and heat maps at 1/4.

The order of its layers is written once (`lay`) and run twice: by torch to train it, by a graph writer to export it. The
heat maps are a softmax over the crop, scaled so that a joint seen as the training's Gaussian peaks at 1: where the
network hesitates between places, or sees nobody, the mass spreads and the peak falls.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CELL_PX", "CROP_PX", "N_JOINTS", "PEAK", "SIGMA_CELLS", "HeatmapNetwork", "Layers", "lay"]

CROP_PX, CELL_PX, N_JOINTS = 192, 4, 17
SIGMA_CELLS = 1.5  # of the Gaussian that a joint is taught as
PEAK = float(2 * np.pi * SIGMA_CELLS**2)  # turns the softmax's peak into 1
_STEM, _WIDTHS, _N_MODULES = 16, (24, 48, 96), 3

V = TypeVar("V")


class Layers(Protocol[V]):
    """What carries a layer out: numbers in torch, nodes in a graph."""

    def convolve(self, name: str, values: V, n_in: int, n_out: int, kernel: int, stride: int, norm: bool) -> V: ...

    def relu(self, values: V) -> V: ...

    def add(self, one: V, other: V) -> V: ...

    def enlarge(self, values: V, factor: int) -> V: ...


def lay(layers: Layers[V], crop: V) -> V:
    """Crop (N, 3, 192, 192) -> logits (N, 17, 48, 48)."""

    def unit(name: str, values: V, n_in: int, n_out: int, stride: int = 1) -> V:
        return layers.relu(layers.convolve(name, values, n_in, n_out, 3, stride, True))

    widths = _WIDTHS
    branches = [unit("stem_1", unit("stem_0", crop, 3, _STEM, 2), _STEM, widths[0], 2)]
    for i in range(1, len(widths)):
        branches.append(unit(f"enter_{i}", branches[-1], widths[i - 1], widths[i], 2))
    for module in range(_N_MODULES):
        branches = [_block(layers, f"block_{module}_{i}", values, widths[i]) for i, values in enumerate(branches)]
        branches = [_exchange(layers, f"exchange_{module}_{i}", branches, i) for i in range(len(branches))]
    return layers.convolve("leave", branches[0], widths[0], N_JOINTS, 1, 1, False)


def _block(layers: Layers[V], name: str, values: V, width: int) -> V:
    """Two convolutions and what went in."""
    inside = layers.relu(layers.convolve(f"{name}_a", values, width, width, 3, 1, True))
    return layers.relu(layers.add(values, layers.convolve(f"{name}_b", inside, width, width, 3, 1, True)))


def _exchange(layers: Layers[V], name: str, branches: list[V], to: int) -> V:
    """The sum of all branches at the resolution of branch `to`."""
    total = branches[to]
    for i, values in enumerate(branches):
        if i > to:
            near = layers.convolve(f"{name}_{i}", values, _WIDTHS[i], _WIDTHS[to], 1, 1, True)
            total = layers.add(total, layers.enlarge(near, 2 ** (i - to)))
        elif i < to:
            near = values
            for step in range(i, to):
                if step > i:
                    near = layers.relu(near)
                near = layers.convolve(f"{name}_{i}_{step}", near, _WIDTHS[step], _WIDTHS[step + 1], 3, 2, True)
            total = layers.add(total, near)
    return layers.relu(total)


class HeatmapNetwork(nn.Module):
    """The network in torch. Its layers are made when `lay` first names them."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions, self.norms = nn.ModuleDict(), nn.ModuleDict()
        with torch.no_grad():
            lay(self, torch.zeros(1, 3, CROP_PX, CROP_PX))
        for norm in self.norms.values():
            norm.reset_parameters()  # type: ignore[operator]  # what the zeros left in the running means

    def forward(self, crop: Tensor) -> Tensor:
        """(N, 3, 192, 192) RGB in [0, 1] -> logits (N, 17, 48, 48)."""
        return lay(self, crop * 4.0 - 2.0)

    def convolve(
        self, name: str, values: Tensor, n_in: int, n_out: int, kernel: int, stride: int, norm: bool
    ) -> Tensor:
        if name not in self.convolutions:
            self.convolutions[name] = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=not norm)
            if norm:
                self.norms[name] = nn.BatchNorm2d(n_out)
        convolved: Tensor = self.convolutions[name](values)
        return self.norms[name](convolved) if norm else convolved

    def relu(self, values: Tensor) -> Tensor:
        return functional.relu(values)

    def add(self, one: Tensor, other: Tensor) -> Tensor:
        return one + other

    def enlarge(self, values: Tensor, factor: int) -> Tensor:
        return functional.interpolate(values, scale_factor=factor, mode="nearest")

    def heatmaps(self, crop: Tensor) -> Tensor:
        """(N, 3, 192, 192) -> (N, 17, 48, 48), as the exported graph gives them."""
        logits = self(crop)
        maps: Tensor = (logits.flatten(2).softmax(dim=2) * PEAK).reshape(logits.shape)
        return maps
