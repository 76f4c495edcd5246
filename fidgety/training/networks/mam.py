"""MAM in torch: raw 3D windows in, class logits and embedding out; window probabilities in, bag probabilities out.

The network of Gao, Yao et al., Nat Commun 2023 (SPEC 3), 151,398 parameters in all, 150,531 of them in the clip
network. Normalising and pairwise differences are part of the module, so that training and device cannot drift
apart.

Deviations from the paper: how a window is normalised (not published; normalise.py); bags of any number of
instances (the public code fixes 17); the Info Branch is left out where characteristics are missing; the pairwise
differences are never written out: the first convolution is folded into one linear map of the joints
(`inputs.PairConvolution`, same parameters, same values); every second of the 222 frames goes through the encoder
(`READ_STRIDE`), which nearly halves the cost of a window and changes what is read of one in a thousand
(docs/ARCHITECTURE.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fidgety.skeleton import H36M_17
from fidgety.training.networks.dropout import PooledDropout
from fidgety.training.networks.inputs import (
    FEATURES,
    Dimensions,
    PairConvolution,
    first_layer,
    parse_kinds,
    read_inputs,
)

__all__ = [
    "CLASSES",
    "N_JOINTS",
    "READ_STRIDE",
    "WINDOW_FRAMES",
    "AdditiveAttention",
    "BagNetwork",
    "ClipNetwork",
    "Encoder",
    "InfoNetwork",
    "Mam",
    "PairConvolution",
    "fuse",
]

WINDOW_FRAMES = 240
N_JOINTS = len(H36M_17)
READ_STRIDE = 2  # in use, every n-th of a window's frames goes through the encoder
CLASSES = ("FMs", "non-FMs")
_D = FEATURES
_HEADS = 4
_TEMPORAL_KERNEL = 10
# SDs of characteristics below which a column is the same for all: of sex any, a day of gestation, 10 g, a day of age.
_LEAST_SD = (1e-6, 1 / 7, 10.0, 1 / 7)
_SAYS_NOTHING = 1e6  # SD of such a column: 3 kg off are .003. Finite, for what is written from the weights


class EncoderLayer(nn.Module):
    """Post-norm Transformer encoder layer: d 64, 4 heads, FFN 256, ReLU, dropout .1.

    Attention is written out in plain operators, which every ONNX runtime and TensorRT read. It is also quicker in
    training than torch's fused kernel, which loses half of a step on 17 tokens (2 CPU cores, bfloat16).
    """

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.qkv = nn.Linear(_D, 3 * _D)
        self.projection = nn.Linear(_D, _D)
        self.norm_attention = nn.LayerNorm(_D)
        self.widen = nn.Linear(_D, 4 * _D)
        self.narrow = nn.Linear(4 * _D, _D)
        self.norm_ffn = nn.LayerNorm(_D)
        self.dropout = PooledDropout(dropout)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)

    def attend(self, tokens: Tensor) -> Tensor:
        """Multi-head self-attention, (N, L, 64) -> (N, L, 64)."""
        split = self.qkv(tokens).reshape(*tokens.shape[:2], 3, _HEADS, _D // _HEADS)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (N, 4, L, 16)
        weights = torch.matmul(query * (_D // _HEADS) ** -0.5, key.transpose(-1, -2)).softmax(-1)
        mixed = torch.matmul(self.dropout(weights).to(value.dtype), value)
        projected: Tensor = self.projection(mixed.transpose(1, 2).flatten(2))
        return projected

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, 64) -> (N, L, 64)."""
        tokens = self.norm_attention(tokens + self.dropout(self.attend(tokens)))
        widened = self.dropout(F.relu(self.widen(tokens)))
        encoded: Tensor = self.norm_ffn(tokens + self.dropout(self.narrow(widened)))
        return encoded


class Encoder(nn.Module):
    """Two encoder layers; MAM applies the same ones over the joints of a frame and over the frames of a window."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([EncoderLayer(), EncoderLayer()])

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, 64) -> (N, L, 64)."""
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens


class AdditiveAttention(nn.Module):
    """Weighted mean over items; the weights are a softmax of a small tanh network of each item."""

    def __init__(self, width: int, hidden: int, narrow: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, narrow), nn.Tanh(), nn.Linear(narrow, 1)
        )

    def forward(self, items: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, L, width) -> (N, width). mask: (N, L), 1 or True = counts; at least one per row."""
        scores = self.score(items)
        if mask is not None:
            scores = scores - 1e4 * (1.0 - mask.to(scores.dtype))[..., None]
        pooled: Tensor = (scores.softmax(1) * items).sum(1)
        return pooled


def _sinusoids(length: int) -> Tensor:
    """Sinusoidal positions, (length, 64)."""
    position = torch.arange(length, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, _D, 2, dtype=torch.float32) * (-math.log(10000.0) / _D))
    return torch.stack([torch.sin(position * rate), torch.cos(position * rate)], dim=-1).flatten(1)


def _movement_kernels() -> Tensor:
    """Starting weights (64, 64, 10) of the temporal convolution: random mixes of half a cycle to three halves, no
    constant part.

    At 25 Hz these are 1.25, 2.5 and 3.75 Hz.
    """
    time = (torch.arange(_TEMPORAL_KERNEL) + 0.5) / _TEMPORAL_KERNEL
    waves = torch.stack([torch.cos(math.pi * halves * time) for halves in (1, 2, 3)])
    mixed = torch.randn(_D, _D, len(waves)) @ waves
    return mixed / math.sqrt(_D * len(waves) * _TEMPORAL_KERNEL / 2)


class ClipNetwork(nn.Module):
    """The window network: (B, 240, 17, 3) raw joints -> logits (B, 2) in the order of CLASSES, embedding (B, 64).

    Deviations from the paper, both in training only. Dropout behind the first convolution drops a channel of a
    joint for the whole window, not frame by frame, which would lay noise as large as the movement over every frame.
    The temporal kernels start slow and without a constant part (`_movement_kernels`).

    `inputs`, `pose`: the ablation's switches (inputs.py), kinds joined by +. Only the default has MAM's parameters and
    can be exported. Raises UsageError for inputs that there are not.
    """

    positions: Tensor

    def __init__(self, dropout: float = 0.6, inputs: str = "difference", pose: Dimensions = "3d") -> None:
        super().__init__()
        self.kinds, self.pose = parse_kinds(inputs), pose
        self.pairs = first_layer(self.kinds, pose)
        self.temporal = nn.Conv1d(_D, _D, _TEMPORAL_KERNEL)
        self.temporal.weight = nn.Parameter(_movement_kernels())
        self.encoder = Encoder()
        self.pool = AdditiveAttention(_D, 64, 32)
        self.head = nn.Linear(_D, len(CLASSES))
        self.dropout = PooledDropout(dropout)
        n_positions = WINDOW_FRAMES - 2 * (_TEMPORAL_KERNEL - 1)
        self.register_buffer("positions", _sinusoids(n_positions), persistent=False)

    def temporal_kernel(self) -> tuple[Tensor, Tensor]:
        """The temporal convolution applied twice, as one: weight (64, 64, 19) and bias (64,).

        There is nothing but a sum between the two, so one convolution with the composed kernel gives the same
        values, costs 7 % less, and, unlike the two, pays nothing for frames that `frame_stride` skips.
        """
        weight, bias = self.temporal.weight, self.temporal.bias
        composed = F.conv1d(weight.transpose(0, 1), weight.flip(-1), padding=_TEMPORAL_KERNEL - 1).transpose(0, 1)
        return composed, bias + weight.sum(-1) @ bias  # type: ignore[operator]

    def forward(self, joints: Tensor, frame_stride: int = READ_STRIDE) -> tuple[Tensor, Tensor]:
        """logits (B, 2), embedding (B, 64). Every `frame_stride`-th frame is encoded; training may take fewer."""
        n_windows = joints.shape[0]
        with torch.autocast(
            joints.device.type, enabled=False
        ):  # FMs are a few thousandths of a coordinate: never bfloat16
            features = F.relu(self.pairs(read_inputs(joints.float(), self.kinds, self.pose)))  # (B, 240, 17, 64)
            if self.training:
                features = features * self.dropout(torch.ones_like(features[:, :1]))
            weight, bias = self.temporal_kernel()
        features = features.permute(0, 2, 3, 1).flatten(0, 1)  # (B x 17, 64, 240)
        features = F.conv1d(features, weight, bias, stride=frame_stride)
        n_frames = features.shape[-1]
        tokens = (
            features.reshape(n_windows, N_JOINTS, _D, n_frames).permute(0, 3, 1, 2).flatten(0, 1)
        )  # (B x n_frames, 17, 64)
        frames = self.pool(self.encoder(tokens)).reshape(n_windows, n_frames, _D)
        frames = self.dropout(frames + self.positions[::frame_stride])
        embedding = self.pool(self.encoder(frames))
        return self.head(embedding), embedding


class BagNetwork(nn.Module):
    """Additive attention over a recording's windows: class probabilities (B, N, 2), mask (B, N) -> bag (B, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = AdditiveAttention(len(CLASSES), 32, 16)

    def forward(self, class_probabilities: Tensor, mask: Tensor) -> Tensor:
        """Bag probabilities in the order (normal, risk), the classes of the windows: weighted mean over the N
        windows.
        """
        pooled: Tensor = self.pool(class_probabilities, mask)
        return pooled


class InfoNetwork(nn.Module):
    """Info Branch: characteristics (B, 4) in raw units -> probabilities (B, 2) in the order (normal, risk).

    Columns: sex (0 female, 1 male), gestation in weeks, birth weight in g, corrected age in weeks. The last three are
    z-scored inside with the mean and SD of the training set.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, dropout: float = 0.6) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 32)
        self.out = nn.Linear(32, 2)
        self.dropout = PooledDropout(dropout)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("sd", torch.ones(4))

    def set_scaling(self, characteristics: Tensor) -> None:
        """Take mean and SD of (M, 4) training characteristics; sex stays 0/1.

        A column that is the same for all of them says nothing: its SD becomes so large that it stays near 0 for
        everybody. Its weights were never trained, and by its own SD another infant would be some 1e5 away.
        """
        spread = characteristics.std(0)
        is_told = spread >= spread.new_tensor(_LEAST_SD)
        self.mean.copy_(characteristics.mean(0))
        self.sd.copy_(spread)
        self.mean[0], self.sd[0] = 0.0, 1.0
        self.sd[~is_told] = _SAYS_NOTHING

    def forward(self, characteristics: Tensor) -> Tensor:
        """(B, 4) -> (B, 2)."""
        scaled = (characteristics - self.mean) / self.sd
        logits: Tensor = self.out(self.dropout(F.relu(self.hidden(scaled))))
        return logits.softmax(-1)


def fuse(bag: Tensor, info: Tensor | None) -> Tensor:
    """softmax(bag + info), (B, 2); without characteristics softmax(bag), the same as an undecided info of [.5, .5]."""
    return (bag if info is None else bag + info).softmax(-1)


class Mam(nn.Module):
    """Clip network, bag attention and Info Branch together. `inputs`, `pose`, `dropout`: see ClipNetwork."""

    def __init__(self, inputs: str = "difference", pose: Dimensions = "3d", dropout: float = 0.6) -> None:
        super().__init__()
        self.clip = ClipNetwork(dropout, inputs, pose)
        self.bag = BagNetwork()
        self.info = InfoNetwork()
