"""Trains MAM: Ref Branch pre-training on clips, then the three branches together, then calibration on other infants.

    infants --samples--> subjects --views--> lifted tracks --bags--> clips, bags
        --pretrain--> clip network --train_main--> MAM --calibrate--> thresholds --> files

Deviations of the `demo` protocol from the paper (SPEC 3), all for two CPU cores and half an hour:

- Counted in steps of windows drawn at random, not in epochs; batches of 32 in pre-training.
- Every 6th frame goes through the encoder while training, every frame in use.
- Adam in the main training as well, in place of 300 epochs of SGD; rates fall along a cosine, not in steps.
- Clips are balanced by FMs share within their class, and doubtful ones carry soft labels.
- bfloat16 behind the first layer.
- The first steps see clear clips of calm infants only.
- The last bias is moved to the prior of whole recordings (`calibrate.correct_prior`).

Prior, temperature, Platt's line and thresholds come from infants of a calibration cohort, the log's figures from a
third one that had no say in anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fidgety.errors import DeviceError
from fidgety.export.mam import export_mam
from fidgety.phantom.pose_noise import PoseNoise, default_pose_noise
from fidgety.training.bags import CLEAR_CLIPS, ClipPool, draw_bag_pair
from fidgety.training.branches import BranchRule, main_losses, ref_losses
from fidgety.training.calibrate import Calibration, calibrate, correct_prior, risk_figures
from fidgety.training.evaluate import Recording, clip_figures, observe_recordings, score_recordings
from fidgety.training.lifter_files import take_lifter
from fidgety.training.log import LogRow, write_log
from fidgety.training.loop import descend
from fidgety.training.networks.mam import Mam
from fidgety.training.samples import simulate_subjects
from fidgety.training.schedules import cosine_factor
from fidgety.training.views import LifterGraph, Seen, see

__all__ = ["DEMO", "QUICK", "Protocol", "pretrain", "train", "train_demo", "train_main"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is trained on, how long, and how. A step is one batch of windows drawn at random."""

    name: str
    n_infants: int = 600
    n_calibration: int = 240  # infants that thresholds and probabilities are fitted on, and nothing else
    n_held_out: int = 60  # infants that the log's figures are of, and nothing else
    recording_s: float = 120.0
    heavy_share: float = 0.4  # of restless infants, who cry, kick and tremble at once
    control_share: float = 0.1  # controls that move without FMs, per infant
    n_views: int = 4  # observers of each infant that is trained on
    pretrain_batch: int = 32
    clear_steps: int = 300  # of these, the first, on clear clips of calm infants: on all of them it may never start
    pretrain_steps: int = 8000
    pretrain_rate: float = 1e-3
    weight_decay: float = 1e-3
    main_batch: int = 64  # half labelled clips, a quarter from each bag
    main_steps: int = 120
    main_rate: float = 2e-4
    bag_rate: float = 1e-2  # bag attention and Info Branch have few weights and few bags to learn from
    frame_stride: int = 6
    label_ramp: float = 0.3  # doubtful clips, FMs share .35 to .65, carry soft labels
    validate_every: int = 1000
    threads: int = 1  # two are twice as quick where nothing else runs, ten times slower beside any busy process


DEMO = Protocol("demo")
QUICK = Protocol(
    "quick",
    n_infants=16,
    n_calibration=8,
    n_held_out=8,
    recording_s=40.0,
    n_views=1,
    pretrain_batch=4,
    clear_steps=1,
    pretrain_steps=2,
    main_batch=8,
    main_steps=1,
    frame_stride=6,
    threads=1,
)


def _steps(
    optimiser: torch.optim.Optimizer, n_steps: int, phase: str, log: list[LogRow], report: Callable[[LogRow], None]
) -> Iterator[tuple[int, Callable[[dict[str, Tensor]], None]]]:
    """Yields (step, learn); `learn` takes the named losses and moves the weights once."""
    start = time.monotonic()
    rates = [group["lr"] for group in optimiser.param_groups]
    for step in range(n_steps):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * cosine_factor((step + 1) / n_steps)

        def learn(losses: dict[str, Tensor], step: int = step) -> None:
            descend(optimiser, losses)
            row: LogRow = {"phase": phase, "step": step + 1, "seconds": round(time.monotonic() - start, 1)}
            row |= {name: round(float(value.detach()), 5) for name, value in losses.items()}
            log.append(row)
            report(row)

        yield step, learn


def _is_due(step: int, n_steps: int, every: int) -> bool:
    return (step + 1) % every == 0 or step + 1 == n_steps


def _validate(mam: Mam, held_out: Sequence[Recording], row: LogRow) -> None:
    """Adds the held-out figures at the natural threshold to a row of the log."""
    figures = clip_figures(score_recordings(mam.clip, held_out), temperature=1.0, threshold=0.5)
    row |= {name: round(value, 4) for name, value in figures.items()}


def pretrain(
    mam: Mam,
    recordings: Sequence[Seen],
    held_out: Sequence[Recording],
    protocol: Protocol,
    rng: np.random.Generator,
    report: Callable[[LogRow], None],
) -> list[LogRow]:
    """Ref Branch pre-training of the clip network: class-balanced clips, cross-entropy and triplet. Returns the log."""
    log: list[LogRow] = []
    clear, pool = ClipPool([r for r in recordings if r.subject.is_calm], CLEAR_CLIPS), ClipPool(recordings)
    optimiser = torch.optim.Adam(mam.clip.parameters(), lr=protocol.pretrain_rate, weight_decay=protocol.weight_decay)
    mam.train()
    rule = BranchRule(protocol.frame_stride, protocol.label_ramp)
    for step, learn in _steps(optimiser, protocol.pretrain_steps, "pretrain", log, report):
        clips = (clear if step < protocol.clear_steps else pool).draw(rng, protocol.pretrain_batch)
        learn(ref_losses(mam.clip, clips, rule))
        if _is_due(step, protocol.pretrain_steps, protocol.validate_every):
            _validate(mam, held_out, log[-1])
            report(log[-1])
    return log


def train_main(
    mam: Mam,
    recordings: Sequence[Seen],
    held_out: Sequence[Recording],
    protocol: Protocol,
    rng: np.random.Generator,
    report: Callable[[LogRow], None],
) -> list[LogRow]:
    """Main training with all four losses; each batch half labelled clips, half instances of one normal and one risk
    bag.
    """
    log: list[LogRow] = []
    pool = ClipPool(recordings)
    mam.info.set_scaling(torch.from_numpy(np.stack([recording.subject.characteristics for recording in recordings])))
    optimiser = torch.optim.Adam(
        [
            {"params": list(mam.clip.parameters()), "lr": protocol.main_rate},
            {"params": [*mam.bag.parameters(), *mam.info.parameters()], "lr": protocol.bag_rate},
        ],
        weight_decay=protocol.weight_decay,
    )
    rule = BranchRule(protocol.frame_stride, protocol.label_ramp)
    mam.train()
    for step, learn in _steps(optimiser, protocol.main_steps, "main", log, report):
        clips = pool.draw(rng, protocol.main_batch // 2)
        learn(main_losses(mam, clips, draw_bag_pair(rng, recordings, protocol.main_batch // 4), rule))
        if _is_due(step, protocol.main_steps, protocol.validate_every):
            _validate(mam, held_out, log[-1])
            report(log[-1])
    return log


def train(
    protocol: Protocol, seed: int, noise: PoseNoise, lifter: LifterGraph, report: Callable[[LogRow], None]
) -> tuple[Mam, Calibration, dict[str, float], list[LogRow]]:
    """All of it: simulate, pre-train, train, calibrate. Gives the network, its calibration, held-out figures, and
    the log.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(protocol.threads)
    rng = np.random.default_rng([seed, 0])
    subjects, for_calibration, held_out = (
        simulate_subjects(
            n_infants,
            protocol.recording_s,
            3 * seed + part,
            heavy_share=protocol.heavy_share,
            control_share=protocol.control_share,
        )
        for part, n_infants in enumerate((protocol.n_infants, protocol.n_calibration, protocol.n_held_out))
    )
    recordings = see(subjects, noise, lifter, protocol.n_views, 3 * seed)
    seen = observe_recordings(held_out, noise, lifter, 3 * seed + 2)
    mam = Mam()
    log = pretrain(mam, recordings, seen, protocol, rng, report)
    log += train_main(mam, recordings, seen, protocol, rng, report)
    for_calibration_seen = observe_recordings(for_calibration, noise, lifter, 3 * seed + 1)
    calibration = calibrate(mam, correct_prior(mam, score_recordings(mam.clip, for_calibration_seen)))
    scored = score_recordings(mam.clip, seen)
    figures = clip_figures(scored, calibration.clip_temperature, calibration.fms_threshold)
    return mam, calibration, figures | risk_figures(mam, scored, calibration), log


def train_demo(out_dir: Path, seed: int = 1, protocol: Protocol = DEMO, lifter_dir: Path | None = None) -> None:
    """Train MAM on the phantom and write weights, graphs, log and `mam.json` into `out_dir` (what the demo bundle
    is made of), with the lifter behind which it was trained beside them.

    `lifter_dir`: a folder that `train-lifter` wrote (default: the demo's). Progress goes to stderr. Raises DeviceError
    where the folder cannot be written and BundleError where there is no lifter, before anything is trained.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(f"{out_dir} cannot be made: {error.strerror}") from error
    start = time.monotonic()
    lifter = take_lifter(lifter_dir, out_dir)
    mam, calibration, figures, log = train(protocol, seed, default_pose_noise(), lifter.graph, _print_progress)
    weights = {name: value.numpy() for name, value in mam.state_dict().items()}
    np.savez(out_dir / "mam.npz", **weights)
    export_mam(out_dir / "mam.npz", out_dir)
    write_log(out_dir, protocol, seed, time.monotonic() - start, calibration, figures, log, lifter.about)


def _print_progress(row: LogRow) -> None:
    if "clip_auc" in row or int(row["step"]) % 50 == 0:
        print(" ".join(f"{name} {value}" for name, value in row.items()), file=sys.stderr, flush=True)
