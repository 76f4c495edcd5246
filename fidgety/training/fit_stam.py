"""STAM on a cohort (SPEC 5): clips of 30 frames of whole recordings, and nothing but the recording's class.

Training draws some clips of each recording, evaluation reads all of them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from fidgety.training.calibrate import calibrate_model
from fidgety.training.held_out import balanced_mean
from fidgety.training.loop import Training, fill_dropout_pools, run_phase
from fidgety.training.models import NetworkModel
from fidgety.training.networks.stam import CLIP_FRAMES, CLIP_STRIDE, Stam
from fidgety.training.pieces import CutRecording, cut_recordings, draw_batch, in_batches
from fidgety.training.systems import StamSystem
from fidgety.training.task import Fitted, Task
from fidgety.training.team import autocast

__all__ = ["fit_stam"]

_TOGETHER = 4  # recordings that are evaluated at once


def fit_stam(task: Task) -> Fitted:
    """Train and calibrate STAM."""
    plan, device = task.protocol.stam, task.run.team.device
    torch.manual_seed(task.run.seed)
    network = Stam(plan.width).to(device)
    fill_dropout_pools(network, task.run.seed, device)
    learn, held = (cut_recordings(part, CLIP_FRAMES, CLIP_STRIDE) for part in (task.learn, task.held))

    def losses(rng: np.random.Generator, _: int) -> dict[str, Tensor]:
        batch = draw_batch(rng, learn, plan.fit.batch, plan.n_clips, device, in_a_row=False)
        with autocast(device):
            logits, _attention = network(batch.pieces, batch.mask)
        return {"recording": F.cross_entropy(logits.float(), batch.targets)}

    n_batches = -(-len(learn) // plan.fit.batch)
    job = Training("fit", network, plan.fit, n_batches, losses, lambda: _held_out_loss(network, held, device))
    phase = run_phase(job, task.run)
    model = NetworkModel(StamSystem(network.cpu()))
    return Fitted.of(model, calibrate_model(model, task.held, (), task.protocol.miss_weight), {"fit": phase})


@torch.inference_mode()
def _held_out_loss(network: Stam, held: tuple[CutRecording, ...], device: torch.device) -> float:
    """Cross-entropy of whole recordings, both classes weighing alike."""
    costs = [
        F.cross_entropy(network(batch.pieces, batch.mask)[0], batch.targets, reduction="none").cpu().numpy()
        for batch in in_batches(held, _TOGETHER, device)
    ]
    labels = np.array([int(one.is_risk) for one in held])
    return balanced_mean(np.concatenate(costs).astype(np.float64), labels)
