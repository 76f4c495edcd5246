"""The branches of MAM on one batch: Ref (labelled clips) alone, and all of them together. Shared by every training.

    clips --ClipNetwork--> logits, embeddings --> clip cross-entropy, triplet            Ref Branch
    bags --ClipNetwork--> class probabilities --BagNetwork + InfoNetwork--> bag NLL      Main and Info Branch
    bags beside the clips' class centres --> closeness

Deviations for the ablations, where the paper is silent: without the Ref Branch the class centres are those of the bags'
instances by their predicted class, and there is no closeness where one class is not predicted at all. A bag without
characteristics is fused with an undecided Info Branch, which is the same as with none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fidgety.records import FloatArray
from fidgety.training.bags import BagPair, Clips, soft_targets
from fidgety.training.losses import bag_loss, class_centres, clip_loss, closeness_loss, triplet_loss
from fidgety.training.networks.mam import ClipNetwork, InfoNetwork, Mam, fuse
from fidgety.training.team import autocast

__all__ = ["BranchRule", "info_of", "main_losses", "ref_losses"]

_BAGS = 2


@dataclass(frozen=True, slots=True)
class BranchRule:
    """How a batch is read: every n-th frame, width of the soft labels' ramp, and the ablation's switches."""

    frame_stride: int
    label_ramp: float
    has_info: bool = True
    has_closeness: bool = True


def ref_losses(network: ClipNetwork, clips: Clips, rule: BranchRule) -> dict[str, Tensor]:
    """Ref Branch: cross-entropy and triplet of labelled clips."""
    logits, embeddings = _encode(network, clips.windows, rule)
    return _clip_losses(logits, embeddings, clips, rule)


def main_losses(mam: Mam, clips: Clips | None, bags: BagPair, rule: BranchRule) -> dict[str, Tensor]:
    """The four losses of one batch: labelled clips, and the instances of the normal and of the risk bag. Without clips
    (no Ref Branch) those of clip and triplet are not there.
    """
    instances = bags.windows.reshape(-1, *bags.windows.shape[2:])
    windows = instances if clips is None else np.concatenate([clips.windows, instances])
    n_clips = 0 if clips is None else len(clips.labels)
    logits, embeddings = _encode(mam.clip, windows, rule)
    probabilities = logits[n_clips:].softmax(-1)
    pairs = probabilities.reshape(_BAGS, -1, 2)
    bag = mam.bag(pairs, torch.ones(pairs.shape[:2], device=pairs.device))
    info = info_of(mam.info, bags.characteristics) if rule.has_info else None
    losses = {"bag": bag_loss(fuse(bag, info), torch.arange(_BAGS, device=bag.device))}
    if clips is None:
        labels = probabilities.detach().argmax(-1)
        labelled = embeddings
    else:
        losses |= _clip_losses(logits[:n_clips], embeddings[:n_clips], clips, rule)
        labels = torch.from_numpy(clips.labels).to(embeddings.device)
        labelled = embeddings[:n_clips]
    if rule.has_closeness and 0 < int(labels.sum()) < len(labels):
        centres = class_centres(labelled, labels)
        losses["closeness"] = closeness_loss(probabilities, embeddings[n_clips:], centres)
    return losses


def info_of(network: InfoNetwork, characteristics: FloatArray) -> Tensor | None:
    """(B, 4) raw characteristics, NaN = not known -> (B, 2); [.5, .5] where one is missing, None where all rows are."""
    rows = torch.from_numpy(characteristics).to(network.mean.device)
    is_known = torch.isfinite(rows).all(dim=1, keepdim=True)
    if bool(is_known.all()):
        info: Tensor = network(rows)
        return info
    if not bool(is_known.any()):
        return None
    return torch.where(is_known, network(torch.where(is_known, rows, network.mean)), 0.5)


def _encode(network: ClipNetwork, windows: FloatArray, rule: BranchRule) -> tuple[Tensor, Tensor]:
    """Windows (N, 240, 17, 3) -> logits (N, 2), embeddings (N, 64), in single precision."""
    device = network.head.weight.device
    with autocast(device):
        logits, embeddings = network(torch.from_numpy(windows).to(device), rule.frame_stride)
    return logits.float(), embeddings.float()


def _clip_losses(logits: Tensor, embeddings: Tensor, clips: Clips, rule: BranchRule) -> dict[str, Tensor]:
    targets = torch.from_numpy(soft_targets(clips.shares, rule.label_ramp)).to(logits.device)
    labels = torch.from_numpy(clips.labels).to(logits.device)
    return {"clip": clip_loss(logits, targets), "triplet": triplet_loss(embeddings, labels)}
