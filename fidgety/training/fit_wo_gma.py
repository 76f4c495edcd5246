"""WO-GMA on a cohort (SPEC 5): blocks of 20 frames of whole recordings, and nothing but the recording's class.

Training draws a stretch of each recording, evaluation reads all of it; the LSTM starts anew with every stretch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fidgety.training.calibrate import calibrate_model
from fidgety.training.held_out import balanced_mean
from fidgety.training.loop import Training, run_phase
from fidgety.training.models import NetworkModel
from fidgety.training.networks.wo_gma import BLOCK_FRAMES, WoGma, wo_gma_losses
from fidgety.training.pieces import CutRecording, cut_recordings, draw_batch, in_batches
from fidgety.training.systems import WoGmaSystem
from fidgety.training.task import Fitted, Task
from fidgety.training.team import autocast

__all__ = ["fit_wo_gma"]


def fit_wo_gma(task: Task) -> Fitted:
    """Train and calibrate WO-GMA."""
    plan, device = task.protocol.wo_gma, task.run.team.device
    torch.manual_seed(task.run.seed)
    network = WoGma(plan.width, task.options.pose).to(device)
    learn, held = (cut_recordings(part, BLOCK_FRAMES, BLOCK_FRAMES) for part in (task.learn, task.held))

    def losses(rng: np.random.Generator, _: int) -> dict[str, Tensor]:
        batch = draw_batch(rng, learn, plan.fit.batch, plan.n_blocks, device, in_a_row=True)
        with autocast(device):
            output = network(batch.pieces, batch.mask)
        return wo_gma_losses(output, batch.targets)

    n_batches = -(-len(learn) // plan.fit.batch)
    job = Training("fit", network, plan.fit, n_batches, losses, lambda: _held_out_loss(network, held, device))
    phase = run_phase(job, task.run)
    model = NetworkModel(WoGmaSystem(network.cpu()))
    return Fitted.of(model, calibrate_model(model, task.held, (), task.protocol.miss_weight), {"fit": phase})


@torch.inference_mode()
def _held_out_loss(network: WoGma, held: tuple[CutRecording, ...], device: torch.device) -> float:
    """The offline branch's, which gives the risk: both classes weighing alike. The online one learns from it."""
    costs = [
        float(wo_gma_losses(network(batch.pieces, batch.mask), batch.targets)["offline"])
        for batch in in_batches(held, 1, device)
    ]
    return balanced_mean(np.array(costs), np.array([int(one.is_risk) for one in held]))
