"""MAM's losses on one batch, with parts left out and characteristics missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fidgety.records import FloatArray
from fidgety.training.bags import BagPair, Clips
from fidgety.training.branches import BranchRule, info_of, main_losses, ref_losses
from fidgety.training.networks.mam import Mam

RULE = BranchRule(frame_stride=37, label_ramp=0.0)
KNOWN = np.array([[1, 38, 3000, 14], [0, 30, 1500, 12]], np.float32)


@pytest.fixture
def mam() -> Mam:
    torch.manual_seed(0)
    made = Mam()
    made.info.set_scaling(torch.from_numpy(KNOWN))
    return made.eval()


@pytest.fixture(scope="module")
def clips(moving: Callable[..., FloatArray]) -> Clips:
    windows = np.stack([moving(240, 0.5 + i, seed=i) for i in range(4)])
    return Clips(windows, np.array([0.9, 0.1, 0.6, 0.2], np.float32), np.array([0, 1, 0, 1]))


@pytest.fixture(scope="module")
def bags(moving: Callable[..., FloatArray]) -> BagPair:
    windows = np.stack([[moving(240, seed=10 + 3 * bag + i) for i in range(3)] for bag in range(2)])
    return BagPair(windows, KNOWN)


def test_main_losses_are_those_of_its_parts(mam: Mam, clips: Clips, bags: BagPair) -> None:
    both = main_losses(mam, clips, bags, RULE)
    assert list(both) == ["bag", "clip", "triplet", "closeness"]
    alone = ref_losses(mam.clip, clips, RULE)
    for name, loss in alone.items():
        assert both[name].item() == pytest.approx(loss.item(), abs=0.02)  # bfloat16, in batches of other sizes


def test_main_losses_with_parts_left_out(mam: Mam, clips: Clips, bags: BagPair) -> None:
    whole = main_losses(mam, clips, bags, RULE)
    assert "closeness" not in main_losses(mam, clips, bags, replace(RULE, has_closeness=False))
    without_info = main_losses(mam, clips, bags, replace(RULE, has_info=False))
    assert without_info["bag"].item() != pytest.approx(whole["bag"].item(), abs=1e-6)
    main_losses(mam, clips, bags, replace(RULE, has_info=False))["bag"].backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in mam.info.parameters())
    without_ref = main_losses(mam, None, bags, RULE)
    assert set(without_ref) <= {"bag", "closeness"}
    assert without_ref["bag"].item() == pytest.approx(whole["bag"].item(), abs=0.02)


def test_main_losses_without_clips_takes_centres_of_the_instances(mam: Mam, bags: BagPair) -> None:
    with torch.no_grad():  # so that some instances are taken for FMs and some are not
        logits = mam.clip(torch.from_numpy(bags.windows.reshape(-1, 240, 17, 3)), 37)[0]
        margins = logits[:, 0] - logits[:, 1]
        mam.clip.head.bias[1] += margins.median()
    assert main_losses(mam, None, bags, RULE)["closeness"].item() > 0.0
    with torch.no_grad():
        mam.clip.head.bias[1] += 50.0
    assert "closeness" not in main_losses(mam, None, bags, RULE)


def test_info_of_leaves_out_who_is_not_complete(mam: Mam) -> None:
    rows = KNOWN.copy()
    rows[1, 2] = np.nan
    info, whole = info_of(mam.info, rows), info_of(mam.info, KNOWN)
    assert info is not None and whole is not None
    assert torch.allclose(info[0], whole[0]) and info[1].tolist() == [0.5, 0.5]
    assert info_of(mam.info, np.full((2, 4), np.nan, np.float32)) is None
    info.sum().backward()  # type: ignore[no-untyped-call]
    assert all(bool(torch.isfinite(p.grad).all()) for p in mam.info.parameters() if p.grad is not None)
