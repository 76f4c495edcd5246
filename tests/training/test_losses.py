"""The losses against cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from fidgety.training.losses import bag_loss, class_centres, clip_loss, closeness_loss, triplet_loss


def test_bag_loss_is_the_log_of_the_right_class() -> None:
    fused = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    expected = -(math.log(0.8) + math.log(0.6)) / 2
    assert bag_loss(fused, torch.tensor([0, 1])).item() == pytest.approx(expected, abs=1e-6)


def test_clip_loss_takes_hard_and_soft_targets() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])  # P(FMs) = .75
    assert clip_loss(logits, torch.tensor([1])).item() == pytest.approx(-math.log(0.25), abs=1e-6)
    soft = clip_loss(logits, torch.tensor([[0.5, 0.5]])).item()
    assert soft == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2, abs=1e-6)


def test_triplet_loss_compares_mean_distances() -> None:
    embeddings = torch.tensor([[0.0, 0.0], [0.0, 2.0], [3.0, 0.0], [3.0, 2.0]])
    labels = torch.tensor([0, 0, 1, 1])
    between = (3.0 + math.sqrt(13.0)) / 2
    assert triplet_loss(embeddings, labels, margin=1.5).item() == pytest.approx(2.0 - between + 1.5, abs=1e-5)
    assert triplet_loss(embeddings, labels).item() == 0.0


def test_triplet_loss_of_one_class_is_zero() -> None:
    embeddings = torch.randn(3, 4, requires_grad=True)
    loss = triplet_loss(embeddings, torch.tensor([1, 1, 1]))
    loss.backward()
    assert loss.item() == 0.0


def test_triplet_loss_of_equal_embeddings_has_a_finite_gradient() -> None:
    embeddings = torch.zeros(4, 8, requires_grad=True)
    triplet_loss(embeddings, torch.tensor([0, 0, 1, 1])).backward()
    assert embeddings.grad is not None and bool(torch.isfinite(embeddings.grad).all())


def test_class_centres_are_the_classes_means() -> None:
    embeddings = torch.tensor([[0.0, 0.0], [2.0, 4.0], [5.0, 5.0]])
    assert class_centres(embeddings, torch.tensor([0, 0, 1])).tolist() == [[1.0, 2.0], [5.0, 5.0]]
    with pytest.raises(ValueError, match="both classes"):
        class_centres(embeddings, torch.tensor([1, 1, 1]))


def test_closeness_loss_by_hand() -> None:
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    probabilities = torch.tensor([[0.7, 0.3], [0.2, 0.8]])
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # 1 from the first centre, 3 from the second
    near = math.exp(1.0) / (math.exp(1.0) + math.exp(3.0))
    expected = (0.7 * 0.3 * near + 0.2 * 0.8 * (1 - near)) / 2
    assert closeness_loss(probabilities, embeddings, centres).item() == pytest.approx(expected, abs=1e-6)


def test_closeness_loss_of_certain_instances_is_zero() -> None:
    loss = closeness_loss(
        torch.tensor([[1.0, 0.0]]), torch.tensor([[9.0, 9.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    )
    assert loss.item() == 0.0
