"""Trains the heat-map network and writes weights, graph, description and log; stopped, it goes on where it was.

    frames -> shaken crops -> HeatmapNetwork -> heat maps against Gaussians (cross entropy over the crop) -> ONNX

Crops follow from seed and step alone, so a training that was stopped and goes on ends in the same weights as one that
ran through (on the same machine and build of torch).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fidgety.errors import DeviceError, UsageError
from fidgety.export.heatmap_network import export_heatmap_network
from fidgety.records import UInt8Array
from fidgety.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from fidgety.training.log import LogRow, write_curve, write_json
from fidgety.training.pose.annotations import AnnotatedFrame
from fidgety.training.pose.crops import draw_sample
from fidgety.training.pose.measure import KeypointErrors, measure_network
from fidgety.training.pose.network import HeatmapNetwork

__all__ = ["PoseFit", "PoseResult", "train_pose_network"]

_WEIGHTS = "pose_weights.pt"


@dataclass(frozen=True, slots=True)
class PoseFit:
    """How long and how."""

    steps: int = 3000
    batch: int = 12
    rate: float = 2e-3
    save_every: int = 100
    threads: int = 1


@dataclass(frozen=True, slots=True)
class PoseResult:
    """Keypoint errors on frames of recordings that were not trained on. `before`: of the weights it started from."""

    before: KeypointErrors | None
    after: KeypointErrors


def train_pose_network(
    out_dir: Path,
    frames: Sequence[AnnotatedFrame],
    held_out: Sequence[AnnotatedFrame],
    seed: int,
    fit: PoseFit,
    command: str,
    start: Path | None = None,
    trained_on: str = "phantom",
) -> PoseResult:
    """Write pose_weights.pt, pose.onnx, pose.toml, pose_log.csv and pose_log.json into `out_dir`.

    `start`: a folder that an earlier training wrote, whose weights are gone on from. `command`: named as the graph's
    source. Raises UsageError where that folder or an unfinished training does not fit, DeviceError for the disk.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(f"{out_dir} cannot be made: {error.strerror}") from error
    torch.manual_seed(seed)
    torch.set_num_threads(fit.threads)
    network = HeatmapNetwork()
    if start is not None:
        _load_weights(network, start / _WEIGHTS)
    print(f"{sum(p.numel() for p in network.parameters())} parameters, {len(frames)} frames", file=sys.stderr)
    before = measure_network(network, held_out) if start is not None else None
    rows = _fit(network, out_dir, frames, seed, fit)
    network.eval()
    after = measure_network(network, held_out)
    torch.save(network.state_dict(), out_dir / _WEIGHTS)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    export_heatmap_network(weights, out_dir, source=command, trained_on=trained_on)
    write_curve(out_dir / "pose_log.csv", rows)
    account = {
        "command": command,
        "seed": seed,
        "fit": asdict(fit),
        "built_with": {name: version(name) for name in ("torch", "numpy", "onnx")},
        "before": None if before is None else asdict(before),
        "after": asdict(after),
    }
    write_json(out_dir / "pose_log.json", account)
    (out_dir / "pose.checkpoint").unlink(missing_ok=True)
    return PoseResult(before, after)


def _load_weights(network: HeatmapNetwork, path: Path) -> None:
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise UsageError(f"{path.parent} holds no {path.name}: name a folder that `train-pose` wrote") from None
    except Exception as error:  # torch documents no exceptions
        raise UsageError(f"{path} holds no weights of this network ({error}): train it anew") from error


def _fit(
    network: HeatmapNetwork, out_dir: Path, frames: Sequence[AnnotatedFrame], seed: int, fit: PoseFit
) -> list[LogRow]:
    pictures = [frame.picture() for frame in frames]
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=fit.rate, weight_decay=1e-3)
    rows: list[LogRow] = []
    path = out_dir / "pose.checkpoint"
    identity = _identity(frames, seed, fit, network)
    if (saved := load_checkpoint(path)) is not None:
        if not saved.rows or saved.rows[0].get("run") != identity:
            raise UsageError(
                f"{path} is of a training with other frames or settings: take another folder, or delete it"
            )
        network.load_state_dict(saved.weights)
        optimiser.load_state_dict(saved.optimiser)
        rows = saved.rows
    for step in range(len(rows) + 1, fit.steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = fit.rate * _share_of_rate(step, fit.steps)
        crops, heatmaps, weights = _batch(frames, pictures, seed, step, fit.batch)
        loss = _loss(network(crops), heatmaps, weights)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        rows.append({"step": step, "loss": round(float(loss.detach()), 5), **({"run": identity} if step == 1 else {})})
        if step % fit.save_every == 0 or step == fit.steps:
            mean = float(np.mean([row["loss"] for row in rows[-fit.save_every :]]))
            print(f"step {step} of {fit.steps}, loss {mean:.4f}", file=sys.stderr, flush=True)
            save_checkpoint(path, Checkpoint(step, network.state_dict(), optimiser.state_dict(), None, 0.0, 0, rows))
    return rows


def _identity(frames: Sequence[AnnotatedFrame], seed: int, fit: PoseFit, network: HeatmapNetwork) -> str:
    """A short word for everything that a training's steps follow from."""
    digest = hashlib.sha256(repr((seed, fit.steps, fit.batch, fit.rate)).encode())
    for frame in frames:
        digest.update(str(frame.path.name).encode() + frame.keypoints_xy.tobytes())
    for values in network.state_dict().values():
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()[:16]


def _share_of_rate(step: int, steps: int) -> float:
    """Up over the first 5 %, then down along half a cosine."""
    up = max(1, steps // 20)
    return step / up if step <= up else 0.5 * (1 + float(np.cos(np.pi * (step - up) / max(1, steps - up)))) + 1e-3


def _batch(
    frames: Sequence[AnnotatedFrame], pictures: Sequence[UInt8Array], seed: int, step: int, n: int
) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng([seed, step, 0xF17])
    chosen = rng.integers(len(frames), size=n).tolist()
    samples = [draw_sample(rng, pictures[i], frames[i].keypoints_xy) for i in chosen]
    crops, heatmaps, weights = (
        torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))
        for name in ("crop", "heatmaps", "weights")
    )
    return crops, heatmaps, weights


def _loss(logits: Tensor, heatmaps: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy over the crop beyond the heat map's own entropy, mean of the joints by weight."""
    target = heatmaps.flatten(2)
    apart = (target * (target.clamp_min(1e-12).log() - logits.flatten(2).log_softmax(dim=2))).sum(dim=2)
    return (apart * weights).sum() / weights.sum().clamp_min(1.0)
