"""Trains the lifter on simulated infants and writes weights, graph and log.

    infants --pairs--> windows     --Lifter--------> joints: place + velocity + bones --+
            --stills-> single poses --Lifter.still-> joints: place + bones; lengths ----+
                                                                                        +--> weights --export--> graph
            both, when all else is trained ---------> length of the seen trunk ---------+

Both are drawn afresh for every step. Figures of the log are of infants held out of training.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from fidgety.errors import DeviceError
from fidgety.export.lifter import export_lifter
from fidgety.phantom.pose_noise import PoseNoise, default_pose_noise
from fidgety.training.lifting.losses import bone_loss, place_loss, seen_trunk_loss, told_length_loss, velocity_loss
from fidgety.training.lifting.measure import aligned_error, depth_sign_share, side_share
from fidgety.training.lifting.pairs import Pairs, Posed, draw_pairs, simulate_posed
from fidgety.training.lifting.stills import Stills
from fidgety.training.log import LogRow, write_curve, write_json
from fidgety.training.networks.lifter import CHANNELS, DILATIONS, Lifter

__all__ = ["LIFTER_DEMO", "LIFTER_QUICK", "LifterProtocol", "train_lifter"]

_VELOCITY_WEIGHT, _BONE_WEIGHT = 2.0, 0.5
_STILL_BONE_WEIGHT, _TOLD_LENGTH_WEIGHT = 1.5, 0.3


@dataclass(frozen=True, slots=True)
class LifterProtocol:
    """What is trained on, how long, and how. A step is one batch of freshly drawn windows."""

    name: str
    n_infants: int = 160
    n_held_out: int = 24
    recording_s: float = 60.0
    channels: int = CHANNELS
    dilations: tuple[int, ...] = DILATIONS
    batch: int = 8
    n_postures: int = 40_000  # to draw single poses from
    cameras: int = 48  # per step, of 8 single poses each
    rows: int = 96  # lifted rows of a window
    steps: int = 3000
    rate: float = 2e-3
    scale_steps: int = 300  # `Lifter.scale_parameters`, when all else is trained
    scale_rate: float = 5e-3
    sharpness: float = 2.0  # `Lifter.sharpen`, when all is trained
    validate_every: int = 500
    threads: int = 1


LIFTER_DEMO = LifterProtocol("demo")
LIFTER_QUICK = LifterProtocol(
    "quick",
    n_infants=4,
    n_held_out=2,
    recording_s=16.0,
    channels=16,
    batch=2,
    n_postures=50,
    cameras=2,
    rows=8,
    steps=3,
    scale_steps=2,
    threads=1,
)


def train_lifter(out_dir: Path, seed: int = 1, protocol: LifterProtocol = LIFTER_DEMO) -> None:
    """Write lifter.npz, lifter.onnx, lifter_log.csv and lifter_log.json into `out_dir`; progress to stderr.

    Raises DeviceError where the folder cannot be written, before anything is trained.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(f"{out_dir} cannot be made: {error.strerror}") from error
    start = time.monotonic()
    torch.manual_seed(seed)
    torch.set_num_threads(protocol.threads)
    noise = default_pose_noise()
    infants = simulate_posed(protocol.n_infants, protocol.recording_s, 2 * seed + 100)
    held_out = simulate_posed(protocol.n_held_out, protocol.recording_s, 2 * seed + 101)
    lifter = Lifter(protocol.channels, protocol.dilations)
    rng = np.random.default_rng([seed, 1])
    check = draw_pairs(rng, held_out, 4 * protocol.n_held_out, protocol.rows, noise, lifter.reach)
    stills = Stills(np.random.default_rng([seed, 2]), infants, protocol.n_postures)
    rows = _fit(lifter, protocol, seed, infants, stills, check, noise)
    rows += _fit_scale(lifter, protocol, seed, infants, stills, noise)
    lifter.sharpen(protocol.sharpness)
    weights = {name: value.numpy() for name, value in lifter.state_dict().items()}
    weights["dilations"] = np.array(protocol.dilations)
    np.savez(out_dir / "lifter.npz", **weights)
    export_lifter(out_dir / "lifter.npz", out_dir / "lifter.onnx")
    _write_log(out_dir, protocol, seed, time.monotonic() - start, rows, _figures(lifter, check))


def _fit(
    lifter: Lifter,
    protocol: LifterProtocol,
    seed: int,
    infants: Sequence[Posed],
    stills: Stills,
    check: Pairs,
    noise: PoseNoise,
) -> list[LogRow]:
    rng = np.random.default_rng([seed, 0])
    lifter.train()
    optimiser = torch.optim.AdamW(lifter.parameters(), lr=protocol.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, protocol.rate, protocol.steps, pct_start=0.05)
    rows: list[LogRow] = []
    for step in range(1, protocol.steps + 1):
        pairs = draw_pairs(rng, infants, protocol.batch, protocol.rows, noise, lifter.reach)
        lifted, true = lifter(*_seen(pairs)), torch.from_numpy(pairs.joints)
        poses = stills.draw(rng, protocol.cameras, noise)
        still, true_still = lifter.still(*_seen(poses)), torch.from_numpy(poses.joints)
        losses = {
            "place": place_loss(lifted.joints, true),
            "velocity": _VELOCITY_WEIGHT * velocity_loss(lifted.joints, true),
            "bones": _BONE_WEIGHT * bone_loss(lifted.joints, true),
            "still_place": place_loss(still.joints, true_still),
            "still_bones": _STILL_BONE_WEIGHT * bone_loss(still.joints, true_still),
            "still_lengths": _TOLD_LENGTH_WEIGHT * told_length_loss(still.bone_lengths, true_still),
        }
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(lifter.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        rows.append({"step": step, **{name: round(float(value.detach()), 5) for name, value in losses.items()}})
        if step % protocol.validate_every == 0 or step == protocol.steps:
            rows[-1] |= _figures(lifter, check)
            print(" ".join(f"{name} {value}" for name, value in rows[-1].items()), file=sys.stderr, flush=True)
    lifter.eval()
    return rows


def _fit_scale(
    lifter: Lifter, protocol: LifterProtocol, seed: int, infants: Sequence[Posed], stills: Stills, noise: PoseNoise
) -> list[LogRow]:
    """How long the seen trunk is, from what the network has learnt to look at; nothing else is moved."""
    rng = np.random.default_rng([seed, 3])
    lifter.requires_grad_(False)
    for part in lifter.scale_parameters():
        part.requires_grad_(True)
    optimiser = torch.optim.Adam(lifter.scale_parameters(), lr=protocol.scale_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, protocol.scale_rate, protocol.scale_steps)
    rows: list[LogRow] = []
    for step in range(protocol.steps + 1, protocol.steps + protocol.scale_steps + 1):
        pairs = draw_pairs(rng, infants, protocol.batch, protocol.rows, noise, lifter.reach)
        poses = stills.draw(rng, protocol.cameras, noise)
        losses = {
            "trunk": seen_trunk_loss(lifter(*_seen(pairs)).seen_trunk, torch.from_numpy(pairs.seen_trunk)),
            "still_trunk": seen_trunk_loss(lifter.still(*_seen(poses)).seen_trunk, torch.from_numpy(poses.seen_trunk)),
        }
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        rows.append({"step": step, **{name: round(float(value.detach()), 5) for name, value in losses.items()}})
    return rows


def _seen(pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(pairs.features), torch.from_numpy(pairs.in_plane)


@torch.inference_mode()
def _figures(lifter: Lifter, check: Pairs) -> dict[str, float]:
    """Held-out figures; `flat` is the same with the keypoints left in the plane, `unscaled` with the trunk taken as
    seen.
    """
    was_training = lifter.training
    lifter.eval()
    told = lifter(*_seen(check))
    lifted = told.joints.numpy().astype(np.float64)
    lifter.train(was_training)
    seen_trunk = torch.from_numpy(check.seen_trunk)
    true = check.joints.astype(np.float64)
    reach = lifter.reach
    flat = np.concatenate([check.in_plane[:, reach:-reach], np.zeros((*true.shape[:3], 1))], axis=-1)
    lifted, true, flat = (values[:, ::8].reshape(-1, *values.shape[2:]) for values in (lifted, true, flat))
    return {
        "aligned_error": round(float(aligned_error(lifted, true).mean()), 4),
        "aligned_error_flat": round(float(aligned_error(flat, true).mean()), 4),
        "depth_sign": round(depth_sign_share(lifted, true), 4),
        "side": round(side_share(lifted, true), 4),
        "scale_error": round(float(seen_trunk_loss(told.seen_trunk, seen_trunk)), 4),
        "scale_error_unscaled": round(float(seen_trunk_loss(torch.ones_like(seen_trunk), seen_trunk)), 4),
    }


def _write_log(
    out_dir: Path,
    protocol: LifterProtocol,
    seed: int,
    seconds: float,
    rows: Sequence[LogRow],
    figures: dict[str, float],
) -> None:
    write_curve(out_dir / "lifter_log.csv", rows)
    account = {
        "command": f"fidgety train-lifter OUT --seed {seed} --channels {protocol.channels} "
        f"--layers {len(protocol.dilations)}",
        "seed": seed,
        "protocol": asdict(protocol),
        "minutes": round(seconds / 60, 1),
        "built_with": {name: version(name) for name in ("torch", "numpy", "onnx")},
        "held_out": figures,
    }
    write_json(out_dir / "lifter_log.json", account)
