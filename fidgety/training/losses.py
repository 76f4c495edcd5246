"""The four losses of MAM (SPEC 3), each weight 1. Classes are in the order (FMs, non-FMs) for windows, (normal,
risk) for bags.

`labels` and `targets` hold class indices: 0 = FMs or normal, 1 = non-FMs or risk.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = ["bag_loss", "class_centres", "clip_loss", "closeness_loss", "triplet_loss"]

MARGIN = 0.4


def bag_loss(fused: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of the fused probabilities (B, 2) at the recordings' classes (B,)."""
    return F.nll_loss(torch.log(fused), targets)


def clip_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the clips' logits (B, 2). targets: (B,) class indices, or (B, 2) class shares of doubtful
    clips.
    """
    return F.cross_entropy(logits, targets)


def _distances(embeddings: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances (A, B) of (A, D) from (B, D), with a gradient at zero distance."""
    difference = embeddings[:, None] - others[None]
    return torch.sqrt((difference * difference).sum(-1) + 1e-12)


def triplet_loss(embeddings: Tensor, labels: Tensor, margin: float = MARGIN) -> Tensor:
    """Triplet loss on batch-mean distances: relu(mean distance within classes - mean distance between them + margin).

    embeddings: (B, D); labels: (B,). Pairs of a clip with itself do not count. With one class only, or no pair within a
    class, there is nothing to compare and the loss is 0.
    """
    same = labels[:, None] == labels[None]
    distances = _distances(embeddings, embeddings)
    within = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    if not bool(within.any()) or bool(same.all()):
        return embeddings.sum() * 0.0
    return F.relu(distances[within].mean() - distances[~same].mean() + margin)


def class_centres(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Means (2, D) of the batch's labelled embeddings (B, D) per class. Both classes must be present, else
    ValueError.
    """
    counts = torch.bincount(labels, minlength=2)
    if bool((counts == 0).any()):
        raise ValueError(f"class centres need labelled clips of both classes, got counts {counts.tolist()}")
    return torch.stack([embeddings[labels == label].mean(0) for label in (0, 1)])


def closeness_loss(probabilities: Tensor, embeddings: Tensor, centres: Tensor) -> Tensor:
    """Closeness: mean over bag instances of p_nonFM * p_FM * d.

    d is the softmax over the two class centres (2, D) of the instance's Euclidean distance, taken at its predicted
    class: an instance that is doubtful and far from the centre of its own class costs most. probabilities: (N, 2),
    embeddings: (N, D).
    """
    share = torch.softmax(_distances(embeddings, centres), dim=-1)
    predicted = probabilities.argmax(-1, keepdim=True)
    at_predicted = share.gather(-1, predicted)[:, 0]
    return (probabilities[:, 0] * probabilities[:, 1] * at_predicted).mean()
