"""What the networks read: the kinds of input that MAM may be given, a first layer for each, and a recording's pieces.

    raw joints (B, T, 17, 3) --read_inputs--> (B, T, 17, C) --first_layer--> features (B, T, 17, 64)
    recording (T, 17, 3) --cut_pieces--> pieces (N, length, 17, 3), is_whole (N,)

The paper's ablation names signed differences, distances, coordinates, velocities, accelerations and combinations,
and 2D against 3D pose, but publishes neither their units nor their first layers: those are ours. So that no kind is
helped or hindered by its size, each is centred on its mean over the window, or is so by nature, and has about the size
of the movement in normalise.py's units, ten to a trunk length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fidgety.errors import UsageError
from fidgety.records import FloatArray
from fidgety.skeleton import H36M_17
from fidgety.training.networks.normalise import MOVEMENT_GAIN, normalise_windows

__all__ = [
    "FEATURES",
    "INPUT_KINDS",
    "Dimensions",
    "FirstLayer",
    "InputKind",
    "PairConvolution",
    "cut_pieces",
    "encode_whole",
    "first_layer",
    "pair_distances",
    "parse_kinds",
    "read_inputs",
    "stack_pieces",
]

InputKind = Literal["difference", "distance", "coordinates", "velocity", "acceleration"]
Dimensions = Literal["2d", "3d"]

INPUT_KINDS: tuple[InputKind, ...] = get_args(InputKind)
FEATURES = 64  # of each joint and frame behind the first layer
_J = len(H36M_17)
_HIP, _THORAX = H36M_17.indices("hip", "thorax")
_CHANNELS: dict[InputKind, int] = {
    "difference": 3,
    "distance": _J - 1,
    "coordinates": 3,
    "velocity": 3,
    "acceleration": 3,
}
# Velocity and acceleration are divided by 2 pi 1.5 Hz once and twice: in the middle of the band of FMs they are as
# large as the movement itself.
_PER_FRAME = 25.0 / (2.0 * math.pi * 1.5)
# (17 x 16,) of 17 x 17 flattened pairs: each joint's 16 partners, the other joints in rising order
_PARTNERS = [i * _J + j for i in range(_J) for j in range(_J) if j != i]


def parse_kinds(inputs: str) -> tuple[InputKind, ...]:
    """'coordinates+velocity' -> ('coordinates', 'velocity'). Raises UsageError for unknown or repeated kinds."""
    names = inputs.split("+")
    kinds = tuple(kind for name in names for kind in INPUT_KINDS if kind == name)
    if len(kinds) != len(names) or len(set(kinds)) != len(kinds):
        raise UsageError(f"inputs {inputs!r}: join one or more of {', '.join(INPUT_KINDS)} by +, each once")
    return kinds


def read_inputs(joints: Tensor, kinds: Sequence[InputKind], pose: Dimensions = "3d") -> Tensor:
    """Raw windows (B, T, 17, 3) float32, as `normalise_windows` takes them -> (B, T, 17, C), one kind after the other.

    difference, coordinates: the normalised movement itself (3 channels); differences are taken by their first layer.
    distance: `pair_distances` (16). velocity: central difference (3), acceleration: second difference (3), ends
    repeated. `pose` "2d" sets the third axis of the raw joints to zero, as a 2D pose network knows none: a trunk that
    leans then looks shortened, and the trunk's axes lie in the picture.
    """
    if pose == "2d":
        joints = torch.cat([joints[..., :2], torch.zeros_like(joints[..., 2:])], dim=-1)
    movement = normalise_windows(joints)
    parts = [_read(kind, joints, movement) for kind in kinds]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def _read(kind: InputKind, joints: Tensor, movement: Tensor) -> Tensor:
    if kind == "distance":
        return pair_distances(joints)
    if kind in ("difference", "coordinates"):
        return movement
    before = torch.cat([movement[:, :1], movement[:, :-1]], dim=1)
    after = torch.cat([movement[:, 1:], movement[:, -1:]], dim=1)
    if kind == "velocity":
        return (after - before) * (0.5 * _PER_FRAME)
    inner = (after - 2.0 * movement + before)[:, 1:-1]
    return torch.cat([inner[:, :1], inner, inner[:, -1:]], dim=1) * _PER_FRAME**2


def pair_distances(joints: Tensor) -> Tensor:
    """Raw windows (B, T, 17, 3) -> (B, T, 17, 16): distance of every joint to its 16 partners, about its mean over the
    window, ten units to the median hip-thorax distance.

    Distances are those between the joints' places, posture included: the norm of a difference of *movements* would
    lose its sign and double every frequency. As in `normalise_windows` a joint's depth is its mean over the window.
    """
    depth = joints[..., 2:].mean(dim=1, keepdim=True).expand(-1, joints.shape[1], -1, -1)
    places = torch.cat([joints[..., :2], depth], dim=-1)
    torso = (places[:, :, _THORAX] - places[:, :, _HIP]).norm(dim=-1).median(dim=1).values
    apart = torch.cdist(places, places).flatten(2)[:, :, _PARTNERS].reshape(*joints.shape[:3], _J - 1)
    scale = MOVEMENT_GAIN / (torso + 1e-12)
    distances: Tensor = (apart - apart.mean(dim=1, keepdim=True)) * scale[:, None, None, None]
    return distances


class PairConvolution(nn.Module):
    """Conv 3 -> 64 with kernel [1, 16] over a joint's 16 partners, on the signed differences p_i - p_j.

    As sum_j w_ij (p_i - p_j) is linear in the joints, the weights are laid out as one (51, 17 x 64) matrix per call
    and the (17, 16, 3, T) differences are never written out. Partners of joint i are the other joints in rising
    order.
    """

    slot: Tensor

    def __init__(self) -> None:
        super().__init__()
        convolution = nn.Conv2d(3, FEATURES, (1, _J - 1))
        self.weight = nn.Parameter(convolution.weight.detach()[:, :, 0])  # (64, 3 axes, 16 partners)
        self.bias = nn.Parameter(convolution.bias.detach())  # type: ignore[union-attr]
        slot = torch.full((_J, _J), _J - 1)
        for joint in range(_J):
            others = [other for other in range(_J) if other != joint]
            slot[joint, others] = torch.arange(_J - 1)
        self.register_buffer("slot", slot.flatten(), persistent=False)

    def forward(self, joints: Tensor) -> Tensor:
        """(B, T, 17, 3) normalised joints -> (B, T, 17, 64)."""
        own = self.weight.sum(-1, keepdim=True)  # p_i enters each of its 16 differences
        matrix = torch.cat([-self.weight, own], dim=-1)[:, :, self.slot]  # (64, 3, 17 x 17)
        matrix = matrix.reshape(FEATURES, 3, _J, _J).permute(2, 0, 3, 1).reshape(_J * FEATURES, _J * 3)
        return F.linear(joints.flatten(2), matrix).reshape(*joints.shape[:3], FEATURES) + self.bias


class _JointMap(nn.Module):
    """A linear map C -> 64 of each joint, with weights of its own: 3,328 parameters of three channels, where
    PairConvolution has 3,136.

    Weights shared by all joints would leave MAM blind to which joint is which: its encoder knows no order of joints,
    and only PairConvolution's partners tell them apart.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        bound = channels**-0.5
        self.weight = nn.Parameter(torch.empty(_J, channels, FEATURES).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(FEATURES).uniform_(-bound, bound))

    def forward(self, joints: Tensor) -> Tensor:
        """(B, T, 17, C) -> (B, T, 17, 64)."""
        return torch.einsum("btjc,jcd->btjd", joints, self.weight) + self.bias


def _layer(kind: InputKind) -> nn.Module:
    """The first layer of one kind. That of distances is the paper's convolution over partners with one channel."""
    if kind == "difference":
        return PairConvolution()
    return nn.Linear(_CHANNELS[kind], FEATURES) if kind == "distance" else _JointMap(_CHANNELS[kind])


class FirstLayer(nn.Module):
    """The sum of a layer for each kind: what `read_inputs` gives for the same kinds -> (B, T, 17, 64)."""

    def __init__(self, kinds: Sequence[InputKind]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({kind: _layer(kind) for kind in kinds})
        self.channels = [_CHANNELS[kind] for kind in kinds]

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, T, 17, C) -> (B, T, 17, 64)."""
        parts = torch.split(inputs, self.channels, dim=-1)
        mapped = [layer(part) for layer, part in zip(self.layers.values(), parts, strict=True)]
        return torch.stack(mapped).sum(0)


def first_layer(kinds: Sequence[InputKind], pose: Dimensions) -> nn.Module:
    """The first layer for these inputs. Raises UsageError where `pose` is neither "2d" nor "3d".

    Only that of MAM proper is a bare PairConvolution. All others name their weights otherwise, 2D differences too: the
    exported graph takes 3D differences, and must refuse weights that were trained on anything else.
    """
    if pose not in get_args(Dimensions):
        raise UsageError(f"pose {pose!r}: 2d or 3d")
    return PairConvolution() if tuple(kinds) == ("difference",) and pose == "3d" else FirstLayer(kinds)


def cut_pieces(joints: FloatArray, length: int, stride: int) -> tuple[Tensor, Tensor]:
    """A recording (T, 17, 3) -> pieces (N, length, 17, 3) float32 every `stride` frames, is_whole (N,) bool.

    Frames that no whole piece covers at the end are left out. A piece with a NaN is not whole, and zero throughout.
    Raises UsageError where no piece is whole.
    """
    if joints.ndim != 3 or joints.shape[1:] != (_J, 3):
        raise UsageError(f"a recording is (T, {_J}, 3), got {joints.shape}")
    starts = np.arange(0, len(joints) - length + 1, stride)
    if len(starts) == 0:
        raise UsageError(f"a recording of {len(joints)} frames holds no {length} frames: record for longer")
    pieces = torch.from_numpy(np.stack([joints[start : start + length] for start in starts]).astype(np.float32))
    is_whole = torch.isfinite(pieces).flatten(1).all(dim=1)
    if not bool(is_whole.any()):
        raise UsageError(f"no {length} frames in a row of {len(joints)} were observed: nothing can be scored")
    return torch.where(is_whole[:, None, None, None], pieces, 0.0), is_whole


def stack_pieces(recordings: Sequence[FloatArray], length: int, stride: int) -> tuple[Tensor, Tensor]:
    """Recordings of any lengths -> pieces (B, N, length, 17, 3), mask (B, N) bool: N as the longest needs, zeros behind
    the shorter ones. Raises UsageError as `cut_pieces` does.
    """
    cut = [cut_pieces(joints, length, stride) for joints in recordings]
    pieces = nn.utils.rnn.pad_sequence([piece for piece, _ in cut], batch_first=True)
    return pieces, nn.utils.rnn.pad_sequence([is_whole for _, is_whole in cut], batch_first=True)


def encode_whole(encode: Callable[[Tensor], Tensor], pieces: Tensor, mask: Tensor) -> Tensor:
    """`encode` (n, ...) -> (n, D) of the pieces (B, N, ...) that count in mask (B, N) bool -> (B, N, D), else zero.

    The others never reach the network: they would cost time and stain its batch statistics.
    """
    encoded = encode(pieces[mask])
    placed = encoded.new_zeros(*mask.shape, encoded.shape[-1])
    placed[mask] = encoded
    return placed
