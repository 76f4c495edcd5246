"""MAM on a cohort: Ref Branch pre-training on rated clips, then all branches together, then calibration (SPEC 3).

    clips --ref_losses--> clip network --main_losses on clips and bag pairs--> MAM --held-out infants--> Calibration

The best epoch of either phase is the one with the least loss on held-out training infants: cross-entropy of their
clips, to which the main training adds their bags' NLL; both classes weigh alike. Every instance of a bag counts there,
in training as many are drawn as the batch rule says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fidgety.errors import UsageError
from fidgety.training.bags import ALL_CLIPS, BOTH_CLASSES, CLEAR_CLIPS, ClipPool, draw_bag_pair
from fidgety.training.branches import BranchRule, main_losses, ref_losses
from fidgety.training.calibrate import RatedLogits, calibrate_model, prior_shift
from fidgety.training.held_out import HeldBags, HeldClips
from fidgety.training.loop import PhaseResult, Training, fill_dropout_pools, run_phase
from fidgety.training.models import MamModel, window_logits
from fidgety.training.networks.mam import Mam
from fidgety.training.protocol import MamPlan
from fidgety.training.task import Fitted, Task
from fidgety.training.tracked import TrackedRecording

__all__ = ["fit_mam", "make_mam"]

_BAGS = 2
_MOST_RATED = 4096  # held-out clips that calibration looks at, about


def fit_mam(task: Task) -> Fitted:
    """Train and calibrate MAM. Raises UsageError where the Ref Branch has no clips of a class, or the Info Branch no
    characteristics.
    """
    plan, mam = task.protocol.mam, make_mam(task)
    ref = _train_ref(mam, task, plan) if task.options.learns_from_clips else None
    main = _train_main(mam, task, plan)
    rated = _rate(mam, task.held_clips) if ref is not None else []
    if rated and plan.has_prior:
        rated = _with_prior(mam, rated)
    model = MamModel(mam, "info" not in task.options.without)
    phases: dict[str, PhaseResult] = {"main": main} if ref is None else {"ref": ref, "main": main}
    return Fitted.of(model, calibrate_model(model, task.held, rated, task.protocol.miss_weight), phases)


def make_mam(task: Task) -> Mam:
    """The untrained network: the same for all folds that share a Ref Branch."""
    torch.manual_seed(task.ref_run.seed)
    mam = Mam(task.options.inputs, task.options.pose, task.protocol.mam.dropout).to(task.run.team.device)
    fill_dropout_pools(mam, task.ref_run.seed, task.run.team.device)
    return mam


def _rule(task: Task) -> BranchRule:
    plan, without = task.protocol.mam, task.options.without
    return BranchRule(plan.frame_stride, plan.label_ramp, "info" not in without, "closeness" not in without)


def _train_ref(mam: Mam, task: Task, plan: MamPlan) -> PhaseResult:
    _require_clips(task)
    sources = _mirrored(task.clips, plan)
    pool = ClipPool(sources, ALL_CLIPS if plan.has_strata else BOTH_CLASSES)
    clear = ClipPool(sources, CLEAR_CLIPS) if plan.clear_steps else pool
    rule, held = _rule(task), HeldClips.of(task.held_clips)

    def losses(rng: np.random.Generator, step: int) -> dict[str, Tensor]:
        drawn = (clear if step < plan.clear_steps else pool).draw(rng, plan.ref.batch)
        return ref_losses(mam.clip, drawn, rule)

    n_batches = -(-sum(len(one.clip_starts) for one in task.clips) // plan.ref.batch)
    job = Training("ref", mam.clip, plan.ref, n_batches, losses, lambda: held.loss(mam, plan.frame_stride))
    return run_phase(job, task.ref_run)


def _train_main(mam: Mam, task: Task, plan: MamPlan) -> PhaseResult:
    has_ref, rule, bags = task.options.learns_from_clips, _rule(task), _mirrored(task.learn, plan)
    pool = ClipPool(_mirrored(task.clips, plan), ALL_CLIPS if plan.has_strata else BOTH_CLASSES) if has_ref else None
    if rule.has_info:
        mam.info.set_scaling(_known(task).to(mam.info.mean.device))
    held_clips, held_bags = HeldClips.of(task.held_clips if has_ref else ()), HeldBags.of(task.held)

    def losses(rng: np.random.Generator, _: int) -> dict[str, Tensor]:
        clips = None if pool is None else pool.draw(rng, plan.main.batch // 2)
        return main_losses(mam, clips, draw_bag_pair(rng, bags, plan.main.batch // (2 * _BAGS)), rule)

    def held_out_loss() -> float:
        return held_bags.loss(mam, rule) + held_clips.loss(mam, plan.frame_stride)

    n_risk = sum(one.is_risk for one in task.learn)
    slow: list[nn.Parameter] = list(mam.clip.parameters())
    groups = [(slow, 1.0), ([*mam.bag.parameters(), *mam.info.parameters()], plan.bag_rate)]
    n_batches = max(n_risk, len(task.learn) - n_risk)
    return run_phase(Training("main", mam, plan.main, n_batches, losses, held_out_loss, groups), task.run)


def _known(task: Task) -> Tensor:
    """(R, 4) complete characteristics of the infants to learn from."""
    known = [one.characteristics for one in task.learn if one.characteristics is not None]
    if len(known) < 2:
        raise UsageError(
            f"the Info Branch learns from complete characteristics (sex, gestation, birth weight, dates): {len(known)} "
            "recordings have them; complete infants.csv, or leave the branch out (--without info)"
        )
    return torch.from_numpy(np.stack(known))


def _require_clips(task: Task) -> None:
    for side, recordings in (("to learn from", task.clips), ("held out", task.held_clips)):
        shares = np.concatenate([np.empty(0, np.float32), *(one.clip_shares for one in recordings)])
        if not (shares > 0.5).any() or (shares > 0.5).all():
            n_fms = int((shares > 0.5).sum())
            raise UsageError(
                f"the Ref Branch needs rated clips with and without FMs {side}: {n_fms} of {len(shares)} hold FMs; "
                "name a cohort of rated clips (--clips), or leave the branch out (--without ref)"
            )


def _mirrored(recordings: Sequence[TrackedRecording], plan: MamPlan) -> tuple[TrackedRecording, ...]:
    return tuple(one.mirroring() for one in recordings) if plan.has_mirror else tuple(recordings)


def _rate(mam: Mam, held_clips: Sequence[TrackedRecording]) -> list[RatedLogits]:
    """Every n-th rated clip of every recording: of neighbours, 0.8 s apart, each tells little that is new."""
    every = max(1, sum(len(one.clip_starts) for one in held_clips) // _MOST_RATED)
    return [
        (window_logits(mam.clip, one.windows(one.clip_starts[::every])), one.clip_shares[::every]) for one in held_clips
    ]


@torch.no_grad()
def _with_prior(mam: Mam, rated: Sequence[RatedLogits]) -> list[RatedLogits]:
    """Move the last bias in place; gives the moved logits."""
    shift = prior_shift(rated)
    mam.clip.head.bias.add_(torch.from_numpy(shift).to(mam.clip.head.bias.device))
    return [(logits + shift, shares) for logits, shares in rated]
