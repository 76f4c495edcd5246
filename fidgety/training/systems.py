"""What every trained system gives, whatever it is made of: the risk of a recording, and FMs window by window.

    joints (T, 17, 3) --System.risk--> score in [0, 1], higher = risk
                      --System.window_probabilities--> P(FMs) of 9.6 s windows, or None

MAM, STAM and WO-GMA are wrapped here; EML (eml.py) is one as it is. A recording is at 25 Hz, in trunk lengths; NaN rows
are void stretches, short gaps are bridged before. Networks score in evaluation mode, in single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fidgety.errors import UsageError
from fidgety.records import BoolArray, FloatArray
from fidgety.training.networks.inputs import cut_pieces, encode_whole
from fidgety.training.networks.mam import WINDOW_FRAMES, Mam, fuse
from fidgety.training.networks.stam import CLIP_FRAMES, CLIP_STRIDE, Stam
from fidgety.training.networks.wo_gma import BLOCK_FRAMES, WoGma, WoGmaOutput

__all__ = ["MamSystem", "StamSystem", "System", "WoGmaSystem"]

INSTANCE_STRIDE = 150  # frames from one instance to the next
_BATCH = 32  # pieces that go through a network together: ten minutes at once would take gigabytes


class System(Protocol):
    """A trained system that scores one recording at a time and remembers none."""

    @property
    def name(self) -> str:
        """As it stands in tables."""

    def risk(self, joints: FloatArray) -> float:
        """Risk score of a recording (T, 17, 3), higher = risk. Raises UsageError where nothing of it can be scored."""

    def window_probabilities(self, joints: FloatArray, starts: NDArray[np.int64]) -> FloatArray | None:
        """P(FMs) (W,) float32 of the 240-frame windows that start at these frames (W,); NaN for a window with a NaN.

        None from a system that scores no windows. Raises UsageError for a window that the recording does not fill.
        """


@contextmanager
def _scoring(network: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; afterwards the network trains on, if it did."""
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(was_training)


def _in_batches(encode: Callable[[Tensor], Tensor], pieces: Tensor) -> Tensor:
    """`encode` of all pieces (n, ...), a few at a time."""
    return torch.cat([encode(batch) for batch in torch.split(pieces, _BATCH)])


def _whole_windows(joints: FloatArray, starts: NDArray[np.int64]) -> BoolArray:
    """(W,) the window holds no NaN. Raises UsageError for a window that the recording does not fill."""
    if len(starts) and (starts.min() < 0 or starts.max() + WINDOW_FRAMES > len(joints)):
        raise UsageError(f"windows start from 0 to {len(joints) - WINDOW_FRAMES}, got {starts.min()} to {starts.max()}")
    missing = np.concatenate([[0], np.cumsum(~np.isfinite(joints).all(axis=(1, 2)))])
    return np.asarray(missing[starts + WINDOW_FRAMES] == missing[starts])


@dataclass(frozen=True, slots=True)
class MamSystem:
    """MAM without its Info Branch: the risk is that of the bag of all instances, as for an infant without
    characteristics.
    """

    network: Mam
    name: str = "MAM"

    def risk(self, joints: FloatArray) -> float:
        """Fused risk probability, within [.27, .73] as softmax(bag) is."""
        windows, is_whole = cut_pieces(joints, WINDOW_FRAMES, INSTANCE_STRIDE)
        with _scoring(self.network):
            instances = _in_batches(self._classes, windows[is_whole])[None]
            bag = self.network.bag(instances, torch.ones(instances.shape[:2]))
            return float(fuse(bag, None)[0, 1])

    def window_probabilities(self, joints: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
        """The clip network's own P(FMs)."""
        is_whole = _whole_windows(joints, starts)
        found = np.full(len(starts), np.nan, dtype=np.float32)
        if is_whole.any():
            windows = np.stack([joints[start : start + WINDOW_FRAMES] for start in starts[is_whole]])
            with _scoring(self.network):
                found[is_whole] = _in_batches(self._classes, torch.from_numpy(windows))[:, 0].numpy()
        return found

    def _classes(self, windows: Tensor) -> Tensor:
        """(n, 240, 17, 3) -> class probabilities (n, 2)."""
        logits: Tensor = self.network.clip(windows)[0]
        return logits.softmax(-1)


@dataclass(frozen=True, slots=True)
class StamSystem:
    """STAM. A window is scored as if its clips were the whole recording: attention and head on them alone give
    P(normal), which stands for P(FMs); no clip was ever labelled.
    """

    network: Stam
    name: str = "STAM"

    def risk(self, joints: FloatArray) -> float:
        """P(risk) of the recording."""
        with _scoring(self.network):
            embeddings, is_whole = self._embeddings(joints)
            logits, _ = self.network.judge(embeddings[None], is_whole[None])
            return float(logits.softmax(-1)[0, 1])

    def window_probabilities(self, joints: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
        """P(normal) of the clips that lie within each window."""
        found, is_whole = np.full(len(starts), np.nan, dtype=np.float32), _whole_windows(joints, starts)
        if not is_whole.any():
            return found
        with _scoring(self.network):
            embeddings, _ = self._embeddings(joints)
            clip_starts = CLIP_STRIDE * np.arange(len(embeddings))
            first = starts[is_whole, None]
            inside = (clip_starts >= first) & (clip_starts + CLIP_FRAMES <= first + WINDOW_FRAMES)
            several = embeddings.expand(len(inside), -1, -1)
            logits, _ = self.network.judge(several, torch.from_numpy(inside))
        found[is_whole] = logits.softmax(-1)[:, 0].numpy()
        return found

    def _embeddings(self, joints: FloatArray) -> tuple[Tensor, Tensor]:
        """(N, 128) of all clips, zero where the clip is not whole, and is_whole (N,)."""
        clips, is_whole = cut_pieces(joints, CLIP_FRAMES, CLIP_STRIDE)
        return encode_whole(lambda whole: _in_batches(self.network.encode, whole), clips, is_whole), is_whole


@dataclass(frozen=True, slots=True)
class WoGmaSystem:
    """WO-GMA, by its offline branch: a window's P(FMs) is the mean of its blocks' scores, by their frames within it."""

    network: WoGma
    name: str = "WO-GMA"

    def risk(self, joints: FloatArray) -> float:
        """One less the recording's FMs score."""
        with _scoring(self.network):
            return 1.0 - float(self._judge(joints).video_scores[0])

    def window_probabilities(self, joints: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
        """Mean block scores."""
        found, is_whole = np.full(len(starts), np.nan, dtype=np.float32), _whole_windows(joints, starts)
        if not is_whole.any():
            return found
        with _scoring(self.network):
            judged = self._judge(joints)
        scores, counts = judged.block_scores[0].numpy(), judged.mask[0].numpy()
        block_starts, first = BLOCK_FRAMES * np.arange(len(scores)), starts[is_whole, None]
        ends = np.minimum(block_starts + BLOCK_FRAMES, first + WINDOW_FRAMES)
        shared = counts * np.clip(ends - np.maximum(block_starts, first), 0, None)  # (W, N) frames
        found[is_whole] = (shared @ scores) / shared.sum(axis=1)
        return found

    def _judge(self, joints: FloatArray) -> WoGmaOutput:
        blocks, is_whole = cut_pieces(joints, BLOCK_FRAMES, BLOCK_FRAMES)
        features = encode_whole(lambda whole: _in_batches(self.network.encode, whole), blocks, is_whole)
        return self.network.judge(features[None], is_whole[None])
